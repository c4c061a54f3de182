//! Whose change it is, as the report says it.

use super::summary::{Sources, kind_of, plain, short, why};
use crate::artifacts::ResourceType;
use crate::changes::Reason;
use crate::plan::{NotYoursFate as Fate, SkipReason};
use crate::report::{
    CosmeticChange, Draft, Finding, NodeOutcome, NodeStatus, NotChecked, NotYours, NotYoursFate, Severity, Why, rules,
};

/// Why a node is built that others changed, in a word.
const NOT_YOURS: &str = "not_yours";

/// Why a node is built that others changed; `by`: what reads it.
pub(super) fn needed(by: &[String]) -> Why {
    let first = by.first().map_or("", |id| short(id));
    why(NOT_YOURS, format!("needed by your change, others changed it: {first} reads it"))
}

fn is_not_yours(node: &NodeOutcome) -> bool {
    node.why.iter().any(|why| why.kind == NOT_YOURS)
}

impl Sources<'_> {
    /// What others changed, but for tests: nobody's data hangs on them.
    pub(super) fn not_yours(&self) -> Vec<NotYours> {
        let is_test = |unique_id: &str| {
            let kind = unique_id.split('.').next().unwrap_or_default();
            matches!(ResourceType::from_name(kind), ResourceType::Test | ResourceType::UnitTest)
        };
        let all = self.plan.not_yours.iter().filter(|entry| !is_test(&entry.unique_id));
        all.map(|entry| NotYours {
            unique_id: entry.unique_id.clone(),
            name: short(&entry.unique_id).to_owned(),
            why: whys(&entry.changed, &entry.unique_id),
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
                name: short(&entry.unique_id).to_owned(),
                why: whys(&entry.changed, &entry.unique_id),
            })
            .collect()
    }
}

fn whys(reasons: &[Reason], unique_id: &str) -> Vec<Why> {
    let kind = unique_id.split('.').next().unwrap_or_default();
    reasons.iter().map(|reason| why(&kind_of(reason), plain(&reason.about(kind)))).collect()
}

/// What others changed and does not build is no failure of the pull request: it becomes a note, and what reads it
/// was not checked.
pub(super) fn excuse(draft: &mut Draft) {
    for node in draft.nodes.iter_mut().filter(|node| node.status == NodeStatus::Failed && is_not_yours(node)) {
        node.status = NodeStatus::NotChecked;
        let cause = node.message.take().map(|cause| format!(": {cause}")).unwrap_or_default();
        let message = format!("others changed it and it does not build, so what reads it is not checked{cause}");
        let finding = Finding::about(Severity::Notice, rules::NOT_YOURS_FAILED, &node.unique_id, &message);
        draft.not_checked.push(NotChecked {
            subject: format!("{} {}", node.resource_type, node.name),
            unique_id: Some(node.unique_id.clone()),
            reason: message.clone(),
        });
        node.message = Some(message);
        let finding = finding.with_place(node.place.clone());
        draft.findings.push(match node.detail.take() {
            Some(detail) => finding.with_detail(detail),
            None => finding,
        });
    }
}
