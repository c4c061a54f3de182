//! Whose SQL a comparison needs, where dbt makes it one by one.

use std::collections::BTreeSet;

use super::Changes;
use super::compile_context::macros_of;
use crate::artifacts::{Manifest, Node, ResourceType, UniqueId};
use crate::project::Graph;
use crate::sql::jinja::{Piece, Word, pieces, words};

/// Names of code whose value is another in another place or with other settings.
const SETTINGS: &[&str] =
    &["builtins", "context", "dbt_metadata_envs", "env_var", "flags", "graph", "invocation_args_dict", "target", "var"];

/// What the pull request changes, and all that is downstream of it: what may be built or tested.
#[must_use]
pub fn affected(graph: &Graph<'_>, changes: &Changes) -> BTreeSet<UniqueId> {
    let all = changes.nodes.keys().chain(changes.not_yours.keys()).chain(changes.cosmetic.keys());
    let changed: Vec<_> = all.filter_map(|id| graph.id(id)).collect();
    let below = graph.descendants(changed.iter().copied());
    changed.into_iter().chain(below).map(|id| graph.unique_id(id).into()).collect()
}

/// What dbt calls unmodified and whose text may be another all the same, because of a variable, an environment
/// variable or the target: production has its text to compare it with.
#[must_use]
pub fn may_differ_unseen(state: &Manifest<'_>, pr: &Manifest<'_>) -> BTreeSet<UniqueId> {
    let compared = |node: &Node<'_>| {
        let before = state.nodes.get(node.unique_id.as_ref());
        before.is_some_and(|before| before.compiled_code.as_ref().is_some_and(|code| !code.is_empty()))
    };
    let nodes = pr.nodes.values().filter(|node| has_text(node) && compared(node));
    let found = nodes.filter(|node| uses_settings(pr, node));
    found.map(|node| node.unique_id.as_ref().into()).collect()
}

/// Whether dbt makes SQL of a node.
#[must_use]
pub fn has_text(node: &Node<'_>) -> bool {
    let is_sql = match node.resource_type {
        ResourceType::Model | ResourceType::Snapshot | ResourceType::Test => true,
        ResourceType::Seed
        | ResourceType::Source
        | ResourceType::Function
        | ResourceType::Analysis
        | ResourceType::Operation
        | ResourceType::UnitTest
        | ResourceType::Exposure
        | ResourceType::Metric
        | ResourceType::SemanticModel
        | ResourceType::SavedQuery
        | ResourceType::Other => false,
    };
    is_sql && !node.is_python() && !node.raw_code.get().trim().is_empty()
}

fn uses_settings(manifest: &Manifest<'_>, node: &Node<'_>) -> bool {
    let arguments = node.test_metadata.as_ref().and_then(|metadata| metadata.kwargs).map(|raw| raw.get());
    // The arguments of a generic test are templates within JSON.
    names_settings(&node.raw_code.get())
        || arguments.is_some_and(|text| SETTINGS.iter().any(|name| text.contains(name)))
        || macros_of(manifest, [node]).into_iter().any(|text| names_settings(&text))
}

fn names_settings(template: &str) -> bool {
    let is_setting = |word: &Word<'_>| matches!(word, Word::Name(name) if SETTINGS.contains(name));
    pieces(template).iter().any(|piece| match piece {
        Piece::Code(code) => words(code.trim_matches(['-', '+'])).iter().any(is_setting),
        Piece::Text(_) => false,
    })
}
