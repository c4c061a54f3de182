//! Two manifests compared and planned: the part that `plan` and `check` have in common.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::CommandError;
use crate::artifacts::{IssueSeverity, Manifest, ManifestIssue, check_compiled, check_pair};
use crate::changes::{Changes, CompareOptions, compare, compare_compiled};
use crate::plan::{NotCheckedReason, Plan, PlanOptions, plan};
use crate::project::{Graph, IndirectSelection, Selection, SelectionContext, select};

/// Which manifests.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Manifests")]
pub struct ManifestArgs {
    /// Production's manifest, or the folder that holds it (plain, .gz or .zst)
    #[arg(long, value_name = "PATH", env = "PREMERGE_STATE")]
    pub(crate) state: PathBuf,
    /// The pull request's manifest [default: target/manifest.json in the project]
    #[arg(long, value_name = "FILE", env = "PREMERGE_MANIFEST")]
    pub(crate) manifest: Option<PathBuf>,
}

impl ManifestArgs {
    /// The pull request's manifest, where a relative path starts at `cwd`.
    pub(super) fn pull_request(&self, cwd: &Path, project_dir: &Path) -> PathBuf {
        match &self.manifest {
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
    /// What counts as a change
    #[arg(long, value_enum, default_value_t, value_name = "RULES", env = "PREMERGE_CHANGES")]
    pub(crate) changes: ChangeRules,
    /// Which tests of the built nodes run [default: eager]
    #[arg(long, value_enum, value_name = "MODE", env = "PREMERGE_INDIRECT_SELECTION")]
    pub(crate) indirect_selection: Option<IndirectSelection>,
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
pub(super) struct Planned {
    pub(super) changes: Changes,
    pub(super) plan: Plan,
    /// What is worth saying about the manifests; none of it is an error.
    pub(super) issues: Vec<ManifestIssue>,
}

/// Compares and plans. Stops where a manifest must not be used, before anything is started.
pub(super) fn compare_and_plan(
    state: &Manifest<'_>,
    pr: &Manifest<'_>,
    graph: &Graph<'_>,
    selection: &SelectionArgs,
    indirect: IndirectSelection,
    schema: String,
) -> Result<Planned, CommandError> {
    let mut issues = check_pair(state, pr);
    refuse(&issues)?;
    let options = CompareOptions { now: Some(jiff::Timestamp::now()), ..CompareOptions::default() };
    let mut changes = compare(state, pr, &options);
    if selection.changes == ChangeRules::Compiled {
        compare_compiled(state, pr, &changes).apply(&mut changes);
    }
    let changes = changes;
    let chosen = |terms: &[String]| chosen(terms, pr, graph, &changes);
    let options = PlanOptions {
        schema,
        select: if selection.select.is_empty() { None } else { Some(chosen(&selection.select)?) },
        exclude: if selection.exclude.is_empty() { BTreeSet::new() } else { chosen(&selection.exclude)? },
        indirect,
    };
    let plan = plan(state, pr, graph, &changes, &options)?;
    let built = plan.nodes.iter().map(|node| node.unique_id.as_str());
    let tested = plan.tests.iter().map(|test| test.unique_id.as_str());
    // What lacks its SQL is in no list of things to do, and would go unnoticed.
    let lacking = plan.not_checked.iter().filter(|entry| entry.reason == NotCheckedReason::NotCompiled);
    let lacking = lacking.map(|entry| entry.unique_id.as_str());
    issues.extend(check_compiled(pr, built.chain(tested).chain(lacking)));
    refuse(&issues)?;
    Ok(Planned { changes, plan, issues })
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

fn chosen(
    terms: &[String],
    pr: &Manifest<'_>,
    graph: &Graph<'_>,
    changes: &Changes,
) -> Result<BTreeSet<String>, CommandError> {
    let mut context = SelectionContext::new(pr, graph);
    context.state = Some(changes);
    let selected = select(context, &Selection { select: terms.to_vec(), ..Selection::default() })?;
    for warning in &selected.warnings {
        tracing::warn!("{warning}");
    }
    Ok(selected.nodes.into_iter().map(|node| graph.unique_id(node).to_owned()).collect())
}
