//! Enforced contracts: dbt's comparison before the build, and the typed columns.

use indexmap::IndexMap;
use serde_json::Value;

use crate::artifacts::Column;
use crate::sql::Dialect;
use crate::text::words::count_of;
use crate::warehouse::{ColumnDef, ColumnType};

/// What differs between the columns that a contract declares and those that the SQL gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Broken {
    /// Declared columns, each with what is wrong with it.
    declared: Vec<(String, String)>,
    /// Columns of the SQL that the contract does not declare.
    undeclared: Vec<String>,
}

impl Broken {
    /// Whether the contract is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.declared.is_empty() && self.undeclared.is_empty()
    }

    /// For everybody: names that the contract declares, types without arguments, counts. A column that is not declared
    /// may be named after a row's value (`pivot`), and an argument of a type may be one (`enum`).
    #[must_use]
    pub fn in_public(&self) -> String {
        let mut parts: Vec<String> =
            self.declared.iter().map(|(column, what)| format!("column `{column}` {what}")).collect();
        if !self.undeclared.is_empty() {
            parts.push(format!("{} that the contract does not declare", count_of(self.undeclared.len(), "column")));
        }
        parts.join("; ")
    }

    /// For whoever reads the terminal, where that is more.
    #[must_use]
    pub fn in_private(&self) -> Option<String> {
        (!self.undeclared.is_empty()).then(|| format!("not in the contract: {}", self.undeclared.join(", ")))
    }
}

/// A type's name without what stands in brackets: lengths, and the values of an enum.
pub(super) fn without_arguments(data_type: &str) -> String {
    let mut depth = 0_usize;
    let mut name = String::new();
    for c in data_type.chars() {
        match c {
            '(' | '<' => depth += 1,
            ')' | '>' => depth = depth.saturating_sub(1),
            c if depth == 0 => name.push(c),
            _ => {}
        }
    }
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = |c: char| c.is_ascii_alphanumeric() || " _.[]\"".contains(c);
    if !name.is_empty() && name.len() <= 64 && name.chars().all(plain) { name } else { "another type".to_owned() }
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
            return Err(format!("column `{}` has no data_type in the contract", column.name));
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
pub fn compare(declared: &[ColumnType], actual: &[ColumnType]) -> Broken {
    let mut broken = Broken::default();
    for column in actual {
        match declared.iter().find(|other| other.name == column.name) {
            None => broken.undeclared.push(column.name.clone()),
            Some(other) if other.data_type != column.data_type => {
                let (is, said) = (without_arguments(&column.data_type), without_arguments(&other.data_type));
                let what = if is == said {
                    format!("is {is} in both, but with different arguments")
                } else {
                    format!("is {is} in the SQL, {said} in the contract")
                };
                broken.declared.push((column.name.clone(), what));
            }
            Some(_) => {}
        }
    }
    for column in declared {
        if !actual.iter().any(|other| other.name == column.name) {
            broken.declared.push((column.name.clone(), "not in the SQL".to_owned()));
        }
    }
    broken
}

/// What is made of a contract's columns or constraints, and what is not.
///
/// A foreign key would point out of the temporary schema, or at a view, which no warehouse allows, so it is left out
/// and said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered<T> {
    /// In the contract's order.
    pub made: Vec<T>,
    /// Foreign keys, in words.
    pub left_out: Vec<String>,
}

/// The columns of the `create table`.
#[must_use]
pub fn columns(columns: &IndexMap<String, Column>, dialect: Dialect) -> Rendered<ColumnDef> {
    let mut left_out = Vec::new();
    let made = columns
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
    Rendered { made, left_out }
}

/// Model-level constraints.
#[must_use]
pub fn model_constraints(constraints: &[Value], dialect: Dialect) -> Rendered<String> {
    let (mut made, mut left_out) = (Vec::new(), Vec::new());
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
                made.push(name.map_or_else(|| sql.clone(), |name| format!("constraint {} {sql}", dialect.quote(name))));
            }
            None => left_out.push("a foreign key".to_owned()),
        }
    }
    Rendered { made, left_out }
}

fn constraint_sql(constraint: &Value, columns: Option<&str>, dialect: Dialect) -> Option<String> {
    let text = |key: &str| constraint.get(key).and_then(Value::as_str).unwrap_or_default();
    let over = columns.map(|columns| format!(" ({columns})")).unwrap_or_default();
    Some(match text("type") {
        "foreign_key" => return None,
        "not_null" => "not null".to_owned(),
        "unique" => format!("unique{over}"),
        "primary_key" => format!("primary key{over}"),
        "check" if dialect.has_check_constraints() => format!("check ({})", text("expression")),
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
        assert!(compare(&declared, &types(&[("c", "DATE"), ("a", "INTEGER"), ("b", "VARCHAR")])).is_empty());
        let found = compare(&declared, &types(&[("a", "BIGINT"), ("b", "VARCHAR"), ("d", "DATE")]));
        assert_eq!(
            found.in_public(),
            "column `a` is BIGINT in the SQL, INTEGER in the contract; column `c` not in the SQL; \
             1 column that the contract does not declare"
        );
    }

    #[test]
    fn what_rows_may_have_named_is_counted_and_stays_private() {
        let declared = types(&[("mood", "VARCHAR"), ("fee", "DECIMAL(10,2)")]);
        let actual = types(&[
            ("mood", "ENUM('jane@example.com', 'x) y')[]"),
            ("fee", "DECIMAL(12,2)"),
            ("jane@example.com", "BIGINT"),
            ("joe@example.com", "BIGINT"),
        ]);
        let found = compare(&declared, &actual);
        assert_eq!(
            found.in_public(),
            "column `mood` is another type in the SQL, VARCHAR in the contract; column `fee` is DECIMAL in both, but \
             with different arguments; 2 columns that the contract does not declare"
        );
        assert_eq!(found.in_private().as_deref(), Some("not in the contract: jane@example.com, joe@example.com"));
    }

    #[test]
    fn a_type_is_named_without_its_arguments() {
        for (data_type, name) in [
            ("timestamp(6) with time zone", "timestamp with time zone"),
            ("DECIMAL(10,2)[]", "DECIMAL[]"),
            ("STRUCT(\"jane@example.com\" INTEGER)", "STRUCT"),
            ("ARRAY<STRUCT<a INT64>>", "ARRAY"),
            ("ENUM('a')", "ENUM"),
            ("ENUM(')', 'jane')", "another type"),
            ("'jane'", "another type"),
            ("", "another type"),
        ] {
            assert_eq!(without_arguments(data_type), name, "{data_type}");
        }
    }

    #[test]
    fn foreign_keys_are_dropped_and_said() {
        let json = r#"{"id": {"name": "id", "data_type": "string", "constraints": [{"type": "not_null"}, {"type": "foreign_key"}]}}"#;
        let Rendered { made, left_out } = columns(&serde_json::from_str(json).unwrap(), Dialect::DuckDb);
        assert_eq!(made.first().map(|d| d.definition.as_str()), Some("TEXT not null"));
        assert_eq!(left_out, ["foreign key of column `id`"]);
    }
}
