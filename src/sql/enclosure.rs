//! Text of the project that is put inside a statement of ours must stay inside.

use super::dialect::Dialect;
use super::tokens::{Kind, SqlError, Tokens};

/// Whether `text`, put between brackets or behind a column's name, stays there: it has no `;`, and its
/// brackets are balanced and never close more than they opened; and that none of its brackets holds a
/// statement that changes rows.
///
/// A query that closes our bracket could otherwise go on with a statement of its own; and PostgreSQL carries
/// out `with gone as (delete from …)` within any query.
///
/// # Errors
/// [`SqlError::Unsupported`] that names the place, and what the tokenizer cannot read.
pub fn check_enclosed(text: &str, dialect: Dialect) -> Result<(), SqlError> {
    let tokens = Tokens::of(text, dialect)?;
    let mut depth = 0_usize;
    for (place, token) in tokens.list.iter().enumerate() {
        let unsupported = |what| SqlError::Unsupported { what, line: tokens.line(token.start) };
        match token.kind {
            Kind::Open if changes_rows(&tokens, place) => {
                return Err(unsupported("a `with` clause that changes rows"));
            }
            Kind::Open => depth += 1,
            Kind::Close => {
                depth = depth.checked_sub(1).ok_or_else(|| unsupported("a closing bracket without an opening one"))?;
            }
            Kind::Semicolon => return Err(unsupported("a `;` inside a statement")),
            _ => {}
        }
    }
    if depth > 0 {
        return Err(SqlError::Unsupported { what: "an opening bracket without a closing one", line: 1 });
    }
    Ok(())
}

/// Whether the bracket at `place` begins `(delete from …`, `(insert into …`, `(merge into …` or `(update name …`.
fn changes_rows(tokens: &Tokens<'_>, place: usize) -> bool {
    let first = tokens.next_solid(place + 1).and_then(|at| Some((at, tokens.get(at)?)));
    let Some((at, first)) = first.filter(|(_, token)| token.kind == Kind::Word) else { return false };
    let second = tokens.next_solid(at + 1).and_then(|at| tokens.get(at));
    let Some(second) = second.filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted)) else { return false };
    let (word, next) = (tokens.text(first), tokens.text(second));
    match word.to_ascii_lowercase().as_str() {
        "delete" => next.eq_ignore_ascii_case("from"),
        "insert" | "merge" => next.eq_ignore_ascii_case("into"),
        // `(update)` may be a column; a statement goes on with a name.
        "update" => true,
        _ => false,
    }
}

/// Statements that dbt's `sql_header` is for: session settings and temporary functions. Nothing that writes.
const HEADERS: [&[&str]; 7] = [
    &["set"],
    &["declare"],
    &["use"],
    &["alter", "session", "set"],
    &["create", "temp", "function"],
    &["create", "temporary", "function"],
    &["create", "or", "replace", "temp", "function"],
];

/// Whether every statement of a `sql_header` is one of those that headers are for.
///
/// # Errors
/// [`SqlError::Unsupported`] for any other statement, and what the tokenizer cannot read.
pub fn check_header(text: &str, dialect: Dialect) -> Result<(), SqlError> {
    let tokens = Tokens::of(text, dialect)?;
    for statement in tokens.list.split(|token| token.kind == Kind::Semicolon) {
        let mut solid = statement.iter().filter(|token| !token.kind.is_blank()).peekable();
        let Some(first) = solid.peek() else { continue };
        let line = tokens.line(first.start);
        let words: Vec<String> = solid
            .take(5)
            .map(|token| tokens.sql.get(token.start..token.end).unwrap_or_default().to_lowercase())
            .collect();
        let known =
            HEADERS.iter().any(|header| words.iter().zip(*header).filter(|(a, b)| a == *b).count() == header.len());
        // Another role might be allowed to write to production.
        let identity = words.iter().take(2).eq(["set", "role"]) || words.iter().take(2).eq(["set", "session"]);
        if !known || (identity && matches!(dialect, Dialect::Postgres | Dialect::Redshift)) {
            return Err(SqlError::Unsupported { what: "a `sql_header` that does more than set the session up", line });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_would_leave_its_place_is_refused() {
        for text in [
            "select 1); drop table t; --",
            "select 1) as x, (select 2",
            "count(*)) from t; delete from t; --",
            "integer); drop schema analytics cascade; create table x (a integer",
            "select (1",
            "with gone as (delete from prod.orders returning *) select * from gone",
            "with gone as materialized ( /* - */ DELETE\nfrom prod.orders returning *) select * from gone",
            "with a as (update prod.orders set x = 1 returning *) select * from a",
            "with a as (insert into t values (1) returning *) select * from a",
        ] {
            assert!(check_enclosed(text, Dialect::DuckDb).is_err(), "{text}");
        }
        for text in [
            "select ')' as a, (1) -- ;)",
            "numeric(10, 2) not null",
            "max(case when a then 1 end)",
            "\";\"",
            "count(update)",
        ] {
            check_enclosed(text, Dialect::DuckDb).unwrap();
        }
    }

    #[test]
    fn a_header_sets_up_and_does_not_write() {
        for text in ["set timezone = 'UTC';", "-- note\nALTER SESSION SET x = 1;\nuse warehouse big;", ""] {
            check_header(text, Dialect::Snowflake).unwrap();
        }
        for text in ["drop table t;", "set x = 1; delete from t", "create table t (a int)", "insert into t values (1)"]
        {
            assert!(check_header(text, Dialect::Snowflake).is_err(), "{text}");
        }
        for text in ["set role admin", "set session authorization admin"] {
            assert!(check_header(text, Dialect::Postgres).is_err(), "{text}");
        }
    }
}
