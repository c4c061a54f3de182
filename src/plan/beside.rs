//! What is beside building and testing: removed nodes, hooks, grants, operations, remarks.

use std::collections::{BTreeMap, BTreeSet};

use super::build_set::BuildSet;
use super::data_tests::DataTests;
use super::document::{LeftOut, LeftOutKind, Materialization, NotYours, NotYoursFate, Notice, RemovedNode, SkipReason};
use super::facts::Facts;
use crate::artifacts::{Manifest, ResourceType};
use crate::changes::ChangeKind;
use crate::project::NodeId;

/// Removed and disabled models, seeds, snapshots and sources, with what still refers to them.
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
    let still_there = |id: &&&str| facts.graph.id(id).is_some();
    gone.iter()
        .filter_map(|(id, disabled)| {
            let (kind, production) = match (facts.state.nodes.get(*id), facts.state.sources.get(*id)) {
                (Some(node), _) => (node.resource_type, node.relation_name.as_deref()),
                (None, Some(source)) => (ResourceType::Source, source.relation_name.as_deref()),
                (None, None) => return None,
            };
            if !kind.is_relation() && kind != ResourceType::Source {
                return None;
            }
            let strings = |ids: Vec<&&str>| ids.into_iter().map(|id| (*id).to_owned()).collect();
            Some(RemovedNode {
                unique_id: (*id).to_owned(),
                resource_type: kind.as_str().to_owned(),
                disabled: *disabled,
                renamed_to: renamed.get(id).map(|to| (*to).to_owned()),
                production: production.map(str::to_owned),
                referred_by: strings(now.get(id).into_iter().flatten().collect()),
                was_read_by: strings(before.get(id).into_iter().flatten().filter(still_there).collect()),
            })
        })
        .collect()
}

/// Who depends on each of `parents` in a manifest, tests left out.
fn readers<'m>(manifest: &'m Manifest<'_>, parents: &BTreeMap<&str, bool>) -> BTreeMap<&'m str, BTreeSet<&'m str>> {
    let mut found: BTreeMap<&'m str, BTreeSet<&'m str>> = BTreeMap::new();
    let nodes = manifest.nodes.iter().filter(|(_, node)| node.resource_type != ResourceType::Test);
    let nodes = nodes.map(|(id, node)| (id, &node.depends_on));
    let exposures = manifest.exposures.iter().map(|(id, exposure)| (id, &exposure.depends_on));
    for (id, depends_on) in nodes.chain(exposures) {
        for parent in depends_on.nodes.iter().filter(|parent| parents.contains_key(parent.as_ref())) {
            found.entry(parent.as_ref()).or_default().insert(id.as_ref());
        }
    }
    found
}

/// Hooks and grants of built nodes, `on-run-*` operations, stored failures of tests.
pub(super) fn left_out(facts: &Facts<'_>, set: &BuildSet, tests: &DataTests) -> Vec<LeftOut> {
    let mut found = Vec::new();
    let mut add = |unique_id: &str, what, count| {
        if count > 0 {
            found.push(LeftOut { unique_id: unique_id.to_owned(), what, count });
        }
    };
    for id in set.built.keys() {
        let Some(node) = facts.node(*id) else { continue };
        let config = node.config();
        let hooks = |hooks: &[crate::artifacts::Hook]| hooks.iter().filter(|hook| !hook.sql.trim().is_empty()).count();
        add(facts.name(*id), LeftOutKind::PreHook, hooks(&config.pre_hook));
        add(facts.name(*id), LeftOutKind::PostHook, hooks(&config.post_hook));
        add(facts.name(*id), LeftOutKind::Grants, config.grants.as_object().map_or(0, serde_json::Map::len));
    }
    for id in tests.run.keys() {
        let Some(config) = facts.node(*id).map(crate::artifacts::Node::config) else { continue };
        let flag = |key: &str| config.extra.get(key);
        let kept = flag("store_failures_as").and_then(|value| value.as_str()).is_some_and(|kept| kept != "ephemeral")
            || flag("store_failures").and_then(serde_json::Value::as_bool).unwrap_or(false);
        add(facts.name(*id), LeftOutKind::StoreFailures, usize::from(kept));
    }
    for (id, node) in &facts.pr.nodes {
        if node.resource_type == ResourceType::Operation {
            let tagged = |tag: &str| node.tags.iter().any(|own| own == tag);
            let end = tagged("on-run-end") || (!tagged("on-run-start") && node.name.contains("on-run-end"));
            add(id, if end { LeftOutKind::OnRunEnd } else { LeftOutKind::OnRunStart }, 1);
        }
    }
    found.sort_by(|a, b| (&a.unique_id, a.what).cmp(&(&b.unique_id, b.what)));
    found
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

/// Remarks on what is built in another way than dbt builds it, and on what is read from production
/// although it changed.
pub(super) fn notices(facts: &Facts<'_>, set: &BuildSet, proxied: &BTreeSet<NodeId>) -> Vec<Notice> {
    let mut found = Vec::new();
    let mut add = |id: NodeId, message: String| {
        found.push(Notice { unique_id: Some(facts.name(id).to_owned()), message });
    };
    for id in proxied {
        let left_out = set.skipped.get(id) == Some(&SkipReason::NotSelected);
        if set.not_checked.contains_key(id) || left_out {
            add(*id, "is not built, so what reads it reads production's".to_owned());
        } else if set.stale.contains(id) {
            add(*id, "is not built, so what reads it reads production's, without what others changed".to_owned());
        }
    }
    for (id, materialization) in &set.built {
        match materialization {
            Materialization::MaterializedViewAsTable => {
                add(*id, "is built as a table; what only its own materialization refuses is not seen".to_owned());
            }
            Materialization::SnapshotFirstRun => {
                add(*id, "is built as on its first run, without history".to_owned());
            }
            _ => {}
        }
    }
    found.extend(overridden_materializations(facts, set));
    found
}

/// Materializations of dbt's that the project replaces: premerge builds dbt's.
fn overridden_materializations(facts: &Facts<'_>, set: &BuildSet) -> Vec<Notice> {
    let Some(project) = facts.pr.metadata.project_name.as_deref() else { return Vec::new() };
    let used: BTreeSet<String> =
        set.built.keys().filter_map(|id| facts.node(*id)?.materialized()).map(|name| name.into_owned()).collect();
    used.into_iter()
        .filter(|name| {
            let own = format!("macro.{project}.materialization_{name}_");
            facts.pr.macros.keys().any(|id| id.starts_with(&own))
        })
        .map(|name| Notice {
            unique_id: None,
            message: format!(
                "the project has a materialization `{name}` of its own; premerge builds as dbt's `{name}`"
            ),
        })
        .collect()
}
