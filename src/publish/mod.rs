//! The report brought to where its readers are: a pull request's comment, a job's summary, its log.
//!
//! In: a [`Report`] and what CI says about itself. Out: one comment that is edited in place. A forge is one
//! file that implements [`Forge`]. Nothing here changes the verdict: a comment that cannot be posted is said
//! in the log, and the gate stays as it is.

pub mod actions; // GitHub Actions: job summary, outputs, annotations
mod attempts;
pub mod ci; // which CI, which pull request, which commit: one file a system
pub mod forge; // which code host
pub mod github; // GitHub and GitHub Enterprise Server
pub mod gitlab; // GitLab, also self-managed
mod log;
mod sticky; // one comment, kept up to date on any host
mod token;
mod transport;

use std::io::{self, Write};
use std::path::Path;

use async_trait::async_trait;

use crate::report::{FindingList, Report, annotations, markdown};
use crate::text::escape;

pub use forge::ForgeKind;
pub use log::LogWriter;
pub use token::Token;

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
                write!(f, "no comment: the token may not write one (needed: {needed}); the job summary has the report")
            }
            Self::Outdated { head } => {
                write!(f, "no comment: the pull request's head is {head} by now, whose own run will comment")
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
    #[error("the forge does not know the token (401): it is wrong, expired or empty")]
    Unauthorized,
    /// The repository or pull request is not there, or the token may not see it.
    #[error("{what} is not there, or the token may not see it (404)")]
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

/// Writes the report to everything that CI offers beside the comment: summary, outputs, annotations.
///
/// `posted` is the comment's fate, if one was tried; `log` is the job's log.
///
/// # Errors
/// When one of CI's files cannot be written.
pub fn write_to_ci(
    report: &Report,
    ci: &ci::Ci,
    posted: Option<&Posted>,
    report_path: Option<&Path>,
    log: &mut dyn Write,
) -> Result<(), PublishError> {
    if let Some(posted) = posted {
        writeln!(log, "{}", escape::log_line(&escape::terminal(&posted.to_string(), false)))?;
    }
    if let Some(path) = &ci.step_summary {
        actions::append_summary(path, &markdown::body(report, actions::SUMMARY_CAP))?;
    }
    if let Some(path) = &ci.outputs {
        let report_path = report_path.map(|path| path.display().to_string()).unwrap_or_default();
        let outputs = [
            ("verdict", report.verdict().as_str()),
            ("report-path", report_path.as_str()),
            ("comment-url", posted.and_then(Posted::url).unwrap_or_default()),
            ("schema", report.temporary_schema.as_ref().map(|schema| schema.name.as_str()).unwrap_or_default()),
        ];
        actions::append_outputs(path, &outputs)?;
    }
    if ci.log == ci::LogDialect::Actions {
        annotations::write(&FindingList::of_report(report), Some(annotations::SHOWN), log)?;
    }
    Ok(())
}
