//! What only state has: removed, disabled and renamed members.

use std::collections::HashMap;

use crate::artifacts::{Disabled, Manifest, Node, ResourceType, UniqueId};

use super::context::Context;
use super::json::value;
use super::node::{ModelName, breaking_contract};
use super::reason::Reason;
use super::{Change, ChangeKind, Changes};

/// Records every member that state has and the pull request does not. `matched` says which of state's members
/// found their counterpart under another id.
pub(super) fn record_removed(
    changes: &mut Changes,
    state: &Manifest<'_>,
    pr: &Manifest<'_>,
    context: Context<'_>,
    matched: impl Fn(&str) -> bool,
) {
    for (id, old) in state.resources() {
        let kind = match pr.resource(id) {
            Some(new) if new.is_enabled() || !old.is_enabled() => continue,
            Some(_) => ChangeKind::Disabled,
            None if matched(id) || !old.is_enabled() => continue,
            None if pr.disabled.contains_key(id) => ChangeKind::Disabled,
            None => ChangeKind::Removed,
        };
        changes.nodes.insert(id.into(), Change { kind, reasons: vec![Reason::Removed] });
    }
    for (id, node) in &state.nodes {
        if matched(id) {
            continue;
        }
        // dbt looks at the disabled definition even when another one of the same id is enabled.
        let broken = match pr.disabled.get(id).and_then(|definitions| definitions.first()) {
            Some(disabled) => disabled_contract(id, disabled, context),
            None if !pr.nodes.contains_key(id) => removed_contract(id, node, context),
            None => None,
        };
        changes.notices.extend(broken);
    }
}

fn removed_contract(id: &str, node: &Node<'_>, context: Context<'_>) -> Option<super::Notice> {
    if node.resource_type != ResourceType::Model || !node.contract.enforced {
        return None;
    }
    if is_past(node.deprecation_date.as_deref(), context) {
        return None;
    }
    let model = ModelName {
        unique_id: id,
        name: &node.name,
        file: &node.original_file_path,
        versioned: !value(node.version).is_null(),
    };
    Some(breaking_contract(&model, vec!["the model, which had a contract, was deleted or renamed".to_owned()]))
}

fn disabled_contract(id: &str, disabled: &Disabled<'_>, context: Context<'_>) -> Option<super::Notice> {
    if disabled.resource_type != "model" || !disabled.contract.enforced {
        return None;
    }
    if is_past(disabled.deprecation_date.as_deref(), context) {
        return None;
    }
    let model = ModelName {
        unique_id: id,
        name: &disabled.name,
        file: &disabled.original_file_path,
        versioned: !value(disabled.version).is_null(),
    };
    Some(breaking_contract(&model, vec!["the model, which has a contract, was disabled".to_owned()]))
}

/// Whether a deprecation date lies before now. dbt writes it with or without an offset from UTC.
fn is_past(date: Option<&str>, context: Context<'_>) -> bool {
    let (Some(date), Some(now)) = (date, context.now) else { return false };
    let instant = date.parse::<jiff::Timestamp>().ok().or_else(|| {
        let local = date.parse::<jiff::civil::DateTime>().ok()?;
        local.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    });
    instant.is_some_and(|instant| instant < now)
}

/// Turns a removed and an added node with the same text into a rename, when there is just one of each.
pub(super) fn record_renames(changes: &mut Changes, state: &Manifest<'_>, pr: &Manifest<'_>) {
    let mut removed: HashMap<Identity, Vec<&UniqueId>> = HashMap::new();
    let mut added: HashMap<Identity, Vec<&UniqueId>> = HashMap::new();
    for (id, change) in &changes.nodes {
        match change.kind {
            ChangeKind::Removed => {
                if let Some(identity) = state.nodes.get(id.as_str()).and_then(Identity::of) {
                    removed.entry(identity).or_default().push(id);
                }
            }
            ChangeKind::Added => {
                if let Some(identity) = pr.nodes.get(id.as_str()).and_then(Identity::of) {
                    added.entry(identity).or_default().push(id);
                }
            }
            _ => {}
        }
    }
    let mut renames = Vec::new();
    for (identity, old) in removed {
        if let ([from], Some([to])) = (old.as_slice(), added.get(&identity).map(Vec::as_slice)) {
            renames.push(((*from).clone(), (*to).clone()));
        }
    }
    for (from, to) in renames {
        if let Some(change) = changes.nodes.get_mut(&from) {
            change.reasons = vec![Reason::RenamedTo { to: to.clone() }];
        }
        if let Some(change) = changes.nodes.get_mut(&to) {
            change.kind = ChangeKind::Renamed { from };
        }
    }
}

/// What stays when only the name changes.
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    resource_type: ResourceType,
    package: String,
    body: String,
}

impl Identity {
    fn of(node: &Node<'_>) -> Option<Self> {
        let body = match node.resource_type {
            ResourceType::Model | ResourceType::Snapshot | ResourceType::Analysis => node.raw_code.get().into_owned(),
            ResourceType::Test if node.test_metadata.is_none() => node.raw_code.get().into_owned(),
            ResourceType::Seed if node.checksum.name == "sha256" => node.checksum.checksum.to_string(),
            _ => return None,
        };
        let package = node.package_name.to_string();
        (!body.trim().is_empty()).then_some(Self { resource_type: node.resource_type, package, body })
    }
}
