//! Which nodes are built, and which of the others can be read from production.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Materialization, NotCheckedReason, SkipReason};
use super::facts::Facts;
use crate::artifacts::{Node, ResourceType, compiled_incrementally};
use crate::project::NodeId;

/// What becomes of each node that dbt's `state:modified+` means, and of what those need.
#[derive(Default)]
pub(super) struct BuildSet {
    /// What is built, and as what.
    pub(super) built: BTreeMap<NodeId, Materialization>,
    /// Built though nothing upstream changed: the built nodes that read it.
    pub(super) needed: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// Built because production lacks what others changed in it or upstream of it: the built nodes and the tests
    /// that read it.
    pub(super) not_yours: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// What production lacks so and nobody can build, though it is read.
    pub(super) stale: BTreeSet<NodeId>,
    pub(super) skipped: BTreeMap<NodeId, SkipReason>,
    /// Snapshots below a change, whose query is tried as on a first run; what reads one reads production's.
    pub(super) tried: BTreeSet<NodeId>,
    pub(super) not_checked: BTreeMap<NodeId, NotCheckedReason>,
    /// dbt's selection, built or not, with the changed sources: what indirect selection starts from.
    pub(super) selected: BTreeSet<NodeId>,
}

impl BuildSet {
    pub(super) fn is_built(&self, id: NodeId) -> bool {
        self.built.contains_key(&id)
    }

    /// What a node reads, with the built nodes that make the relations of its sources: it waits for them.
    pub(super) fn reads(&self, facts: &Facts<'_>, id: NodeId) -> Vec<NodeId> {
        let mut reads = facts.reads(id);
        let makers = reads.iter().filter(|parent| facts.is_source(**parent)).flat_map(|id| facts.graph.parents(*id));
        let makers: Vec<NodeId> = makers.copied().filter(|maker| self.is_built(*maker)).collect();
        if !makers.is_empty() {
            reads.extend(makers);
            reads.sort_unstable();
            reads.dedup();
        }
        reads
    }
}

/// `order`: all nodes, parents first. `wanted`: what `--select` and `--exclude` leave.
pub(super) fn choose(facts: &Facts<'_>, order: &[NodeId], wanted: impl Fn(NodeId) -> bool) -> BuildSet {
    let mut changed: BTreeSet<NodeId> = order.iter().copied().filter(|id| facts.change(*id).is_some()).collect();
    if !facts.changes.as_in_state.is_empty() {
        // The pull request's change of these is nothing new to production, but meets there what others changed.
        let own = facts.changes.as_in_state.iter().filter_map(|id| facts.graph.id(id));
        changed.extend(facts.graph.descendants(own).into_iter().filter(|id| facts.is_not_yours(*id)));
    }
    let mut affected = facts.graph.descendants(changed.iter().copied());
    affected.extend(&changed);

    let mut set = BuildSet::default();
    for &id in &affected {
        if !wanted(id) {
            // Text that changed and that nobody looks at, whatever flag says so.
            if changed.contains(&id) && (facts.kind(id).is_relation() || facts.kind(id) == ResourceType::Function) {
                set.not_checked.insert(id, NotCheckedReason::NotSelected);
            }
            continue;
        }
        match facts.kind(id) {
            ResourceType::Source => {
                set.selected.insert(id);
            }
            ResourceType::Function if changed.contains(&id) => {
                set.not_checked.insert(id, NotCheckedReason::FunctionUnsupported);
            }
            kind if kind.is_relation() => {
                set.selected.insert(id);
                match fate(facts, id, changed.contains(&id)) {
                    Fate::Build(materialization) => drop(set.built.insert(id, materialization)),
                    Fate::Skip(reason) => {
                        set.skipped.insert(id, reason);
                        if reason == SkipReason::SnapshotNotChanged {
                            set.tried.insert(id);
                        }
                    }
                    Fate::NotChecked(reason) => drop(set.not_checked.insert(id, reason)),
                }
            }
            _ => {}
        }
    }
    for id in facts.changes.cosmetic.keys().filter_map(|id| facts.graph.id(id)) {
        if facts.kind(id).is_relation() && !affected.contains(&id) {
            set.skipped.insert(id, SkipReason::Cosmetic);
        }
    }
    set
}

