//! What is beside building and testing: removed nodes, hooks, grants, operations, what others changed.

use std::collections::{BTreeMap, BTreeSet};

use super::build_set::BuildSet;
use super::data_tests::DataTests;
use super::document::{ChangedDefinition, LeftOut, LeftOutKind, NotYours, NotYoursFate, RemovedNode};
use super::facts::Facts;
use crate::artifacts::{Hook, Manifest, Node, Resource, ResourceType, UniqueId};
use crate::changes::ChangeKind;
use crate::project::NodeId;

/// Sources, exposures and the like that changed: no list of what is to be done has room for their reasons.
pub(super) fn definitions(facts: &Facts<'_>, wanted: impl Fn(NodeId) -> bool) -> Vec<ChangedDefinition> {
    // A source whose freshness alone changed is nothing to build for, and news all the same.
    let cosmetic = facts.changes.cosmetic.iter().filter(|(id, _)| id.kind() == ResourceType::Source);
    let changed = facts.changes.nodes.iter().chain(cosmetic).filter(|(_, change)| {
        matches!(change.kind, ChangeKind::Added | ChangeKind::Modified | ChangeKind::Renamed { .. })
    });
    changed
        .filter_map(|(unique_id, change)| {
            let kind = facts.pr.resource(unique_id)?.resource_type();
            let has_its_place = kind.is_relation()
                || matches!(kind, ResourceType::Test | ResourceType::UnitTest | ResourceType::Function);
            let left_out = facts.graph.id(unique_id).is_some_and(|id| !wanted(id));
            (!has_its_place && !left_out).then(|| ChangedDefinition {
                unique_id: unique_id.clone(),
                resource_type: kind.as_str().to_owned(),
                new: change.kind != ChangeKind::Modified,
                reasons: change.reasons.clone(),
            })
        })
        .collect()
}

/// Removed and disabled members of every kind, with what still refers to them.
pub(super) fn removed(facts: &Facts<'_>) -> Vec<RemovedNode> {
    let gone: BTreeMap<&str, bool> = facts
        .changes
        .nodes
        .iter()
        .filter_map(|(id, change)| match change.kind {
            ChangeKind::Removed => Some((id.as_str(), false)),
            ChangeKind::Disabled => Some((id.as_str(), true)),
            _ => None,
        })
        .collect();
    if gone.is_empty() {
        return Vec::new();
    }
    let renamed: BTreeMap<&str, &str> = facts
        .changes
        .nodes
        .iter()
        .filter_map(|(id, change)| match &change.kind {
            ChangeKind::Renamed { from } => Some((from.as_str(), id.as_str())),
            _ => None,
        })
        .collect();
    let now = readers(facts.pr, &gone);
    let before = readers(facts.state, &gone);
    let still_there = |id: &&str| facts.graph.id(id).is_some();
    gone.iter()
        .filter_map(|(id, disabled)| {
            let was = facts.state.resource(id)?;
            let kind = was.resource_type();
            let production = match was {
                Resource::Node(node) if kind.is_relation() => node.relation_name.as_deref(),
                Resource::Source(source) => source.relation_name.as_deref(),
                _ => None,
            };
            let has_relation = kind.is_relation() || kind == ResourceType::Source;
            let parents = was.depends_on().filter(|_| !has_relation);
            let parents = parents.into_iter().flat_map(|depends_on| &depends_on.nodes).map(AsRef::as_ref);
            let ids = |ids: BTreeSet<&str>| ids.into_iter().map(UniqueId::from).collect();
            let none = BTreeSet::new();
            Some(RemovedNode {
                unique_id: (*id).into(),
                resource_type: kind.as_str().to_owned(),
                disabled: *disabled,
                renamed_to: renamed.get(id).map(|to| (*to).into()),
                production: production.map(str::to_owned),
                referred_by: ids(now.get(id).unwrap_or(&none).clone()),
                was_read_by: ids(before.get(id).unwrap_or(&none).iter().copied().filter(still_there).collect()),
                depended_on: ids(parents.filter(still_there).collect()),
            })
        })
        .collect()
}

/// Who depends on each of `parents` in a manifest: models, tests, exposures, semantic models and all others.
fn readers<'m>(manifest: &'m Manifest<'_>, parents: &BTreeMap<&str, bool>) -> BTreeMap<&'m str, BTreeSet<&'m str>> {
    let mut found: BTreeMap<&'m str, BTreeSet<&'m str>> = BTreeMap::new();
    for (id, resource) in manifest.resources().filter(|(_, resource)| resource.is_enabled()) {
        let depends_on = resource.depends_on().into_iter().flat_map(|depends_on| &depends_on.nodes);
        for parent in depends_on.filter(|parent| parents.contains_key(parent.as_ref())) {
            found.entry(parent.as_ref()).or_default().insert(id);
        }
    }
    found
}

