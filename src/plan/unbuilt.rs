//! What is below a change that is not built.

use std::collections::{BTreeMap, BTreeSet};

use super::build_set::BuildSet;
use super::document::DOWNSTREAM_SHOWN;
use super::facts::Facts;
use crate::artifacts::ResourceType;
use crate::project::NodeId;

/// For each built node what is upstream of it, affected by the pull request and not built, so that production's old
/// data reaches it. `order`: all nodes, parents first.
pub(super) fn unbuilt_upstream(
    facts: &Facts<'_>,
    order: &[NodeId],
    set: &BuildSet,
) -> BTreeMap<NodeId, BTreeSet<NodeId>> {
    let mut found: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
    if set.not_checked.is_empty() {
        return found;
    }
    for &id in order {
        let passes_on = facts.is_ephemeral(id) || facts.is_source(id);
        if !set.is_built(id) && !passes_on {
            continue;
        }
        let mut own = BTreeSet::new();
        for parent in facts.graph.parents(id) {
            let is_function = facts.kind(*parent) == ResourceType::Function;
            if set.not_checked.contains_key(parent) && (facts.kind(*parent).is_relation() || is_function) {
                own.insert(*parent);
            } else if let Some(theirs) = found.get(parent) {
                own.extend(theirs);
            }
        }
        while own.len() > DOWNSTREAM_SHOWN {
            own.pop_last();
        }
        if !own.is_empty() {
            found.insert(id, own);
        }
    }
    found
}
