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
