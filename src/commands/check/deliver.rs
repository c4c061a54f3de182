//! The report brought to everybody who waits for it.

use std::io::Write;

use super::args::CheckArgs;
use crate::commands::publish::token;
use crate::commands::{CommandError, Io};
use crate::publish::detect::Ci;
use crate::publish::github::{GitHub, Settings};
use crate::publish::{Forge, Posted, PublishError, write_to_ci};
use crate::report::{Report, json};

/// Writes the report's file, posts the comment, fills what CI offers, and prints the result.
///
/// A comment that cannot be posted is said, and does not change the verdict.
pub(super) fn deliver(args: &CheckArgs, report: &Report, ci: &Ci, io: &mut Io<'_>) -> Result<(), CommandError> {
    if let Some(path) = &args.output {
        let path = io.env.cwd.join(path);
        let write = || -> std::io::Result<()> {
            let mut file = std::io::BufWriter::new(fs_err::File::create(&path)?);
            json::write(report, &mut file)?;
            file.flush()
        };
        write().map_err(|source| CommandError::Write { what: "the report".to_owned(), source })?;
    }
    let posted = if args.no_comment { None } else { comment(report, ci, io)? };
    let told = write_to_ci(report, ci, posted.as_ref(), args.output.as_deref(), io.log);
    if let Err(error) = told {
        io.say(format_args!("warning: CI's own summary is incomplete: {error}"));
    }
    args.format
        .write(report, io.colours(), io.out)
        .map_err(|source| CommandError::Write { what: "the result".to_owned(), source })
}

/// Posts the comment where repository, pull request and token are known.
fn comment(report: &Report, ci: &Ci, io: &mut Io<'_>) -> Result<Option<Posted>, CommandError> {
    let (Some(_), Some(_)) = (&report.facts.repository, report.facts.pull_request) else { return Ok(None) };
    let Some(token) = token(&|name| io.env.get(name).map(str::to_owned)) else {
        if ci.event.is_some() {
            io.say(format_args!(
                "no comment: there is no token; pass it with `env: GITHUB_TOKEN: ${{{{ github.token }}}}`"
            ));
        }
        return Ok(None);
    };
    let post = async {
        let settings = Settings::new(ci, &report.facts, token)?;
        GitHub::new(&settings)?.upsert(report).await
    };
    let posted: Result<Posted, PublishError> = crate::commands::runtime()?.block_on(post);
    Ok(match posted {
        Ok(posted) => Some(posted),
        Err(error) => {
            io.say(format_args!("warning: no comment: {error}"));
            None
        }
    })
}
