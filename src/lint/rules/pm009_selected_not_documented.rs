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
    let (own, others): (Vec<_>, Vec<_>) = names.partition(|name| model.names(&name.shown));
    let own = own.into_iter().map(|name| Hit::model(format!("column `{}` is selected but not documented", name.shown)));
    let counted = match others.len() {
        0 => None,
        1 => Some("1 column that a macro names is selected but not documented".to_owned()),
        more => Some(format!("{more} columns that a macro names are selected but not documented")),
    };
    own.chain(counted.map(Hit::model)).collect()
}
