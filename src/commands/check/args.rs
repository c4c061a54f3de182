//! The flags of `premerge check`.

use std::path::PathBuf;

use clap::Args;

use crate::commands::render::Format;
use crate::commands::{CommandError, ManifestArgs, SelectionArgs};
use crate::config::{AtEnd, AtStart, ConfigFile, DbtProject, Env, ProfileQuery, Target};

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
    pub(crate) selection: SelectionArgs,

    /// The temporary schema [default: premerge_pr_<number>]
    #[arg(long, value_name = "NAME", env = "PREMERGE_SCHEMA", help_heading = "Run")]
    pub(crate) schema: Option<String>,
    /// Number of the pull request [default: from the CI's event]
    #[arg(long, value_name = "NUMBER", env = "PREMERGE_PR", help_heading = "Run")]
    pub(crate) pr: Option<u64>,
    /// Nodes and tests worked on at once [default: the profile's `threads`]
    #[arg(long, value_name = "N", env = "PREMERGE_THREADS", help_heading = "Run")]
    pub(crate) threads: Option<usize>,
    /// Stop at the first failure
    #[arg(long, env = "PREMERGE_FAIL_FAST", help_heading = "Run")]
    pub(crate) fail_fast: bool,
    /// Do not count rows of changed models on both sides
    #[arg(long, env = "PREMERGE_NO_ROW_COUNTS", help_heading = "Run")]
    pub(crate) no_row_counts: bool,
    /// What becomes of an earlier run's relations at the start [default: drop]
    #[arg(long, value_enum, value_name = "WHAT", env = "PREMERGE_AT_START", help_heading = "Run")]
    pub(crate) at_start: Option<AtStart>,
    /// What becomes of the temporary schema at the end [default: keep]
    #[arg(long, value_enum, value_name = "WHAT", env = "PREMERGE_AT_END", help_heading = "Run")]
    pub(crate) at_end: Option<AtEnd>,
    /// Keep the temporary schema at the end, for the reviewer: `--at-end keep`
    #[arg(long, conflicts_with = "drop", help_heading = "Run")]
    pub(crate) keep: bool,
    /// Drop the temporary schema at the end, after failures too: `--at-end drop`
    #[arg(long, help_heading = "Run")]
    pub(crate) drop: bool,

    /// How the result is written to stdout
    #[arg(long, value_enum, default_value_t, env = "PREMERGE_FORMAT", help_heading = "Result")]
    pub(crate) format: Format,
    /// Also write the report, as JSON, to this file
    #[arg(short, long, value_name = "FILE", env = "PREMERGE_OUTPUT", help_heading = "Result")]
    pub(crate) output: Option<PathBuf>,
    /// Do not post the comment, even where repository, pull request and token are known
    #[arg(long, env = "PREMERGE_NO_COMMENT", help_heading = "Result")]
    pub(crate) no_comment: bool,
}

/// Which project, profile and settings.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Project")]
pub struct ProjectArgs {
    /// The dbt project's folder
    #[arg(long, value_name = "DIR", default_value = ".", env = "PREMERGE_PROJECT_DIR")]
    pub(crate) project_dir: PathBuf,
    /// Folder of profiles.yml [default: as dbt looks for it]
    #[arg(long, value_name = "DIR", env = "PREMERGE_PROFILES_DIR")]
    pub(crate) profiles_dir: Option<PathBuf>,
    /// Profile [default: DBT_PROFILE, else that of dbt_project.yml]
    #[arg(long, value_name = "NAME", env = "PREMERGE_PROFILE")]
    pub(crate) profile: Option<String>,
    /// Target [default: DBT_TARGET, else the profile's]
    #[arg(long, value_name = "NAME", env = "PREMERGE_TARGET")]
    pub(crate) target: Option<String>,
    /// premerge's settings [default: premerge.yml in the project]
    #[arg(long, value_name = "FILE", env = "PREMERGE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

impl ProjectArgs {
    /// The project's folder.
    pub(crate) fn folder(&self, env: &Env) -> PathBuf {
        env.path(&self.project_dir)
    }

    /// premerge.yml, which must be there only where it is named.
    pub(crate) fn file(&self, env: &Env) -> Result<ConfigFile, CommandError> {
        Ok(match &self.config {
            Some(path) => ConfigFile::read(&env.cwd.join(path), true)?,
            None => ConfigFile::read(&self.folder(env).join("premerge.yml"), false)?,
        })
    }

    /// The target that these flags and the project choose, as dbt chooses.
    pub(crate) fn target(&self, project: &DbtProject, env: &Env) -> Result<Target, CommandError> {
        // What steers dbt beside us must steer us to the same place.
        let given =
            |flag: &Option<String>, variable: &str| flag.clone().or_else(|| env.get(variable).map(str::to_owned));
        let query = ProfileQuery {
            profiles_dir: self.profiles_dir.clone(),
            profile: given(&self.profile, "DBT_PROFILE").or_else(|| project.profile.clone()),
            target: given(&self.target, "DBT_TARGET"),
            project_dir: self.folder(env),
        };
        Ok(Target::find(&query, env)?)
    }
}
