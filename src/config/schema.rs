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

/// What stays of the temporary schema when the run is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// All but views that would hold production's tables, until the pull request is closed or it expires
    #[default]
    Tables,
    /// All, with such views: production cannot change what they read until then
    All,
    /// Nothing: it is dropped, after failures and signals too
    None,
}