/// Adds what the chosen nodes and `tests` read and production does not have as it will be, and drops what cannot
/// be built even so.
pub(super) fn complete(
    facts: &Facts<'_>,
    order: &[NodeId],
    set: &mut BuildSet,
    tests: &BTreeSet<NodeId>,
    wanted: impl Fn(NodeId) -> bool,
) {
    add_what_others_changed(facts, set, tests, wanted);
    add_what_production_lacks(facts, set);
    drop_what_cannot_be_read(facts, order, set);
}

enum Fate {
    Build(Materialization),
    Skip(SkipReason),
    NotChecked(NotCheckedReason),
}

/// What would become of a node if it were built.
fn fate(facts: &Facts<'_>, id: NodeId, changed: bool) -> Fate {
    let Some(node) = facts.node(id) else { return Fate::NotChecked(NotCheckedReason::NotCompiled) };
    if facts.is_ephemeral(id) {
        return Fate::Skip(SkipReason::Ephemeral);
    }
    if node.is_python() {
        return Fate::NotChecked(NotCheckedReason::PythonModel);
    }
    let seed = node.resource_type == ResourceType::Seed;
    if !seed && node.raw_code.get().trim().is_empty() && !facts.has_text(id) {
        return Fate::Skip(SkipReason::Empty);
    }
    let materialization = match materialization(node, facts.adapter()) {
        Ok(materialization) => materialization,
        Err(unknown) => return Fate::NotChecked(unknown),
    };
    if !seed && facts.lacks_text(id) {
        return Fate::NotChecked(NotCheckedReason::NotCompiled);
    }
    if facts.has_own_macro("is_incremental")
        && node.compiled_code.is_some_and(|code| compiled_incrementally(node, &code.get()))
    {
        return Fate::NotChecked(NotCheckedReason::CompiledIncremental);
    }
    if let Some(parent) = facts.missing_parent(id) {
        return Fate::NotChecked(NotCheckedReason::MissingParent { parent: parent.into() });
    }
    // A first run of an unchanged snapshot has none of its history, so what reads it is better off with production's.
    if node.resource_type == ResourceType::Snapshot && !changed && facts.production(id).is_some() {
        return Fate::Skip(SkipReason::SnapshotNotChanged);
    }
    Fate::Build(materialization)
}

/// What a node is built as, or that its materialization is unknown.
fn materialization(node: &Node<'_>, adapter: &str) -> Result<Materialization, NotCheckedReason> {
    match node.resource_type {
        ResourceType::Seed => return Ok(Materialization::Seed),
        ResourceType::Snapshot => return Ok(Materialization::SnapshotFirstRun),
        _ => {}
    }
    let name = node.materialized();
    match name.as_deref().unwrap_or("view") {
        "view" => Ok(Materialization::View),
        "table" => Ok(Materialization::Table),
        "incremental" => Ok(Materialization::IncrementalAsTable),
        // The others' adapters raise that it is not implemented, or know no such materialization.
        "materialized_view" if ["postgres", "redshift", "bigquery", "databricks"].contains(&adapter) => {
            Ok(Materialization::MaterializedViewAsTable)
        }
        "dynamic_table" if adapter == "snowflake" => Ok(Materialization::MaterializedViewAsTable),
        // A plain select, which dbt writes to a file; what reads it reads a relation of that name.
        "external" if adapter == "duckdb" => Ok(Materialization::ExternalAsTable),
        other => Err(NotCheckedReason::UnknownMaterialization { materialized: other.to_owned() }),
    }
}

