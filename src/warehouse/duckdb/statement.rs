//! Writes as DuckDB's SQL.

use crate::sql::Dialect;
use crate::warehouse::Write;
use crate::warehouse::statement::{self, TableClauses};

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
        Write::Proxy { at, select } => vec![statement::view(at, None, select, "")],
        // Every view of DuckDB's looks up what it reads when it is read.
        Write::LateView { at, select, .. } => vec![statement::view(at, None, select, "")],
        Write::View { at, header, select, .. } => vec![statement::view(at, *header, select, "")],
        Write::Table { at, header, select, .. } => {
            vec![statement::table(at, *header, select, &TableClauses::default())]
        }
        Write::TypedTable { at, columns, constraints, header, select, .. } => {
            statement::typed_table(at, columns, constraints, *header, select, &TableClauses::default()).into()
        }
        Write::Seed { at, seed } => vec![
            statement::seed_table(at, &seed.columns),
            format!(
                "copy {} from {} (format csv, header true, delimiter {})",
                at.sql(),
                Dialect::DuckDb.literal(&seed.path.to_string_lossy()),
                Dialect::DuckDb.literal(&seed.delimiter.to_string()),
            ),
        ],
        Write::Drop { at } => vec![format!("drop {kind} if exists {}", at.sql())],
        Write::Register { at, columns, rows } => statement::register(at, columns, rows, Dialect::DuckDb),
        Write::Bookkeeping { sql, .. } => vec![sql.0.clone()],
    }
}
