//! What dbt and its adapters refuse before any SQL runs, though it parses and compiles.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::artifacts::{Manifest, Node, ResourceType, UniqueIdRef};
use crate::plan::unquotable_description;
use crate::sql::Dialect;

/// Strategies that dbt-adapters knows by name, whether or not an adapter has them.
const BUILT_IN: &[&str] = &["append", "delete+insert", "merge", "insert_overwrite", "microbatch"];
/// Of those, what dbt-duckdb, dbt-postgres and dbt-redshift take.
const TAKEN: &[&str] = &["append", "delete+insert", "merge", "microbatch"];

/// Knows why dbt would stop at a node.
#[derive(Debug)]
pub(super) struct Refusals<'a> {
    state: &'a Manifest<'a>,
    pr: &'a Manifest<'a>,
    dialect: Dialect,
    /// Spellings of relations that are the same but for the case of letters: database, schema and identifier.
    spellings: HashMap<[String; 3], BTreeSet<[&'a str; 3]>>,
}

impl<'a> Refusals<'a> {
    pub(super) fn new(state: &'a Manifest<'a>, pr: &'a Manifest<'a>, dialect: Dialect) -> Self {
        let mut spellings: HashMap<_, BTreeSet<_>> = HashMap::new();
        for node in pr.nodes.values().filter(|node| node.resource_type.is_relation() && !node.is_ephemeral()) {
            let parts = parts(node);
            spellings.entry(parts.map(str::to_lowercase)).or_default().insert(parts);
        }
        Self { state, pr, dialect, spellings }
    }

    /// Why dbt would stop at a node, in its words or nearly; `None` where it would not.
    pub(super) fn of(&self, node: &Node<'_>) -> Option<String> {
        name_too_long(node, self.dialect)
            .or_else(|| self.quote(node))
            .or_else(|| self.other_case(node))
            .or_else(|| strategy(node, self.pr, self.dialect))
            .or_else(|| layout(node, self.pr))
            .or_else(|| failures_kept_as(node))
            .or_else(|| {
                unquotable_description(node, self.dialect).then(|| "a description contains dbt's own quote".to_owned())
            })
    }

    /// dbt puts names between quotes as they are.
    fn quote(&self, node: &Node<'_>) -> Option<String> {
        let quote = self.dialect.quote("").chars().next()?;
        let quoted = node.resource_type.is_relation() && parts(node).iter().any(|part| part.contains(quote));
        quoted.then(|| format!("a name with a `{quote}` in it, which dbt does not escape"))
    }

    /// dbt's `ApproximateMatchError`: a relation that it finds in its cache under the same name in other letters.
    fn other_case(&self, node: &Node<'_>) -> Option<String> {
        // Unquoted names are the same to dbt whatever their case is.
        let quote = self.dialect.quote("").chars().next()?;
        if !node.resource_type.is_relation() || !node.relation_name.as_deref()?.ends_with(quote) {
            return None;
        }
        let own = parts(node);
        let others = self.spellings.get(&own.map(str::to_lowercase))?;
        let before = self.state.nodes.get(node.unique_id.as_ref()).filter(|before| !before.is_ephemeral()).map(parts);
        let differs = |a: &str, b: &str| a != b && a.to_lowercase() == b.to_lowercase();
        // The schemas of two targets are not compared.
        let before = before.filter(|before| differs(before[0], own[0]) || differs(before[2], own[2]));
        let other = others.iter().find(|other| **other != own).copied().or(before)?;
        Some(format!(
            "`{}` and `{}` differ only in letter case, and dbt does not guess which one is meant",
            own.join("."),
            other.join(".")
        ))
    }
}

/// Database, schema and identifier.
fn parts<'n>(node: &'n Node<'_>) -> [&'n str; 3] {
    let text = |text: &'n Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default();
    [text(&node.database), text(&node.schema), node.alias.as_deref().unwrap_or(&node.name)]
}

/// dbt-postgres counts characters, and so does dbt-redshift with another limit; dbt-duckdb has none.
fn name_too_long(node: &Node<'_>, dialect: Dialect) -> Option<String> {
    let limit = match dialect {
        Dialect::Postgres => 63,
        Dialect::Redshift => 127,
        Dialect::DuckDb | Dialect::Snowflake | Dialect::BigQuery | Dialect::Databricks | Dialect::Generic => {
            return None;
        }
    };
    // A test's name is a relation's only where its failing rows are kept.
    if node.resource_type == ResourceType::Test && !node.keeps_failures() {
        return None;
    }
    let name = node.alias.as_deref().unwrap_or(&node.name);
    let length = name.chars().count();
    (length > limit).then(|| format!("its relation's name `{name}` has {length} characters; dbt allows {limit}"))
}

