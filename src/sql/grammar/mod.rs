//! The engine's own grammar decides what a text of the project is.
//!
//! In: a text and the place where it is to stand in a statement of ours. Out: the relations, functions and column names
//! that the text names, when the parser of the very engine that will run it says that it stays at its place and only
//! reads; otherwise a refusal that names the rule and the line. What is allowed is listed, never what is forbidden: a
//! construct that a newer grammar brings is refused until somebody has looked at it.

#[cfg(feature = "duckdb")]
mod duckdb;
mod header;
mod place;
mod postgres;
mod redshift;

use super::deep::{depth_of, with_deep_stack};
use super::dialect::Dialect;
use super::tokens::{Kind, SqlError, Tokens};

/// A text of the project, by the place where it stands in a statement of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectText<'a> {
    /// One whole query, put into brackets.
    Query(&'a str),
    /// A column of a `create table`: its name as it is written, and its type and constraints.
    Column {
        /// Quoted, if it is to be quoted.
        name: &'a str,
        /// Type and constraints.
        definition: &'a str,
    },
    /// A constraint of a `create table`.
    Constraint(&'a str),
    /// Columns or expressions of an index, or of a sort or distribution key.
    Key(&'a str),
    /// The method of an index.
    IndexMethod(&'a str),
    /// dbt's `sql_header`: statements in front of ours.
    Header(&'a str),
}

impl<'a> ProjectText<'a> {
    /// Its parts, as they are written.
    #[must_use]
    pub fn parts(self) -> Vec<&'a str> {
        match self {
            Self::Query(text)
            | Self::Constraint(text)
            | Self::Key(text)
            | Self::IndexMethod(text)
            | Self::Header(text) => vec![text],
            Self::Column { name, definition } => vec![name, definition],
        }
    }
}

/// A relation that a text names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its parts as the engine reads them: folded, without quotes.
    pub parts: Vec<String>,
    /// From 1, in the text.
    pub line: usize,
}

/// What a text names, as the engine's grammar reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Relations that are no common table expressions of the text.
    pub relations: Vec<Named>,
    /// Functions, with their schemas.
    pub functions: Vec<Named>,
    /// Last parts of columns: `x.f` may call a function `f` on PostgreSQL.
    pub columns: Vec<String>,
    /// Aliases of tables, which Redshift's paths begin with.
    pub aliases: Vec<String>,
}

/// Why a text is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}{}", if *line == 0 { String::new() } else { format!(" (line {line})") })]
pub struct Refusal {
    /// What it breaks. Holds names of the text, and no values.
    pub rule: String,
    /// From 1, in the text; 0 where the engine does not say.
    pub line: usize,
    /// Whether the engine itself would not take the text: a mistake, most likely.
    pub syntax: bool,
}

impl Refusal {
    pub(crate) fn new(rule: impl Into<String>, line: usize) -> Self {
        Self { rule: rule.into(), line, syntax: false }
    }

    fn syntax(rule: impl Into<String>) -> Self {
        Self { rule: rule.into(), line: 0, syntax: true }
    }
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        Self::new(error.to_string(), 0)
    }
}

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
        Dialect::Snowflake | Dialect::BigQuery | Dialect::Databricks => {
            Err(Refusal::new(format!("premerge has no grammar of {}", dialect.adapter()), 0))
        }
    });
    judged.unwrap_or_else(|| Err(Refusal::new("the engine's parser gave up", 0)))
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

/// A name that may be said: words of the text, no values.
fn sayable(name: &str) -> bool {
    name.len() <= 63 && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
