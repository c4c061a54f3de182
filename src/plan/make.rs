//! From changes to a plan.

use std::collections::{BTreeMap, BTreeSet};

use super::beyond;
use super::build_set::{self, BuildSet};
use super::data_tests::{self, DataTests};
use super::document::{DOWNSTREAM_SHOWN, LeftOut, NotChecked, Plan, PlannedNode, Proxy, Skipped, Summary, Trial, Why};
use super::facts::Facts;
use super::gates::gates;
use super::identifiers::{identifiers, trial_identifiers};
use super::kept::kept_tables;
use super::not_built;
use super::notices::notices;
use super::reasons;
use super::unbuilt::unbuilt_upstream;
use super::weaker::weaker_tests;
use crate::artifacts::{Manifest, ResourceType, UniqueId};
use crate::changes::{ChangeKind, Changes, Reason};
use crate::project::{Cycle, Graph, IndirectSelection, NodeId};
use crate::sql::Dialect;

/// What the user decides about a plan.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// The temporary schema.
    pub schema: String,
    /// unique_ids that `--select` means; `None` for all. Tests are in it too, as dbt's selection has them.
    pub select: Option<BTreeSet<UniqueId>>,
    /// unique_ids that `--exclude` means.
    pub exclude: BTreeSet<UniqueId>,
    /// Which tests come along.
    pub indirect: IndirectSelection,
    /// unique_ids whose text dbt makes at their turn, because it asks the warehouse; `None` where all texts are the
    /// manifest's.
    pub at_turn: Option<BTreeSet<UniqueId>>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A manifest that depends on itself.
    #[error(transparent)]
    Cycle(#[from] Cycle),
}

/// The plan for a pull request: dbt's `state:modified+` is built, what it reads otherwise is a proxy view.
///
/// - Changed models, seeds and snapshots are built, and everything downstream of a change, tests and
///   sources included as dbt does. Ephemeral models have no relation: what reads them reads their parents.
/// - A snapshot that is only downstream stays production's; what reads it is built all the same.
/// - What production does not have is built when a built node reads it, and so is what production does not have
///   as it will be, because others changed it or something upstream of it ([`Changes::set_apart`]).
/// - Python models and unknown materializations are not checked; what reads them reads production's, or
///   is not checked either.
/// - Tests follow `options.indirect`; changed tests are always run.
///
/// `graph` is the pull request's. The same input gives the same plan, byte for byte.
///
/// # Errors
/// When the manifest has a cycle.
pub fn plan<'a>(
    state: &'a Manifest<'a>,
    pr: &'a Manifest<'a>,
    graph: &'a Graph<'a>,
    changes: &'a Changes,
    options: &PlanOptions,
) -> Result<Plan, PlanError> {
    let order = graph.topological()?;
    let facts = Facts::new(state, pr, graph, changes, options.at_turn.as_ref());
    let dialect = Dialect::of_adapter(facts.adapter());
    let wanted = |id: NodeId| {
        let id = facts.name(id);
        options.select.as_ref().is_none_or(|select| select.contains(id)) && !options.exclude.contains(id)
    };
    let mut set = build_set::choose(&facts, &order, wanted);
    let chosen = data_tests::choose(&facts, &set, options.indirect, wanted);
    build_set::complete(&facts, &order, &mut set, &chosen.tests, wanted);
    let tests = data_tests::plan_all(&facts, &set, chosen);

    let reads: BTreeMap<NodeId, Vec<NodeId>> =
        set.built.keys().chain(&set.tried).map(|id| (*id, set.reads(&facts, *id))).collect();
    let proxied = proxied(&facts, &set, &reads, &tests);
    let names = identifiers(&facts, set.built.keys().chain(proxied.keys()).copied(), dialect);
    let name_of = |id: &NodeId| names.get(id).cloned().unwrap_or_default();

    let built_reads = reads
        .iter()
        .filter(|(id, _)| set.is_built(**id))
        .map(|(id, reads)| (*id, reads.iter().copied().filter(|parent| set.is_built(*parent)).collect()))
        .collect();
    let test_ids: Vec<NodeId> = tests.run.keys().copied().collect();
    let gates = gates(&facts, &order, &built_reads, &test_ids);
    let causes = causes(&facts, &order, &set);
    let unbuilt = unbuilt_upstream(&facts, &order, &set);

    let nodes: Vec<PlannedNode> = order
        .iter()
        .filter_map(|id| {
            let (materialization, node) = (*set.built.get(id)?, facts.node(*id)?);
            Some(PlannedNode {
                unique_id: facts.name(*id).into(),
                resource_type: node.resource_type.as_str().to_owned(),
                name: node.name.to_string(),
                path: node.original_file_path.to_string(),
                materialization,
                identifier: name_of(id),
                why: why(&facts, &set, &causes, *id),
                contract_enforced: node.contract.enforced,
                parents: facts.names(reads.get(id).into_iter().flatten().copied()),
                reads_unbuilt: facts.names(unbuilt.get(id).into_iter().flatten().copied()),
                gated_by: facts.names(gates.get(id).into_iter().flatten().copied()),
            })
        })
        .collect();
    let trial_names = trial_identifiers(&facts, &set.tried, &names, dialect);
    let trials = set
        .tried
        .iter()
        .filter_map(|id| {
            Some(Trial {
                unique_id: facts.name(*id).into(),
                name: facts.node(*id)?.name.to_string(),
                identifier: trial_names.get(id)?.clone(),
                parents: facts.names(reads.get(id).into_iter().flatten().copied()),
                of: causes.get(id).map(|(of, _)| facts.names(of.iter().copied())).unwrap_or_default(),
            })
        })
        .collect();
    let proxy_ids: BTreeSet<NodeId> = proxied.keys().copied().collect();
    let proxies = proxied
        .into_iter()
        .filter_map(|(id, readers)| {
            Some(Proxy {
                unique_id: facts.name(id).into(),
                identifier: name_of(&id),
                production: facts.production(id)?.to_owned(),
                parent_of: facts.names(readers.nodes),
                tested_by: facts.names(readers.tests),
            })
        })
        .collect();
    let mut plan = Plan {
        schema_version: 1,
        project: pr.metadata.project_name.as_deref().unwrap_or_default().to_owned(),
        adapter: facts.adapter().to_owned(),
        schema: options.schema.clone(),
        state: None,
        check_supported: None,
        summary: Summary::default(),
        nodes,
        trials,
        kept: kept_tables(&facts, &order, &set, &tests),
        proxies,
        skipped: skipped(&facts, &set),
        not_checked: not_checked(&facts, &set, &tests, dialect),
        definitions: not_built::definitions(&facts, wanted),
        removed: not_built::removed(&facts),
        reasons: reasons::reasons(&facts, |id| graph.id(id).is_some_and(|id| set.is_built(id))),
        not_yours: not_built::not_yours(&facts, &set),
        weaker_tests: weaker_tests(&facts),
        left_out: left_out(&facts, &set, &tests, dialect),
        notices: notices(&facts, &set, &proxy_ids, wanted),
        tests: tests.run.into_values().map(|(test, _)| test).collect(),
    };
    plan.summary = summary(&facts, &plan);
    Ok(plan)
}

