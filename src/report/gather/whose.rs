//! Whose change it is.

use super::planned::{Planned, whys};
use crate::artifacts::ResourceType;
use crate::plan::{NotYoursFate as Fate, SkipReason};
use crate::report::{
    CosmeticChange, Draft, Finding, NodeOutcome, NodeStatus, NotChecked, NotYours, NotYoursFate, Severity, Why, rules,
};

fn is_not_yours(node: &NodeOutcome) -> bool {
    node.why.iter().any(|why| matches!(why, Why::NotYours { .. }))
}

impl Planned<'_> {
    /// What others changed, but for tests: nobody's data hangs on them.
    pub(super) fn not_yours(&self) -> Vec<NotYours> {
        let is_test = |kind| matches!(kind, ResourceType::Test | ResourceType::UnitTest);
        let all = self.plan.not_yours.iter().filter(|entry| !is_test(entry.unique_id.kind()));
        all.map(|entry| NotYours {
            unique_id: entry.unique_id.clone(),
            name: entry.unique_id.name().to_owned(),
            why: whys(&entry.changed, entry.unique_id.kind()),
            fate: match entry.fate {
                Fate::NotBuilt => NotYoursFate::NotBuilt,
                Fate::Needed => NotYoursFate::Needed,
                Fate::Downstream => NotYoursFate::Downstream,
            },
        })
        .collect()
    }

    /// What changed and is not built for it.
    pub(super) fn cosmetic(&self) -> Vec<CosmeticChange> {
        let skipped = self.plan.skipped.iter().filter(|entry| entry.reason == SkipReason::Cosmetic);
        skipped
            .map(|entry| CosmeticChange {
                unique_id: entry.unique_id.clone(),
                name: entry.unique_id.name().to_owned(),
                why: whys(&entry.changed, entry.unique_id.kind()),
            })
            .collect()
    }
}

/// What others changed and does not build is not a failure of the pull request: it becomes a note, and what reads it
/// was not checked.
pub(super) fn excuse(draft: &mut Draft) {
    for node in draft.nodes.iter_mut().filter(|node| node.status.shuts_gate() && is_not_yours(node)) {
        node.status = NodeStatus::NotChecked;
        let cause = node.message.take().map(|cause| format!(": {cause}")).unwrap_or_default();
        let message = format!("changed by others and failed to build, so what reads it is not checked{cause}");
        let finding = Finding::about(Severity::Notice, rules::NOT_YOURS_FAILED, &node.unique_id, &message);
        draft.not_checked.push(NotChecked {
            subject: format!("{} {}", node.resource_type, node.name),
            unique_id: Some(node.unique_id.clone()),
            reason: message.clone(),
        });
        node.message = Some(message);
        let finding = finding.with_location(node.location.clone());
        draft.findings.push(match node.detail.take() {
            Some(detail) => finding.with_detail(detail),
            None => finding,
        });
    }
}
