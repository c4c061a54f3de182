//! Snapshots: the form of their first run, the only one that means anything in an empty schema.

use serde_json::Value;

use crate::artifacts::NodeConfig;
use crate::sql::Dialect;

/// The query of a snapshot's first run: the rows with dbt's four (or five) meta columns.
///
/// # Errors
/// A strategy that is neither `timestamp` nor `check`, or one without its keys.
pub fn first_run(select: &str, config: &NodeConfig, dialect: Dialect) -> Result<String, String> {
    let text = |key: &str| config.extra.get(key).and_then(Value::as_str);
    let now = dialect.snapshot_now();
    let updated_at = match text("strategy") {
        Some("timestamp") => {
            text("updated_at").ok_or("the snapshot's strategy is `timestamp` but `updated_at` is missing")?
        }
        Some("check") => text("updated_at").unwrap_or(now),
        other => {
            return Err(format!(
                "snapshot strategy `{}` is the project's own, which premerge does not support",
                other.unwrap_or("none")
            ));
        }
    };
    let keys = unique_keys(config);
    if keys.is_empty() {
        return Err("the snapshot has no `unique_key`".to_owned());
    }
    let column = |key: &str| {
        let renamed = config.extra.get("snapshot_meta_column_names").and_then(|names| names.get(key)?.as_str());
        renamed.unwrap_or(key).to_owned()
    };
    let parts: Vec<&str> = keys.iter().map(String::as_str).chain([updated_at]).collect();
    let scd_id = dialect.snapshot_hash(&parts);
    let valid_to = match text("dbt_valid_to_current") {
        Some(current) => format!("coalesce(nullif({updated_at}, {updated_at}), {current})"),
        None => format!("nullif({updated_at}, {updated_at})"),
    };
    let deleted = match text("hard_deletes") {
        Some("new_record") => format!(",\n  'False' as {}", column("dbt_is_deleted")),
        _ => String::new(),
    };
    Ok(format!(
        "select *,\n  {scd_id} as {},\n  {updated_at} as {},\n  {updated_at} as {},\n  {valid_to} as {}{deleted}\nfrom (\n{select}\n) sbq",
        column("dbt_scd_id"),
        column("dbt_updated_at"),
        column("dbt_valid_from"),
        column("dbt_valid_to"),
    ))
}

/// dbt's `unique_key`, one or several.
pub(super) fn unique_keys(config: &NodeConfig) -> Vec<String> {
    match config.extra.get("unique_key") {
        Some(Value::String(key)) => vec![key.clone()],
        Some(Value::Array(keys)) => keys.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_keys_and_renamed_columns() {
        let config: NodeConfig = serde_json::from_str(
            r#"{"strategy": "timestamp", "updated_at": "at", "unique_key": ["a", "b"],
                "snapshot_meta_column_names": {"dbt_valid_to": "until"}, "hard_deletes": "new_record"}"#,
        )
        .unwrap();
        let sql = first_run("select 1", &config, Dialect::DuckDb).unwrap();
        assert!(sql.contains("md5(coalesce(cast(a as varchar), '') || '|' || coalesce(cast(b as varchar), '')"));
        assert!(sql.contains("nullif(at, at) as until") && sql.contains("'False' as dbt_is_deleted"), "{sql}");
    }

    #[test]
    fn a_strategy_of_the_projects_own_is_refused() {
        let config: NodeConfig = serde_json::from_str(r#"{"strategy": "mine"}"#).unwrap();
        assert!(first_run("select 1", &config, Dialect::DuckDb).unwrap_err().contains("`mine`"));
    }
}
