//! The identifier of each node in the temporary schema.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sha2::{Digest, Sha256};

use super::facts::Facts;
use crate::project::NodeId;
use crate::sql::{Dialect, RelationName};

/// Identifiers that begin so are premerge's own register.
const RESERVED: &str = "_premerge_";

/// The identifier of each of `nodes` in the temporary schema: its alias; `<schema>__<alias>` for those that
/// would collide, as the dialect compares names; with a hash where that collides again, or is too long.
pub(super) fn identifiers(
    facts: &Facts<'_>,
    nodes: impl IntoIterator<Item = NodeId>,
    dialect: Dialect,
) -> BTreeMap<NodeId, String> {
    let mut identifiers: BTreeMap<NodeId, String> =
        nodes.into_iter().map(|id| (id, fitting(&alias(facts, id, dialect), facts.name(id), dialect))).collect();
    for id in colliding(&identifiers, dialect) {
        let schema = facts.node(id).and_then(|node| node.schema.as_deref()).unwrap_or_default();
        let name = format!("{schema}__{}", alias(facts, id, dialect));
        identifiers.insert(id, fitting(&name, facts.name(id), dialect));
    }
    for id in colliding(&identifiers, dialect) {
        let name = identifiers.get(&id).cloned().unwrap_or_default();
        identifiers.insert(id, hashed(&name, facts.name(id), dialect));
    }
    identifiers
}

/// Identifiers for what is made of tried snapshots, beside the `identifiers` of everything else.
pub(super) fn trial_identifiers(
    facts: &Facts<'_>,
    nodes: &BTreeSet<NodeId>,
    identifiers: &BTreeMap<NodeId, String>,
    dialect: Dialect,
) -> BTreeMap<NodeId, String> {
    let mut taken: BTreeSet<String> = identifiers.values().map(|name| dialect.canonical(name, true)).collect();
    let mut found = BTreeMap::new();
    for id in nodes {
        let name = format!("{}__first_run", alias(facts, *id, dialect));
        let mut identifier = fitting(&name, facts.name(*id), dialect);
        if taken.contains(&dialect.canonical(&identifier, true)) {
            identifier = hashed(&name, facts.name(*id), dialect);
        }
        taken.insert(dialect.canonical(&identifier, true));
        found.insert(*id, identifier);
    }
    found
}

/// The node's identifier as the warehouse knows it.
fn alias(facts: &Facts<'_>, id: NodeId, dialect: Dialect) -> String {
    let Some(node) = facts.node(id) else { return facts.name(id).to_owned() };
    let identifier = node.relation(dialect).map(RelationName::identifier);
    identifier.unwrap_or_else(|| node.alias.as_deref().unwrap_or(&node.name)).to_owned()
}

fn colliding(identifiers: &BTreeMap<NodeId, String>, dialect: Dialect) -> Vec<NodeId> {
    let mut by_name: HashMap<String, Vec<NodeId>> = HashMap::new();
    for (id, name) in identifiers {
        by_name.entry(dialect.canonical(name, true)).or_default().push(*id);
    }
    let mut found: Vec<NodeId> = by_name
        .into_iter()
        .filter(|(name, ids)| ids.len() > 1 || name.to_ascii_lowercase().starts_with(RESERVED))
        .flat_map(|(_, ids)| ids)
        .collect();
    found.sort_unstable();
    found
}

fn fitting(name: &str, unique_id: &str, dialect: Dialect) -> String {
    if name.len() <= dialect.max_identifier() { name.to_owned() } else { hashed(name, unique_id, dialect) }
}

/// `name`, cut to the dialect's limit, with eight digits that only `unique_id` has.
fn hashed(name: &str, unique_id: &str, dialect: Dialect) -> String {
    let digest = Sha256::digest(unique_id.as_bytes());
    let tail: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let room = dialect.max_identifier().saturating_sub(tail.len() + 1);
    let cut = (0..=room.min(name.len())).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    format!("{}_{tail}", name.get(..cut).unwrap_or_default())
}
