//! Statements that are the same on every engine.

use super::temp_schema::TempRelation;
use super::write::ColumnDef;
use crate::sql::Dialect;

/// What an engine adds to a `create table`.
#[derive(Debug, Clone, Default)]
pub(super) struct TableClauses {
    /// Between `create` and `table`, with a blank behind it.
    pub(super) kind: &'static str,
    /// Behind the name, or behind the columns.
    pub(super) physical: String,
}

/// `create view`. The closing bracket stands on a line of its own because the query may end in a line comment.
pub(super) fn view(at: &TempRelation, header: Option<&str>, select: &str, suffix: &str) -> String {
    format!("{}create view {} as (\n{select}\n){suffix}", before(header), at.sql())
}

/// `create table as`.
pub(super) fn table(at: &TempRelation, header: Option<&str>, select: &str, clauses: &TableClauses) -> String {
    let TableClauses { kind, physical } = clauses;
    format!("{}create {kind}table {}{physical} as (\n{select}\n)", before(header), at.sql())
}

/// A table with declared columns, and the insert that fills it: what dbt makes of an enforced contract.
pub(super) fn typed_table(
    at: &TempRelation,
    columns: &[ColumnDef],
    constraints: &[String],
    header: Option<&str>,
    select: &str,
    clauses: &TableClauses,
) -> [String; 2] {
    let TableClauses { kind, physical } = clauses;
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    let names = names.join(", ");
    let mut parts = definitions(columns);
    parts.extend(constraints.iter().cloned());
    let create = format!("create {kind}table {} (\n  {}\n){physical}", at.sql(), parts.join(",\n  "));
    let insert = format!(
        "{}insert into {} ({names}) (\nselect {names} from (\n{select}\n) as model_subq\n)",
        before(header),
        at.sql()
    );
    [create, insert]
}

/// The empty table of a seed.
pub(super) fn seed_table(at: &TempRelation, columns: &[ColumnDef]) -> String {
    format!("create table {} ({})", at.sql(), definitions(columns).join(", "))
}

/// A table of the register, made where it is missing, and rows for it.
pub(super) fn register(
    at: &TempRelation,
    columns: &[ColumnDef],
    rows: &[Vec<Option<String>>],
    dialect: Dialect,
) -> Vec<String> {
    let mut statements = vec![format!("create table if not exists {} ({})", at.sql(), definitions(columns).join(", "))];
    if !rows.is_empty() {
        let value =
            |value: &Option<String>| value.as_deref().map_or_else(|| "null".to_owned(), |text| dialect.literal(text));
        let row = |row: &Vec<Option<String>>| format!("({})", row.iter().map(value).collect::<Vec<_>>().join(", "));
        let rows: Vec<_> = rows.iter().map(row).collect();
        statements.push(format!("insert into {} values {}", at.sql(), rows.join(", ")));
    }
    statements
}

/// Columns as they stand in a `create table`.
fn definitions(columns: &[ColumnDef]) -> Vec<String> {
    columns.iter().map(|column| format!("{} {}", column.name, column.definition)).collect()
}

/// A header as it stands, as dbt puts it: one without its `;` runs into the statement, and fails. It may end in a line
/// comment.
fn before(header: Option<&str>) -> String {
    match header.map(str::trim_end) {
        None | Some("") => String::new(),
        Some(header) => format!("{header}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_stands_before_its_statement() {
        assert_eq!(before(Some("set a = 1; -- note")), "set a = 1; -- note\n");
        assert_eq!(before(None), "");
    }
}
