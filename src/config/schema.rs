//! What becomes of the temporary schema before and after the run.

use serde::Deserialize;

/// What becomes of an earlier run's relations when the next begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AtStart {
    /// All of them are dropped first
    #[default]
    Drop,
    /// Each stays readable until its successor takes its place
    Replace,
}

/// What becomes of the schema when the run is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AtEnd {
    /// It stays until the pull request is closed or it expires, without the views that would hold production's
    /// tables
    #[default]
    Keep,
    /// It stays with all its views: production cannot change what they read until then
    All,
    /// It is dropped, after failures and signals too
    Drop,
}
