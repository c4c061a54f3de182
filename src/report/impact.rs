//! Who is downstream of the change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::outcome::Why;
use crate::artifacts::UniqueId;

/// Everything downstream of the changed nodes, whether it was built or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Impact {
    /// Models, seeds and snapshots, sorted by name.
    #[serde(default)]
    pub models: Vec<DownstreamModel>,
    /// Exposures, sorted by name.
    #[serde(default)]
    pub exposures: Vec<ExposedUse>,
}

/// A node downstream of the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DownstreamModel {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name.
    pub name: String,
    /// Who owns it: its group's owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// An exposure downstream of the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExposedUse {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// Its label, or its name.
    pub name: String,
    /// `dashboard`, `notebook`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Something that changed but is not built: a source, an ephemeral model, a test, an operation, or what premerge does
/// not build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OtherChange {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name.
    pub name: String,
    /// dbt's name of its type, such as `source`.
    pub resource_type: String,
    /// In which ways it differs from production.
    #[serde(default)]
    pub why: Vec<Why>,
    /// What became of it.
    pub fate: OtherFate,
}

/// What became of a change that is nothing to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OtherFate {
    /// There is nothing to build or to run of it; what reads it is built.
    Definition,
    /// It is part of the models that read it.
    Inlined,
    /// A test, which was run: its result stands with the tests.
    Test,
    /// It could not be checked.
    NotChecked,
    /// It has no SQL.
    Empty,
}

/// A node that changed and that was not built for it, as its compiled SQL and its build configuration are production's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CosmeticChange {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name.
    pub name: String,
    /// In which ways dbt calls it modified.
    #[serde(default)]
    pub why: Vec<Why>,
}

/// A node that state has and the pull request does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemovedNode {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name.
    pub name: String,
    /// dbt's name of its type, such as `model`.
    #[serde(default)]
    pub resource_type: String,
    /// Names of what still refers to it.
    #[serde(default)]
    pub still_used_by: Vec<String>,
    /// The node that probably took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_to: Option<String>,
    /// Whether the pull request disables it rather than deletes it.
    #[serde(default)]
    pub disabled: bool,
}
