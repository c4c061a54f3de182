//! PM013: `union` without `all` or `distinct` sorts out duplicates, which is rarely meant and never free.

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM013", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let Some(tokens) = &model.tokens else { return Vec::new() };
    tokens
        .around()
        .filter(|(before, item, after)| {
            // `::union(…)`, `as union(…)` are a type of DuckDB.
            item.word == "UNION" && ![".", "::", "AS"].contains(before) && !["ALL", "DISTINCT"].contains(after)
        })
        .filter_map(|(_, item, _)| model.written(item.line, item.column))
        .map(|line| Hit::at(Some(line), "`union` without `all` removes duplicates; say which is meant"))
        .collect()
}
