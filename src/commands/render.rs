//! `premerge render`: a saved report in another format.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

pub use super::format::Format;
use super::result_file::{ResultFile, refuse_repeated};
use crate::report::{Report, json};

/// Arguments of `premerge render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The report, as `premerge check --output` wrote it
    pub report: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t, env = "PREMERGE_RENDER_FORMAT")]
    pub format: Format,
    /// Write to this file instead of stdout, in --format or in a format of its own; may be repeated
    #[arg(long, value_name = "[FORMAT=]FILE", value_parser = ResultFile::parser(), env = "PREMERGE_RENDER_OUTPUT")]
    pub output: Vec<ResultFile>,
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

/// Renders the report to `out`, or to the files that the arguments name.
///
/// # Errors
/// When the report cannot be read or the rendering not be written.
pub fn run(args: &RenderArgs, colours: bool, out: &mut dyn Write) -> Result<(), ReportFileError> {
    refuse_repeated(&args.output)?;
    let report = read_report(&args.report)?;
    let files = || args.output.iter().try_for_each(|file| file.write(&report, args.format, Path::new("")));
    let written = if args.output.is_empty() { args.format.write(&report, colours, out) } else { files() };
    Ok(written?)
}
