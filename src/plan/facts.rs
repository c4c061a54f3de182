//! What planning asks about nodes, answered once.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::artifacts::{Manifest, Node, ResourceType, UniqueId};
use crate::changes::{Change, ChangeKind, Changes, JudgedBy};
use crate::project::{Graph, NodeId};

/// Both manifests and the graph, with a table over its nodes.
pub(super) struct Facts<'a> {
    pub(super) state: &'a Manifest<'a>,
    pub(super) pr: &'a Manifest<'a>,
    pub(super) graph: &'a Graph<'a>,
    pub(super) changes: &'a Changes,
    /// Whether the pull request's manifest has no compiled SQL at all, as `dbt parse` writes it: the plan is then what
    /// dbt's own rules give.
    pub(super) only_parsed: bool,
    /// Whose text dbt makes at their turn; `None` where all texts are the manifest's.
    at_turn: Option<&'a BTreeSet<UniqueId>>,
    table: Vec<Fact<'a>>,
    judged_by: OnceCell<Option<JudgedBy<'a>>>,
}

#[derive(Default)]
struct Fact<'a> {
    node: Option<&'a Node<'a>>,
    change: Option<&'a Change>,
    ephemeral: OnceCell<bool>,
    production: OnceCell<Option<&'a str>>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(
        state: &'a Manifest<'a>,
        pr: &'a Manifest<'a>,
        graph: &'a Graph<'a>,
        changes: &'a Changes,
        at_turn: Option<&'a BTreeSet<UniqueId>>,
    ) -> Self {
        let mut table: Vec<Fact<'_>> =
            graph.nodes().map(|id| Fact { node: pr.nodes.get(graph.unique_id(id)), ..Fact::default() }).collect();
        for (unique_id, change) in &changes.nodes {
            let fact = graph.id(unique_id).and_then(|id| table.get_mut(id.index()));
            if let Some(fact) = fact {
                fact.change = Some(change);
            }
        }
        let only_parsed = at_turn.is_none() && !pr.nodes.values().any(|node| node.compiled_code.is_some());
        Self { state, pr, graph, changes, at_turn, only_parsed, table, judged_by: OnceCell::new() }
    }

    /// Whether dbt makes texts in this run, those that ask the warehouse at their turn.
    pub(super) fn compiles(&self) -> bool {
        self.at_turn.is_some()
    }

    /// Whether dbt makes a node's text at its turn.
    pub(super) fn is_made_at_turn(&self, id: NodeId) -> bool {
        self.at_turn.is_some_and(|at_turn| at_turn.contains(self.name(id)))
    }

    /// Whether there is a text of a node, or will be one.
    pub(super) fn has_text(&self, id: NodeId) -> bool {
        let given = self.node(id).and_then(|node| node.compiled_code.as_ref()).is_some_and(|code| !code.is_empty());
        given || self.is_made_at_turn(id)
    }

    /// Whether there is no text of a node, and will be none, though others have theirs.
    pub(super) fn lacks_text(&self, id: NodeId) -> bool {
        !self.only_parsed && !self.has_text(id)
    }

    /// The warehouse, as dbt names the adapter.
    pub(super) fn adapter(&self) -> &'a str {
        self.pr.metadata.adapter_type.as_deref().unwrap_or_default()
    }

    /// What judges data tests in the pull request, where it is not dbt.
    pub(super) fn judged_by(&self) -> Option<JudgedBy<'a>> {
        *self.judged_by.get_or_init(|| JudgedBy::of(self.pr, self.changes.package_overrides))
    }

    /// Whether the pull request's project has a macro of this name, which dbt takes for its own.
    pub(super) fn has_own_macro(&self, name: &str) -> bool {
        let project = self.pr.metadata.project_name.as_deref().unwrap_or_default();
        self.pr.macros.contains_key(format!("macro.{project}.{name}").as_str())
    }

    fn fact(&self, id: NodeId) -> Option<&Fact<'a>> {
        self.table.get(id.index())
    }

    /// The pull request's node; `None` for sources, exposures, functions and unit tests.
    pub(super) fn node(&self, id: NodeId) -> Option<&'a Node<'a>> {
        self.fact(id)?.node
    }

    pub(super) fn name(&self, id: NodeId) -> &'a str {
        self.graph.unique_id(id)
    }

    pub(super) fn kind(&self, id: NodeId) -> ResourceType {
        self.graph.resource_type(id)
    }

    pub(super) fn is_source(&self, id: NodeId) -> bool {
        self.kind(id) == ResourceType::Source
    }

    /// Whether it is an ephemeral model in the pull request.
    pub(super) fn is_ephemeral(&self, id: NodeId) -> bool {
        self.fact(id)
            .is_some_and(|fact| *fact.ephemeral.get_or_init(|| fact.node.is_some_and(|node| node.is_ephemeral())))
    }

    /// Production's relation of a model, seed or snapshot, as its manifest spells it; `None` when it has none,
    /// because the node is new or was ephemeral.
    pub(super) fn production(&self, id: NodeId) -> Option<&'a str> {
        let fact = self.fact(id)?;
        *fact.production.get_or_init(|| {
            let node = self.state.nodes.get(self.name(id))?;
            let relation = node.relation_name.as_deref().filter(|name| !name.is_empty())?;
            (node.resource_type.is_relation() && !node.is_ephemeral()).then_some(relation)
        })
    }

    /// The change of a node, if dbt's `state:modified` means it: new sources, exposures and the like are
    /// no change to dbt.
    pub(super) fn change(&self, id: NodeId) -> Option<&'a Change> {
        let change = self.fact(id)?.change?;
        self.counts(id, change).then_some(change)
    }

    /// Whether others changed it, in a way that counts as [`Facts::change`] does.
    pub(super) fn is_not_yours(&self, id: NodeId) -> bool {
        self.changes.not_yours.get(self.name(id)).is_some_and(|change| self.counts(id, change))
    }

    fn counts(&self, id: NodeId, change: &Change) -> bool {
        match change.kind {
            ChangeKind::Modified | ChangeKind::Renamed { .. } => true,
            ChangeKind::Added => !matches!(
                self.kind(id),
                ResourceType::Source
                    | ResourceType::Exposure
                    | ResourceType::Metric
                    | ResourceType::SemanticModel
                    | ResourceType::SavedQuery
            ),
            ChangeKind::Removed | ChangeKind::Disabled => false,
        }
    }

    /// What a node or test reads: its parents that are relations, and through ephemeral parents, theirs.
    /// In id order, each once.
    pub(super) fn reads(&self, id: NodeId) -> Vec<NodeId> {
        let mut found = Vec::new();
        let mut open: Vec<NodeId> = self.graph.parents(id).to_vec();
        let mut inlined = std::collections::HashSet::new();
        while let Some(parent) = open.pop() {
            if self.is_ephemeral(parent) {
                if inlined.insert(parent) {
                    open.extend_from_slice(self.graph.parents(parent));
                }
            } else if self.kind(parent).is_relation() || self.is_source(parent) {
                found.push(parent);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// A parent that the manifest names and does not have: removed, or disabled.
    pub(super) fn missing_parent(&self, id: NodeId) -> Option<String> {
        let known = |parent: &str| {
            self.graph.id(parent).is_some()
                || self.pr.metrics.contains_key(parent)
                || self.pr.semantic_models.contains_key(parent)
                || self.pr.saved_queries.contains_key(parent)
        };
        let missing = self.node(id)?.depends_on.nodes.iter().find(|parent| !known(parent))?;
        Some(missing.to_string())
    }

    /// A function that a node calls, itself or in the text of an ephemeral parent, and that production does not have.
    pub(super) fn missing_function(&self, id: NodeId) -> Option<NodeId> {
        let mut open = vec![id];
        let mut seen = std::collections::HashSet::new();
        while let Some(node) = open.pop() {
            for parent in self.graph.parents(node) {
                if self.kind(*parent) == ResourceType::Function
                    && !self.state.functions.contains_key(self.name(*parent))
                {
                    return Some(*parent);
                }
                if self.is_ephemeral(*parent) && seen.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        None
    }

    pub(super) fn names(&self, ids: impl IntoIterator<Item = NodeId>) -> Vec<UniqueId> {
        ids.into_iter().map(|id| self.name(id).into()).collect()
    }
}
