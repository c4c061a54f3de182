//! PM017: an incremental model has no `unique_key`, so a row that comes twice is there twice.

use serde_json::Value;

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM017", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let config = model.node.config();
    if config.materialized.as_deref() != Some("incremental") {
        return Vec::new();
    }
    let value = |key: &str| config.extra.get(key).filter(|value| !value.is_null());
    // Others replace whole partitions, are told to append, or are the project's own.
    let strategy = value("incremental_strategy").and_then(Value::as_str);
    let wants_key = matches!(strategy, None | Some("default" | "merge" | "delete+insert"));
    let key = value("unique_key").is_some_and(|key| match key {
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(columns) => !columns.is_empty(),
        _ => true,
    });
    if !wants_key || key {
        return Vec::new();
    }
    vec![Hit::model("an incremental model without `unique_key` keeps every repeated row")]
}
