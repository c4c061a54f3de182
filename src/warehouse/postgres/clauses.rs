//! The clauses and statements that physical configuration becomes.

use crate::warehouse::statement::TableClauses;
use crate::warehouse::{RedshiftConfigs, RelationConfigs};

/// What stands in a `create table`.
pub(super) fn table_clauses(configs: &RelationConfigs) -> TableClauses {
    match configs {
        RelationConfigs::None => TableClauses::default(),
        RelationConfigs::Postgres(configs) => {
            TableClauses { kind: if configs.unlogged { "unlogged " } else { "" }, physical: String::new() }
        }
        RelationConfigs::Redshift(configs) => TableClauses { kind: "", physical: configs.clauses() },
    }
}

/// Statements that follow a `create table`.
pub(super) fn after_table(configs: &RelationConfigs, table: &str) -> Vec<String> {
    match configs {
        RelationConfigs::Postgres(configs) => configs.indexes_on(table),
        RelationConfigs::None | RelationConfigs::Redshift(_) => Vec::new(),
    }
}

/// What stands behind a `create view`.
pub(super) fn view_suffix(configs: &RelationConfigs) -> &'static str {
    match configs {
        RelationConfigs::Redshift(RedshiftConfigs { bind: Some(false), .. }) => LATE,
        RelationConfigs::None | RelationConfigs::Postgres(_) | RelationConfigs::Redshift(_) => "",
    }
}

/// Redshift: the view looks its tables up when it is read, and no table belongs to it.
pub(super) const LATE: &str = " with no schema binding";

#[cfg(test)]
mod tests {
    use super::*;

    /// dbt-redshift's clauses, in its order: between the table's name and `as`.
    #[test]
    fn redshifts_clauses_are_dbts() {
        for (json, clauses) in [
            ("{}", ""),
            (r#"{"dist": "auto", "sort": "auto"}"#, ""),
            (r#"{"dist": "even"}"#, "\ndiststyle even"),
            (r#"{"dist": "ALL"}"#, "\ndiststyle all"),
            (r#"{"dist": "Booking_ID"}"#, "\ndiststyle key distkey (booking_id)"),
            (r#"{"sort": "booked_at"}"#, "\ncompound sortkey(booked_at)"),
            (r#"{"sort": ["a", "b"], "sort_type": "interleaved"}"#, "\ninterleaved sortkey(a, b)"),
            (
                r#"{"backup": false, "dist": "id", "sort": ["a"]}"#,
                "\nbackup no\ndiststyle key distkey (id)\ncompound sortkey(a)",
            ),
            (r#"{"backup": true, "indexes": [{"columns": ["a"]}], "unlogged": true}"#, ""),
        ] {
            let configs = RedshiftConfigs::read(&serde_json::from_str(json).unwrap()).unwrap();
            assert_eq!(configs.clauses(), clauses, "{json}");
        }
        assert!(RedshiftConfigs::read(&serde_json::from_str(r#"{"sort_type": "x"}"#).unwrap()).is_err());
    }
}
