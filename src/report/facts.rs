//! What was checked, against what, where and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifacts::UniqueId;

/// Which pull request, commit and run a report is about. Everything is optional: a run on a laptop has little of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    /// `owner/name` at the forge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Number of the pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    /// dbt's project name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The project's folder inside the repository, with `/`; empty at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_folder: Option<String>,
    /// Head commit of the pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Where the forge shows files, such as the value of `GITHUB_SERVER_URL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_url: Option<String>,
    /// The run in CI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunFacts>,
    /// premerge's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub premerge_version: Option<String>,
    /// Version of the dbt that made the pull request's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dbt_version: Option<String>,
}

/// The run in CI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunFacts {
    /// The CI system's id of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which attempt it is, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u64>,
    /// Where its log is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The temporary schema of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemporarySchema {
    /// The schema's name.
    pub name: String,
    /// The database, catalog or project it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// When `premerge cleanup` may drop it (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Whether it was dropped at the end of the run.
    #[serde(default)]
    pub dropped: bool,
}

/// Where the time went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    /// When the run started (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// From start to report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<u64>,
    /// How much of it at least one statement was waiting for the warehouse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warehouse_ms: Option<u64>,
    /// Statements for proxies, nodes, tests and row counts, without those for the register and the sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statements: Option<u64>,
}

/// Why a run ended before its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Interruption {
    /// A newer run of the same pull request took over. What this one found no longer matters.
    Superseded,
    /// Somebody or something stopped it, or the time was up.
    Cancelled {
        /// What stopped it, for people.
        reason: String,
    },
    /// The warehouse or the network failed.
    Broken {
        /// Which step could not be done, for people; never in the warehouse's words.
        reason: String,
    },
}

impl Interruption {
    /// One phrase for people.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Superseded => "superseded: a newer run of this pull request took over",
            Self::Cancelled { reason } | Self::Broken { reason } => reason,
        }
    }
}

/// Something that should have been checked and was not. Its presence alone keeps the verdict from `passed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotChecked {
    /// What, by the name a dbt user gives it.
    pub subject: String,
    /// Its unique_id, if it is a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<UniqueId>,
    /// Why not.
    pub reason: String,
}

/// Something that dbt would have run and premerge intentionally skips: hooks, grants, operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// What: `post-hook of fct_orders`, `on-run-end`.
    pub subject: String,
    /// unique_id of the node it belongs to, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<UniqueId>,
    /// What kind of thing, where production has just the same: `post-hook`. Those are counted, not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How many of that kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Why.
    pub reason: String,
}
