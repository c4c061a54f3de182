//! The engine's own grammar decides what a text of the project is.
//!
//! In: a text and the place where it is to stand in a statement of ours. Out: the relations, functions and column names
//! that the text names, when the parser of the very engine that will run it says that it stays at its place and only
//! reads; otherwise a refusal that names the rule and the line. What is allowed is listed, never what is forbidden: a
//! construct that a newer grammar brings is refused until somebody has looked at it.

#[cfg(feature = "duckdb")]
mod duckdb;
mod facts;
mod header;
mod place;
mod postgres;
mod redshift;

use facts::sayable;
pub use facts::{Facts, Named, ProjectText, Refusal};

use super::deep::{depth_of, with_deep_stack};
use super::dialect::Dialect;
use super::tokens::{Kind, SqlError, Tokens};

/// Reads `text` with the grammar of `dialect`'s engine.
///
/// # Errors
/// When it is anything but what has to stand at its place, or could do anything but read.
pub fn judge(text: ProjectText<'_>, dialect: Dialect) -> Result<Facts, Refusal> {
    for part in text.parts() {
        // What ends a text for a library written in C does not end it for us.
        if part.contains('\0') {
            return Err(Refusal::new("a NUL character", 0));
        }
        let tokens = Tokens::of(part, dialect)?;
        depth_of(&tokens)?;
        if !matches!(text, ProjectText::Header(_)) {
            stays_inside(&tokens)?;
        }
        if !matches!(text, ProjectText::Query(_) | ProjectText::Header(_)) {
            leaves_the_line_open(&tokens)?;
        }
    }
    if let ProjectText::Header(text) = text {
        return header::judge(text, dialect).map(|()| Facts::default());
    }
    let judged = with_deep_stack(|| match dialect {
        Dialect::Postgres => postgres::judge(text),
        Dialect::Redshift => redshift::judge(text),
        #[cfg(feature = "duckdb")]
        Dialect::DuckDb => duckdb::judge(text),
        #[cfg(not(feature = "duckdb"))]
        Dialect::DuckDb => Err(Refusal::new("this build has no DuckDB, so none of its grammar", 0)),
        Dialect::Snowflake | Dialect::BigQuery | Dialect::Databricks | Dialect::Generic => {
            Err(Refusal::new("premerge has no grammar of this adapter's SQL", 0))
        }
    });
    judged.unwrap_or_else(|| Err(Refusal::new("the engine's parser gave up", 0)))
}

/// Whether a text is one expression, or several with commas between them, of a query: what is put around it stays what it
/// is.
#[must_use]
pub fn is_expression(text: &str, dialect: Dialect) -> bool {
    let is_whole = || {
        let tokens = Tokens::of(text, dialect)?;
        depth_of(&tokens)?;
        stays_inside(&tokens)?;
        leaves_the_line_open(&tokens)
    };
    let sql = format!("select ({text}) as premerge_key");
    !text.trim().is_empty() && is_whole().is_ok() && judge(ProjectText::Query(&sql), dialect).is_ok()
}

/// The plainest ways out of a place, which are mistakes more often than not, in words that say so.
fn stays_inside(tokens: &Tokens<'_>) -> Result<(), SqlError> {
    let mut depth = 0_usize;
    for token in &tokens.list {
        let line = || tokens.line(token.start);
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => {
                let what = "a closing bracket without an opening one";
                depth = depth.checked_sub(1).ok_or_else(|| SqlError::Unsupported { what, line: line() })?;
            }
            Kind::Semicolon => return Err(SqlError::Semicolon { line: line() }),
            _ => {}
        }
    }
    Ok(())
}

/// A piece of a statement has our text, and dbt's, behind it on the same line: a comment at its end would swallow that.
fn leaves_the_line_open(tokens: &Tokens<'_>) -> Result<(), SqlError> {
    match tokens.list.iter().rfind(|token| token.kind != Kind::Space) {
        Some(last) if last.kind == Kind::LineComment => {
            let what = "a comment at the end of a piece of a statement, which hides what follows";
            Err(SqlError::Unsupported { what, line: tokens.line(last.start) })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_piece_ends_in_a_comment_that_hides_what_follows() {
        for dialect in [Dialect::Postgres, Dialect::Redshift] {
            for comment in ["--", "-- why\n", "-- why  \n\n"] {
                let (key, check) = (format!("amount {comment}"), format!("check (amount > 0) {comment}"));
                let definition = format!("integer {comment}");
                for text in [
                    ProjectText::Key(&key),
                    ProjectText::Constraint(&check),
                    ProjectText::Column { name: "amount", definition: &definition },
                ] {
                    let refusal = judge(text, dialect).expect_err("a comment at the end");
                    assert!(refusal.rule.contains("a comment at the end"), "{text:?}: {refusal}");
                }
            }
            assert_eq!(judge(ProjectText::Query("select 1 -- why"), dialect), Ok(Facts::default()));
        }
        for key in ["amount /* why */", "amount, -- why\n customer"] {
            assert!(judge(ProjectText::Key(key), Dialect::Postgres).is_ok(), "{key}");
        }
    }
}
