//! PM017: an incremental model has no `unique_key`, so a row that comes twice is there twice.

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM017", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let config = model.node.config();
    if config.materialized.as_deref() != Some("incremental") {
        return Vec::new();
    }
    let value = |key: &str| config.extra.get(key).filter(|value| !value.is_null());
    // These strategies replace whole partitions or are told to append.
    let strategy = value("incremental_strategy").and_then(serde_json::Value::as_str);
    let needs_none = matches!(strategy, Some("append" | "insert_overwrite" | "microbatch"));
    if needs_none || value("unique_key").is_some() {
        return Vec::new();
    }
    vec![Hit::model("an incremental model without `unique_key` keeps every repeated row")]
}