/// Hooks and grants of built nodes, `on-run-*` operations, stored failures of tests.
pub(super) fn left_out(facts: &Facts<'_>, set: &BuildSet, tests: &DataTests) -> Vec<LeftOut> {
    let mut found = Vec::new();
    let mut add = |unique_id: &str, what, count, changed| {
        if count > 0 {
            found.push(LeftOut { unique_id: unique_id.into(), what, count, changed, settings: Vec::new() });
        }
    };
    let proven = Proven::new(facts);
    for id in set.built.keys() {
        let Some(node) = facts.node(*id) else { continue };
        let config = node.config();
        let old = facts.state.nodes.get(facts.name(*id)).map(Node::config);
        let pre = proven.hooks(&config.pre_hook, old.as_ref().map(|old| old.pre_hook.as_slice()));
        let post = proven.hooks(&config.post_hook, old.as_ref().map(|old| old.post_hook.as_slice()));
        add(facts.name(*id), LeftOutKind::PreHook, pre.0, pre.1);
        add(facts.name(*id), LeftOutKind::PostHook, post.0, post.1);
        let grants = config.grants.as_object().map_or(0, serde_json::Map::len);
        let same_grants = old.is_some_and(|old| old.grants == config.grants);
        add(facts.name(*id), LeftOutKind::Grants, grants, if same_grants { 0 } else { grants });
    }
    for id in tests.run.keys() {
        let kept = facts.node(*id).is_some_and(Node::keeps_failures);
        add(facts.name(*id), LeftOutKind::StoreFailures, usize::from(kept), 0);
    }
    for (id, node) in &facts.pr.nodes {
        if let Some(what) = operation(node) {
            let text = node.raw_code.get();
            let before = proven.operations.contains(&(what, text.trim().to_owned()));
            let changed = !before || proven.calls_a_changed_macro(&text);
            add(id, what, 1, usize::from(changed));
        }
    }
    found.sort_by(|a, b| (&a.unique_id, a.what).cmp(&(&b.unique_id, b.what)));
    found
}

/// Which of the `on-run-*` kinds a node is, if it is one.
fn operation(node: &Node<'_>) -> Option<LeftOutKind> {
    if node.resource_type != ResourceType::Operation {
        return None;
    }
    let tagged = |tag: &str| node.tags.iter().any(|own| own == tag);
    let end = tagged("on-run-end") || (!tagged("on-run-start") && node.name.contains("on-run-end"));
    Some(if end { LeftOutKind::OnRunEnd } else { LeftOutKind::OnRunStart })
}

/// What production has run of what premerge leaves out.
struct Proven<'m> {
    /// Hooks of any node: a new one that gets its project's is not news.
    hooks: BTreeSet<String>,
    operations: BTreeSet<(LeftOutKind, String)>,
    /// Names of macros that differ.
    macros: Vec<&'m str>,
}

impl<'m> Proven<'m> {
    fn new(facts: &Facts<'m>) -> Self {
        let mut proven = Self { hooks: BTreeSet::new(), operations: BTreeSet::new(), macros: Vec::new() };
        for node in facts.state.nodes.values() {
            if let Some(what) = operation(node) {
                proven.operations.insert((what, node.raw_code.get().trim().to_owned()));
            } else if node.resource_type.is_relation()
                // Reading every configuration takes longer than looking whether it can hold a hook.
                && node.raw_config.is_some_and(|raw| raw.get().contains("\"sql\""))
            {
                let config = node.config();
                proven.hooks.extend(config.pre_hook.into_iter().chain(config.post_hook).map(|hook| hook.sql));
            }
        }
        proven.macros = facts.changes.macros.keys().map(UniqueId::name).collect();
        proven
    }

    /// How many hooks there are, and how many of them production does not have so.
    fn hooks(&self, hooks: &[Hook], old: Option<&[Hook]>) -> (usize, usize) {
        let hooks: Vec<&Hook> = hooks.iter().filter(|hook| !hook.sql.trim().is_empty()).collect();
        let ran = |hook: &Hook| match old {
            Some(old) => old.iter().any(|old| old.sql == hook.sql),
            None => self.hooks.contains(&hook.sql),
        };
        let changed = hooks.iter().filter(|hook| !ran(hook) || self.calls_a_changed_macro(&hook.sql)).count();
        (hooks.len(), changed)
    }

    fn calls_a_changed_macro(&self, text: &str) -> bool {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        !self.macros.is_empty() && text.split(|c| !is_name(c)).any(|word| self.macros.contains(&word))
    }
}

/// What others changed, and whether it is built.
pub(super) fn not_yours(facts: &Facts<'_>, set: &BuildSet) -> Vec<NotYours> {
    let fate = |id: &str| match facts.graph.id(id) {
        Some(id) if set.not_yours.contains_key(&id) => NotYoursFate::Needed,
        Some(id) if set.is_built(id) => NotYoursFate::Downstream,
        _ => NotYoursFate::NotBuilt,
    };
    let all = facts.changes.not_yours.iter();
    all.map(|(id, change)| NotYours { unique_id: id.clone(), changed: change.reasons.clone(), fate: fate(id) })
        .collect()
}
