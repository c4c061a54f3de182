//! What lint counted, beside its findings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Counts of lint. The findings themselves stand with the others; their rule is a linter's code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LintFacts {
    /// Findings that production does not have.
    #[serde(default)]
    pub new: u64,
    /// Production's findings that are gone.
    #[serde(default)]
    pub fixed: u64,
    /// Findings that production has too; hidden.
    #[serde(default)]
    pub known: u64,
    /// Files that style rules checked.
    #[serde(default)]
    pub files: u64,
    /// What is worth saying once: unsupported settings, parts that were not rendered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}
