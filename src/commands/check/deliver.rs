//! The report brought to everybody who waits for it.

use std::io::Write;

use super::args::CheckArgs;
use crate::commands::publish::{self, token};
use crate::commands::{CommandError, Io, runtime};
use crate::publish::detect::Ci;
use crate::publish::write_to_ci;
use crate::report::{Report, json};

/// Writes the report's file, posts the comment, fills what CI offers, and prints the result.
pub(super) fn deliver(args: &CheckArgs, report: &Report, ci: &Ci, io: &mut Io<'_>) -> Result<(), CommandError> {
    let unwritten = |what: &str, source| CommandError::Write { what: what.to_owned(), source };
    if let Some(path) = &args.output {
        let path = io.env.cwd.join(path);
        let write = || -> std::io::Result<()> {
            let mut file = std::io::BufWriter::new(fs_err::File::create(&path)?);
            json::write(report, &mut file)?;
            file.flush()
        };
        write().map_err(|source| unwritten("the report", source))?;
    }
    let path = args.output.as_deref();
    let told = if comments(args, ci, io) {
        let token = token(&|name| io.env.get(name).map(str::to_owned));
        runtime()?.block_on(publish::deliver(report, ci, token, path, io.log)).map(|_| ())
    } else {
        write_to_ci(report, ci, None, path, io.log)
    };
    if let Err(error) = told {
        io.say(format_args!("warning: CI's own summary is incomplete: {error}"));
    }
    args.format.write(report, io.colours(), io.out).map_err(|source| unwritten("the result", source))
}

/// Says on the pull request that a run has begun, so that nobody merges on the last run's word.
pub(super) fn announce(args: &CheckArgs, report: &Report, ci: &Ci, io: &mut Io<'_>) -> Result<(), CommandError> {
    // Outside CI somebody looks at a terminal and sees the progress there.
    if ci.event.is_some() && comments(args, ci, io) {
        let token = token(&|name| io.env.get(name).map(str::to_owned));
        // What goes wrong here goes wrong again at the end, and is said then.
        let _ = runtime()?.block_on(publish::comment(report, ci, token, &mut std::io::sink()));
    }
    Ok(())
}

/// A comment is wanted in CI, and elsewhere where repository and token say where it goes.
fn comments(args: &CheckArgs, ci: &Ci, io: &Io<'_>) -> bool {
    let elsewhere =
        io.env.get("GITHUB_REPOSITORY").is_some() && token(&|name| io.env.get(name).map(str::to_owned)).is_some();
    !args.no_comment && (ci.event.is_some() || elsewhere)
}
