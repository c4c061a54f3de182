//! Which data tests are run.

use std::collections::{BTreeMap, BTreeSet};

use super::build_set::{BuildSet, unavailable};
use super::document::{NotCheckedReason, PlannedTest, Severity, TestKind, TestWhy};
use super::facts::Facts;
use crate::artifacts::{Node, ResourceType, UniqueId};
use crate::changes::JudgedBy;
use crate::project::{IndirectSelection, NodeId};

/// The tests of a plan.
#[derive(Default)]
pub(super) struct DataTests {
    /// Run, with what they read.
    pub(super) run: BTreeMap<NodeId, (PlannedTest, Vec<NodeId>)>,
    pub(super) not_checked: BTreeMap<NodeId, NotCheckedReason>,
}

/// Tests of what is selected.
pub(super) struct Chosen {
    /// To be run.
    pub(super) tests: BTreeSet<NodeId>,
    /// Left out by a setting.
    left: BTreeMap<NodeId, NotCheckedReason>,
}

/// dbt's indirect selection over what is selected, and changed tests themselves.
pub(super) fn choose(
    facts: &Facts<'_>,
    set: &BuildSet,
    mode: IndirectSelection,
    wanted: impl Fn(NodeId) -> bool,
) -> Chosen {
    let upstream = match mode {
        IndirectSelection::Buildable => facts.graph.ancestors(set.selected.iter().copied()),
        _ => BTreeSet::new(),
    };
    // dbt's rule: the test's own parents, ephemeral models as such.
    let comes_along = |test: NodeId| {
        let mut parents = facts.graph.parents(test).iter();
        match mode {
            IndirectSelection::Eager => true,
            IndirectSelection::Cautious => parents.all(|parent| set.selected.contains(parent)),
            IndirectSelection::Buildable => parents
                .all(|parent| set.selected.contains(parent) || upstream.contains(parent) || facts.is_source(*parent)),
            IndirectSelection::Empty => false,
        }
    };
    let is_test = |id: NodeId| matches!(facts.kind(id), ResourceType::Test | ResourceType::UnitTest);

    let mut all: BTreeSet<NodeId> = BTreeSet::new();
    for &id in &set.selected {
        all.extend(facts.graph.children(id).iter().copied().filter(|test| is_test(*test)));
    }
    let mut chosen: BTreeSet<NodeId> = all.iter().copied().filter(|test| comes_along(*test)).collect();
    let changed = facts.changes.nodes.keys().filter_map(|id| facts.graph.id(id));
    chosen.extend(changed.filter(|id| is_test(*id) && facts.change(*id).is_some()));
    all.extend(&chosen);
    chosen.retain(|id| wanted(*id));
    let why = |id: NodeId| {
        if wanted(id) {
            NotCheckedReason::IndirectSelection { mode: mode.name().to_owned() }
        } else {
            NotCheckedReason::NotSelected
        }
    };
    let left = all.into_iter().filter(|id| !chosen.contains(id)).map(|id| (id, why(id))).collect();
    Chosen { tests: chosen, left }
}

/// What becomes of each chosen test on the complete build set.
pub(super) fn plan_all(facts: &Facts<'_>, set: &BuildSet, chosen: Chosen) -> DataTests {
    let mut tests = DataTests::default();
    let of_built = |id: &NodeId| facts.graph.parents(*id).iter().any(|parent| set.is_built(*parent));
    tests.not_checked.extend(chosen.left.into_iter().filter(|(id, _)| of_built(id)));
    for id in chosen.tests {
        match plan_one(facts, set, id) {
            Ok(planned) => drop(tests.run.insert(id, planned)),
            Err(reason) => drop(tests.not_checked.insert(id, reason)),
        }
    }
    tests
}

fn plan_one(facts: &Facts<'_>, set: &BuildSet, id: NodeId) -> Result<(PlannedTest, Vec<NodeId>), NotCheckedReason> {
    if facts.kind(id) == ResourceType::UnitTest {
        return Err(NotCheckedReason::UnitTestUnsupported);
    }
    let node = facts.node(id).ok_or(NotCheckedReason::NotCompiled)?;
    if let Some(parent) = facts.missing_parent(id) {
        return Err(NotCheckedReason::MissingParent { parent: parent.into() });
    }
    if node.is_python() {
        return Err(NotCheckedReason::PythonModel);
    }
    if let Some(macros) = own_macros(facts, node) {
        return Err(NotCheckedReason::OwnMacros { macros });
    }
    if facts.lacks_text(id) {
        return Err(NotCheckedReason::NotCompiled);
    }
    let reads = set.reads(facts, id);
    let missing = unavailable(facts, set, reads.clone()).or_else(|| facts.missing_function(id));
    if let Some(parent) = missing {
        return Err(NotCheckedReason::ParentNotAvailable { parent: facts.name(parent).into() });
    }
    let is_unbuilt = |parent: &&NodeId| set.not_checked.contains_key(parent) && facts.kind(**parent).is_relation();
    if let Some(parent) = reads.iter().find(is_unbuilt) {
        return Err(NotCheckedReason::ReadsUnbuilt { parent: facts.name(*parent).into() });
    }
    let here = |parent: &NodeId| {
        set.is_built(*parent)
            || (set.selected.contains(parent) && (facts.is_source(*parent) || facts.is_ephemeral(*parent)))
    };
    let tested: Vec<NodeId> = facts.graph.parents(id).iter().copied().filter(here).collect();
    let why = match facts.change(id) {
        Some(change) => TestWhy::Changed { reasons: change.reasons.clone() },
        // It would only read production, and say nothing of the pull request.
        None if tested.is_empty() => return Err(NotCheckedReason::NothingOfItIsBuilt),
        None => TestWhy::Tests { nodes: facts.names(tested) },
    };
    let planned = PlannedTest {
        unique_id: facts.name(id).into(),
        name: node.name.to_string(),
        // How dbt itself tells them apart.
        kind: if node.test_metadata.is_some() { TestKind::Generic } else { TestKind::Singular },
        path: node.original_file_path.to_string(),
        attached_node: node.attached_node.as_deref().map(UniqueId::from),
        column: node.column_name.as_deref().map(str::to_owned),
        parents: facts.names(reads.iter().copied()),
        severity: if node.test_config().severity_error { Severity::Error } else { Severity::Warn },
        why,
    };
    Ok((planned, reads))
}

/// The project's macros that say whether a test fails. Those by which failing rows are kept only say so where they are
/// kept, and production has run them where they did not change.
fn own_macros(facts: &Facts<'_>, node: &Node<'_>) -> Option<Vec<UniqueId>> {
    match facts.judged_by() {
        Some(JudgedBy::Own(id)) => return Some(vec![id.into()]),
        Some(JudgedBy::Wrapper(_)) | None => {}
    }
    if node.keeps_failures() { facts.changes.build_macros.concern(node) } else { None }
}
