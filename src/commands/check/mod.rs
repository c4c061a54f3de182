//! `premerge check`: the whole job.

mod args;
mod began;
mod carry_out;
mod compiling;
mod deliver;
mod gate;
mod identity;
mod job;
mod lint;
mod settings;
mod weak;

use std::time::Instant;

pub use args::CheckArgs;
use began::Began;
pub(super) use gate::{gate_in_words, profile_lines, style_files_in_words};
use settings::Settings;

use super::result_file::refuse_repeated;
use super::{CommandError, Io, ci};
use crate::report::Report;

/// Runs `premerge check` and returns the exit code.
///
/// # Errors
/// Bad usage, configuration or input, with nothing started; or a report that could not be written.
pub fn run(args: &CheckArgs, io: &mut Io<'_>) -> Result<u8, CommandError> {
    run_for_report(args, io).map(|report| report.verdict().exit_code())
}

/// The same, returning the report.
pub(super) fn run_for_report(args: &CheckArgs, io: &mut Io<'_>) -> Result<Report, CommandError> {
    let began = Began { instant: Instant::now(), at: io.now };
    refuse_repeated(&args.output).map_err(|error| CommandError::Usage(error.to_string()))?;
    let ci = ci(&io.env)?;
    let pull_request = args.run.pr.or(ci.pull_request);
    let settings = Settings::resolve(args, &ci.checkout(pull_request), pull_request, &io.env, began.at)?;
    let report = job::check(args, &settings, &ci, pull_request, began, io)?;
    deliver::deliver(args, &report, &ci, io)?;
    Ok(report)
}
