//! Walks over a [`Graph`].

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::graph::{Graph, NodeId};
use crate::artifacts::UniqueId;

/// Nodes that depend on each other in a circle; dbt refuses to write such a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the manifest has a dependency cycle through {}; dbt never writes one, so recreate the manifest", .unique_ids.join(" → "))]
pub struct Cycle {
    /// The unique_ids of one circle, from parent to child, starting at the smallest.
    pub unique_ids: Vec<UniqueId>,
}

/// Which way a walk goes along the edges.
#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

impl<'m> Graph<'m> {
    /// Everything downstream of `start`. A start node is in the answer only when it is downstream of another.
    #[must_use]
    pub fn descendants(&self, start: impl IntoIterator<Item = NodeId>) -> BTreeSet<NodeId> {
        self.walk(start, Direction::Down, None)
    }

    /// Everything upstream of `start`. A start node is in the answer only when it is upstream of another.
    #[must_use]
    pub fn ancestors(&self, start: impl IntoIterator<Item = NodeId>) -> BTreeSet<NodeId> {
        self.walk(start, Direction::Up, None)
    }

    /// Like [`Graph::descendants`], at most `depth` edges away: dbt's `x+2`.
    #[must_use]
    pub fn descendants_within(&self, start: impl IntoIterator<Item = NodeId>, depth: usize) -> BTreeSet<NodeId> {
        self.walk(start, Direction::Down, Some(depth))
    }

    /// Like [`Graph::ancestors`], at most `depth` edges away: dbt's `2+x`.
    #[must_use]
    pub fn ancestors_within(&self, start: impl IntoIterator<Item = NodeId>, depth: usize) -> BTreeSet<NodeId> {
        self.walk(start, Direction::Up, Some(depth))
    }

    fn walk(
        &self,
        start: impl IntoIterator<Item = NodeId>,
        direction: Direction,
        depth: Option<usize>,
    ) -> BTreeSet<NodeId> {
        let mut seen = vec![false; self.len()];
        let mut layer: Vec<NodeId> = start.into_iter().collect();
        let mut distance = 0;
        while !layer.is_empty() && depth.is_none_or(|depth| distance < depth) {
            let mut next = Vec::new();
            for node in layer {
                let neighbours = match direction {
                    Direction::Up => self.parents(node),
                    Direction::Down => self.children(node),
                };
                for &neighbour in neighbours {
                    if let Some(mark) = seen.get_mut(neighbour.index())
                        && !*mark
                    {
                        *mark = true;
                        next.push(neighbour);
                    }
                }
            }
            layer = next;
            distance += 1;
        }
        self.nodes().filter(|node| seen.get(node.index()).copied().unwrap_or(false)).collect()
    }

    /// All nodes, parents before children; nodes that could stand in either order stand in that of their
    /// unique_ids, so the answer is the same on every machine.
    ///
    /// # Errors
    /// When the manifest has a cycle.
    pub fn topological(&self) -> Result<Vec<NodeId>, Cycle> {
        let mut missing: Vec<usize> = self.nodes().map(|node| self.parents(node).len()).collect();
        let mut ready: BinaryHeap<Reverse<NodeId>> =
            self.nodes().filter(|&node| self.parents(node).is_empty()).map(Reverse).collect();
        let mut order = Vec::with_capacity(self.len());
        while let Some(Reverse(node)) = ready.pop() {
            order.push(node);
            for &child in self.children(node) {
                if let Some(count) = missing.get_mut(child.index()) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(Reverse(child));
                    }
                }
            }
        }
        if order.len() == self.len() { Ok(order) } else { Err(self.some_cycle(&missing)) }
    }

    /// A cycle among the nodes that still wait for a parent: walking up from any of them must close one.
    fn some_cycle(&self, missing: &[usize]) -> Cycle {
        let waits = |node: NodeId| missing.get(node.index()).is_some_and(|count| *count > 0);
        let mut path: Vec<NodeId> = Vec::new();
        let mut positions = vec![None; self.len()];
        let mut current = self.nodes().find(|&node| waits(node));
        while let Some(node) = current {
            match positions.get_mut(node.index()) {
                Some(Some(start)) => {
                    path.drain(..*start);
                    break;
                }
                Some(slot) => *slot = Some(path.len()),
                None => break,
            }
            path.push(node);
            current = self.parents(node).iter().copied().find(|&parent| waits(parent));
        }
        path.reverse();
        if let Some(smallest) = path.iter().enumerate().min_by_key(|(_, node)| **node).map(|(position, _)| position) {
            path.rotate_left(smallest);
        }
        Cycle { unique_ids: path.into_iter().map(|node| self.unique_id(node).into()).collect() }
    }
}
