//! The settings of a node that dbt's materializations and adapters act on, and what premerge makes of each.
//!
//! The lists are made from the adapters' own macros and classes: `fixtures/regenerate_settings.py` reads every key
//! that one of them asks for, and a test sees to it that each has its place here.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::artifacts::{Node, NodeConfig, ResourceType};
use crate::sql::Dialect;

/// What premerge does about a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    /// It is honoured, or changes nothing of what is built and tested.
    Done,
    /// Something else tells of it: what belongs to the next run on production's table, to materializations that are
    /// not built, to stored failures.
    Elsewhere,
    /// It is left out, and whether dbt's build succeeds can hang on it.
    LeftOut,
    /// No adapter knows it; a macro of the project may.
    Unknown,
}

/// dbt's own, which mean the same on every adapter.
const DONE: &[&str] = &[
    "access",
    "alias",
    "contract",
    "database",
    "docs",
    "enabled",
    "freshness",
    "full_refresh",
    "grants",
    "group",
    "materialized",
    "meta",
    "packages",
    // Comments: both adapters leave out those of columns that are not there.
    "persist_docs",
    "project",
    "quote_columns",
    "quoting",
    "schema",
    "sql_header",
    "static_analysis",
    "tags",
    "target_database",
    "target_schema",
];

/// Of incremental models, snapshots and tests.
const ELSEWHERE: &[&str] = &[
    "batch_size",
    "begin",
    "check_cols",
    "concurrent_batches",
    "dbt_valid_to_current",
    "entry_point",
    "error_if",
    "event_time",
    "expected_rows",
    "expected_sql",
    "fail_calc",
    "hard_deletes",
    "incremental_predicates",
    "incremental_strategy",
    "invalidate_hard_deletes",
    "limit",
    "lookback",
    "merge_clauses",
    "merge_exclude_columns",
    "merge_insert_condition",
    "merge_on_using_columns",
    "merge_returning_columns",
    "merge_update_columns",
    "merge_update_condition",
    "merge_update_set_expressions",
    "on_configuration_change",
    "on_error",
    "on_schema_change",
    "predicates",
    "runtime_version",
    "severity",
    "snapshot_meta_column_names",
    "snapshot_table_column_names",
    "store_failures",
    "store_failures_as",
    "strategy",
    "unique_key",
    "updated_at",
    "volatility",
    "warn_if",
    "where",
];

/// dbt-duckdb's of the materializations `external` and `table_function`, which are not built.
const OF_DUCKDBS_FILES: &[&str] = &[
    "csv_read_options",
    "format",
    "glue_database",
    "glue_register",
    "json_read_options",
    "location",
    "options",
    "parameters",
    "parquet_read_options",
    "partition_columns",
    "plugin",
];

/// What premerge does about the setting `key` of a node of the type `kind`.
pub(super) fn handling(key: &str, kind: ResourceType, dialect: Dialect) -> Handling {
    if DONE.contains(&key) {
        return Handling::Done;
    }
    if ELSEWHERE.contains(&key) {
        return Handling::Elsewhere;
    }
    let seed = kind == ResourceType::Seed;
    match (dialect, key) {
        (_, "column_types" | "delimiter") if seed => Handling::Done,
        (Dialect::DuckDb, "indexes") => Handling::LeftOut,
        (Dialect::DuckDb, "fast") if seed => Handling::LeftOut,
        (Dialect::DuckDb, key) if OF_DUCKDBS_FILES.contains(&key) => Handling::Elsewhere,
        // dbt-postgres makes a seed's indexes, too.
        (Dialect::Postgres, "indexes" | "unlogged") if seed => Handling::LeftOut,
        (Dialect::Postgres, "indexes" | "unlogged") => Handling::Done,
        (Dialect::Redshift, "backup" | "bind" | "dist" | "sort" | "sort_type") if seed => Handling::LeftOut,
        (Dialect::Redshift, "backup" | "bind" | "dist" | "sort" | "sort_type") => Handling::Done,
        (Dialect::Redshift, "indexes" | "unlogged") => Handling::LeftOut,
        (Dialect::Redshift, "query_group") => Handling::Done,
        (Dialect::Redshift, "auto_refresh" | "autorefresh") => Handling::Elsewhere,
        // Not built on yet, so their lists are not made.
        (Dialect::Snowflake | Dialect::BigQuery | Dialect::Databricks | Dialect::Generic, _) => Handling::Done,
        (Dialect::DuckDb | Dialect::Postgres | Dialect::Redshift, _) => Handling::Unknown,
    }
}

/// Whether the warehouse can refuse a build for what is in the data, however long the setting has stood there.
fn hangs_on_data(key: &str) -> bool {
    key == "indexes"
}

