//! What the grammars are given and what they answer.

use crate::sql::tokens::SqlError;

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
    /// Relations that are not common table expressions of the text.
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

    pub(super) fn syntax(rule: impl Into<String>) -> Self {
        Self { rule: rule.into(), line: 0, syntax: true }
    }
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Self {
        Self::new(error.to_string(), 0)
    }
}

/// A name that may be said: words of the text, no values.
pub(super) fn sayable(name: &str) -> bool {
    name.len() <= 63 && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
