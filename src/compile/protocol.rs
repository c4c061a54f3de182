//! What is said between premerge and the driver, one JSON document a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What premerge says.
#[derive(Debug, Serialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(super) enum Request<'a> {
    /// The first: how dbt is invoked, where files may be left, and where the project is.
    Start { folder: &'a str, project: &'a str, arguments: &'a [String] },
    /// Where nodes are from now on.
    Place { places: &'a BTreeMap<&'a str, Place<'a>> },
    /// Their texts are wanted. `offline`: nothing can be asked yet.
    Texts { ids: &'a [&'a str], offline: bool },
}

/// Database, if it is another, schema and identifier, and whether the run builds it.
pub type Place<'a> = (Option<&'a str>, &'a str, &'a str, bool);

/// The answer to a query.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", untagged)]
pub(super) enum Answer {
    /// Names and types of the columns, and values as text.
    Rows { columns: Vec<(String, String)>, rows: Vec<Vec<Option<String>>> },
    /// premerge does not send it.
    Refused { refused: String },
    /// The warehouse could not.
    Failed { error: String },
}

/// What the driver says.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Event {
    /// dbt is imported.
    Started { dbt: String, python: String },
    /// The project is parsed.
    Parsed { manifest: String, adapter: String },
    /// A macro asks. `own`: dbt's own method does, about one relation.
    Query { sql: String, own: bool },
    /// What became of a text: one of the others is there.
    Text {
        id: String,
        sql: Option<String>,
        #[serde(default)]
        asks: bool,
        refused: Option<String>,
        /// A type whose values a macro asked for and that the driver does not hand over.
        valueless: Option<String>,
        failed: Option<String>,
    },
    /// All texts of a request were given.
    Done,
    /// There will be no more.
    Ended { failed: String, stage: Stage },
}

/// How far dbt came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Import,
    Parse,
    Run,
}
