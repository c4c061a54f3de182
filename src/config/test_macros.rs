//! What becomes of a pull request that changes how data tests are judged.

use serde::Deserialize;

/// What a changed macro that decides whether tests fail does to the gate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangedTestMacros {
    /// It shuts it.
    #[default]
    Fail,
    /// It is a warning.
    Warn,
}