/// What is built or tested must read what it will read once it is merged. Where others changed something that
/// production has not run, production's relation is not that, nor are those downstream of it.
fn add_what_others_changed(
    facts: &Facts<'_>,
    set: &mut BuildSet,
    tests: &BTreeSet<NodeId>,
    wanted: impl Fn(NodeId) -> bool,
) {
    let changed: Vec<NodeId> = facts.changes.not_yours.keys().filter_map(|id| facts.graph.id(id)).collect();
    let changed: Vec<NodeId> = changed.into_iter().filter(|id| facts.is_not_yours(*id)).collect();
    if changed.is_empty() {
        return;
    }
    let mut stale = facts.graph.descendants(changed.iter().copied());
    stale.extend(changed);
    let mut open: Vec<NodeId> = set.built.keys().chain(tests).copied().collect();
    while let Some(id) = open.pop() {
        for parent in facts.reads(id) {
            if !stale.contains(&parent) || facts.is_source(parent) {
                continue;
            }
            if set.is_built(parent) {
                if let Some(by) = set.not_yours.get_mut(&parent) {
                    by.insert(id);
                }
                continue;
            }
            // Only production has a snapshot's history, and what the user leaves out is read from production.
            let is_history = facts.kind(parent) == ResourceType::Snapshot && facts.production(parent).is_some();
            match fate(facts, parent, true) {
                Fate::Build(materialization) if !is_history && wanted(parent) => {
                    set.skipped.remove(&parent);
                    set.built.insert(parent, materialization);
                    set.not_yours.insert(parent, BTreeSet::from([id]));
                    open.push(parent);
                }
                _ if !is_history => drop(set.stale.insert(parent)),
                _ => {}
            }
        }
    }
}

/// A parent that is not built is read through a proxy; one that production does not have is built too.
fn add_what_production_lacks(facts: &Facts<'_>, set: &mut BuildSet) {
    let mut open: Vec<NodeId> = set.built.keys().copied().collect();
    while let Some(id) = open.pop() {
        for parent in facts.reads(id) {
            if facts.is_source(parent) || facts.production(parent).is_some() {
                continue;
            }
            if set.is_built(parent) {
                if let Some(by) = set.needed.get_mut(&parent) {
                    by.insert(id);
                }
                continue;
            }
            // `--exclude` cannot leave out what the rest reads, if it is nowhere else.
            if let Fate::Build(materialization) = fate(facts, parent, false) {
                set.skipped.remove(&parent);
                set.built.insert(parent, materialization);
                set.needed.insert(parent, BTreeSet::from([id]));
                open.push(parent);
            }
        }
    }
}

/// A node one of whose parents is nowhere cannot be built; nor can, then, those that read it, unless
/// production has it.
fn drop_what_cannot_be_read(facts: &Facts<'_>, order: &[NodeId], set: &mut BuildSet) {
    for &id in order {
        if !set.is_built(id) {
            continue;
        }
        // Functions are not created, so a new one is nowhere.
        let missing = unavailable(facts, set, facts.reads(id)).or_else(|| facts.missing_function(id));
        if let Some(parent) = missing {
            let parent = facts.name(parent).into();
            set.built.remove(&id);
            set.needed.remove(&id);
            set.not_yours.remove(&id);
            set.not_checked.insert(id, NotCheckedReason::ParentNotAvailable { parent });
        }
    }
    let unavailable_to =
        |id: &NodeId| unavailable(facts, set, facts.reads(*id)).or_else(|| facts.missing_function(*id));
    let lost: Vec<(NodeId, NodeId)> = set.tried.iter().filter_map(|id| Some((*id, unavailable_to(id)?))).collect();
    for (id, parent) in lost {
        set.tried.remove(&id);
        let parent = facts.name(parent).into();
        set.not_checked.insert(id, NotCheckedReason::ParentNotAvailable { parent });
    }
    // What was added for a reader that fell out is not needed either.
    for id in order.iter().rev() {
        let BuildSet { built, needed, not_yours, .. } = &mut *set;
        let idle = needed.get_mut(id).or_else(|| not_yours.get_mut(id)).is_some_and(|by| {
            by.retain(|reader| built.contains_key(reader) || facts.kind(*reader) == ResourceType::Test);
            by.is_empty()
        });
        if idle {
            built.remove(id);
            needed.remove(id);
            not_yours.remove(id);
        }
    }
}

/// The first of `reads` that is neither built nor a source nor in production.
pub(super) fn unavailable(facts: &Facts<'_>, set: &BuildSet, reads: Vec<NodeId>) -> Option<NodeId> {
    reads.into_iter().find(|&id| !set.is_built(id) && !facts.is_source(id) && facts.production(id).is_none())
}
