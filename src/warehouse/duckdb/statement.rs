//! Writes as DuckDB's SQL.

use crate::sql::Dialect;
use crate::warehouse::{ColumnDef, Write};

/// An identifier, quoted.
pub(super) fn name(identifier: &str) -> String {
    Dialect::DuckDb.quote(identifier)
}

/// The statements of one write. `kind` is what a drop drops.
pub(super) fn render(write: &Write<'_>, kind: &str) -> Vec<String> {
    match write {
        Write::CreateSchema { schema } => vec![format!("create schema {}", schema.sql())],
        Write::DropSchema { schema } => {
            let registers = schema.register_tables();
            let tables = registers.iter().map(|at| format!("drop table if exists {}", at.sql()));
            tables.chain([format!("drop {kind} if exists {}", schema.sql())]).collect()
        }
        // The closing bracket stands on a line of its own because the query may end in a line comment.
        Write::View { at, header, select, .. } => {
            vec![format!("{}create view {} as (\n{select}\n)", header_text(*header), at.sql())]
        }
        Write::Table { at, header, select, .. } => {
            vec![format!("{}create table {} as (\n{select}\n)", header_text(*header), at.sql())]
        }
        Write::TypedTable { at, columns, constraints, header, select, .. } => {
            let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
            let names = names.join(", ");
            let mut parts: Vec<_> = definitions(columns);
            parts.extend(constraints.iter().cloned());
            vec![
                format!("create table {} (\n  {}\n)", at.sql(), parts.join(",\n  ")),
                format!(
                    "{}insert into {} ({names}) (\nselect {names} from (\n{select}\n) as model_subq\n)",
                    header_text(*header),
                    at.sql()
                ),
            ]
        }
        Write::Seed { at, seed } => vec![
            format!("create table {} ({})", at.sql(), definitions(&seed.columns).join(", ")),
            format!(
                "copy {} from {} (format csv, header true, delimiter {})",
                at.sql(),
                Dialect::DuckDb.literal(&seed.path.to_string_lossy()),
                Dialect::DuckDb.literal(&seed.delimiter.to_string()),
            ),
        ],
        Write::Drop { at } => vec![format!("drop {kind} if exists {}", at.sql())],
        Write::Register { at, columns, rows } => {
            let mut statements =
                vec![format!("create table if not exists {} ({})", at.sql(), definitions(columns).join(", "))];
            if !rows.is_empty() {
                let value = |value: &Option<String>| {
                    value.as_deref().map_or_else(|| "null".to_owned(), |text| Dialect::DuckDb.literal(text))
                };
                let row =
                    |row: &Vec<Option<String>>| format!("({})", row.iter().map(value).collect::<Vec<_>>().join(", "));
                let rows: Vec<_> = rows.iter().map(row).collect();
                statements.push(format!("insert into {} values {}", at.sql(), rows.join(", ")));
            }
            statements
        }
        Write::Bookkeeping { sql, .. } => vec![sql.0.clone()],
    }
}

fn definitions(columns: &[ColumnDef]) -> Vec<String> {
    columns.iter().map(|column| format!("{} {}", column.name, column.definition)).collect()
}

/// A header may end in a line comment, so a line break always follows it.
fn header_text(header: Option<&str>) -> String {
    header.map(|text| format!("{text}\n")).unwrap_or_default()
}
