//! `premerge plan`: what a check would build, proxy and test. No warehouse is touched.

use std::mem::ManuallyDrop;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::comparison::{
    ManifestArgs, ManifestFiles, Planned, SelectionArgs, Wanted, compare_and_plan, more_unrendered_values,
};
use super::recorded::RecordedFiles;
use super::state_age::{self, given_commit};
use super::{CommandError, Io, git};
use crate::config::ConfigFile;
use crate::plan::{Notice, NoticeLevel, Plan, render_text};

/// Characters in a line of the text.
const WIDTH: usize = 100;

/// What `premerge plan` is asked.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  dbt compile --target ci
  premerge plan --state prod-artifacts/manifest.json --pr 123")]
pub struct PlanArgs {
    #[command(flatten)]
    pub(crate) manifests: ManifestArgs,
    /// The dbt project's folder
    #[arg(long, value_name = "DIR", default_value = ".", env = "PREMERGE_PROJECT_DIR", help_heading = "Manifests")]
    pub(crate) project_dir: PathBuf,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// The temporary schema [default: premerge_pr_<number>, premerge_local without one]
    #[arg(long, value_name = "NAME", env = "PREMERGE_SCHEMA", help_heading = "Run")]
    pub(crate) schema: Option<String>,
    /// Number of the pull request
    #[arg(long, value_name = "NUMBER", env = "PREMERGE_PR", help_heading = "Run")]
    pub(crate) pr: Option<u64>,

    /// How the plan is written
    #[arg(long, value_enum, default_value_t, env = "PREMERGE_FORMAT", help_heading = "Result")]
    pub(crate) format: PlanFormat,
    /// Also write the plan, as JSON, to this file
    #[arg(short, long, value_name = "FILE", env = "PREMERGE_OUTPUT", help_heading = "Result")]
    pub(crate) output: Option<PathBuf>,
}

/// How `premerge plan` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people, 100 columns wide
    #[default]
    Text,
    /// The whole plan, as docs/plan.schema.json describes it
    Json,
}

/// Writes the plan and returns the exit code.
///
/// # Errors
/// When a manifest or a selector cannot be used, or the plan cannot be written.
pub fn run(args: &PlanArgs, io: &mut Io<'_>) -> Result<u8, CommandError> {
    let cwd = &io.env.cwd;
    let path = args.manifests.pull_request(cwd, &args.project_dir);
    let state_path = args.manifests.production(cwd)?;
    let project_dir = cwd.join(&args.project_dir);
    let state_commit = given_commit(args.manifests.state_commit.as_deref())?;
    let file = ConfigFile::read(&project_dir.join("premerge.yml"), false)?;
    let given = args.selection.state_modified_compare_more_unrendered_values;
    let more_unrendered_values = more_unrendered_values(given, &project_dir)?;
    let recorded_files = RecordedFiles::beside(Some(&state_path), &path)?;
    let recorded = recorded_files.parse()?;
    let base_path = args.manifests.base(cwd);
    // The process ends with this command, and freeing what large manifests are read into takes a tenth of its time.
    let files = ManuallyDrop::new(ManifestFiles::read(&state_path, base_path.as_deref(), &path)?);
    let manifests = ManuallyDrop::new(files.parse()?);
    let schema = args.schema.clone().unwrap_or_else(|| default_schema(args.pr));
    let indirect = args.selection.indirect_selection.unwrap_or_default();
    let wanted = Wanted {
        selection: &args.selection,
        indirect,
        schema,
        more_unrendered_values,
        now: io.now,
        recorded: &recorded,
    };
    let Planned { mut plan, issues, .. } = compare_and_plan(&manifests, wanted)?;
    let mut state = state_age::facts(&manifests.state, io.now);
    if let Some(commit) = &state_commit {
        state_age::add_commit(&mut state, commit, git::look_up(&project_dir, commit, None), io.now);
    }
    if base_path.is_none() {
        let limit = args.manifests.max_age_hours(file.state_max_age_hours);
        plan.notices.extend(state_age::old(&state, limit, &plan.project).map(|finding| Notice {
            unique_id: None,
            level: NoticeLevel::Note,
            event: None,
            message: finding.message().to_owned(),
            details: Vec::new(),
        }));
    }
    plan.state = Some(state);
    for issue in issues {
        io.say(format_args!("warning: {}\nhint: {}", issue.message, issue.remedy));
    }
    write(args, &plan, io).map_err(|source| CommandError::Write { what: "the plan".to_owned(), source })?;
    Ok(0)
}

fn default_schema(pull_request: Option<u64>) -> String {
    pull_request.map_or_else(|| "premerge_local".to_owned(), |number| format!("premerge_pr_{number}"))
}

fn write(args: &PlanArgs, plan: &Plan, io: &mut Io<'_>) -> std::io::Result<()> {
    let json = || serde_json::to_string_pretty(plan).map(|text| text + "\n").map_err(std::io::Error::from);
    if let Some(path) = &args.output {
        fs_err::write(io.env.cwd.join(path), json()?)?;
    }
    match args.format {
        PlanFormat::Text => render_text(plan, WIDTH, io.out),
        PlanFormat::Json => io.out.write_all(json()?.as_bytes()),
    }
}
