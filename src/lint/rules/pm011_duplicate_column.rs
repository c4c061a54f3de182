//! PM011: the last `select` gives two columns one name.

use std::collections::HashSet;

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM011", severity: Severity::Error, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let mut seen = HashSet::new();
    let mut said = HashSet::new();
    let mut again = |key: &String| !seen.insert(key.clone()) && said.insert(key.clone());
    let message = |shown: String| {
        Hit::model(if model.names(&shown) {
            format!("two columns are named `{shown}`")
        } else {
            "two columns have the same name, written by a macro".to_owned()
        })
    };
    model.columns().names.into_iter().filter(|name| again(&name.key)).map(|name| message(name.shown)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rule::tests::hits;
    use super::*;

    #[test]
    fn each_name_is_said_once_whatever_its_case() {
        let sql = "with a as (select 1 as x, 2 as x) select x, y as X, z as x, q.\"y\", p.y from a as p, a as q";
        let said: Vec<_> = hits(&RULE, sql).into_iter().map(|(line, message)| (line, message.to_lowercase())).collect();
        assert_eq!(
            said,
            [(None, "two columns are named `x`".to_owned()), (None, "two columns are named `y`".to_owned()),]
        );
        assert!(hits(&RULE, "select x, y from a union all select x, x from a").is_empty(), "the first names them");
    }
}
