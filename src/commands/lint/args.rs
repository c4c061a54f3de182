//! The flags of `premerge lint`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::config::{LintScope, ProjectArgs};

/// `premerge lint`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  premerge lint --state prod-artifacts/manifest.json     what this pull request adds
  premerge lint models/marts/orders.sql                  all of one file
  premerge lint --fix models/marts/orders.sql            and fix what can be fixed

Style rules are sqlfluff's, with the project's own sqlfluff configuration. No dbt and no warehouse is needed.")]
pub struct LintArgs {
    /// SQL files [default: those of the manifest]
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Production's manifest: findings it also has are hidden
    #[arg(long, value_name = "PATH", env = "PREMERGE_STATE", help_heading = "Manifests")]
    pub(crate) state: Option<PathBuf>,
    /// The compiled manifest [default: target/manifest.json in the project, if it is there]
    #[arg(long, value_name = "FILE", env = "PREMERGE_MANIFEST", help_heading = "Manifests")]
    pub(crate) manifest: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// Which findings are shown [default: changed-files]
    #[arg(long, value_enum, value_name = "SCOPE", env = "PREMERGE_LINT_SCOPE", help_heading = "Lint")]
    pub(crate) scope: Option<LintScope>,
    /// sqlfluff's name of the dialect [default: configured, or the manifest's adapter]
    #[arg(long, value_name = "NAME", env = "PREMERGE_LINT_DIALECT", help_heading = "Lint")]
    pub(crate) dialect: Option<String>,
    /// Fix what can be fixed, in files without Jinja
    #[arg(long, help_heading = "Lint")]
    pub(crate) fix: bool,
    /// How the findings are written
    #[arg(long, value_enum, default_value_t, env = "PREMERGE_FORMAT", help_heading = "Result")]
    pub(crate) format: LintFormat,
}

/// How `premerge lint` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    /// For people
    #[default]
    Text,
    /// One document
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions
    Annotations,
}
