//! `run_results.json` and `sources.json`: what an earlier run of dbt came to.

use std::borrow::Cow;

use serde::Deserialize;

use super::tolerant::{opt, text};

/// The results of an earlier run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RunResults<'a> {
    /// One for each node that ran, or each source whose freshness was asked.
    #[serde(borrow)]
    pub results: Vec<RunResult<'a>>,
}

/// One result.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RunResult<'a> {
    /// The node, or the source.
    #[serde(borrow, deserialize_with = "text")]
    pub unique_id: Cow<'a, str>,
    /// `success`, `error`, `fail`, `warn`, `pass`, `skipped`, …
    #[serde(borrow, deserialize_with = "text")]
    pub status: Cow<'a, str>,
    /// Of a source: when its newest row was loaded. RFC 3339.
    #[serde(borrow, deserialize_with = "opt")]
    pub max_loaded_at: Option<Cow<'a, str>>,
}

impl<'a> RunResults<'a> {
    /// Reads the document.
    ///
    /// # Errors
    /// When it is not JSON, or not a list of results.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}
