//! The command line as clap sees it, and no logic.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{self, CommandError, Io, UntilClosed};
use crate::config::{Env, Masked, mask};
use crate::publish::ci::{self, LogDialect};
use crate::publish::{EventWriter, LogWriter};

/// The gate a dbt pull request passes before it is merged.
///
/// premerge compares the pull request's dbt manifest with production's, builds only the modified models and
/// their downstream nodes in a temporary schema, reads everything else from production, runs the tests there,
/// and says in one comment whether the pull request may be merged.
#[derive(Debug, Parser)]
#[command(name = "premerge", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  passed, or warned
  1  failed: the gate is shut because of findings
  2  bad usage, configuration or input; nothing was started
  3  incomplete: it could not finish (warehouse, network, stopped); never green

New here? `premerge demo` runs the whole job on a bundled project in seconds, without an account.";

#[derive(Debug, Args)]
struct Global {
    /// Print only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", env = "PREMERGE_QUIET", help_heading = "Messages")]
    quiet: bool,
    /// Print more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Messages")]
    verbose: u8,
    /// Format of diagnostics on stderr
    #[arg(long, global = true, value_enum, default_value_t, env = "PREMERGE_LOG_FORMAT", help_heading = "Messages")]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum LogFormat {
    /// Human-readable lines
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it")]
enum Command {
    /// Build what changed, test it, and decide whether the pull request may be merged
    Check(commands::check::CheckArgs),
    /// Check the setup, and whether the role could write to production
    Debug(commands::debug::DebugArgs),
    /// Drop this pull request's temporary schema, or all expired ones
    Cleanup(commands::cleanup::CleanupArgs),
    /// Run the whole job on a bundled project, with embedded DuckDB
    Demo(commands::demo::DemoArgs),
    /// Show what would be built, proxied and tested, without a warehouse
    Plan(commands::plan::PlanArgs),
    /// List unique_ids by dbt selector, such as `state:modified+`
    Ls(commands::ls::LsArgs),
    /// Run style and project rules on changed models or on files
    Lint(commands::lint::LintArgs),
    /// Convert a saved report.json to another format
    Render(commands::render::RenderArgs),
    /// Post a saved report.json (for two-stage jobs)
    Publish(commands::publish::PublishArgs),
}

/// Runs the command that this process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    let (out_is_terminal, err_is_terminal) = (stdout.is_terminal(), stderr.is_terminal());
    let env = Env::of_process();
    let stdout = UntilClosed::new(stdout);
    // Not locked: the log and the progress bar write from other threads.
    let (mut out, mut err): (Box<dyn Write>, Box<dyn Write>) = if ci::log_dialect(&env).obeys() {
        (Box::new(LogWriter::new(stdout)), Box::new(Masked(LogWriter::new(stderr))))
    } else {
        (Box::new(stdout), Box::new(Masked(stderr)))
    };
    let mut io = Io {
        out: &mut out,
        err: &mut err,
        log: &mut UntilClosed::new(std::io::stdout()),
        out_is_terminal,
        err_is_terminal,
        quiet: false,
        now: jiff::Timestamp::now(),
        env,
    };
    let code = run(std::env::args_os(), &mut io);
    // A reader that has gone away is not our failure.
    let _ = out.flush().and(err.flush());
    ExitCode::from(code)
}

/// Runs the command in `args` and returns the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>, io: &mut Io<'_>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let text = error.render();
            let _ = if error.use_stderr() { write!(io.err, "{text}") } else { write!(io.out, "{text}") };
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    io.quiet = cli.global.quiet;
    log(&cli.global, io.err_is_terminal && io.env.get("NO_COLOR").is_none(), ci::log_dialect(&io.env));
    let result = match &cli.command {
        Command::Check(args) => commands::check::run(args, io),
        Command::Cleanup(args) => commands::cleanup::run(args, io),
        Command::Debug(args) => commands::debug::run(args, io),
        Command::Demo(args) => commands::demo::run(args, io),
        Command::Plan(args) => commands::plan::run(args, io),
        Command::Ls(args) => commands::ls::run(args, io),
        Command::Lint(args) => commands::lint::run(args, io),
        Command::Render(args) => render(args, io),
        Command::Publish(args) => publish(args, io),
    };
    result.unwrap_or_else(|error| {
        show(&error, io);
        error.exit_code()
    })
}

fn render(args: &commands::render::RenderArgs, io: &mut Io<'_>) -> Result<u8, CommandError> {
    let colours = io.colours();
    let out: &mut dyn Write = if args.format.commands_the_runner() { io.log } else { io.out };
    commands::render::run(args, colours, out)?;
    Ok(0)
}

fn publish(args: &commands::publish::PublishArgs, io: &mut Io<'_>) -> Result<u8, CommandError> {
    commands::runtime()?.block_on(commands::publish::run(args, &io.env, io.log))?;
    Ok(0)
}

fn show(error: &CommandError, io: &mut Io<'_>) {
    let text = crate::text::escape::terminal(&mask(&error.to_string()), true);
    let _ = writeln!(io.err, "error: {text}");
    if let Some(remedy) = error.remedy() {
        let _ = writeln!(io.err, "hint: {remedy}");
    }
}

fn log(global: &Global, ansi: bool, dialect: LogDialect) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "premerge=info,warn",
        (false, _) => "premerge=debug,info",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("PREMERGE_LOG").unwrap_or_else(|_| level.into());
    let writer = move || Masked(EventWriter::new(std::io::stderr(), ansi, dialect));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(writer);
    // A second call in one process (tests) keeps the first subscriber.
    let _ = match global.log_format {
        LogFormat::Text => builder.without_time().with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
