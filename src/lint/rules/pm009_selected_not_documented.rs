//! PM009: a model whose columns are documented selects one that is not.

use super::columns::bare;
use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM009", severity: Severity::Notice, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let documented = model.node.columns();
    // A model without any documented column is a team's choice; one that lacks some is an oversight.
    if documented.is_empty() || !model.is_model() {
        return Vec::new();
    }
    let known = |key: &str| documented.values().any(|column| bare(&column.name).eq_ignore_ascii_case(key));
    let names = model.columns().names.into_iter().filter(|name| !known(&name.key));
    names.map(|name| Hit::model(format!("column `{}` is selected and not documented", name.shown))).collect()
}
