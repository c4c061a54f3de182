//! The comparison of two manifests.

use std::collections::BTreeMap;

use crate::artifacts::{Manifest, Resource};

use super::build_macros::BuildMacros;
use super::context::{CompareOptions, Context};
use super::counterpart::Counterparts;
use super::definition::{
    compare_exposure, compare_metric, compare_saved_query, compare_semantic_model, compare_source, compare_unit_test,
    new_definition, new_unit_test,
};
use super::macros::ChangedMacros;
use super::node::{compare_node, new_node};
use super::notice::Notice;
use super::parts::in_parts;
use super::reason::Reason;
use super::removed::{record_removed, record_renames};
use super::state_checks::StateChecks;
use super::{Change, ChangeKind, Changes};

/// What the pull request changes, by dbt's rules.
#[must_use]
pub fn compare(state: &Manifest<'_>, pr: &Manifest<'_>, options: &CompareOptions) -> Changes {
    let context = Context::new(state, pr, options);
    let counterparts = Counterparts::new(state, pr, context.drift);
    let macros = ChangedMacros::new(state, pr, context);
    let mut changes = Changes {
        build_macros: BuildMacros::new(state, pr),
        package_overrides: options.package_overrides,
        ..Changes::default()
    };
    let resources: Vec<_> = pr.resources().collect();
    let parts = in_parts(resources.len(), |range| {
        let mut notices = Vec::new();
        let mut differing = Vec::new();
        for &(id, new) in resources.get(range).unwrap_or_default() {
            if !new.is_enabled() {
                continue;
            }
            let old = state.resource(&counterparts.of(id));
            let (mut checks, mut reasons) = compare_resource(old, new, context, &mut notices);
            let reached = new.depends_on().map(|depends_on| macros.reached(&depends_on.macros)).unwrap_or_default();
            if !reached.is_empty() {
                checks.macros = true;
                checks.modified = true;
                reasons.push(Reason::Macros { macros: reached.into_iter().map(Into::into).collect() });
            }
            if checks != StateChecks::default() || !reasons.is_empty() {
                differing.push((id, checks, reasons));
            }
        }
        (differing, notices)
    });
    for (differing, notices) in parts {
        changes.notices.extend(notices);
        for (id, checks, reasons) in differing {
            changes.record(id, checks, reasons);
        }
    }
    record_removed(&mut changes, state, pr, context, |id| counterparts.is_matched(id));
    record_renames(&mut changes, state, pr);
    changes.count_macros(&BTreeMap::new());
    changes
}

/// Compares one member; macros are the caller's. Members of different kinds under one id are as good as new.
fn compare_resource(
    old: Option<Resource<'_, '_>>,
    new: Resource<'_, '_>,
    context: Context<'_>,
    notices: &mut Vec<Notice>,
) -> (StateChecks, Vec<Reason>) {
    match (old, new) {
        (Some(Resource::Node(old)), Resource::Node(new)) => compare_node(old, new, context, notices),
        (Some(Resource::Source(old)), Resource::Source(new)) => compare_source(old, new, context),
        (Some(Resource::Exposure(old)), Resource::Exposure(new)) => compare_exposure(old, new, context),
        (Some(Resource::Metric(old)), Resource::Metric(new)) => compare_metric(old, new, context),
        (Some(Resource::UnitTest(old)), Resource::UnitTest(new)) => compare_unit_test(old, new, context),
        (Some(Resource::SemanticModel(old)), Resource::SemanticModel(new)) => compare_semantic_model(old, new, context),
        (Some(Resource::SavedQuery(old)), Resource::SavedQuery(new)) => compare_saved_query(old, new, context),
        (_, Resource::Node(_)) => (new_node(), vec![Reason::New]),
        (_, Resource::UnitTest(_)) => (new_unit_test(), vec![Reason::New]),
        (_, Resource::Source(_)) => (new_definition(true), vec![Reason::New]),
        (_, _) => (new_definition(false), vec![Reason::New]),
    }
}

impl Changes {
    fn record(&mut self, unique_id: &str, checks: StateChecks, mut reasons: Vec<Reason>) {
        if !reasons.is_empty() {
            reasons.sort_unstable();
            let kind = if checks.new { ChangeKind::Added } else { ChangeKind::Modified };
            self.nodes.insert(unique_id.into(), Change { kind, reasons });
        }
        if checks != StateChecks::default() {
            self.checks.insert(unique_id.into(), checks);
        }
    }
}
