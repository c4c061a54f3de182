//! PM004: the last `select` of a mart takes `*` from a relation, so its columns are whatever that has.

use super::{Hit, Model, Rule};
use crate::config::LayerRole;
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM004", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let star = model.columns().star.filter(|_| model.role() == Some(LayerRole::Marts) && model.is_model());
    star.map(|(line, column)| Hit::at(model.caused(line, column), "`select *` hides the column list of the result"))
        .into_iter()
        .collect()
}
