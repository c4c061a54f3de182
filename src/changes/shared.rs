//! Nodes and sources that are one relation.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use crate::artifacts::Node;

/// The nodes and sources that share a relation in either manifest: a source that names the table of a seed of the same
/// project, as teaching projects and packages' own tests have it. Where the pull request is compiled for another
/// target, the seed moves and the source stays, so the name means both in production's text and the source alone in
/// the pull request's.
#[derive(Debug, Default)]
pub(super) struct Shared<'m> {
    /// From a unique_id to the first of those that have its relation.
    first: HashMap<&'m str, &'m str, RandomState>,
}

impl<'m> Shared<'m> {
    /// From pairs that are one relation.
    pub(super) fn new(pairs: impl IntoIterator<Item = (&'m str, &'m str)>) -> Self {
        let mut shared = Self::default();
        for (a, b) in pairs {
            let (a, b) = (shared.first(a), shared.first(b));
            let (first, other) = if a <= b { (a, b) } else { (b, a) };
            for known in shared.first.values_mut().filter(|known| **known == other) {
                *known = first;
            }
            shared.first.insert(first, first);
            shared.first.insert(other, first);
        }
        shared
    }

    /// The one unique_id that stands for all that share its relation.
    pub(super) fn first(&self, unique_id: &'m str) -> &'m str {
        self.first.get(unique_id).copied().unwrap_or(unique_id)
    }

    /// Whether the parents of a node that share a relation are the same on both sides. Their names are one name in
    /// its text, so the text does not tell `ref` of the seed from `source` of its table.
    pub(super) fn same_parents(&self, old: &Node<'_>, new: &Node<'_>) -> bool {
        let parents = |node: &Node<'_>| -> BTreeSet<&str> {
            let all = node.depends_on.nodes.iter().map(AsRef::as_ref);
            all.filter_map(|id| self.first.get_key_value(id).map(|(id, _)| *id)).collect()
        };
        self.first.is_empty() || parents(old) == parents(new)
    }
}

#[cfg(test)]
mod tests {
    use super::Shared;

    #[test]
    fn the_first_stands_for_all_that_share_a_relation() {
        let shared = Shared::new([("seed.p.b", "source.p.raw.b"), ("seed.p.b", "model.p.b"), ("x", "y")]);
        for id in ["seed.p.b", "source.p.raw.b", "model.p.b"] {
            assert_eq!(shared.first(id), "model.p.b");
        }
        assert_eq!(shared.first("y"), "x");
        assert_eq!(shared.first("seed.p.c"), "seed.p.c");
    }
}
