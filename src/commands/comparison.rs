//! Two manifests compared and planned: the part that `plan` and `check` have in common.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::CommandError;
use super::recorded::Recorded;
use super::state_age::MAX_AGE_HOURS;
use crate::artifacts::{
    IssueSeverity, Manifest, ManifestFile, ManifestIssue, ManifestPair, both, check_base, check_compiled, check_pair,
    check_state, read_pair,
};
use crate::changes::{Base, Changes, CompareOptions, compare, compare_compiled};
use crate::config::DbtProject;
use crate::plan::{NotCheckedReason, Plan, PlanOptions, plan};
use crate::project::{Graph, IndirectSelection, Selection, SelectionContext, select};

/// Which manifests.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Manifests")]
pub struct ManifestArgs {
    /// Production's manifest, or the folder that holds it (plain, .gz or .zst)
    // A parser of its own, because clap's refuses the nothing that CI sets without saying which variable it means.
    #[arg(long, value_name = "PATH", env = "PREMERGE_STATE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) state: PathBuf,
    /// Commit that production's manifest was made of: shown in the result, with its age and how far it is behind if the
    /// checkout's git knows
    #[arg(long, value_name = "SHA", env = "PREMERGE_STATE_COMMIT")]
    pub(crate) state_commit: Option<String>,
    /// Hours after which production's manifest is called old; 0 for never [default: 48]
    #[arg(long, value_name = "HOURS", env = "PREMERGE_STATE_MAX_AGE_HOURS")]
    pub(crate) state_max_age_hours: Option<u64>,
    /// Manifest of the merge base, compiled: what differs from production and not from it is listed as not yours, and
    /// does not gate
    #[arg(long, value_name = "PATH", env = "PREMERGE_BASE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) base: Option<PathBuf>,
    /// The pull request's manifest [default: target/manifest.json in the project]
    #[arg(long, value_name = "FILE", env = "PREMERGE_MANIFEST", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) manifest: Option<PathBuf>,
}

/// The bytes of all manifests of a run.
pub(super) struct ManifestFiles {
    pair: ManifestPair,
    base: Option<ManifestFile>,
}

/// All manifests of a run.
pub(super) struct Manifests<'f> {
    /// Production's.
    pub(super) state: Manifest<'f>,
    /// The merge base's, if it was given.
    pub(super) base: Option<Manifest<'f>>,
    /// The pull request's.
    pub(super) pr: Manifest<'f>,
}

impl ManifestFiles {
    pub(super) fn read(state: &Path, base: Option<&Path>, pr: &Path) -> Result<Self, CommandError> {
        let (base, pair) = both(|| base.map(ManifestFile::read).transpose(), || read_pair(state, pr));
        let base =
            base.map_err(|error| error.about_given("give the merge base's manifest, which `dbt compile` writes"));
        Ok(Self { pair: pair?, base: base? })
    }

    pub(super) fn parse(&self) -> Result<Manifests<'_>, CommandError> {
        let (base, pair) = both(|| self.base.as_ref().map(ManifestFile::parse).transpose(), || self.pair.parse());
        let (state, pr) = pair?;
        Ok(Manifests { state, base: base?, pr })
    }
}

impl ManifestArgs {
    /// Production's manifest, where a relative path starts at `cwd`.
    ///
    /// # Errors
    /// When the flag or its variable is empty: that must not be taken for the folder itself.
    pub(super) fn production(&self, cwd: &Path) -> Result<PathBuf, CommandError> {
        if self.state.as_os_str().is_empty() {
            return Err(CommandError::Input {
                message: "--state, or the variable PREMERGE_STATE, is set to nothing".to_owned(),
                remedy: "give the path of production's manifest.json, or of the folder that holds it".to_owned(),
            });
        }
        Ok(cwd.join(&self.state))
    }

    /// Hours after which production's manifest is old. `of_file`: what premerge.yml says.
    pub(super) fn max_age_hours(&self, of_file: Option<u64>) -> u64 {
        self.state_max_age_hours.or(of_file).unwrap_or(MAX_AGE_HOURS)
    }

    /// The merge base's manifest, likewise. CI sets what it does not know to nothing.
    pub(super) fn base(&self, cwd: &Path) -> Option<PathBuf> {
        self.base.as_ref().filter(|path| !path.as_os_str().is_empty()).map(|path| cwd.join(path))
    }

    /// The pull request's manifest, where a relative path starts at `cwd`.
    pub(super) fn pull_request(&self, cwd: &Path, project_dir: &Path) -> PathBuf {
        match self.manifest.as_ref().filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => cwd.join(path),
            None => cwd.join(project_dir).join("target/manifest.json"),
        }
    }
}

/// Which nodes, in dbt's words.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectionArgs {
    /// Narrow what is built to these nodes, by dbt selector
    #[arg(short, long, value_name = "SELECTOR", num_args = 1.., env = "PREMERGE_SELECT")]
    pub(crate) select: Vec<String>,
    /// Leave these nodes out, by dbt selector
    #[arg(long, value_name = "SELECTOR", num_args = 1.., env = "PREMERGE_EXCLUDE")]
    pub(crate) exclude: Vec<String>,
    /// Narrow what is built to what a selector of selectors.yml means
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

