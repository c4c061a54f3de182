//! `premerge render`: a saved report in another format.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::output::write_whole;
use crate::publish::github;
use crate::report::{FindingList, Report, annotations, codequality, json, junit, markdown, sarif, terminal};

/// Arguments of `premerge render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The report, as `premerge check --output` wrote it
    pub report: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t, env = "PREMERGE_RENDER_FORMAT")]
    pub format: Format,
    /// Write to a file instead of stdout
    #[arg(long, value_name = "FILE", env = "PREMERGE_RENDER_OUTPUT")]
    pub output: Option<PathBuf>,
}

/// A rendering of the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for a terminal
    #[default]
    Text,
    /// The pull request's comment
    Markdown,
    /// The whole report, version 1
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for the test reports of CI systems
    Junit,
    /// GitLab's code quality
    GitlabCodequality,
    /// Workflow commands of GitHub Actions
    Annotations,
}

impl Format {
    /// Whether it is written past what disarms commands: it is commands to the runner.
    #[must_use]
    pub fn commands_the_runner(self) -> bool {
        self == Self::Annotations
    }

    /// Writes a report in this format; `colours` only matter to text.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write(self, report: &Report, colours: bool, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Text => terminal::write(report, colours, out),
            Self::Markdown => markdown::write(report, github::FLAVOUR, out),
            Self::Json => json::write(report, out),
            Self::Sarif => sarif::write(&FindingList::of_report(report), out),
            Self::Junit => junit::write(report, out),
            Self::GitlabCodequality => codequality::write(&FindingList::of_report(report), out),
            Self::Annotations => annotations::write(&FindingList::of_report(report), None, out),
        }
    }
}

/// Why a saved report could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ReportFileError {
    /// The file could not be read, or the rendering not be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is not a report.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: json::ReadError,
    },
}

/// Reads a saved report, looking at its size before its content.
///
/// # Errors
/// When the file cannot be read or is not a report.
pub fn read_report(path: &Path) -> Result<Report, ReportFileError> {
    let wrong = |source| ReportFileError::Read { path: path.display().to_string(), source };
    let size = usize::try_from(fs_err::metadata(path)?.len()).unwrap_or(usize::MAX);
    if size > json::READ_LIMIT {
        return Err(wrong(json::ReadError::TooLarge { size }));
    }
    json::read(&fs_err::read(path)?).map_err(wrong)
}

/// Renders the report to `out`, or to the file that the arguments name.
///
/// # Errors
/// When the report cannot be read or the rendering not be written.
pub fn run(args: &RenderArgs, colours: bool, out: &mut dyn Write) -> Result<(), ReportFileError> {
    let report = read_report(&args.report)?;
    match &args.output {
        Some(path) => write_whole(path, |file| args.format.write(&report, false, file))?,
        None => args.format.write(&report, colours, out)?,
    }
    Ok(())
}
