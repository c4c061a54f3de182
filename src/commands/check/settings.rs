//! Flags, environment and files, resolved to what `premerge check` runs with.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::args::CheckArgs;
use crate::commands::CommandError;
use crate::commands::state_age::given_commit;
use crate::config::{AtEnd, AtStart, ConfigFile, DbtProject, Env, LintConfig, Target};
use crate::project::IndirectSelection;
use crate::warehouse::Limits;

/// Hours until clean-up may drop a temporary schema, unless configured.
const EXPIRE_AFTER_HOURS: u32 = 72;

/// Everything the run needs to know, in its final form.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) project_dir: PathBuf,
    pub(super) state: PathBuf,
    pub(super) base: Option<PathBuf>,
    pub(super) manifest: PathBuf,
    pub(super) state_commit: Option<String>,
    pub(super) state_max_age_hours: u64,
    pub(super) target: Target,
    pub(super) schema: String,
    /// Nobody has chosen the schema's name, so another may be taken where it is another project's.
    pub(super) schema_by_default: bool,
    pub(super) at_start: AtStart,
    pub(super) at_end: AtEnd,
    pub(super) protected: Vec<String>,
    pub(super) threads: usize,
    pub(super) fail_fast: bool,
    pub(super) row_counts: bool,
    pub(super) indirect: IndirectSelection,
    /// The project flag of that name; `None`: guessed.
    pub(super) more_unrendered_values: Option<bool>,
    pub(super) expires_at: Timestamp,
    pub(super) limits: Limits,
    pub(super) lint: LintConfig,
}

impl Settings {
    pub(super) fn resolve(
        args: &CheckArgs,
        pull_request: Option<u64>,
        env: &Env,
        now: Timestamp,
    ) -> Result<Self, CommandError> {
        let project_dir = args.project.folder(env);
        if !project_dir.is_dir() {
            return Err(CommandError::Usage(format!("--project-dir {} is no folder", project_dir.display())));
        }
        let file = args.project.file(env)?;
        let project = DbtProject::read(&project_dir, env)?;
        let given = args.selection.state_modified_compare_more_unrendered_values;
        let more_unrendered_values = given.or(project.more_unrendered_values());
        let target = args.project.target(&project, env)?;
        let chosen = args.schema.as_ref().or(file.schema.as_ref());
        let schema = match chosen {
            Some(name) => named(name, pull_request, project.name.as_deref())?,
            None => named("premerge_pr_{pr}", pull_request, None)?,
        };
        let state_commit = given_commit(args.manifests.state_commit.as_deref())?;
        let hours = i64::from(file.expire_after_hours.unwrap_or(EXPIRE_AFTER_HOURS));
        Ok(Self {
            state: args.manifests.production(&env.cwd)?,
            base: args.manifests.base(&env.cwd),
            manifest: args.manifests.pull_request(&env.cwd, &project_dir),
            state_commit,
            state_max_age_hours: args.manifests.max_age_hours(file.state_max_age_hours),
            schema,
            schema_by_default: chosen.is_none(),
            at_start: args.at_start.or(file.at_start).unwrap_or_default(),
            at_end: match (args.keep, args.drop) {
                (true, _) => AtEnd::Keep,
                (_, true) => AtEnd::Drop,
                _ => args.at_end.or(file.at_end).unwrap_or_default(),
            },
            protected: file.protected_schemas.iter().cloned().chain(target.schema.clone()).collect(),
            threads: args.threads.or(file.threads).unwrap_or(target.threads).max(1),
            fail_fast: args.fail_fast || file.fail_fast.unwrap_or(false),
            row_counts: !args.no_row_counts && file.row_counts.unwrap_or(true),
            indirect: args.selection.indirect_selection.or(file.indirect_selection).unwrap_or_default(),
            more_unrendered_values,
            expires_at: now.saturating_add(jiff::SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX),
            limits: limits(&file),
            lint: file.lint,
            project_dir,
            target,
        })
    }
}

fn limits(file: &ConfigFile) -> Limits {
    let limits = Limits::default();
    let statement = file.statement_timeout_seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    Limits { statement: statement.unwrap_or(limits.statement), ..limits }
}

fn named(pattern: &str, pull_request: Option<u64>, project: Option<&str>) -> Result<String, CommandError> {
    let pattern = match project {
        Some(project) => pattern.replace("{project}", project),
        None => pattern.to_owned(),
    };
    if !pattern.contains("{pr}") {
        return Ok(pattern);
    }
    match pull_request {
        Some(number) => Ok(pattern.replace("{pr}", &number.to_string())),
        None => Err(CommandError::Usage(
            "which pull request? name it with --pr, or name the temporary schema with --schema".to_owned(),
        )),
    }
}
