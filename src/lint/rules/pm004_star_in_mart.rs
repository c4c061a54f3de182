//! PM004: the last `select` of a mart takes `*` from a relation, so its columns are whatever that has.

use super::columns::columns;
use super::{Hit, Model, Rule};
use crate::config::LayerRole;
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM004", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let (Some(LayerRole::Marts), Some(tree), Some(tokens)) = (model.role(), &model.tree, &model.tokens) else {
        return Vec::new();
    };
    if columns(&tree.query).is_some() {
        return Vec::new();
    }
    // The star of the last `select`: outside all brackets, after `select`, `,`, `distinct` or a qualifier.
    let star = tokens.around().find(|(before, item, _)| {
        item.depth == 0 && item.word == "*" && ["SELECT", ",", "DISTINCT", "."].contains(before)
    });
    star.map(|(_, item, _)| {
        Hit::at(model.written(item.line, item.column), "`select *` hides the column list of the result")
    })
    .into_iter()
    .collect()
}
