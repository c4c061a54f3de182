//! `premerge plan`: what a check would build, proxy and test. No warehouse is touched.

use std::mem::ManuallyDrop;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::check::gate_in_words;
use super::comparison::{ManifestFiles, Planned, Wanted, compare_and_plan, seed_files};
use super::output::write_whole;
use super::recorded::RecordedFiles;
use super::{CommandError, Io, ci, state_age};
use crate::config::{ManifestArgs, ManifestSettings, ProjectArgs, SelectionArgs, Settings, WithoutNumber, git};
use crate::plan::{Notice, NoticeLevel, NoticeRule, Plan, render_text};
use crate::warehouse;

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
    /// Which project and settings; the profile's flags have no effect because nothing connects
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// The temporary schema [default: premerge_pr_<number>, premerge_local without one]
    #[arg(long, value_name = "NAME", env = "PREMERGE_SCHEMA", help_heading = "Run")]
    pub(crate) schema: Option<String>,
    /// Number of the pull request [default: from the CI's event]
    #[arg(long, value_name = "NUMBER", env = "PREMERGE_PR", help_heading = "Run")]
    pub(crate) pr: Option<u64>,

    /// Format of the plan
    #[arg(long, value_enum, default_value_t, env = "PREMERGE_FORMAT", help_heading = "Result")]
    pub(crate) format: PlanFormat,
    /// Also write the plan as JSON to this file
    #[arg(short, long, value_name = "FILE", env = "PREMERGE_OUTPUT", help_heading = "Result")]
    pub(crate) output: Option<PathBuf>,
}

/// How `premerge plan` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// Text, 100 columns wide
    #[default]
    Text,
    /// The whole plan, described by docs/plan.schema.json
    Json,
}

/// Writes the plan and returns the exit code.
///
/// # Errors
/// When a manifest or a selector cannot be used, or the plan cannot be written.
pub fn run(args: &PlanArgs, io: &mut Io<'_>) -> Result<u8, CommandError> {
    let ci = ci(&io.env)?;
    let pull_request = args.pr.or(ci.pull_request);
    let settings = Settings::open(&args.project, &io.env, &ci.checkout(pull_request))?;
    if let Some(text) = gate_in_words(&settings.gate) {
        io.say(format_args!("note: {text}"));
    }
    let ManifestSettings { state: state_path, base: base_path, pull_request: path, state_commit, state_max_age_hours } =
        settings.manifests(&args.manifests)?;
    let given = args.selection.state_modified_compare_more_unrendered_values;
    let more_unrendered_values = settings.more_unrendered_values(given)?;
    let recorded_files = RecordedFiles::beside(Some(&state_path), &path)?;
    let recorded = recorded_files.parse()?;
    // The process ends with this command, and freeing what large manifests are read into takes a tenth of its time.
    let files = ManuallyDrop::new(ManifestFiles::read(&state_path, base_path.as_deref(), &path)?);
    let manifests = ManuallyDrop::new(files.parse()?);
    let schema = settings.schema(args.schema.as_deref(), pull_request, WithoutNumber::Local)?.name;
    let indirect = settings.indirect_selection(&args.selection);
    let wanted = Wanted {
        selection: &args.selection,
        indirect,
        schema,
        more_unrendered_values,
        package_overrides: settings.dbt_behaviors().package_overrides(),
        seed_files: seed_files(&settings.project_dir, &ci.checkout(pull_request)),
        builds: false,
        now: io.now,
        recorded: &recorded,
        late: None,
    };
    let Planned { mut plan, issues, .. } = compare_and_plan(&manifests, wanted)?;
    let mut state = state_age::facts(&manifests.state, io.now);
    if let Some(commit) = &state_commit {
        state_age::add_commit(&mut state, commit, git::look_up(&settings.project_dir, commit, None), io.now);
    }
    if base_path.is_none() {
        plan.notices.extend(state_age::old(&state, state_max_age_hours, &plan.project).map(|finding| Notice {
            unique_id: None,
            level: NoticeLevel::Note,
            rule: NoticeRule::StateOld,
            event: None,
            message: finding.message().to_owned(),
            details: Vec::new(),
        }));
    }
    plan.state = Some(state);
    let engine = warehouse::check_adapter(&plan.adapter);
    plan.check_supported = Some(engine.is_ok());
    for issue in issues {
        io.say(format_args!("warning: {}\nhint: {}", issue.message, issue.remedy));
    }
    write(args, &plan, io).map_err(|source| CommandError::Write { what: "the plan".to_owned(), source })?;
    Ok(0)
}

fn write(args: &PlanArgs, plan: &Plan, io: &mut Io<'_>) -> std::io::Result<()> {
    let json = || serde_json::to_string_pretty(plan).map(|text| text + "\n").map_err(std::io::Error::from);
    if let Some(path) = &args.output {
        let text = json()?;
        write_whole(&io.env.cwd.join(path), |file| file.write_all(text.as_bytes()))?;
    }
    match args.format {
        PlanFormat::Text => render_text(plan, WIDTH, io.out_is_terminal, io.out),
        PlanFormat::Json => io.out.write_all(json()?.as_bytes()),
    }
}
