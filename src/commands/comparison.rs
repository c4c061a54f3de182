//! Two manifests compared and planned: the part that `plan` and `check` have in common.

use std::collections::BTreeSet;
use std::path::Path;

use super::CommandError;
use super::recorded::Recorded;
use crate::artifacts::{
    IssueSeverity, Manifest, ManifestFile, ManifestIssue, ManifestPair, UniqueId, both, check_base, check_compiled,
    check_pair, check_state, check_texts, read_pair,
};
use crate::changes::{Base, Changes, CompareOptions, Undecided, affected, compare, compare_compiled};
use crate::config::{ChangeRules, Checkout, PackageOverrides, SelectionArgs, git};
use crate::plan::{Plan, PlanOptions, plan};
use crate::project::{Graph, IndirectSelection, Selection, SelectionContext, select};
use crate::sql::Dialect;

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
        let base = base.map_err(|error| error.about_given("pass the merge base's manifest, written by `dbt compile`"));
        Ok(Self { pair: pair?, base: base? })
    }

    pub(super) fn parse(&self) -> Result<Manifests<'_>, CommandError> {
        let (base, pair) = both(|| self.base.as_ref().map(ManifestFile::parse).transpose(), || self.pair.parse());
        let (state, pr) = pair?;
        Ok(Manifests { state, base: base?, pr })
    }
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
    /// Whether packages replace dbt's materializations.
    pub(super) package_overrides: PackageOverrides,
    /// Files of seeds that the pull request's commits change, below the project; none where git does not say.
    pub(super) seed_files: BTreeSet<String>,
    /// Whether the plan is carried out: then every node that is built must have SQL that can be.
    pub(super) builds: bool,
    /// When the run began.
    pub(super) now: jiff::Timestamp,
    /// For selectors that ask about earlier runs.
    pub(super) recorded: &'w Recorded<'w>,
    /// Whose text dbt makes at their turn; `None` where all texts are the manifest's.
    pub(super) late: Option<&'w Late>,
}

/// What dbt can make no text of before anything is built, because it asks the warehouse.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// Made when what they read is in place, if they are built or run.
    pub(super) at_turn: BTreeSet<UniqueId>,
    /// Those whose text may also depend on a variable or the like, which dbt's comparison does not see.
    pub(super) unsettled: BTreeSet<UniqueId>,
}

impl Late {
    /// What is not known to be changed and may be.
    fn settle(&self, graph: &Graph<'_>, changes: &mut Changes) {
        let affected = affected(graph, changes);
        for id in self.unsettled.iter().filter(|id| !affected.contains(*id)) {
            changes.undecided.insert(id.clone(), Undecided { because: "answers of the warehouse" });
        }
    }
}

/// How to compare.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparing {
    /// Whether the compiled SQL has a say.
    pub(super) compiled: bool,
    /// The project flag of that name; `None`: guessed.
    pub(super) more_unrendered_values: Option<bool>,
    /// Whether packages replace dbt's materializations.
    pub(super) package_overrides: PackageOverrides,
    /// When the run began.
    pub(super) now: jiff::Timestamp,
}

impl Comparing {
    /// What the pull request changes, apart from what others changed.
    pub(super) fn changes(self, Manifests { state, base, pr }: &Manifests<'_>) -> Changes {
        let Self { compiled, more_unrendered_values, package_overrides, now } = self;
        let options =
            CompareOptions { more_unrendered_values, package_overrides, now: Some(now), ..CompareOptions::default() };
        let changes_from = |from: &Manifest<'_>| {
            let mut changes = compare(from, pr, &options);
            if compiled {
                compare_compiled(from, pr, &changes).apply(&mut changes);
            }
            changes
        };
        let mut changes = changes_from(state);
        if let Some(manifest) = base {
            changes.set_apart(Base { manifest, changes: &changes_from(manifest), compiled }, pr);
        }
        changes
    }
}

/// Compares and plans. Stops where a manifest must not be used, before anything is started.
pub(super) fn compare_and_plan<'m>(
    manifests: &'m Manifests<'_>,
    wanted: Wanted<'_>,
) -> Result<Planned<'m>, CommandError> {
    let Wanted {
        selection,
        indirect,
        schema,
        more_unrendered_values,
        package_overrides,
        seed_files,
        builds,
        now,
        recorded,
        late,
    } = wanted;
    let Manifests { state, base, pr } = manifests;
    let compiled = selection.changes == ChangeRules::Compiled;
    let mut issues = check_pair(state, pr);
    issues.extend(check_state(state).filter(|_| compiled));
    issues.extend(base.iter().flat_map(|base| check_base(base, pr, compiled)));
    refuse(&issues)?;
    let comparing = Comparing { compiled, more_unrendered_values, package_overrides, now };
    let (graph, mut changes) = both(|| Graph::new(pr), || comparing.changes(manifests));
    if let Some(late) = late {
        late.settle(&graph, &mut changes);
    }
    changes.add_seed_files(pr, &seed_files);
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
        at_turn: late.map(|late| late.at_turn.clone()),
    };
    // dbt's selectors know dbt's edges only.
    let dialect = Dialect::of_adapter(pr.metadata.adapter_type.as_deref().unwrap_or_default());
    let graph = graph.with_made_sources(state, pr, dialect);
    let plan = plan(state, pr, &graph, &changes, &options)?;
    let built = plan.nodes.iter().map(|node| node.unique_id.as_str());
    let tested = plan.tests.iter().map(|test| test.unique_id.as_str());
    let mut of_sql = match late {
        // dbt made the texts of those that need one before their turn.
        Some(late) => check_texts(pr, built.chain(tested).filter(|id| !late.at_turn.contains(*id))),
        None => check_compiled(pr, built.chain(tested)),
    };
    if !builds {
        // It is said, and what dbt's own rules give stands.
        of_sql.iter_mut().for_each(|issue| issue.severity = IssueSeverity::Warning);
    }
    issues.extend(of_sql);
    refuse(&issues)?;
    Ok(Planned { graph, changes, plan, issues })
}

/// The files of seeds, below `project_dir`, that the commits of the pull request change.
pub(super) fn seed_files(project_dir: &Path, checkout: &Checkout) -> BTreeSet<String> {
    let Checkout::PullRequest { bases, .. } = checkout else { return BTreeSet::new() };
    let changed = bases.iter().find_map(|base| git::changed_files(project_dir, base, &["**/*.csv"]));
    let project = git::root(project_dir).and_then(|root| {
        let (root, project) = (fs_err::canonicalize(root).ok()?, fs_err::canonicalize(project_dir).ok()?);
        Some(project.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/"))
    });
    let (Some(changed), Some(project)) = (changed, project) else { return BTreeSet::new() };
    let below = |name: String| match project.as_str() {
        "" => Some(name),
        project => name.strip_prefix(project)?.strip_prefix('/').map(str::to_owned),
    };
    changed.into_iter().filter_map(below).collect()
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

fn chosen(context: SelectionContext<'_>, selection: &Selection) -> Result<BTreeSet<UniqueId>, CommandError> {
    let selected = select(context, selection)?;
    for warning in &selected.warnings {
        tracing::warn!("{warning}");
    }
    Ok(selected.nodes.into_iter().map(|node| UniqueId::from(context.graph.unique_id(node))).collect())
}
