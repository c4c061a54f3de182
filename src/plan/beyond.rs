//! What dbt does with a built node beyond what premerge does with it: settings that nothing here acts on, runs on
//! what production has already, answers of the warehouse that went into the text.

use std::collections::BTreeSet;

use super::build_set::BuildSet;
use super::data_tests::DataTests;
use super::document::{LeftOut, LeftOutKind, Materialization, NotChecked, NotCheckedReason};
use super::facts::Facts;
use super::kept::{has_later_text, reads_changed_text};
use super::settings;
use crate::artifacts::{Node, ResourceType};
use crate::changes::{Asks, asks, looks_at_command};
use crate::project::NodeId;
use crate::sql::Dialect;

/// What of it can make dbt fail where premerge does not, because the pull request changes it.
pub(super) fn not_checked(facts: &Facts<'_>, set: &BuildSet, tests: &DataTests, dialect: Dialect) -> Vec<NotChecked> {
    let compiled = Compiled::of(facts);
    let databases: BTreeSet<String> = facts.state.nodes.values().filter_map(|node| lowered(node)).collect();
    let mut found = Vec::new();
    for (id, materialization) in &set.built {
        let Some(node) = facts.node(*id) else { continue };
        let reasons = [
            settings_of(facts, *id, node, dialect),
            facts.changes.build_macros.concern(node).map(|macros| NotCheckedReason::OwnMacros { macros }),
            external(facts, *id, *materialization),
            next_run(facts, *id, node, *materialization),
            database(facts, node, &databases),
            asked(facts, set, *id, node, compiled),
            command(facts, node),
        ];
        found.extend(reasons.into_iter().flatten().map(|reason| NotChecked {
            unique_id: facts.name(*id).into(),
            resource_type: facts.kind(*id).as_str().to_owned(),
            name: node.name.to_string(),
            reason,
            changed: facts.change(*id).map(|change| change.reasons.clone()).unwrap_or_default(),
        }));
    }
    for id in tests.run.keys() {
        let Some(node) = facts.node(*id) else { continue };
        let reasons = [asked(facts, set, *id, node, compiled), command(facts, node)];
        found.extend(reasons.into_iter().flatten().map(|reason| NotChecked {
            unique_id: facts.name(*id).into(),
            resource_type: facts.kind(*id).as_str().to_owned(),
            name: node.name.to_string(),
            reason,
            changed: Vec::new(),
        }));
    }
    // Nothing is built for a description, but dbt writes it down.
    for id in set.skipped.keys() {
        let Some(node) = facts.node(*id).filter(|node| settings::unquotable_description(node, dialect)) else {
            continue;
        };
        found.push(NotChecked {
            unique_id: facts.name(*id).into(),
            resource_type: facts.kind(*id).as_str().to_owned(),
            name: node.name.to_string(),
            reason: NotCheckedReason::Settings { keys: vec!["persist_docs".to_owned()] },
            changed: Vec::new(),
        });
    }
    found
}

/// Settings that premerge leaves out and that stood there before.
pub(super) fn left_out(facts: &Facts<'_>, set: &BuildSet, dialect: Dialect) -> Vec<LeftOut> {
    let nodes = set.built.keys().filter_map(|id| Some((*id, facts.node(*id)?)));
    nodes
        .filter_map(|(id, node)| {
            let settings = settings::left_out(node, before(facts, id), dialect).same;
            (!settings.is_empty()).then(|| LeftOut {
                changed: 0,
                unique_id: facts.name(id).into(),
                what: LeftOutKind::Settings,
                count: settings.len(),
                settings,
            })
        })
        .collect()
}

fn before<'a>(facts: &Facts<'a>, id: NodeId) -> Option<&'a Node<'a>> {
    facts.state.nodes.get(facts.name(id))
}

fn settings_of(facts: &Facts<'_>, id: NodeId, node: &Node<'_>, dialect: Dialect) -> Option<NotCheckedReason> {
    let keys = settings::left_out(node, before(facts, id), dialect).unproved;
    (!keys.is_empty()).then_some(NotCheckedReason::Settings { keys })
}

