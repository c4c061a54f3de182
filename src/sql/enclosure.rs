//! Text of the project that is put inside a statement of ours must stay inside.

use super::dialect::Dialect;
use super::tokens::{Kind, SqlError, Token, Tokens};

/// Whether `text`, put between brackets or behind a column's name, stays there: it has no `;`, and its
/// brackets are balanced and never close more than they opened; that none of its brackets holds a
/// statement that changes rows; and that it does not change the session.
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
            Kind::Semicolon => return Err(SqlError::Semicolon { line: tokens.line(token.start) }),
            // It could put a role down, or change how later text is read. A function that calls it is not seen
            // here: the session is set up anew behind every statement.
            Kind::Word | Kind::Quoted if has_roles(dialect) && is(&tokens, *token, "set_config") => {
                return Err(unsupported("`set_config`"));
            }
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

/// Settings of PostgreSQL that a header may not touch: who the session is, and how its text is read.
const NOT_SETTABLE: [&str; 5] =
    ["role", "session_authorization", "authorization", "standard_conforming_strings", "client_encoding"];

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
        // Names of settings may be quoted, and are compared without case even so.
        let words: Vec<String> = solid.take(5).map(|token| tokens.identifier(*token).to_lowercase()).collect();
        let known =
            HEADERS.iter().any(|header| words.iter().zip(*header).filter(|(a, b)| a == *b).count() == header.len());
        if !known || (has_roles(dialect) && changes_who(&words)) {
            return Err(SqlError::Unsupported { what: "a `sql_header` that does more than set the session up", line });
        }
    }
    Ok(())
}

/// Whether a session can take another identity, which might be allowed to write to production.
fn has_roles(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Postgres | Dialect::Redshift)
}

/// Whether words are no `set`, or one of something that a header may not touch: `set [local | session] name …`.
fn changes_who(words: &[String]) -> bool {
    let mut words = words.iter().map(String::as_str);
    if words.next() != Some("set") {
        return true;
    }
    // `set local session authorization …`
    let name = words.find(|word| !matches!(*word, "local" | "session"));
    name.is_none_or(|name| NOT_SETTABLE.contains(&name) || name == "names")
}

fn is(tokens: &Tokens<'_>, token: Token, name: &str) -> bool {
    tokens.identifier(token).eq_ignore_ascii_case(name)
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
    }

    /// A profile's `role` is what keeps a powerful user from production.
    #[test]
    fn a_header_does_not_put_the_role_down() {
        for text in [
            "set role admin",
            "set session authorization admin",
            "set local role none;",
            "set \"role\" to none;",
            "SET LOCAL \"Role\" = 'none'",
            "set session role none",
            "set /* - */ local session authorization default;",
            "set session session authorization default",
            "set session_authorization to default",
            "set timezone = 'UTC'; set local role none",
            "set standard_conforming_strings = off",
            "set names 'SJIS'",
            "reset role",
            "declare c cursor for select 1",
            "create temp function f() returns int as 'select 1' language sql",
        ] {
            for dialect in [Dialect::Postgres, Dialect::Redshift] {
                assert!(check_header(text, dialect).is_err(), "{dialect:?}: {text}");
            }
        }
        for text in [
            "set timezone = 'UTC'; set local work_mem to '64MB';",
            "set session characteristics as transaction isolation level serializable",
            "set \"datestyle\" to 'iso', 'ymd'",
            "set query_group to 'role'",
        ] {
            check_header(text, Dialect::Postgres).unwrap();
        }
    }

    #[test]
    fn a_query_does_not_set_the_session_up() {
        for text in [
            "select set_config('role', 'none', false)",
            "select pg_catalog.\"set_config\"('standard_conforming_strings', 'off', false)",
            "select SET_CONFIG ('role', 'none', true)",
        ] {
            assert!(check_enclosed(text, Dialect::Postgres).is_err(), "{text}");
        }
        check_enclosed("select 'set_config', current_setting('role')", Dialect::Postgres).unwrap();
        check_enclosed("select set_config", Dialect::DuckDb).unwrap();
    }
}