#[derive(Default)]
struct Readers {
    nodes: Vec<NodeId>,
    tests: Vec<NodeId>,
}

/// What built nodes and tests read and is not built, with its readers.
fn proxied(
    facts: &Facts<'_>,
    set: &BuildSet,
    reads: &BTreeMap<NodeId, Vec<NodeId>>,
    tests: &DataTests,
) -> BTreeMap<NodeId, Readers> {
    let mut found: BTreeMap<NodeId, Readers> = BTreeMap::new();
    let is_proxy = |id: &&NodeId| !set.is_built(**id) && !facts.is_source(**id);
    for (id, reads) in reads {
        for parent in reads.iter().filter(is_proxy) {
            found.entry(*parent).or_default().nodes.push(*id);
        }
    }
    for (id, (_, reads)) in &tests.run {
        for parent in reads.iter().filter(is_proxy) {
            found.entry(*parent).or_default().tests.push(*id);
        }
    }
    found
}

/// The nearest changed nodes upstream of each node, and whether there are more than are kept.
fn causes(facts: &Facts<'_>, order: &[NodeId], set: &BuildSet) -> BTreeMap<NodeId, (BTreeSet<NodeId>, bool)> {
    let mut found: BTreeMap<NodeId, (BTreeSet<NodeId>, bool)> = BTreeMap::new();
    for &id in order {
        // A source passes on what makes its relation.
        let passes_on = set.is_built(id) || facts.kind(id).is_relation() || facts.is_source(id);
        if !passes_on {
            continue;
        }
        let mut own = BTreeSet::new();
        let mut more = false;
        for parent in facts.graph.parents(id) {
            if facts.change(*parent).is_some() {
                own.insert(*parent);
            } else if let Some((theirs, cut)) = found.get(parent) {
                own.extend(theirs);
                more |= cut;
            }
        }
        while own.len() > DOWNSTREAM_SHOWN {
            own.pop_last();
            more = true;
        }
        if !own.is_empty() {
            found.insert(id, (own, more));
        }
    }
    found
}

