//! What `premerge check` runs with, in its final form.

use std::path::PathBuf;

use jiff::Timestamp;

use super::args::CheckArgs;
use crate::commands::{CommandError, limits, temp_dir};
use crate::config::{
    self, AtStart, ChangedTestMacros, Checkout, CompileSettings, DbtBehaviors, Env, Gate, Keep, LintConfig,
    ManifestSettings, RowLimit, RunSettings, Target, ToolFiles,
};
use crate::project::IndirectSelection;
use crate::warehouse::Limits;

/// Everything the run needs to know.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) project_dir: PathBuf,
    pub(super) gate: Gate,
    /// Whose files the project's folder holds.
    pub(super) checkout: Checkout,
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
    pub(super) keep: Keep,
    pub(super) protected: Vec<String>,
    pub(super) threads: usize,
    pub(super) fail_fast: bool,
    pub(super) row_counts: bool,
    pub(super) row_limit: RowLimit,
    pub(super) test_macros_changed: ChangedTestMacros,
    pub(super) indirect: IndirectSelection,
    /// The project flag of that name; `None`: guessed.
    pub(super) more_unrendered_values: Option<bool>,
    /// What the project says of how dbt works.
    pub(super) dbt_behaviors: DbtBehaviors,
    pub(super) expires_at: Timestamp,
    pub(super) limits: Limits,
    /// How SQL is got from dbt; `None` where it is the manifest's.
    pub(super) compile: Option<CompileSettings>,
    pub(super) lint: LintConfig,
    /// Where sqlfluff's settings are read.
    pub(super) style_files: ToolFiles,
    /// Where lint keeps results.
    pub(super) lint_cache: Option<PathBuf>,
    /// Where an engine without a server keeps temporary databases.
    pub(super) temp_dir: PathBuf,
}

impl Settings {
    pub(super) fn resolve(
        args: &CheckArgs,
        checkout: &Checkout,
        pull_request: Option<u64>,
        env: &Env,
        now: Timestamp,
    ) -> Result<Self, CommandError> {
        let settings = config::Settings::open(&args.project, env, checkout)?;
        let target = settings.target()?;
        let ManifestSettings { state, base, pull_request: manifest, state_commit, state_max_age_hours } =
            settings.manifests(&args.manifests)?;
        let RunSettings {
            schema,
            at_start,
            keep,
            threads,
            fail_fast,
            row_counts,
            row_limit,
            test_macros_changed,
            expires_at,
        } = settings.run(&args.run, pull_request, target.threads, now)?;
        let compile = settings.compile(&args.compile);
        if compile.is_some() && args.manifests.manifest.is_some() {
            return Err(CommandError::Input {
                message: "--compile (or `compile: true` in premerge.yml) and --manifest contradict each other"
                    .to_owned(),
                remedy: "leave --manifest out: dbt writes the manifest during the run".to_owned(),
            });
        }
        let given = args.selection.state_modified_compare_more_unrendered_values;
        Ok(Self {
            state,
            base,
            manifest,
            state_commit,
            state_max_age_hours,
            schema: schema.name,
            schema_by_default: schema.by_default,
            at_start,
            keep,
            protected: settings.protected_schemas(&target),
            threads,
            fail_fast,
            row_counts,
            row_limit,
            test_macros_changed,
            indirect: settings.indirect_selection(&args.selection),
            dbt_behaviors: settings.dbt_behaviors(),
            more_unrendered_values: settings.more_unrendered_values(given)?,
            expires_at,
            limits: limits(&settings),
            compile,
            lint: settings.lint().clone(),
            style_files: settings.style_files(),
            lint_cache: settings.lint_cache(),
            temp_dir: temp_dir(&settings, &target)?,
            gate: settings.gate,
            checkout: checkout.clone(),
            project_dir: settings.project_dir,
            target,
        })
    }
}
