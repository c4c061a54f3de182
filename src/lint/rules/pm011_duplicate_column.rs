//! PM011: the last `select` gives two columns one name.

use std::collections::HashSet;

use super::columns::columns;
use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM011", severity: Severity::Error, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let Some(selected) = model.tree.as_ref().and_then(|tree| columns(&tree.query)) else { return Vec::new() };
    let mut seen = HashSet::new();
    let mut said = HashSet::new();
    selected
        .into_iter()
        .filter(|name| !seen.insert(name.clone()) && said.insert(name.clone()))
        .map(|name| Hit::model(format!("two columns are named `{name}`")))
        .collect()
}
