//! PM007: nothing tests that a model has a primary key.
//!
//! A key is tested by `unique` and `not_null` on one column, by a test of a package on several columns, or by a
//! `primary_key` constraint of an enforced contract.

use std::collections::HashSet;

use serde_json::Value;

use super::{Hit, Model, Rule};
use crate::artifacts::Node;
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM007", severity: Severity::Warning, check };

/// Tests of dbt_utils, dbt_expectations and dbt_constraints that need no second one.
const COMPOUND: [&str; 3] = ["unique_combination_of_columns", "expect_compound_columns_to_be_unique", "primary_key"];

fn check(model: &Model<'_>) -> Vec<Hit> {
    // A model that nothing tests is PM006's.
    let untested = model.tests().is_empty() && !model.is_unit_tested();
    if !model.is_model() || model.node.is_ephemeral() || untested || has_key(model) {
        return Vec::new();
    }
    vec![Hit::model("no test says that a column is a primary key (`unique` and `not_null`)")]
}

fn has_key(model: &Model<'_>) -> bool {
    let tested = |names: &[&str]| -> HashSet<String> {
        let named = |test: &&&Node<'_>| test.test_metadata.as_ref().is_some_and(|meta| names.contains(&&*meta.name));
        let column = |test: &&Node<'_>| test.column_name.as_deref().unwrap_or_default().to_lowercase();
        model.tests().iter().filter(named).map(|test| column(test).replace(['"', '`'], "")).collect()
    };
    let unique = tested(&["unique", "expect_column_values_to_be_unique"]);
    let mut not_null = tested(&["not_null", "expect_column_values_to_not_be_null"]);
    let kind = |constraint: &Value| constraint.get("type").and_then(Value::as_str).map(str::to_owned);
    let mut key_of_contract = false;
    // dbt builds constraints of enforced contracts only.
    if model.node.contract.enforced {
        let of_model = model.node.constraints.and_then(|raw| serde_json::from_str::<Vec<Value>>(raw.get()).ok());
        key_of_contract = of_model.iter().flatten().any(|one| kind(one).as_deref() == Some("primary_key"));
        for column in model.node.columns().into_values() {
            let has = |wanted| column.constraints.iter().any(|one| kind(one).as_deref() == Some(wanted));
            key_of_contract |= has("primary_key");
            if has("not_null") {
                not_null.insert(column.name.to_lowercase());
            }
        }
    }
    // A test on the whole model holds its columns in its arguments.
    unique.contains("")
        || unique.intersection(&not_null).next().is_some()
        || !tested(&COMPOUND).is_empty()
        || key_of_contract
}
