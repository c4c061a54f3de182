//! What others changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::Why;
use crate::artifacts::UniqueId;

/// A node that differs from production and not from the merge base: others changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotYours {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name.
    pub name: String,
    /// In which ways it differs from production.
    #[serde(default)]
    pub why: Vec<Why>,
    /// What became of it.
    pub fate: NotYoursFate,
}

/// What became of a change that others made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotYoursFate {
    /// It was not built.
    NotBuilt,
    /// It was built because the pull request's change reads it, and does not gate.
    Needed,
    /// It is downstream of the pull request's change, and gates as everything downstream does.
    Downstream,
}
