//! Where sqlparser's tokenizer and a warehouse's differ.
//!
//! Text after the difference could be read as a string by one and as names and brackets by the other. Each known
//! difference is refused.

use super::dialect::Dialect;
use super::tokens::{Kind, SqlError, Token, Tokens};

impl<'s> Tokens<'s> {
    /// Cuts `sql`, and refuses what the warehouse could read otherwise.
    pub(crate) fn of(sql: &'s str, dialect: Dialect) -> Result<Self, SqlError> {
        let tokens = Self::unchecked(sql, dialect)?;
        refuse_what_could_be_misread(&tokens)?;
        Ok(tokens)
    }
}

/// # Errors
/// [`SqlError::Unsupported`] that names what could be misread, and its line.
fn refuse_what_could_be_misread(tokens: &Tokens<'_>) -> Result<(), SqlError> {
    let mut before: Option<Token> = None;
    // The last token that stands for something.
    let mut solid: Option<Token> = None;
    for token in &tokens.list {
        let like_postgres = matches!(tokens.dialect, Dialect::Postgres | Dialect::Redshift | Dialect::DuckDb);
        let misread = in_any(tokens, *token, before)
            .or_else(|| if like_postgres { in_postgres(tokens, *token, solid) } else { None });
        if let Some(what) = misread {
            return Err(SqlError::Unsupported { what, line: tokens.line(token.start) });
        }
        before = Some(*token);
        if !token.kind.is_blank() {
            solid = Some(*token);
        }
    }
    Ok(())
}

