//! PM007: nothing tests that a model has a primary key.
//!
//! A key is tested by `unique` and `not_null` on one column, by dbt_utils' `unique_combination_of_columns`,
//! or by a `primary_key` constraint of an enforced contract.

use std::collections::HashSet;

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM007", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    // A model that nothing tests is PM006's.
    if !model.is_model() || model.node.is_ephemeral() || model.tests().is_empty() || has_key(model) {
        return Vec::new();
    }
    vec![Hit::model("no test says that a column is a primary key (`unique` and `not_null`)")]
}

fn has_key(model: &Model<'_>) -> bool {
    let named = |name: &str| -> HashSet<String> {
        let tests =
            model.tests().iter().filter(|test| test.test_metadata.as_ref().is_some_and(|meta| meta.name == name));
        tests.map(|test| test.column_name.as_deref().unwrap_or_default().to_lowercase()).collect()
    };
    let (unique, mut not_null) = (named("unique"), named("not_null"));
    let columns = model.node.columns();
    let constrained = |kind: &'static str| {
        columns.values().filter(move |column| {
            column.constraints.iter().any(|one| one.get("type").and_then(|kind| kind.as_str()) == Some(kind))
        })
    };
    not_null.extend(constrained("not_null").map(|column| column.name.to_lowercase()));
    let of_contract = model.node.contract.enforced
        && (constrained("primary_key").next().is_some()
            || model.node.constraints.is_some_and(|raw| raw.get().contains("primary_key")));
    // A test on the whole model holds its columns in its arguments.
    unique.contains("")
        || unique.intersection(&not_null).next().is_some()
        || !named("unique_combination_of_columns").is_empty()
        || of_contract
}
