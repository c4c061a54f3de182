//! Criteria and their combinations, evaluated.
//!
//! Each part of a selection gives two sets: what it selects, and the tests that it touches without selecting.
//! Combinations combine both, so that a test is selected as soon as all of its parents are, whichever parts of
//! the selection brought them.

use std::collections::BTreeSet;

use crate::artifacts::ResourceType;

use super::criterion::{Criterion, Reach};
use super::method::search;
use super::spec::{Operator, Spec};
use super::{IndirectSelection, SelectError, SelectionContext};
use crate::project::graph::NodeId;

type Nodes = BTreeSet<NodeId>;

/// What a part of a selection selects, and the tests at its edge.
#[derive(Debug, Default)]
pub(super) struct Sets {
    pub(super) direct: Nodes,
    indirect: Nodes,
}

/// Evaluates a selection; `warnings` receives the criteria that select nothing.
pub(super) fn evaluate(
    context: SelectionContext<'_>,
    spec: &Spec,
    warnings: &mut Vec<String>,
) -> Result<Sets, SelectError> {
    let (operator, members, indirect, expected) = match spec {
        Spec::One(criterion) => return evaluate_one(context, criterion),
        Spec::Many { operator, members, indirect, expected } => (*operator, members, *indirect, expected),
    };
    let mut direct = Vec::new();
    let mut touched = Vec::new();
    for member in members {
        let sets = evaluate(context, member, warnings)?;
        touched.push(sets.direct.union(&sets.indirect).copied().collect());
        direct.push(sets.direct);
    }
    let (direct, touched) = (combine(operator, direct), combine(operator, touched));
    let direct = incorporate(context, direct, &touched, indirect);
    if let Some(text) = expected.as_ref().filter(|_| direct.is_empty()) {
        warnings.push(format!("The selection criterion '{text}' does not match any enabled nodes"));
    }
    Ok(Sets { direct, indirect: touched })
}

fn combine(operator: Operator, sets: Vec<Nodes>) -> Nodes {
    let mut sets = sets.into_iter();
    let Some(first) = sets.next() else { return Nodes::new() };
    sets.fold(first, |mut all, set| match operator {
        Operator::Union => {
            all.extend(set);
            all
        }
        Operator::Intersection => {
            all.retain(|node| set.contains(node));
            all
        }
        Operator::Difference => {
            all.retain(|node| !set.contains(node));
            all
        }
    })
}

fn evaluate_one(context: SelectionContext<'_>, criterion: &Criterion) -> Result<Sets, SelectError> {
    let collected = search(context, criterion)?;
    let graph = context.graph;
    let mut selected = collected.clone();
    if criterion.childrens_parents {
        selected.extend(graph.descendants(collected.iter().copied()));
        let above = graph.ancestors(selected.iter().copied());
        selected.extend(above);
    }
    match criterion.parents {
        Some(Reach::All) => selected.extend(graph.ancestors(collected.iter().copied())),
        Some(Reach::Depth(depth)) => selected.extend(graph.ancestors_within(collected.iter().copied(), depth)),
        None => {}
    }
    match criterion.children {
        Some(Reach::All) => selected.extend(graph.descendants(collected.iter().copied())),
        Some(Reach::Depth(depth)) => selected.extend(graph.descendants_within(collected.iter().copied(), depth)),
        None => {}
    }
    Ok(expand(context, selected, criterion.indirect))
}

/// Adds the tests of the selected nodes, as the mode has it.
fn expand(context: SelectionContext<'_>, selected: Nodes, mode: IndirectSelection) -> Sets {
    if mode == IndirectSelection::Empty {
        return Sets { direct: selected, indirect: Nodes::new() };
    }
    let graph = context.graph;
    let buildable = (mode == IndirectSelection::Buildable).then(|| {
        let mut nodes = graph.ancestors(selected.iter().copied());
        nodes.extend(&selected);
        nodes.extend(graph.nodes().filter(|&node| graph.resource_type(node) == ResourceType::Source));
        nodes
    });
    let mut indirect = Nodes::new();
    let mut added = Vec::new();
    for &node in &selected {
        for &child in graph.children(node) {
            if !matches!(graph.resource_type(child), ResourceType::Test | ResourceType::UnitTest) {
                continue;
            }
            let all_in = |nodes: &Nodes| {
                graph.has_all_parents(child) && graph.parents(child).iter().all(|parent| nodes.contains(parent))
            };
            if mode == IndirectSelection::Eager || all_in(&selected) || buildable.as_ref().is_some_and(all_in) {
                added.push(child);
            } else {
                indirect.insert(child);
            }
        }
    }
    let mut direct = selected;
    direct.extend(added);
    Sets { direct, indirect }
}

/// Adds the touched tests all of whose parents a combination brought together.
///
/// Here dbt neither counts sources as buildable nor looks at unit tests, which have one parent anyway.
fn incorporate(context: SelectionContext<'_>, direct: Nodes, touched: &Nodes, mode: IndirectSelection) -> Nodes {
    let graph = context.graph;
    let mut reachable = match mode {
        IndirectSelection::Cautious => Nodes::new(),
        IndirectSelection::Buildable => graph.ancestors(direct.iter().copied()),
        IndirectSelection::Eager | IndirectSelection::Empty => return direct,
    };
    if direct == *touched {
        return direct;
    }
    reachable.extend(&direct);
    let mut all = direct;
    for &node in touched {
        let is_node = matches!(graph.resource_type(node), ResourceType::Test);
        if is_node && graph.has_all_parents(node) && graph.parents(node).iter().all(|parent| reachable.contains(parent))
        {
            all.insert(node);
        }
    }
    all
}
