//! The report brought to where its readers are: a pull request's comment, a job's summary, its log.
//!
//! In: a [`Report`] and what CI says about itself. Out: one comment that is edited in place. A forge is one
//! file that implements [`Forge`]. Nothing here changes the verdict: a comment that cannot be posted is said
//! in the log, and the gate stays as it is.

pub mod actions; // GitHub Actions: job summary, outputs, annotations
mod attempts;
pub mod ci; // which CI, which pull request, which commit: one file a system
pub mod forge; // which code host
mod forge_kind;
pub mod github; // GitHub and GitHub Enterprise Server
pub mod gitlab; // GitLab, also self-managed
mod log;
mod posted;
mod sticky; // one comment, kept up to date on any host
mod token;
mod transport;

use std::io::Write;
use std::path::Path;

use crate::report::{FindingList, Report, annotations, markdown};
use crate::text::escape;

pub use forge_kind::ForgeKind;
pub use log::{EventWriter, LogWriter};
pub use posted::{Forge, Posted, PublishError};
pub use token::Token;

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
        actions::append_summary(path, &markdown::body(report, github::FLAVOUR, actions::SUMMARY_CAP))?;
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
