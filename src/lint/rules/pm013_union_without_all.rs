//! PM013: `union` without `all` or `distinct` sorts out duplicates, which is rarely meant and never free.

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM013", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let Some(tokens) = &model.tokens else { return Vec::new() };
    tokens
        .around()
        .filter(|(before, item, after)| item.word == "UNION" && *before != "." && !["ALL", "DISTINCT"].contains(after))
        .map(|(_, item, _)| {
            Hit::at(
                model.written(item.line, item.column),
                "`union` without `all` removes duplicates; say which is meant",
            )
        })
        .collect()
}
