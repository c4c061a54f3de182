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
        .map(|line| Hit::at(Some(line), "`union` without `all` removes duplicates; say which one you mean"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::rule::tests::hits;
    use super::RULE;

    #[test]
    fn a_union_that_says_which_is_fine() {
        let found = hits(&RULE, "select 1 as a\nunion\nselect 2 as a");
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [Some(2)]);
        for sql in ["select 1 as a union all select 2 as a", "select 1 as a union distinct select 2 as a"] {
            assert_eq!(hits(&RULE, sql), [], "{sql}");
        }
    }
}