fn why(facts: &Facts<'_>, set: &BuildSet, causes: &BTreeMap<NodeId, (BTreeSet<NodeId>, bool)>, id: NodeId) -> Why {
    if let Some(by) = set.not_yours.get(&id) {
        return Why::NotYours { by: facts.names(by.iter().copied()) };
    }
    if let Some(by) = set.needed.get(&id) {
        return Why::NeededNew { by: facts.names(by.iter().copied()) };
    }
    if let Some(change) = facts.change(id) {
        let renamed_from = match &change.kind {
            ChangeKind::Renamed { from } => Some(from.clone()),
            _ => None,
        };
        let new = renamed_from.is_some() || change.kind == ChangeKind::Added;
        return Why::Changed { new, renamed_from, reasons: change.reasons.clone() };
    }
    let (mut of, mut and_more) = causes.get(&id).cloned().unwrap_or_default();
    if of.is_empty() {
        // What others changed meets here what the pull request changed to what production has.
        let upstream = facts.graph.ancestors([id]).into_iter();
        of = upstream.filter(|id| facts.changes.as_in_state.contains(facts.name(*id))).collect();
        while of.len() > DOWNSTREAM_SHOWN {
            of.pop_last();
            and_more = true;
        }
    }
    Why::Downstream { of: facts.names(of), and_more }
}

fn skipped(facts: &Facts<'_>, set: &BuildSet) -> Vec<Skipped> {
    set.skipped
        .iter()
        .map(|(id, reason)| Skipped {
            unique_id: facts.name(*id).into(),
            reason: *reason,
            changed: reasons(facts, *id),
        })
        .collect()
}

fn left_out(facts: &Facts<'_>, set: &BuildSet, tests: &DataTests, dialect: Dialect) -> Vec<LeftOut> {
    let mut found = not_built::left_out(facts, set, tests);
    found.extend(beyond::left_out(facts, set, dialect));
    found.sort_by(|a, b| (&a.unique_id, a.what).cmp(&(&b.unique_id, b.what)));
    found
}

fn not_checked(facts: &Facts<'_>, set: &BuildSet, tests: &DataTests, dialect: Dialect) -> Vec<NotChecked> {
    let all: BTreeMap<_, _> = set.not_checked.iter().chain(&tests.not_checked).collect();
    let mut found: Vec<NotChecked> = all
        .into_iter()
        .map(|(id, reason)| {
            let unique_id = facts.name(*id);
            let unit_test = || facts.pr.unit_tests.get(unique_id).map(|test| test.name.to_string());
            let function = || facts.pr.functions.get(unique_id).map(|function| function.name.to_string());
            let name = facts.node(*id).map(|node| node.name.to_string()).or_else(unit_test).or_else(function);
            NotChecked {
                unique_id: unique_id.into(),
                resource_type: facts.kind(*id).as_str().to_owned(),
                name: name.unwrap_or_default(),
                reason: reason.clone(),
                changed: reasons(facts, *id),
            }
        })
        .collect();
    found.extend(beyond::not_checked(facts, set, tests, dialect));
    found.sort_by(|a, b| (&a.unique_id, &a.reason).cmp(&(&b.unique_id, &b.reason)));
    found
}

fn reasons(facts: &Facts<'_>, id: NodeId) -> Vec<Reason> {
    let change = facts.change(id).or_else(|| facts.changes.cosmetic.get(facts.name(id)));
    change.map(|change| change.reasons.clone()).unwrap_or_default()
}

fn summary(facts: &Facts<'_>, plan: &Plan) -> Summary {
    let counted = |id: &NodeId| {
        !matches!(facts.kind(*id), ResourceType::Analysis | ResourceType::Operation | ResourceType::Other)
    };
    let changed = facts.changes.nodes.keys().filter_map(|id| facts.graph.id(id));
    let mut summary = Summary {
        changed: changed.filter(|id| facts.change(*id).is_some() && counted(id)).count(),
        proxies: plan.proxies.len(),
        tests: plan.tests.len(),
        not_checked: plan.not_checked.len(),
        removed: plan.removed.len(),
        not_yours: plan.not_yours.len(),
        ..Summary::default()
    };
    for node in &plan.nodes {
        match node.why {
            Why::Changed { .. } => summary.built_changed += 1,
            Why::Downstream { .. } => summary.built_downstream += 1,
            Why::NeededNew { .. } => summary.built_needed += 1,
            Why::NotYours { .. } => summary.built_not_yours += 1,
        }
    }
    summary
}
