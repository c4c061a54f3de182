//! Enforced contracts: dbt's comparison before the build, and the typed columns.

use indexmap::IndexMap;
use serde_json::Value;

use crate::artifacts::Column;
use crate::sql::Dialect;
use crate::warehouse::{ColumnDef, ColumnType};

/// What differs between the columns that a contract declares and those that the SQL gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The column.
    pub column: String,
    /// What is wrong with it. Names and types only, so it may be published.
    pub what: String,
}

/// The query whose column types are those that the contract declares.
///
/// # Errors
/// Columns without a `data_type`, which dbt refuses too; or no columns at all.
pub fn declared_query(columns: &IndexMap<String, Column>, dialect: Dialect) -> Result<String, String> {
    if columns.is_empty() {
        return Err("the contract is enforced but declares no columns".to_owned());
    }
    let mut casts = Vec::new();
    for column in columns.values() {
        let Some(data_type) = &column.data_type else {
            return Err(format!("the contract gives column `{}` no data_type", column.name));
        };
        casts.push(format!("cast(null as {}) as {}", alias_type(data_type), column_name(column, dialect)));
    }
    Ok(format!("select * from (\nselect {}\n) as __dbt_sbq\nwhere false", casts.join(", ")))
}

/// The query whose column types are those of the model's SQL.
#[must_use]
pub fn actual_query(select: &str) -> String {
    format!("select * from (\n{select}\n) as __dbt_sbq\nwhere false")
}

/// Compares by name, not by place, as dbt does: the table is then made in the contract's order.
#[must_use]
pub fn compare(declared: &[ColumnType], actual: &[ColumnType]) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    for column in actual {
        match declared.iter().find(|other| other.name == column.name) {
            None => mismatches.push(Mismatch { column: column.name.clone(), what: "not in the contract".to_owned() }),
            Some(other) if other.data_type != column.data_type => mismatches.push(Mismatch {
                column: column.name.clone(),
                what: format!("is {} in the SQL, {} in the contract", column.data_type, other.data_type),
            }),
            Some(_) => {}
        }
    }
    for column in declared {
        if !actual.iter().any(|other| other.name == column.name) {
            mismatches.push(Mismatch { column: column.name.clone(), what: "not in the SQL".to_owned() });
        }
    }
    mismatches
}

/// The columns of the `create table`, in the contract's order, and what of the constraints was left out.
/// A foreign key would point at a proxy view, which no warehouse allows, so it is dropped and said.
#[must_use]
pub fn columns(columns: &IndexMap<String, Column>, dialect: Dialect) -> (Vec<ColumnDef>, Vec<String>) {
    let mut left_out = Vec::new();
    let defs = columns
        .values()
        .map(|column| {
            let mut definition = alias_type(column.data_type.as_deref().unwrap_or_default()).to_owned();
            for constraint in &column.constraints {
                match constraint_sql(constraint, None, dialect) {
                    Some(sql) => {
                        definition.push(' ');
                        definition.push_str(&sql);
                    }
                    None => left_out.push(format!("foreign key of column `{}`", column.name)),
                }
            }
            ColumnDef { name: column_name(column, dialect), definition }
        })
        .collect();
    (defs, left_out)
}

/// Model-level constraints, rendered, and what was left out.
#[must_use]
pub fn model_constraints(constraints: &[Value], dialect: Dialect) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for constraint in constraints {
        let columns: Vec<_> = constraint
            .get("columns")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|column| dialect.quote(column))
            .collect();
        let name = constraint.get("name").and_then(Value::as_str);
        match constraint_sql(constraint, Some(&columns.join(", ")), dialect) {
            Some(sql) => {
                kept.push(name.map_or_else(|| sql.clone(), |name| format!("constraint {} {sql}", dialect.quote(name))));
            }
            None => left_out.push("a foreign key".to_owned()),
        }
    }
    (kept, left_out)
}

fn constraint_sql(constraint: &Value, columns: Option<&str>, dialect: Dialect) -> Option<String> {
    let text = |key: &str| constraint.get(key).and_then(Value::as_str).unwrap_or_default();
    let over = columns.map(|columns| format!(" ({columns})")).unwrap_or_default();
    // Checks exist on PostgreSQL, DuckDB and Databricks only; others do not take the text.
    let checks = matches!(dialect, Dialect::DuckDb | Dialect::Postgres | Dialect::Databricks);
    Some(match text("type") {
        "foreign_key" => return None,
        "not_null" => "not null".to_owned(),
        "unique" => format!("unique{over}"),
        "primary_key" => format!("primary key{over}"),
        "check" if checks => format!("check ({})", text("expression")),
        "custom" => text("expression").to_owned(),
        _ => String::new(),
    })
}

/// dbt's `alias_types`: the manifest keeps the authored text.
fn alias_type(data_type: &str) -> &str {
    if data_type.eq_ignore_ascii_case("string") { "TEXT" } else { data_type }
}

fn column_name(column: &Column, dialect: Dialect) -> String {
    if column.quote == Some(true) { dialect.quote(&column.name) } else { column.name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(columns: &[(&str, &str)]) -> Vec<ColumnType> {
        columns.iter().map(|(n, t)| ColumnType { name: (*n).to_owned(), data_type: (*t).to_owned() }).collect()
    }

    #[test]
    fn order_does_not_matter_and_every_difference_is_named() {
        let declared = types(&[("a", "INTEGER"), ("b", "VARCHAR"), ("c", "DATE")]);
        assert_eq!(compare(&declared, &types(&[("c", "DATE"), ("a", "INTEGER"), ("b", "VARCHAR")])), []);
        let found = compare(&declared, &types(&[("a", "BIGINT"), ("b", "VARCHAR"), ("d", "DATE")]));
        let found: Vec<_> = found.iter().map(|m| format!("{} {}", m.column, m.what)).collect();
        assert_eq!(
            found,
            ["a is BIGINT in the SQL, INTEGER in the contract", "d not in the contract", "c not in the SQL"]
        );
    }

    #[test]
    fn foreign_keys_are_dropped_and_said() {
        let json = r#"{"id": {"name": "id", "data_type": "string", "constraints": [{"type": "not_null"}, {"type": "foreign_key"}]}}"#;
        let (defs, left_out) = columns(&serde_json::from_str(json).unwrap(), Dialect::DuckDb);
        assert_eq!(defs.first().map(|d| d.definition.as_str()), Some("TEXT not null"));
        assert_eq!(left_out, ["foreign key of column `id`"]);
    }
}
