//! What a code host is asked for, and what it comes to.

use std::io;

use async_trait::async_trait;

use crate::report::Report;

/// A code host.
#[async_trait]
pub trait Forge: Send + Sync {
    /// Creates this report's comment on the pull request, or edits the one that an earlier run left.
    ///
    /// # Errors
    /// When the forge cannot be reached or refuses for a reason other than a token's missing permission.
    async fn upsert(&self, report: &Report) -> Result<Posted, PublishError>;
}

/// What became of the comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// There was none.
    Created {
        /// Where it is.
        url: String,
    },
    /// There was one.
    Updated {
        /// Where it is.
        url: String,
    },
    /// There was one that says the same.
    Unchanged {
        /// Where it is.
        url: String,
    },
    /// The token may not comment. Not an error: it is what a pull request from a fork gets.
    ReadOnly {
        /// What the forge says would be needed.
        needed: Option<String>,
    },
    /// The pull request has moved on to another commit: the comment belongs to the run of that one.
    Outdated {
        /// Its head now.
        head: String,
    },
    /// A newer run of the same pull request took over, and writes the comment.
    Superseded,
}

impl Posted {
    /// Where the comment is, if there is one.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Created { url } | Self::Updated { url } | Self::Unchanged { url } => Some(url),
            Self::ReadOnly { .. } | Self::Outdated { .. } | Self::Superseded => None,
        }
    }
}

impl std::fmt::Display for Posted {
    /// One line for the log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Created { url } => write!(f, "comment created: {url}"),
            Self::Updated { url } => write!(f, "comment updated: {url}"),
            Self::Unchanged { url } => write!(f, "comment is up to date: {url}"),
            Self::ReadOnly { needed } => {
                let needed = needed.as_deref().unwrap_or("pull_requests=write");
                write!(f, "no comment: the token cannot write one (needed: {needed}); the job summary has the report")
            }
            Self::Outdated { head } => {
                write!(f, "no comment: the pull request's head is now {head}, and its own run will comment")
            }
            Self::Superseded => f.write_str("no comment: a newer run of this pull request writes it"),
        }
    }
}

/// Why nothing could be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The settings name no place to publish to.
    #[error("{0}")]
    Settings(String),
    /// The token is wrong or expired.
    #[error("the forge rejected the token (401): it is wrong, expired or empty")]
    Unauthorized,
    /// The repository or pull request is not there, or the token may not see it.
    #[error("{what} does not exist, or the token cannot see it (404)")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The forge refused for another reason.
    #[error("the forge refused {what} with status {status}: {message}")]
    Refused {
        /// What was asked for.
        what: String,
        /// HTTP status.
        status: u16,
        /// What it said, cut.
        message: String,
    },
    /// The forge did not answer, or not usefully, in all attempts.
    #[error("the forge could not be reached for {what}: {reason}")]
    Unreachable {
        /// What was asked for.
        what: String,
        /// The last reason.
        reason: String,
    },
    /// A file of CI could not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}