fn in_any(tokens: &Tokens<'_>, token: Token, before: Option<Token>) -> Option<&'static str> {
    let (text, dialect) = (tokens.text(token), tokens.dialect);
    match token.kind {
        // For some warehouses a comment ends at a lone carriage return; here it does for PostgreSQL and DuckDB only.
        Kind::LineComment if text.trim_end_matches('\r').contains('\r') => {
            return Some("a lone carriage return in a comment");
        }
        // sqlparser begins a comment there, Snowflake does not.
        Kind::LineComment if dialect == Dialect::Snowflake && text.starts_with('#') => return Some("a `#`"),
        // Redshift's lexer nests comments, as PostgreSQL's does; sqlparser's Redshift does not.
        Kind::BlockComment if dialect == Dialect::Redshift && text.get(2..).is_some_and(|t| t.contains("/*")) => {
            return Some("a comment within a comment");
        }
        // A comment right behind an operator is taken for a part of the operator.
        Kind::Other => {
            let next = tokens.sql.get(token.end..).unwrap_or_default();
            let glued = text.contains("--")
                || text.contains("/*")
                || (text.ends_with('/') && next.starts_with('*'))
                || (text.ends_with('-') && next.starts_with('-'));
            if glued {
                return Some("a comment directly behind an operator");
            }
        }
        // sqlparser takes a backtick for a quote nearly everywhere; elsewhere it is an operator.
        Kind::Quoted if !text.starts_with(dialect.quote_char()) => return Some("a name in another dialect's quotes"),
        // `r'\'`: a raw string for Databricks and, spelled `rb'…'`, for BigQuery.
        Kind::Text if text.contains('\\') => {
            let raw = before.is_some_and(|word| {
                word.kind == Kind::Word
                    && ["r", "rb", "br"].iter().any(|prefix| tokens.text(word).eq_ignore_ascii_case(prefix))
            });
            if raw && matches!(dialect, Dialect::Databricks | Dialect::BigQuery) {
                return Some("a raw string with a backslash");
            }
        }
        _ => {}
    }
    None
}

/// For PostgreSQL's lexer and those that descend from it.
///
/// <https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/parser/scan.l>
fn in_postgres(tokens: &Tokens<'_>, token: Token, solid: Option<Token>) -> Option<&'static str> {
    let text = tokens.text(token);
    let before = solid.map(|solid| tokens.text(solid)).unwrap_or_default();
    let touches = solid.is_some_and(|solid| solid.end == token.start);
    // Whether the token before would, with more letters, be a longer word of the warehouse's.
    let touches_word = touches && before.ends_with(|c: char| c.is_alphanumeric() || "_$".contains(c) || !c.is_ascii());
    let prefixed = text.starts_with(|c: char| c.is_ascii_alphabetic());
    match token.kind {
        // A string goes on behind blanks with a line's end, with the escapes of its first part.
        Kind::Text if text.starts_with('\'') && is_escaped(solid, before) => {
            Some("a string that goes on behind an `E'…'`")
        }
        // `1Le'\'`: a number and a name for PostgreSQL, a long number and a string with escapes for sqlparser.
        Kind::Text if prefixed && touches_word => Some("a string directly behind a name or number"),
        Kind::Text if text.contains('\\') => {
            // `x'\'` and, on Redshift, `b'\'`: these know no escapes.
            let without = prefixed && !text.starts_with(['e', 'E', 'u', 'U', 'n', 'N']);
            let of_word = touches_word && tokens.dialect == Dialect::Redshift;
            (without || of_word).then_some("a backslash in a string with a prefix")
        }
        // PostgreSQL takes any character beyond ASCII into the tag of `$tag$`, sqlparser letters only.
        Kind::Other if text.starts_with('$') => Some("a `$`"),
        // Redshift's JSON paths: sqlparser reads up to the closing bracket, whatever stands between.
        Kind::Other if text.starts_with('[') && text.len() > 1 && !is_plain_path(text) => Some("a `[`"),
        // Its escapes could spell any name.
        Kind::Quoted if touches && before == "&" && is_unicode_prefix(tokens, token) => {
            Some("a quoted name with Unicode escapes")
        }
        _ => None,
    }
}

fn is_escaped(token: Option<Token>, text: &str) -> bool {
    token.is_some_and(|token| token.kind == Kind::Text) && text.starts_with(['e', 'E'])
}

/// `[word]` or `["anything but quotes"]`.
fn is_plain_path(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or_default().trim();
    match inner.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').is_some_and(|name| !name.contains('"')),
        None => inner.chars().all(|c| c.is_alphanumeric() || "_ ".contains(c)),
    }
}

/// Whether `U&` stands right before `token`.
fn is_unicode_prefix(tokens: &Tokens<'_>, token: Token) -> bool {
    let ahead = tokens.sql.get(..token.start).unwrap_or_default();
    ahead.strip_suffix('&').is_some_and(|ahead| ahead.ends_with(['u', 'U']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_could_be_misread_is_refused() {
        let refused = [
            (Dialect::Redshift, "select 1 -- a\rfrom t"),
            (Dialect::Redshift, "select /* a /* b */ c' */ 1"),
            (Dialect::Postgres, "select a ||-- it's\n b"),
            (Dialect::Databricks, r"select r'\' , b from t where x = 'y'"),
            (Dialect::Redshift, "select a[b)); drop table t; --\n ]"),
            (Dialect::Redshift, "select a[b\" ] \" ) ; drop table t; --\""),
            (Dialect::Redshift, r"select b'\' ) ; drop table t; --'"),
            (Dialect::Redshift, "select ` ); drop table t; select `"),
        ];
        for (dialect, sql) in refused {
            let result = Tokens::of(sql, dialect);
            assert!(result.is_err(), "{sql}");
        }
        assert!(Tokens::of("select /* a /* b */ it's */ 1", Dialect::DuckDb).is_ok());
        assert!(Tokens::of("select 1 -- a\r\nfrom t", Dialect::Postgres).is_ok());
        assert!(Tokens::of("select a[0].b[c], a[\"d e\"]", Dialect::Redshift).is_ok());
    }

    /// What PostgreSQL's lexer ends elsewhere than sqlparser's.
    #[test]
    fn postgres_strings_that_could_be_misread_are_refused() {
        for sql in [
            "select E'a'\n'\\'' as x ); drop table t; create table u as (select 1 as a --' as y",
            "select e'a' -- note\n'\\'' as x ); drop table t; --' as y",
            "select e'a'\r'b'\n'\\' ); drop table t; --'",
            r"select x'\' ); drop table t; --'",
            r"select 1Le'\' ); drop table t; --'",
            "select 1 as a, $€$ ' $€$ ); drop table t; --'",
            "select * from U&\"\\0072aw\".t",
        ] {
            for dialect in [Dialect::Postgres, Dialect::DuckDb, Dialect::Redshift] {
                // Where sqlparser itself stumbles, that is as good.
                assert!(Tokens::of(sql, dialect).is_err(), "{dialect:?}: {sql}");
            }
        }
        for sql in [
            "select 'a'\n'b', e'a' || 'b', e'it\\'s', U&'\\0061', N'n', x'1f', b'01', date'2020-01-01'",
            "select $$a;b$$, $ä$ ' $ä$, a->>'b', 1e3, 0x1f, U & \"a\"",
        ] {
            for dialect in [Dialect::Postgres, Dialect::DuckDb] {
                assert!(Tokens::of(sql, dialect).is_ok(), "{dialect:?}: {sql}: {:?}", Tokens::of(sql, dialect));
            }
        }
    }
}
