//! Which tests a built node waits for.
//!
//! dbt's rule (`dbt build`): a test must end before a node starts when everything that the test depends
//! on is upstream of the node. Waiting is passed on from parent to child, so a test is listed only at
//! the first nodes of each path.

use std::collections::{BTreeMap, HashMap};

use super::facts::Facts;
use crate::project::NodeId;

/// A set of small numbers.
#[derive(Clone)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(size: usize) -> Self {
        Self(vec![0; size.div_ceil(64)])
    }

    fn insert(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    fn contains(&self, bit: usize) -> bool {
        self.0.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    fn add(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Members that `other` lacks, or all of them without one.
    fn without(&self, other: Option<&Self>) -> Vec<usize> {
        let mut found = Vec::new();
        for (index, word) in self.0.iter().enumerate() {
            let mut rest = word & !other.and_then(|other| other.0.get(index)).copied().unwrap_or(0);
            while rest != 0 {
                found.push(index * 64 + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
        }
        found
    }
}

/// For each built node, the tests that it waits for and none of its built parents does.
///
/// `order`: all nodes, parents first. `built`: built nodes with the built nodes that they read.
/// `tests`: the tests that are run.
///
/// The sets hold tested nodes, not tests, and a node looks only at what its largest parent has not; so
/// the cost is near the number of edges, and not nodes times tests. Tests are taken in batches, so that the
/// sets stay small however large the project is.
pub(super) fn gates(
    facts: &Facts<'_>,
    order: &[NodeId],
    built: &BTreeMap<NodeId, Vec<NodeId>>,
    tests: &[NodeId],
) -> HashMap<NodeId, Vec<NodeId>> {
    let concerned = facts.graph.ancestors(built.keys().copied());
    let order: Vec<NodeId> =
        order.iter().copied().filter(|id| built.contains_key(id) || concerned.contains(id)).collect();
    let mut found: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for batch in tests.chunks(BATCH) {
        for (id, gating) in gates_of(facts, &order, built, batch) {
            found.entry(id).or_default().extend(gating);
        }
    }
    found
}

/// Tests in a batch: a set then takes about half a kilobyte.
const BATCH: usize = 4096;

/// The same for some of the tests. `order`: the built nodes and what is upstream of them.
fn gates_of(
    facts: &Facts<'_>,
    order: &[NodeId],
    built: &BTreeMap<NodeId, Vec<NodeId>>,
    tests: &[NodeId],
) -> HashMap<NodeId, Vec<NodeId>> {
    let mut number: HashMap<NodeId, usize> = HashMap::new();
    let mut depends: Vec<Vec<usize>> = Vec::with_capacity(tests.len());
    for test in tests {
        let parents = facts.graph.parents(*test).iter();
        depends.push(
            parents
                .map(|parent| {
                    let next = number.len();
                    *number.entry(*parent).or_insert(next)
                })
                .collect(),
        );
    }
    let mut tests_of: Vec<Vec<usize>> = vec![Vec::new(); number.len()];
    for (test, parents) in depends.iter().enumerate() {
        for parent in parents {
            if let Some(list) = tests_of.get_mut(*parent) {
                list.push(test);
            }
        }
    }

    let mut upstream: HashMap<NodeId, Bits> = HashMap::new();
    let mut found = HashMap::new();
    for &id in order {
        let mut own = Bits::new(number.len());
        for parent in facts.graph.parents(id) {
            if let Some(bits) = upstream.get(parent) {
                own.add(bits);
            }
            if let Some(bit) = number.get(parent) {
                own.insert(*bit);
            }
        }
        if let Some(reads) = built.get(&id) {
            let parents: Vec<&Bits> = reads.iter().filter_map(|parent| upstream.get(parent)).collect();
            let largest = parents.iter().copied().max_by_key(|bits| bits.len());
            let mut gating: Vec<usize> = own
                .without(largest)
                .into_iter()
                .filter_map(|bit| tests_of.get(bit))
                .flatten()
                .copied()
                .filter(|test| {
                    let Some(depends) = depends.get(*test) else { return false };
                    let within = |bits: &Bits| depends.iter().all(|bit| bits.contains(*bit));
                    within(&own) && !parents.iter().any(|bits| within(bits))
                })
                .collect();
            gating.sort_unstable();
            gating.dedup();
            let gating: Vec<NodeId> = gating.into_iter().filter_map(|test| tests.get(test)).copied().collect();
            if !gating.is_empty() {
                found.insert(id, gating);
            }
        }
        upstream.insert(id, own);
    }
    found
}