/// `adapter.get_incremental_strategy_macro`: asked when the model's table is there, so that only production's run
/// finds out.
fn strategy(node: &Node<'_>, manifest: &Manifest<'_>, dialect: Dialect) -> Option<String> {
    if node.resource_type != ResourceType::Model || node.materialized().as_deref() != Some("incremental") {
        return None;
    }
    let config = node.config();
    let strategy = config.extra.get("incremental_strategy")?.as_str()?;
    if BUILT_IN.contains(&strategy) && !TAKEN.contains(&strategy) {
        return Some(format!("the incremental strategy `{strategy}` is not valid for this adapter"));
    }
    let wanted = format!("get_incremental_{}_sql", strategy.replace('+', "_"));
    let known = TAKEN.contains(&strategy)
        || strategy == "default"
        || manifest.macros.keys().any(|id| UniqueIdRef::new(id).name() == wanted);
    if !known {
        return Some(format!("unknown incremental strategy `{strategy}`: the project has no macro `{wanted}`"));
    }
    let has_key = config.extra.get("unique_key").is_some_and(|key| !key.is_null());
    (strategy == "microbatch" && dialect == Dialect::Postgres && !has_key)
        .then(|| "dbt-postgres supports the strategy `microbatch` only with a `unique_key`".to_owned())
}

/// dbt-duckdb takes texts and lists of texts only for what it uses on DuckLake and ignores elsewhere, and it is newer
/// versions that look: those that bring the macro.
fn layout(node: &Node<'_>, manifest: &Manifest<'_>) -> Option<String> {
    let builds_table = matches!(node.materialized().as_deref(), Some("table" | "incremental"));
    if node.resource_type != ResourceType::Model || !builds_table {
        return None;
    }
    let config = node.config();
    let given = |name: &str| config.extra.get(name).filter(|value| !value.is_null());
    [
        ("macro.dbt_duckdb.duckdb__get_partitioned_by", "partitioned_by", "partition_by"),
        ("macro.dbt_duckdb.duckdb__get_sorted_by", "sorted_by", "sort_by"),
    ]
    .into_iter()
    .filter(|(asks, ..)| manifest.macros.contains_key(*asks))
    .find_map(|(_, name, other)| {
        let (name, value) = given(name)
            .filter(|value| value.as_str() != Some(""))
            .map(|value| (name, value))
            .or_else(|| given(other).map(|value| (other, value)))?;
        let is_taken = match value {
            Value::String(_) => true,
            Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_string),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
        };
        (!is_taken).then(|| format!("`{name}` has to be a text or a list of texts"))
    })
}

