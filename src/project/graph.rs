//! Nodes and edges, with dense ids.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::artifacts::{Manifest, ResourceType};

/// A node's index in its [`Graph`]; meaningless in any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    /// The position in tables that run parallel to [`Graph::nodes`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a manifest's resources depend on: `nodes`, sources, exposures, metrics, semantic models, saved
/// queries, unit tests and functions, with an edge from parent to child for each `depends_on.nodes`
/// entry. Macros are not in it.
#[derive(Debug)]
pub struct Graph<'m> {
    ids: Vec<&'m str>,
    types: Vec<ResourceType>,
    index: HashMap<&'m str, NodeId, RandomState>,
    parents: Vec<Vec<NodeId>>,
    children: Vec<Vec<NodeId>>,
    /// Nodes with a parent that the manifest does not hold.
    orphans: HashSet<NodeId>,
}

impl<'m> Graph<'m> {
    /// Every resource of `manifest` that can have edges. Ids follow the order of unique_ids, so every
    /// walk below is deterministic. Parents that the manifest does not hold are left out,
    /// and so are disabled resources.
    #[must_use]
    pub fn new(manifest: &'m Manifest<'_>) -> Self {
        let mut members: Vec<(&'m str, ResourceType, &'m [Cow<'_, str>])> = manifest
            .resources()
            .filter(|(_, resource)| resource.is_enabled())
            .map(|(id, resource)| {
                let parents = resource.depends_on().map_or([].as_slice(), |depends_on| &depends_on.nodes);
                (id, resource.resource_type(), parents)
            })
            .collect();
        members.sort_unstable_by_key(|member| member.0);
        members.dedup_by_key(|member| member.0);

        let ids: Vec<&'m str> = members.iter().map(|member| member.0).collect();
        let types = members.iter().map(|member| member.1).collect();
        let index: HashMap<_, _, _> = ids.iter().zip(0_u32..).map(|(id, number)| (*id, NodeId(number))).collect();
        let mut parents = vec![Vec::new(); ids.len()];
        let mut children = vec![Vec::new(); ids.len()];
        let mut orphans = HashSet::new();
        for ((_, _, depends_on), (own, parents)) in members.iter().zip((0_u32..).zip(&mut parents)) {
            parents.extend(depends_on.iter().filter_map(|parent| index.get(parent.as_ref()).copied()));
            if parents.len() < depends_on.len() {
                orphans.insert(NodeId(own));
            }
            parents.sort_unstable();
            parents.dedup();
            for parent in parents.iter() {
                if let Some(list) = children.get_mut(parent.0 as usize) {
                    list.push(NodeId(own));
                }
            }
        }
        Self { ids, types, index, parents, children, orphans }
    }

    /// Adds an edge that no `depends_on` has.
    pub(super) fn add_edge(&mut self, parent: NodeId, child: NodeId) {
        for (list, id) in
            [(self.parents.get_mut(child.index()), parent), (self.children.get_mut(parent.index()), child)]
        {
            if let Some(list) = list
                && let Err(place) = list.binary_search(&id)
            {
                list.insert(place, id);
            }
        }
    }

    /// The node called `unique_id`.
    #[must_use]
    pub fn id(&self, unique_id: &str) -> Option<NodeId> {
        self.index.get(unique_id).copied()
    }

    /// The unique_id of a node; empty for an id of another graph.
    #[must_use]
    pub fn unique_id(&self, id: NodeId) -> &'m str {
        self.ids.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// The type of a node; [`ResourceType::Other`] for an id of another graph.
    #[must_use]
    pub fn resource_type(&self, id: NodeId) -> ResourceType {
        self.types.get(id.0 as usize).copied().unwrap_or(ResourceType::Other)
    }

    /// Direct parents, in id order.
    #[must_use]
    pub fn parents(&self, id: NodeId) -> &[NodeId] {
        self.parents.get(id.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether the manifest holds every parent that the node names.
    #[must_use]
    pub fn has_all_parents(&self, id: NodeId) -> bool {
        !self.orphans.contains(&id)
    }

    /// Direct children, in id order.
    #[must_use]
    pub fn children(&self, id: NodeId) -> &[NodeId] {
        self.children.get(id.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether the manifest holds no node at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// All nodes, in id order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.ids.len()).unwrap_or(u32::MAX)).map(NodeId)
    }
}
