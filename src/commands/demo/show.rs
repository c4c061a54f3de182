//! The demo, where the engine is compiled in.

use std::path::{Path, PathBuf};

use clap::Parser;
use serde::Deserialize;

use super::DemoArgs;
use super::bundle;
use super::production::{SourceTypes, make as make_production};
use crate::artifacts::ManifestFile;
use crate::commands::check::{self, CheckArgs};
use crate::commands::{CommandError, Io};
use crate::config::Env;
use crate::publish::github::FLAVOUR;
use crate::report::{Verdict, markdown, terminal};

/// `check`'s flags, parsed as the user's would be.
#[derive(Parser)]
struct CheckCommand {
    #[command(flatten)]
    args: CheckArgs,
}

/// What `about.json` says of the pull request.
#[derive(Deserialize)]
struct About {
    number: u64,
    title: String,
}

/// Runs the demo and returns the exit code.
///
/// # Errors
/// When the files cannot be written or the job cannot be done.
pub fn run(args: &DemoArgs, io: &mut Io<'_>) -> Result<u8, CommandError> {
    let folder = folder(args, io)?;
    let fail = |what: &str, why: String| CommandError::Incomplete(format!("{what}: {why}"));
    bundle::unpack(&folder).map_err(|error| fail("could not write the demo's files", error.to_string()))?;

    io.say(format_args!("Production: building the ferry company's warehouse from its manifest"));
    let project = folder.join("project");
    make(&folder, &project).map_err(|why| fail("could not create the demo's production", why))?;

    let about: About =
        read_json(&folder.join("prs/demo/about.json")).map_err(|why| fail("the bundle is broken", why))?;
    io.say(format_args!("Pull request {}: {}\n", about.number, about.title));
    let report = folder.join("report.json");
    let flags = CheckCommand::parse_from([
        "check".as_ref(),
        "--state".as_ref(),
        folder.join("production.manifest.json.gz").as_os_str(),
        "--manifest".as_ref(),
        folder.join("prs/demo/pr.manifest.json.gz").as_os_str(),
        "--project-dir".as_ref(),
        project.as_os_str(),
        "--profiles-dir".as_ref(),
        project.as_os_str(),
        "--pr".as_ref(),
        about.number.to_string().as_ref(),
        "--threads".as_ref(),
        "4".as_ref(),
        // The bundled manifests are of the day when they were made.
        "--state-max-age-hours".as_ref(),
        "0".as_ref(),
        "--output".as_ref(),
        report.as_os_str(),
        "--no-comment".as_ref(),
        "--cache-dir".as_ref(),
        folder.join("cache").as_os_str(),
    ]);
    // Neither the caller's settings nor the CI it may run in are part of the demo.
    let env = Env::new(io.env.get("NO_COLOR").map(|value| ("NO_COLOR", value)), folder.clone());
    let outer = std::mem::replace(&mut io.env, env);
    let checked = check::run_for_report(&flags.args, io);
    io.env = outer;
    let done = checked?;

    let comment = markdown::body(&done, FLAVOUR, FLAVOUR.cap);
    let file = folder.join("comment.md");
    fs_err::File::create(&file)
        .and_then(|mut out| std::io::Write::write_all(&mut out, comment.as_bytes()))
        .map_err(|source| CommandError::Write { what: "the comment".to_owned(), source })?;
    let rule = "─".repeat(terminal::WIDTH);
    let temporary = done.temporary_schema.as_ref().and_then(|schema| schema.database.as_deref()).unwrap_or_default();
    let shown = writeln!(
        io.out,
        "\nThe comment on the pull request:\n{rule}\n{comment}\n{rule}\n\n\
         Verdict: {} {}. On a pull request, `premerge check` would have ended with exit code {}.\n\n\
         Files in {}:\n  \
         comment.md                       the comment\n  \
         report.json                      the report, for programs\n  \
         production.manifest.json.gz      production's manifest\n  \
         prs/demo/                        the pull request: its change and its manifest\n  \
         project/ferry.duckdb             production's database, which was only read\n  \
         cache/                           the temporary schema ({temporary})",
        done.verdict().icon(),
        done.verdict().words(),
        done.verdict().exit_code(),
        folder.display(),
    );
    shown.map_err(|source| CommandError::Write { what: "the result".to_owned(), source })?;
    // The gate catching the pull request's mistake is what the demo is to show.
    Ok(if done.verdict() == Verdict::Failed { 0 } else { 3 })
}

fn folder(args: &DemoArgs, io: &Io<'_>) -> Result<PathBuf, CommandError> {
    if let Some(dir) = &args.dir {
        let dir = io.env.cwd.join(dir);
        if dir.exists() {
            return Err(CommandError::Usage(format!("--dir {} already exists; pass a new folder", dir.display())));
        }
        return Ok(dir);
    }
    let made = tempfile::Builder::new().prefix("premerge-demo-").disable_cleanup(true).tempdir();
    let made = made.map_err(|source| CommandError::Write { what: "the demo's folder".to_owned(), source })?;
    Ok(made.path().to_owned())
}

fn make(folder: &Path, project: &Path) -> Result<(), String> {
    let file = ManifestFile::read(&folder.join("production.manifest.json.gz")).map_err(|error| error.to_string())?;
    let manifest = file.parse().map_err(|error| error.to_string())?;
    let raw = project.join("raw");
    let types: SourceTypes = read_json(&raw.join("types.json"))?;
    make_production(&manifest, project, &raw, &types, &project.join("ferry.duckdb"))
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, String> {
    let bytes = fs_err::read(path).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}
