//! Why a command could not do its work, and what exit code that is.

use super::publish::PublishCommandError;
use super::render::ReportFileError;
use crate::artifacts::ArtifactError;
use crate::config::ConfigError;
use crate::plan::PlanError;
use crate::project::SelectError;
use crate::warehouse::{GuardError, OpenError};

/// A run that ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Manifests.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The profile's target gives no warehouse.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The temporary schema may not be used.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// dbt refuses the selection.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The manifests give no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A saved report cannot be used.
    #[error(transparent)]
    ReportFile(#[from] ReportFileError),
    /// A saved report cannot be published.
    #[error(transparent)]
    Publish(#[from] PublishCommandError),
    /// Arguments that contradict each other, or input that cannot be used.
    #[error("{0}")]
    Usage(String),
    /// Input that cannot be used, with what to do about it.
    #[error("{message}")]
    Input {
        /// What is wrong, and where.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// It began and could not finish.
    #[error("{0}")]
    Incomplete(String),
    /// A result could not be written.
    #[error("could not write {what}: {source}")]
    Write {
        /// Which result.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl CommandError {
    /// What the user can do about it, where that is more than the message.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        match self {
            Self::Input { remedy, .. } => Some(remedy),
            Self::Artifact(error) => Some(error.hint()),
            Self::Config(error) => error.remedy(),
            Self::Open(OpenError::UnknownAdapter { .. }) => {
                Some("use `premerge plan`, `premerge ls` and `premerge lint`, which need no warehouse")
            }
            _ => None,
        }
    }

    /// 2 for bad usage, configuration or input, with nothing started; 3 for what could not be finished.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Artifact(_) | Self::Open(_) | Self::Usage(_) | Self::Input { .. } => 2,
            Self::ReportFile(_) | Self::Select(_) | Self::Plan(_) => 2,
            Self::Publish(error) => error.exit_code(),
            Self::Guard(GuardError::Warehouse { .. } | GuardError::Superseded { .. }) => 3,
            Self::Guard(_) => 2,
            Self::Incomplete(_) | Self::Write { .. } => 3,
        }
    }
}
