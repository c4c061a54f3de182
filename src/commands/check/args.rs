//! The flags of `premerge check`.

use clap::Args;

use crate::commands::ResultFile;
use crate::commands::render::Format;
use crate::config::{CompileArgs, ManifestArgs, ProjectArgs, RunArgs, SelectionArgs};

/// `premerge check`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  dbt compile --target ci
  premerge check --state prod-artifacts/manifest.json --pr 123

The pull request's manifest must be compiled without --defer, --empty and --sample, and with a target whose
schema does not exist, so that incremental models are compiled in full.")]
pub struct CheckArgs {
    #[command(flatten)]
    pub(crate) manifests: ManifestArgs,
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(flatten)]
    pub(crate) compile: CompileArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,

    /// Format of the result on stdout
    #[arg(long, value_enum, default_value_t, env = "PREMERGE_FORMAT", help_heading = "Result")]
    pub(crate) format: Format,
    /// Also write the report to this file, as JSON or in a format of --format; may be repeated
    #[arg(short, long, value_name = "[FORMAT=]FILE", value_parser = ResultFile::parser(), env = "PREMERGE_OUTPUT", help_heading = "Result")]
    pub(crate) output: Vec<ResultFile>,
    /// Do not post the comment
    #[arg(long, env = "PREMERGE_NO_COMMENT", help_heading = "Result")]
    pub(crate) no_comment: bool,
}