/// The project flag `state_modified_compare_more_unrendered_values`: as given, else as dbt_project.yml says.
///
/// # Errors
/// When dbt_project.yml does not parse.
pub(super) fn more_unrendered_values(given: Option<bool>, project_dir: &Path) -> Result<Option<bool>, CommandError> {
    match given {
        Some(_) => Ok(given),
        None => Ok(DbtProject::unrendered(project_dir)?.more_unrendered_values()),
    }
}

/// What counts as a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ChangeRules {
    /// dbt's `state:modified`, corrected by the compiled SQL: what leaves it as it was is not built, and what
    /// changes it unseen by dbt (a variable, a macro) is
    #[default]
    Compiled,
    /// dbt's `state:modified` and nothing else
    Dbt,
}

/// What two manifests come to.
pub(super) struct Planned<'m> {
    /// Of the pull request's manifest.
    pub(super) graph: Graph<'m>,
    pub(super) changes: Changes,
    pub(super) plan: Plan,
    /// What is worth saying about the manifests; none of it is an error.
    pub(super) issues: Vec<ManifestIssue>,
}

/// How to compare and plan.
pub(super) struct Wanted<'w> {
    pub(super) selection: &'w SelectionArgs,
    pub(super) indirect: IndirectSelection,
    /// The temporary schema.
    pub(super) schema: String,
    /// The project flag of that name; `None`: guessed.
    pub(super) more_unrendered_values: Option<bool>,
    /// When the run began.
    pub(super) now: jiff::Timestamp,
    /// For selectors that ask about earlier runs.
    pub(super) recorded: &'w Recorded<'w>,
}

/// Compares and plans. Stops where a manifest must not be used, before anything is started.
pub(super) fn compare_and_plan<'m>(
    manifests: &'m Manifests<'_>,
    wanted: Wanted<'_>,
) -> Result<Planned<'m>, CommandError> {
    let Wanted { selection, indirect, schema, more_unrendered_values, now, recorded } = wanted;
    let Manifests { state, base, pr } = manifests;
    let compiled = selection.changes == ChangeRules::Compiled;
    let mut issues = check_pair(state, pr);
    issues.extend(check_state(state).filter(|_| compiled));
    issues.extend(base.iter().flat_map(|base| check_base(base, pr, compiled)));
    refuse(&issues)?;
    let options = CompareOptions { more_unrendered_values, now: Some(now), ..CompareOptions::default() };
    let changes_from = |from: &Manifest<'_>| {
        let mut changes = compare(from, pr, &options);
        if compiled {
            compare_compiled(from, pr, &changes).apply(&mut changes);
        }
        changes
    };
    let (graph, mut changes) = both(|| Graph::new(pr), || changes_from(state));
    if let Some(manifest) = base {
        changes.set_apart(Base { manifest, changes: &changes_from(manifest), compiled }, pr);
    }
    let changes = changes;
    let chosen = |terms: &[String], selector: Option<&str>| {
        let selection =
            Selection { select: terms.to_vec(), selector: selector.map(str::to_owned), ..Selection::default() };
        let mut context = SelectionContext::new(pr, &graph);
        context.state = Some(&changes);
        recorded.inform(&mut context);
        chosen(context, &selection)
    };
    let selector = selection.selector.as_deref();
    let narrowed = selector.is_some() || !selection.select.is_empty();
    let options = PlanOptions {
        schema,
        select: if narrowed { Some(chosen(&selection.select, selector)?) } else { None },
        exclude: if selection.exclude.is_empty() { BTreeSet::new() } else { chosen(&selection.exclude, None)? },
        indirect,
    };
    let plan = plan(state, pr, &graph, &changes, &options)?;
    let built = plan.nodes.iter().map(|node| node.unique_id.as_str());
    let tested = plan.tests.iter().map(|test| test.unique_id.as_str());
    // What lacks its SQL is in no list of things to do, and would go unnoticed.
    let lacking = plan.not_checked.iter().filter(|entry| entry.reason == NotCheckedReason::NotCompiled);
    let lacking = lacking.map(|entry| entry.unique_id.as_str());
    issues.extend(check_compiled(pr, built.chain(tested).chain(lacking)));
    refuse(&issues)?;
    Ok(Planned { graph, changes, plan, issues })
}

/// The first error among `issues`, and how many there are.
pub(super) fn refuse(issues: &[ManifestIssue]) -> Result<(), CommandError> {
    let mut errors = issues.iter().filter(|issue| issue.severity == IssueSeverity::Error);
    let Some(first) = errors.next() else { return Ok(()) };
    let more = match errors.count() {
        0 => String::new(),
        n => format!(" (and {n} more like it)"),
    };
    Err(CommandError::Input { message: format!("{}{more}", first.message), remedy: first.remedy.clone() })
}

fn chosen(context: SelectionContext<'_>, selection: &Selection) -> Result<BTreeSet<String>, CommandError> {
    let selected = select(context, selection)?;
    for warning in &selected.warnings {
        tracing::warn!("{warning}");
    }
    Ok(selected.nodes.into_iter().map(|node| context.graph.unique_id(node).to_owned()).collect())
}