/// An incremental model or a snapshot that changed is built as on its first run. On production's table dbt runs
/// another statement, which is not tried. So of an incremental model that has a changed text inlined, and of one that
/// dbt builds in batches: each filters the parents by their `event_time`.
fn next_run(
    facts: &Facts<'_>,
    id: NodeId,
    node: &Node<'_>,
    materialization: Materialization,
) -> Option<NotCheckedReason> {
    let is_other = || node.is_microbatch() || (has_later_text(node) && reads_changed_text(facts, id));
    let is_untried = materialization == Materialization::IncrementalAsTable && is_other();
    if facts.change(id).is_none() && !is_untried {
        return None;
    }
    let full = node.config().extra.get("full_refresh").and_then(serde_json::Value::as_bool) == Some(true);
    match materialization {
        // Whatever `full_refresh` says.
        Materialization::IncrementalAsTable if node.is_microbatch() => Some(NotCheckedReason::NextRun),
        Materialization::IncrementalAsTable if !full => Some(NotCheckedReason::NextRun),
        Materialization::SnapshotFirstRun if facts.production(id).is_some() => Some(NotCheckedReason::NextRun),
        _ => None,
    }
}

/// What writes the file of a changed model may fail where the query does not: its place, its format.
fn external(facts: &Facts<'_>, id: NodeId, materialization: Materialization) -> Option<NotCheckedReason> {
    facts.change(id)?;
    (materialization == Materialization::ExternalAsTable).then_some(NotCheckedReason::ExternalFile)
}

/// dbt makes schemas, but no databases. The pull request's own target may be a database of its own, which most of its
/// nodes go into.
fn database(facts: &Facts<'_>, node: &Node<'_>, databases: &BTreeSet<String>) -> Option<NotCheckedReason> {
    let own = lowered(node).filter(|own| !databases.contains(own))?;
    let relations = || facts.pr.nodes.values().filter(|node| node.resource_type.is_relation());
    let there = relations().filter(|node| lowered(node).as_ref() == Some(&own)).count();
    (there * 2 < relations().count()).then_some(NotCheckedReason::Database { name: own })
}

fn lowered(node: &Node<'_>) -> Option<String> {
    node.database.as_deref().map(str::to_lowercase)
}

/// How the pull request was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compiled {
    /// `--defer`: what is asked of production's relations has production's answer.
    AgainstProduction,
    /// Into schemas where nothing is.
    AgainstNothing,
}

impl Compiled {
    /// Told by whose names stand in the texts: with `--defer` a reference to what production has is production's.
    fn of(facts: &Facts<'_>) -> Self {
        for node in facts.pr.nodes.values() {
            let Some(code) = &node.compiled_code else { continue };
            for parent in node.depends_on.nodes.iter().filter_map(|parent| facts.graph.id(parent)) {
                let (Some(theirs), Some(own)) = (facts.production(parent), relation(facts, parent)) else { continue };
                if theirs == own {
                    continue;
                }
                let code = code.get();
                match (code.contains(theirs), code.contains(own)) {
                    (true, false) => return Self::AgainstProduction,
                    (false, true) => return Self::AgainstNothing,
                    _ => {}
                }
            }
        }
        Self::AgainstNothing
    }
}

fn relation<'a>(facts: &Facts<'a>, id: NodeId) -> Option<&'a str> {
    facts.node(id)?.relation_name.as_deref()
}

/// A manifest's text is that of `dbt compile`, where the node looks at which command runs.
fn command(facts: &Facts<'_>, node: &Node<'_>) -> Option<NotCheckedReason> {
    let is_other = !facts.compiles() && node.resource_type != ResourceType::Seed && looks_at_command(facts.pr, node);
    is_other.then_some(NotCheckedReason::OtherCommand)
}

/// A text made from answers of the warehouse is the one that dbt will run only if what was asked was there at
/// compile time, and is not changed itself.
fn asked(
    facts: &Facts<'_>,
    set: &BuildSet,
    id: NodeId,
    node: &Node<'_>,
    compiled: Compiled,
) -> Option<NotCheckedReason> {
    if node.resource_type == ResourceType::Seed {
        return None;
    }
    let asks = asks(facts.pr, node);
    let reads: Vec<NodeId> = facts.reads(id).into_iter().filter(|parent| !facts.is_source(*parent)).collect();
    let changed: Vec<NodeId> = match (asks, compiled) {
        (Asks::Nothing, _) => return None,
        // dbt asks when everything that it asks about is in place.
        (Asks::Warehouse, _) if facts.compiles() => return None,
        // Which it means, no text says for certain.
        (Asks::Warehouse, Compiled::AgainstProduction) => {
            reads.into_iter().filter(|parent| set.is_built(*parent) || facts.production(*parent).is_none()).collect()
        }
        (Asks::Warehouse, Compiled::AgainstNothing) if reads.is_empty() => return None,
        (Asks::Warehouse, Compiled::AgainstNothing) => {
            return Some(NotCheckedReason::AskedNothing { relations: facts.names(reads) });
        }
        (Asks::Itself, _) => vec![id],
    };
    (!changed.is_empty()).then(|| NotCheckedReason::AskedProduction { relations: facts.names(changed) })
}
