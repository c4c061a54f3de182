//! PM009: a model whose columns are documented selects one that is not.

use super::columns::columns;
use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM009", severity: Severity::Notice, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let documented = model.node.columns();
    // A model without any documented column is a team's choice; one that lacks some is an oversight.
    if documented.is_empty() || !model.is_model() {
        return Vec::new();
    }
    let Some(selected) = model.tree.as_ref().and_then(|tree| columns(&tree.query)) else { return Vec::new() };
    let known = |name: &String| documented.values().any(|column| column.name.eq_ignore_ascii_case(name));
    let names = selected.into_iter().filter(|name| !known(name));
    names.map(|name| Hit::model(format!("column `{name}` is selected and not documented"))).collect()
}
