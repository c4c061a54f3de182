//! PM015: an incremental model or a snapshot calls a function whose value is another on every run.
//!
//! Rows made at different times then differ for that reason alone, and a full refresh rewrites history.

use super::{Hit, Model, Rule};
use crate::artifacts::ResourceType;
use crate::lint::finding::Severity;
use crate::sql::Dialect;

pub(super) const RULE: Rule = Rule { code: "PM015", severity: Severity::Warning, check };

/// Without brackets in at least one dialect, and no good names for columns.
const WORDS: [&str; 6] =
    ["CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_TIME", "LOCALTIMESTAMP", "LOCALTIME", "CURRENT_DATETIME"];
/// Only with brackets: the words alone are good column names.
const CALLS: [&str; 21] = [
    "CLOCK_TIMESTAMP",
    "GENERATE_UUID",
    "GEN_RANDOM_UUID",
    "GETDATE",
    "GET_CURRENT_TIME",
    "GET_CURRENT_TIMESTAMP",
    "NEWID",
    "NOW",
    "RAND",
    "RANDN",
    "RANDOM",
    "RANDSTR",
    "STATEMENT_TIMESTAMP",
    "SYSDATE",
    "SYSTIMESTAMP",
    "TIMEOFDAY",
    "TODAY",
    "TRANSACTION_TIMESTAMP",
    "UUID",
    "UUID_GENERATE_V4",
    "UUID_STRING",
];

fn check(model: &Model<'_>) -> Vec<Hit> {
    let keeps = model.node.resource_type == ResourceType::Snapshot
        || model.node.materialized().as_deref() == Some("incremental");
    let Some(tokens) = model.tokens.as_ref().filter(|_| keeps) else { return Vec::new() };
    tokens
        .around()
        .filter(|(before, item, after)| {
            let word = item.word.as_str();
            // Redshift's `sysdate` has no brackets, and is a word to nobody else.
            let alone = WORDS.contains(&word) || word == "SYSDATE" && *after != "." && model.is_of(Dialect::Redshift);
            !["AS", "."].contains(before) && (alone || (CALLS.contains(&word) && *after == "("))
        })
        .map(|(_, item, _)| {
            let message = format!("`{}` returns a different value on every run", item.word.to_lowercase());
            Hit::at(model.caused(item.line, item.column), message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::rule::tests::{hits, hits_in};
    use super::RULE;

    #[test]
    fn a_call_that_differs_on_every_run_is_named() {
        let sql = "select\n    random() as a,\n    abs(1) as b";
        let found = hits_in(
            &RULE,
            &serde_json::json!({"raw_code": sql, "compiled_code": sql, "config": {"materialized": "incremental"}}),
        );
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [Some(2)]);
        assert!(found.iter().all(|(_, message)| message.contains("random")), "{found:?}");
        assert_eq!(hits(&RULE, sql), [], "a table is made anew every time");
    }
}
