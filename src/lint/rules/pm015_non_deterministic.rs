//! PM015: an incremental model or a snapshot calls a function whose value is another on every run.
//!
//! Rows made at different times then differ for that reason alone, and a full refresh rewrites history.

use super::{Hit, Model, Rule};
use crate::artifacts::ResourceType;
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM015", severity: Severity::Warning, check };

/// Without brackets in at least one dialect.
const WORDS: [&str; 6] =
    ["CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_TIME", "LOCALTIMESTAMP", "SYSDATE", "CURRENT_DATETIME"];
/// Only with brackets: the words alone are good column names.
const CALLS: [&str; 10] = [
    "NOW",
    "GETDATE",
    "RANDOM",
    "RAND",
    "UUID",
    "GEN_RANDOM_UUID",
    "GENERATE_UUID",
    "UUID_STRING",
    "SYSTIMESTAMP",
    "TODAY",
];

fn check(model: &Model<'_>) -> Vec<Hit> {
    let keeps = model.node.resource_type == ResourceType::Snapshot
        || model.node.materialized().as_deref() == Some("incremental");
    let Some(tokens) = model.tokens.as_ref().filter(|_| keeps) else { return Vec::new() };
    tokens
        .around()
        .filter(|(before, item, after)| {
            let word = item.word.as_str();
            !["AS", "."].contains(before) && (WORDS.contains(&word) || (CALLS.contains(&word) && *after == "("))
        })
        .map(|(_, item, _)| {
            let message = format!("`{}` is another value on every run", item.word.to_lowercase());
            Hit::at(model.written(item.line, item.column), message)
        })
        .collect()
}
