//! The flags that several commands share, in dbt's words where dbt has them. [`Settings`](super::Settings) resolves
//! them; after that nobody looks at a flag.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::{AtStart, Keep};
use crate::project::IndirectSelection;

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
    /// Settings that the pull request cannot change, in a file outside the checkout [default in CI: the base commit's
    /// premerge.yml]
    #[arg(long, value_name = "FILE", env = "PREMERGE_TRUSTED_CONFIG")]
    pub(crate) trusted_config: Option<PathBuf>,
    /// Cache directory outside the checkout, for lint results and DuckDB's temporary databases [default: premerge in
    /// the user's cache directory]
    #[arg(long, value_name = "DIR", env = "PREMERGE_CACHE_DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
}

/// Where the manifests are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Manifests")]
pub struct ManifestArgs {
    /// Production's manifest or its folder (plain, .gz or .zst)
    // A parser of its own, because clap's refuses the nothing that CI sets without saying which variable it means.
    #[arg(long, value_name = "PATH", env = "PREMERGE_STATE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) state: PathBuf,
    /// Commit of production's manifest; the result shows it, with its age and distance to the target branch if git has
    /// it
    #[arg(long, value_name = "SHA", env = "PREMERGE_STATE_COMMIT")]
    pub(crate) state_commit: Option<String>,
    /// Hours after which production's manifest counts as old; 0 for never [default: 48]
    #[arg(long, value_name = "HOURS", env = "PREMERGE_STATE_MAX_AGE_HOURS")]
    pub(crate) state_max_age_hours: Option<u64>,
    /// Compiled manifest of the merge base: what differs from production but not from it is "not yours" and does not
    /// gate
    #[arg(long, value_name = "PATH", env = "PREMERGE_BASE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) base: Option<PathBuf>,
    /// The pull request's manifest [default: target/manifest.json in the project]
    #[arg(long, value_name = "FILE", env = "PREMERGE_MANIFEST", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) manifest: Option<PathBuf>,
}

/// Which nodes, in dbt's words.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectionArgs {
    /// Build only these nodes, by dbt selector
    #[arg(short, long, value_name = "SELECTOR", num_args = 1.., env = "PREMERGE_SELECT")]
    pub(crate) select: Vec<String>,
    /// Exclude these nodes, by dbt selector
    #[arg(long, value_name = "SELECTOR", num_args = 1.., env = "PREMERGE_EXCLUDE")]
    pub(crate) exclude: Vec<String>,
    /// Build only the nodes of this selector from selectors.yml
    #[arg(long, value_name = "NAME", env = "PREMERGE_SELECTOR", conflicts_with_all = ["select", "exclude"])]
    pub(crate) selector: Option<String>,
    /// What counts as a change
    #[arg(long, value_enum, default_value_t, value_name = "RULES", env = "PREMERGE_CHANGES")]
    pub(crate) changes: ChangeRules,
    /// Which tests of the built nodes run [default: eager]
    #[arg(long, value_enum, value_name = "MODE", env = "PREMERGE_INDIRECT_SELECTION")]
    pub(crate) indirect_selection: Option<IndirectSelection>,
    /// The project's flag state_modified_compare_more_unrendered_values [default: as dbt_project.yml says, else
    /// guessed from the manifest]
    #[arg(long, value_name = "BOOL", env = "PREMERGE_STATE_MODIFIED_COMPARE_MORE_UNRENDERED_VALUES")]
    pub(crate) state_modified_compare_more_unrendered_values: Option<bool>,
}

/// What counts as a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ChangeRules {
    /// dbt's `state:modified`, corrected by the compiled SQL: cosmetic changes are not built, changes that dbt misses
    /// (a variable, a macro) are
    #[default]
    Compiled,
    /// Only dbt's `state:modified`
    Dbt,
}

/// Where SQL comes from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "SQL")]
pub struct CompileArgs {
    /// Get the SQL from dbt, each node's when it is to be built, instead of from a manifest
    #[arg(long, env = "PREMERGE_COMPILE")]
    pub(crate) compile: bool,
    /// Command that starts dbt, such as "uv run dbt"; for --compile [default: dbt]
    #[arg(long, value_name = "COMMAND", env = "PREMERGE_DBT")]
    pub(crate) dbt: Option<String>,
    /// dbt's --vars; for --compile
    #[arg(long, value_name = "YAML", env = "PREMERGE_VARS")]
    pub(crate) vars: Option<String>,
    /// Seconds that dbt may take to start, to parse the project, or for one model's SQL [default: 600]
    #[arg(long, value_name = "SECONDS", env = "PREMERGE_COMPILE_TIMEOUT_SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) compile_timeout_seconds: Option<u64>,
}

/// How the run works.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub struct RunArgs {
    /// The temporary schema [default: premerge_pr_<number>]
    #[arg(long, value_name = "NAME", env = "PREMERGE_SCHEMA")]
    pub(crate) schema: Option<String>,
    /// Number of the pull request [default: from the CI's event]
    #[arg(long, value_name = "NUMBER", env = "PREMERGE_PR")]
    pub(crate) pr: Option<u64>,
    /// Nodes and tests run at once [default: the profile's `threads`]
    #[arg(long, value_name = "N", env = "PREMERGE_THREADS")]
    pub(crate) threads: Option<usize>,
    /// Stop at the first failure
    #[arg(long, env = "PREMERGE_FAIL_FAST")]
    pub(crate) fail_fast: bool,
    /// Do not count the rows of changed models
    #[arg(long, env = "PREMERGE_NO_ROW_COUNTS")]
    pub(crate) no_row_counts: bool,
    /// What happens to an earlier run's relations at the start [default: drop]
    #[arg(long, value_enum, value_name = "WHAT", env = "PREMERGE_AT_START")]
    pub(crate) at_start: Option<AtStart>,
    /// What stays of the temporary schema at the end [default: tables]
    #[arg(long, value_enum, value_name = "WHAT", env = "PREMERGE_KEEP")]
    pub(crate) keep: Option<Keep>,
    /// Drop the temporary schema at the end, also after failures: `--keep none`
    #[arg(long)]
    pub(crate) drop: bool,
}