/// A node's settings that premerge leaves out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOutSettings {
    /// The pull request sets or changes them, or they hang on data.
    pub(super) unproved: Vec<String>,
    /// The same in production.
    pub(super) same: Vec<String>,
}

pub(super) fn left_out(node: &Node<'_>, before: Option<&Node<'_>>, dialect: Dialect) -> LeftOutSettings {
    let now = node.config();
    let before = before.map(Node::config).unwrap_or_default();
    let keys: BTreeSet<&String> = now.extra.keys().chain(before.extra.keys()).collect();
    let named = keys.into_iter().filter(|key| {
        let set = is_set(&now, key) || is_set(&before, key);
        set && matches!(handling(key, node.resource_type, dialect), Handling::LeftOut | Handling::Unknown)
    });
    let changed = |key: &String| now.extra.get(key) != before.extra.get(key);
    let (unproved, same) = named.cloned().partition(|key| changed(key) || (hangs_on_data(key) && is_set(&now, key)));
    LeftOutSettings { unproved, same }
}

/// Whether dbt would refuse to write a node's descriptions into the warehouse: dbt-postgres and dbt-duckdb put them
/// between marks.
#[must_use]
pub fn unquotable_description(node: &Node<'_>, dialect: Dialect) -> bool {
    const MARK: &str = "$dbt_comment_literal_block$";
    if !matches!(dialect, Dialect::Postgres | Dialect::Redshift | Dialect::DuckDb) {
        return false;
    }
    let kept = |config: &NodeConfig| {
        let flag = |key: &str| config.extra.get("persist_docs").and_then(|docs| docs.get(key)?.as_bool()) == Some(true);
        flag("relation") || flag("columns")
    };
    let described = node.description.get().contains(MARK)
        || node.columns().values().any(|column| column.description.contains(MARK));
    described && kept(&node.config())
}

/// dbt writes every key that it knows, most of them empty.
fn is_set(config: &NodeConfig, key: &str) -> bool {
    match config.extra.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::Object(map)) => map.values().any(|value| !matches!(value, Value::Null | Value::Bool(false))),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// `fixtures/settings.json`: by adapter, the keys that its macros and its Python read.
    #[test]
    fn every_key_that_an_adapter_reads_has_its_place() {
        let text = include_str!("../../fixtures/settings.json");
        let read: BTreeMap<String, Vec<String>> = serde_json::from_str(text).unwrap();
        let mut looked_at = 0;
        for (adapter, keys) in &read {
            let dialect = Dialect::from_adapter(adapter).unwrap();
            for key in keys {
                for kind in [ResourceType::Model, ResourceType::Seed, ResourceType::Snapshot] {
                    let of_seeds = ["column_types", "delimiter", "fast", "quote_columns"].contains(&key.as_str());
                    if of_seeds && kind != ResourceType::Seed {
                        continue;
                    }
                    looked_at += 1;
                    assert_ne!(handling(key, kind, dialect), Handling::Unknown, "{adapter}: {key} of a {kind:?}");
                }
            }
        }
        assert!(looked_at > 200, "only {looked_at}");
    }

    #[test]
    fn a_key_on_no_list_is_named_and_more_so_where_the_pull_request_sets_it() {
        let node = |config: &str| -> String {
            format!(r#"{{"unique_id": "model.a.b", "resource_type": "model", "config": {config}}}"#)
        };
        let with = node(r#"{"materialized": "table", "colour": "red", "indexes": [], "size": {"x": true}}"#);
        let without = node(r#"{"materialized": "table", "size": {"x": true}, "unique_key": null}"#);
        let (with, without): (Node<'_>, Node<'_>) =
            (serde_json::from_str(&with).unwrap(), serde_json::from_str(&without).unwrap());
        let said = |node, before| {
            let LeftOutSettings { unproved, same } = left_out(node, before, Dialect::Postgres);
            (unproved, same)
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(said(&with, Some(&without)), (names(&["colour"]), names(&["size"])));
        assert_eq!(said(&without, Some(&with)), (names(&["colour"]), names(&["size"])));
        assert_eq!(said(&with, Some(&with)), (names(&[]), names(&["colour", "size"])));
        assert_eq!(said(&with, None), (names(&["colour", "size"]), names(&[])));
    }

    #[test]
    fn what_hangs_on_data_is_named_every_time() {
        let text = r#"{"unique_id": "model.a.b", "resource_type": "model", "config": {"indexes": [{"columns": ["a"], "unique": true}]}}"#;
        let node: Node<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(left_out(&node, Some(&node), Dialect::DuckDb).unproved, ["indexes"]);
        let none = LeftOutSettings { unproved: Vec::new(), same: Vec::new() };
        assert_eq!(left_out(&node, Some(&node), Dialect::Postgres), none);
    }
}