/// dbt reads it when the test runs.
fn failures_kept_as(node: &Node<'_>) -> Option<String> {
    if node.resource_type != ResourceType::Test {
        return None;
    }
    let config = node.config();
    let kept = config.extra.get("store_failures_as")?.as_str()?;
    (!["ephemeral", "table", "view"].contains(&kept))
        .then(|| format!("`store_failures_as: {kept}` is not one of ephemeral, table and view"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(node: &str, dialect: Dialect) -> Option<String> {
        let manifest: Manifest<'_> = serde_json::from_str(
            r#"{"metadata": {}, "macros": {"macro.p.get_incremental_swap_sql": {"unique_id": "macro.p.get_incremental_swap_sql"}}}"#,
        )
        .unwrap();
        Refusals::new(&manifest, &manifest, dialect).of(&serde_json::from_str(node).unwrap())
    }

    #[test]
    fn a_name_in_other_letters_is_not_guessed() {
        let node = |id: &str, database: &str, alias: &str| {
            format!(
                r#""model.p.{id}": {{"unique_id": "model.p.{id}", "resource_type": "model", "name": "{id}", "alias": "{alias}",
                    "database": "{database}", "schema": "s", "relation_name": "\"{database}\".\"s\".\"x\""}}"#
            )
        };
        let manifest = |nodes: &str| format!(r#"{{"metadata": {{}}, "nodes": {{{nodes}}}}}"#);
        let refused = |state: &str, pr: &str| {
            let (state, pr) = (manifest(state), manifest(pr));
            let (state, pr): (Manifest<'_>, Manifest<'_>) =
                (serde_json::from_str(&state).unwrap(), serde_json::from_str(&pr).unwrap());
            Refusals::new(&state, &pr, Dialect::DuckDb).of(&pr.nodes["model.p.a"]).is_some()
        };
        let a = node("a", "db", "daily");
        assert!(!refused(&a, &a));
        assert!(!refused(&a, &node("a", "db", "other")));
        assert!(refused(&a, &node("a", "db", "Daily")));
        assert!(refused(&a, &node("a", "DB", "daily")));
        assert!(refused("", &format!("{a}, {}", node("b", "db", "DAILY"))));
        assert!(!refused("", &format!("{a}, {}", node("b", "elsewhere", "DAILY"))));
    }

    #[test]
    fn quotes_in_names_are_not_escaped_by_dbt() {
        let node = r#"{"unique_id": "model.p.m", "resource_type": "model", "name": "m", "alias": "a\"b"}"#;
        assert!(refused(node, Dialect::DuckDb).is_some());
        assert!(refused(&node.replace("\\\"", "'"), Dialect::DuckDb).is_none());
    }

    #[test]
    fn names_are_as_long_as_the_adapter_takes() {
        let model = |length: usize| {
            let name = "ä".repeat(length);
            format!(r#"{{"unique_id": "model.p.m", "resource_type": "model", "name": "m", "alias": "{name}"}}"#)
        };
        assert_eq!(refused(&model(63), Dialect::Postgres), None);
        assert!(refused(&model(64), Dialect::Postgres).unwrap().contains("64 characters"));
        assert_eq!(refused(&model(64), Dialect::DuckDb), None);
        assert_eq!(refused(&model(127), Dialect::Redshift), None);
        assert!(refused(&model(128), Dialect::Redshift).is_some());
    }

    #[test]
    fn strategies_are_the_adapters_or_the_projects() {
        let model = |config: &str| {
            format!(
                r#"{{"unique_id": "model.p.m", "resource_type": "model", "name": "m", "config": {{"materialized": "incremental", {config}}}}}"#
            )
        };
        for (config, dialect, allowed) in [
            (r#""incremental_strategy": null"#, Dialect::DuckDb, true),
            (r#""incremental_strategy": "delete+insert""#, Dialect::DuckDb, true),
            (r#""incremental_strategy": "swap""#, Dialect::DuckDb, true),
            (r#""incremental_strategy": "upsert""#, Dialect::DuckDb, false),
            (r#""incremental_strategy": "insert_overwrite""#, Dialect::Postgres, false),
            (r#""incremental_strategy": "microbatch""#, Dialect::DuckDb, true),
            (r#""incremental_strategy": "microbatch""#, Dialect::Postgres, false),
            (r#""incremental_strategy": "microbatch", "unique_key": "a""#, Dialect::Postgres, true),
        ] {
            assert_eq!(refused(&model(config), dialect).is_none(), allowed, "{config} {dialect:?}");
        }
    }

    #[test]
    fn a_layout_of_tables_is_a_text_or_texts_where_the_adapter_looks() {
        let model = |config: &str| {
            let text = format!(
                r#"{{"unique_id": "model.p.m", "resource_type": "model", "name": "m", "config": {{"materialized": {config}}}}}"#
            );
            let node: Node<'_> = serde_json::from_str(&text).unwrap();
            let with = |name: &str| {
                let id = format!("macro.dbt_duckdb.{name}");
                let text = format!(r#"{{"metadata": {{}}, "macros": {{"{id}": {{"unique_id": "{id}"}}}}}}"#);
                layout(&node, &serde_json::from_str::<Manifest<'_>>(&text).unwrap())
            };
            assert_eq!(with("duckdb__create_schema"), None, "an older dbt-duckdb");
            with("duckdb__get_partitioned_by").or_else(|| with("duckdb__get_sorted_by"))
        };
        // The answers of dbt-duckdb 1.11.
        for (config, allowed) in [
            (r#""table", "partition_by": {"field": "day", "data_type": "date"}"#, false),
            (r#""incremental", "partition_by": {"field": "day"}"#, false),
            (r#""view", "partition_by": {"field": "day"}"#, true),
            (r#""table", "partition_by": "day""#, true),
            (r#""table", "partition_by": ["day", "hour"]"#, true),
            (r#""table", "partition_by": ["day", 1]"#, false),
            (r#""table", "partition_by": []"#, false),
            (r#""table", "partition_by": null"#, true),
            (r#""table", "partitioned_by": "", "partition_by": 3"#, false),
            (r#""table", "partitioned_by": "day", "partition_by": {"field": "day"}"#, true),
            (r#""table", "sort_by": {"field": "day"}"#, false),
            (r#""table", "sorted_by": "day""#, true),
        ] {
            assert_eq!(model(config).is_none(), allowed, "{config}");
        }
    }
}
