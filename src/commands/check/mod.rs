//! `premerge check`: the whole job.

mod args;
mod carry_out;
mod deliver;
mod identity;
mod job;
mod lint;
mod settings;
mod summary;
mod whose;

use std::time::Instant;

use jiff::Timestamp;

pub use args::{CheckArgs, ProjectArgs};
use settings::Settings;

use super::{CommandError, Io};
use crate::publish::detect::detect;
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
    let ci =
        detect(&|name| io.env.get(name).map(str::to_owned)).map_err(|error| CommandError::Usage(error.to_string()))?;
    let pull_request = args.pr.or(ci.pull_request);
    let settings = Settings::resolve(args, pull_request, &io.env, began.at)?;
    let report = job::check(args, &settings, &ci, pull_request, began, io)?;
    deliver::deliver(args, &report, &ci, io)?;
    Ok(report)
}

/// When the run began.
#[derive(Debug, Clone, Copy)]
struct Began {
    instant: Instant,
    at: Timestamp,
}
