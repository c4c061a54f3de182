//! Views of the warehouse's catalog in a query, replaced by what a query is to see of them.

use super::dialect::Dialect;
use super::names::{Names, Then};
use super::tokens::{SqlError, Tokens};

/// The views of `information_schema` that say which relations there are, and which columns they have.
const VIEWS: [&str; 2] = ["tables", "columns"];

/// `sql` with what `seen` gives in place of each `information_schema.tables` and `information_schema.columns`.
/// `databases`: what may stand before `information_schema`.
///
/// # Errors
/// When the text cannot be read.
pub fn see_through(
    sql: &str,
    dialect: Dialect,
    databases: &[&str],
    seen: &dyn Fn(&str) -> String,
) -> Result<String, SqlError> {
    let tokens = Tokens::of(sql, dialect)?;
    let names = Names::of(&tokens);
    let mut text = String::with_capacity(sql.len());
    let mut copied = 0;
    for name in names.list.iter().filter(|name| name.table && !name.bare && !name.call && !name.more) {
        let key: Vec<String> = name.key.iter().map(|part| part.to_ascii_lowercase()).collect();
        let view = match key.as_slice() {
            [schema, view] if schema == "information_schema" => view,
            [database, schema, view]
                if schema == "information_schema"
                    && databases.iter().any(|known| known.eq_ignore_ascii_case(database)) =>
            {
                view
            }
            _ => continue,
        };
        let (Some(first), Some(last)) = (name.parts.first(), name.parts.last()) else { continue };
        if !VIEWS.contains(&view.as_str()) || name.then == Then::Clause {
            continue;
        }
        text.push_str(sql.get(copied..first.start).unwrap_or_default());
        text.push('(');
        text.push_str(&seen(view));
        text.push(')');
        if name.then != Then::Alias {
            text.push_str(" as ");
            text.push_str(view);
        }
        copied = last.end;
    }
    text.push_str(sql.get(copied..).unwrap_or_default());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_replaced_where_a_table_stands() {
        let seen = |view: &str| format!("select 1 as {view}");
        for (sql, expected) in [
            (
                "select table_name from information_schema.tables where table_schema = 'information_schema.tables'",
                "select table_name from (select 1 as tables) as tables where table_schema = 'information_schema.tables'",
            ),
            (
                "select t.x from INFORMATION_SCHEMA.Columns as t join b on true",
                "select t.x from (select 1 as columns) as t join b on true",
            ),
            ("select * from shop.information_schema.tables t", "select * from (select 1 as tables) t"),
            ("select * from other.information_schema.tables", "select * from other.information_schema.tables"),
            ("select * from information_schema.views", "select * from information_schema.views"),
            ("select * from tables", "select * from tables"),
        ] {
            for dialect in [Dialect::DuckDb, Dialect::Postgres] {
                assert_eq!(see_through(sql, dialect, &["shop"], &seen).unwrap(), expected);
            }
        }
    }
}
