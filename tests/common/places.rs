//! Where dbt and premerge put the same node.

use std::collections::BTreeSet;
use std::path::Path;

use premerge::artifacts::read_pair;
use premerge::changes::{CompareOptions, compare};
use premerge::plan::{PlanOptions, plan};
use premerge::project::{Graph, IndirectSelection};

/// unique_id, identifier in the temporary schema, and dbt's (schema, identifier), of everything planned as with dbt.
pub(crate) fn places(state: &Path, manifest: &Path, schema: &str) -> Vec<(String, String, (String, String))> {
    let files = read_pair(state, manifest).unwrap();
    let (state, pr) = files.parse().unwrap();
    let graph = Graph::new(&pr);
    let changes = compare(&state, &pr, &CompareOptions::default());
    let options = PlanOptions {
        schema: schema.to_owned(),
        select: None,
        exclude: BTreeSet::new(),
        indirect: IndirectSelection::Eager,
        at_turn: None,
    };
    let plan = plan(&state, &pr, &graph, &changes, &options).unwrap();
    let place = |id: &str| {
        let node = pr.nodes.get(id).unwrap();
        (node.schema.as_deref().unwrap().to_owned(), node.alias.as_deref().unwrap().to_owned())
    };
    plan.nodes.iter().map(|n| (n.unique_id.to_string(), n.identifier.clone(), place(&n.unique_id))).collect()
}
