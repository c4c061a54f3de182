//! From what was planned and what happened to the report's draft.

use std::collections::{BTreeMap, HashMap};

use super::whose;
use crate::artifacts::{IssueSeverity, Manifest, ManifestIssue, Node, ResourceType};
use crate::build::{Failure, JobResult, JobStatus, Outcome, Stop, left_out_of_contract};
use crate::changes::{ChangeKind, Changes};
use crate::plan::{
    LeftOutKind, NotCheckedReason, Notice, NoticeLevel, Plan, PlannedNode, PlannedTest, TestKind as PlannedKind,
    Why as PlannedWhy,
};
use crate::project::{Graph, NodeId};
use crate::report::{
    Check, DownstreamModel, Draft, ExposedUse, Finding, Impact, Interruption, LeftOut, NodeOutcome, NodeStatus,
    NotChecked, Place, RemovedNode, Severity, TestKind, TestOutcome, TestStatus, Why, rules,
};
use crate::sql::Dialect;
use crate::text::words::count_of;

/// What the report is made of.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) plan: &'a Plan,
    pub(super) pr: &'a Manifest<'a>,
    pub(super) graph: &'a Graph<'a>,
    pub(super) changes: &'a Changes,
}

/// Everything that stands before anything runs: what is planned, left out, removed, downstream.
pub(super) fn planned(draft: &mut Draft, sources: Sources<'_>) {
    let Sources { plan, .. } = sources;
    draft.nodes = plan.nodes.iter().map(|node| sources.node(node)).collect();
    draft.tests = plan.tests.iter().map(|test| sources.test(test)).collect();
    draft.not_checked = plan.not_checked.iter().map(not_checked).collect();
    draft.left_out = sources.left_out();
    draft.removed = sources.removed();
    draft.impact = sources.impact();
    draft.reasons = plan.reasons.clone();
    draft.cosmetic = sources.cosmetic();
    draft.not_yours = sources.not_yours();
    let (models, exposures) = (draft.impact.models.len(), draft.impact.exposures.len());
    draft.checks.impact = Check::ran(0, 0, 0, 0).with_summary(format!(
        "{} · {}",
        count_of(models, "model"),
        count_of(exposures, "exposure")
    ));
    for removed in draft.removed.iter().filter(|removed| !removed.still_used_by.is_empty()) {
        let message = format!("`{}` is gone, and {} still use it", removed.name, removed.still_used_by.join(", "));
        draft.findings.push(Finding::about(Severity::Warning, rules::REMOVED_IN_USE, &removed.unique_id, message));
    }
    draft.findings.extend(plan.notices.iter().map(|notice| sources.notice(notice)));
}

/// What a manifest check has to say becomes findings.
pub(super) fn issues(draft: &mut Draft, issues: &[ManifestIssue], project: &str) {
    for issue in issues {
        let severity = match issue.severity {
            IssueSeverity::Warning => Severity::Warning,
            IssueSeverity::Error => Severity::Error,
        };
        let about = issue.unique_id.as_deref().unwrap_or(project);
        let finding = Finding::about(severity, rules::MANIFEST_PARTIAL, about, &issue.message);
        draft.findings.push(finding.with_remedy(&issue.remedy));
    }
}

/// What happened, filled into what was planned.
pub(super) fn happened(draft: &mut Draft, outcome: &Outcome) {
    let results: HashMap<&str, &JobResult> =
        outcome.results.iter().map(|result| (result.unique_id.as_str(), result)).collect();
    for node in &mut draft.nodes {
        if let Some(result) = results.get(node.unique_id.as_str()) {
            built(node, result);
        }
    }
    whose::excuse(draft);
    for test in &mut draft.tests {
        if let Some(result) = results.get(test.unique_id.as_str()) {
            tested(test, result);
        }
    }
    let counts: BTreeMap<&str, _> = outcome.row_counts.iter().map(|count| (count.unique_id.as_str(), count)).collect();
    for node in &mut draft.nodes {
        if let Some(count) = counts.get(node.unique_id.as_str()) {
            node.rows = Some(count.pull_request);
            node.production_rows = count.production;
        }
    }
    let repeated = outcome.results.iter().filter(|r| r.attempts > 1 && r.status.lets_descendants_run());
    draft.findings.extend(repeated.map(|result| {
        let message = format!("passed on attempt {}, after a fault of the warehouse that passed", result.attempts);
        Finding::about(Severity::Notice, rules::STATEMENT_REPEATED, &result.unique_id, message)
    }));
    draft.proxies = u64::try_from(outcome.proxies).unwrap_or(u64::MAX);
    draft.timings.statements = Some(draft.timings.statements.unwrap_or(0) + outcome.statements);
    draft.timings.warehouse_ms = Some(milliseconds(outcome.waited));
    draft.interruption = match outcome.stopped {
        Some(Stop::Signal) => Some(Interruption::Cancelled { reason: "it was stopped by a signal".to_owned() }),
        Some(Stop::FailFast) => {
            Some(Interruption::Cancelled { reason: "--fail-fast stopped it at the first failure".to_owned() })
        }
        None => infrastructure(outcome),
    };
    draft.tally();
}

/// A fault of the warehouse or the network says nothing about the pull request: the run is incomplete.
fn infrastructure(outcome: &Outcome) -> Option<Interruption> {
    let failures = outcome.results.iter().filter_map(|result| match &result.status {
        JobStatus::Error(failure) => Some((&result.unique_id, failure)),
        _ => None,
    });
    let (unique_id, failure) =
        failures.into_iter().find(|(_, failure)| failure.class.is_some_and(|class| class.is_infrastructure()))?;
    Some(Interruption::Broken { reason: format!("{} at {unique_id}", failure.message) })
}

fn built(node: &mut NodeOutcome, result: &JobResult) {
    node.duration_ms = Some(milliseconds(result.duration));
    node.rows = result.rows;
    node.status = match &result.status {
        JobStatus::Error(failure) => {
            (node.message, node.detail) = said(failure);
            // Not the pull request's fault, so not a failure of the pull request.
            if failure.class.is_some_and(|class| class.is_infrastructure()) {
                NodeStatus::NotChecked
            } else {
                NodeStatus::Failed
            }
        }
        JobStatus::Skipped { because } => {
            node.message = Some(format!("because of `{}`", short(because)));
            NodeStatus::Skipped
        }
        JobStatus::NotRun => {
            node.message = Some("the run ended before its turn".to_owned());
            NodeStatus::NotChecked
        }
        _ => NodeStatus::Built,
    };
}

fn tested(test: &mut TestOutcome, result: &JobResult) {
    test.duration_ms = Some(milliseconds(result.duration));
    let failures = |count: &u64| Some(*count);
    (test.status, test.failures) = match &result.status {
        JobStatus::Warn { failures: count } => (TestStatus::Warn, failures(count)),
        JobStatus::Fail { failures: count } => (TestStatus::Fail, failures(count)),
        JobStatus::Error(failure) => {
            (test.message, test.detail) = said(failure);
            if failure.class.is_some_and(|class| class.is_infrastructure()) {
                (TestStatus::NotRun, None)
            } else {
                (TestStatus::Error, None)
            }
        }
        JobStatus::Skipped { because } => {
            test.message = Some(format!("because of `{}`", short(because)));
            (TestStatus::Skipped, None)
        }
        JobStatus::NotRun => (TestStatus::NotRun, None),
        JobStatus::Pass | JobStatus::Built => (TestStatus::Pass, Some(0)),
    };
}

fn said(failure: &Failure) -> (Option<String>, Option<String>) {
    let message = match &failure.remedy {
        Some(remedy) => format!("{}; {remedy}", failure.message),
        None => failure.message.clone(),
    };
    (Some(message), failure.detail.clone())
}

impl Sources<'_> {
    /// A remark of the plan as a finding.
    fn notice(&self, notice: &Notice) -> Finding {
        let severity = match notice.level {
            NoticeLevel::Error => Severity::Error,
            NoticeLevel::Warn => Severity::Warning,
            NoticeLevel::Note => Severity::Notice,
        };
        let about = notice.unique_id.as_deref().unwrap_or(&self.plan.project);
        if notice.details.is_empty() {
            let rule = if notice.event.is_some() { rules::SEED_NOT_COMPARED } else { rules::MANIFEST_PARTIAL };
            return Finding::about(severity, rule, about, &notice.message);
        }
        let message = format!("{}: {}", notice.message, notice.details.join(", "));
        let finding = Finding::about(severity, rules::CONTRACT_BREAKING_CHANGE, about, message);
        let place = self.pr.nodes.get(about).and_then(|node| self.place(node));
        finding.with_place(place).with_remedy(
            "keep the contract and make a new version of the model; a model may go once its deprecation_date is past",
        )
    }

    fn node(&self, planned: &PlannedNode) -> NodeOutcome {
        let mut node = NodeOutcome::new(&planned.unique_id, &planned.name, NodeStatus::NotChecked);
        let (changed, why) = match &planned.why {
            PlannedWhy::Changed { reasons, .. } => (
                true,
                reasons
                    .iter()
                    .map(|reason| Why { kind: kind_of(reason), text: plain(&reason.about(&planned.resource_type)) })
                    .collect(),
            ),
            PlannedWhy::Downstream { of, and_more } => {
                let names: Vec<_> = of.iter().take(2).map(|id| short(id)).collect();
                let more = if *and_more || of.len() > 2 { ", …" } else { "" };
                (false, vec![why("downstream", format!("reads {}{more}", names.join(", ")))])
            }
            PlannedWhy::NotYours { by } => (false, vec![whose::needed(by)]),
            PlannedWhy::NeededNew { by } => {
                let first = by.first().map_or("", |id| short(id));
                (false, vec![why("needed", format!("not in production; {first} reads it"))])
            }
        };
        node.changed = changed;
        node.why = why;
        node.message = Some("the run ended before its turn".to_owned());
        if let Some(manifest) = self.pr.nodes.get(planned.unique_id.as_str()) {
            node.place = self.place(manifest);
            node.owner = self.owner(manifest.group.as_deref());
            if let Some(version) = manifest.version {
                node.name = format!("{}.v{}", planned.name, version.get().trim_matches('"'));
            }
        }
        let id = self.graph.id(&planned.unique_id);
        node.downstream = self.downstream(id).filter(|id| self.graph.resource_type(*id).is_relation()).count() as u64;
        node
    }

    fn test(&self, planned: &PlannedTest) -> TestOutcome {
        let mut test = TestOutcome::new(&planned.unique_id, &planned.name, TestStatus::NotRun);
        test.kind = match planned.kind {
            PlannedKind::Generic | PlannedKind::Singular => TestKind::Data,
        };
        test.attached_node.clone_from(&planned.attached_node);
        test.severity = match planned.severity {
            crate::plan::Severity::Error => Severity::Error,
            crate::plan::Severity::Warn => Severity::Warning,
        };
        test.place = self.pr.nodes.get(planned.unique_id.as_str()).and_then(|node| self.place(node));
        test
    }

    /// Only the root project's files are in the repository at the path that the manifest names.
    fn place(&self, node: &Node<'_>) -> Option<Place> {
        let own = self.pr.metadata.project_name.as_deref() == Some(node.package_name.as_ref());
        (own && !node.original_file_path.is_empty()).then(|| Place::file(node.original_file_path.as_ref()))
    }

    fn owner(&self, group: Option<&str>) -> Option<String> {
        let group = self.pr.groups.values().find(|candidate| Some(candidate.name.as_ref()) == group)?;
        owner_name(group.owner.as_ref())
    }

    fn downstream(&self, start: Option<NodeId>) -> impl Iterator<Item = NodeId> {
        let mut below = self.graph.descendants(start);
        if let Some(start) = start {
            below.remove(&start);
        }
        below.into_iter()
    }

    fn left_out(&self) -> Vec<LeftOut> {
        let dialect = self.plan.dialect().unwrap_or(Dialect::DuckDb);
        let mut list: Vec<_> = self
            .plan
            .left_out
            .iter()
            .map(|left| {
                let (what, why) = match left.what {
                    LeftOutKind::PreHook => ("pre-hook", "hooks are not run"),
                    LeftOutKind::PostHook => ("post-hook", "hooks are not run"),
                    LeftOutKind::Grants => ("grants", "nobody else reads the temporary schema"),
                    LeftOutKind::OnRunStart => ("on-run-start", "operations are not run"),
                    LeftOutKind::OnRunEnd => ("on-run-end", "operations are not run"),
                    LeftOutKind::StoreFailures => ("storing the failing rows", "the test runs without keeping them"),
                };
                let name = short(&left.unique_id);
                let subject = match left.what {
                    LeftOutKind::StoreFailures => format!("{what} of {name}"),
                    _ => format!("{} {what} of {name}", left.count),
                };
                LeftOut { subject, unique_id: Some(left.unique_id.clone()), reason: why.to_owned() }
            })
            .collect();
        for node in self.plan.nodes.iter().filter(|node| node.contract_enforced) {
            let Some(manifest) = self.pr.nodes.get(node.unique_id.as_str()) else { continue };
            list.extend(left_out_of_contract(manifest, dialect).into_iter().map(|what| LeftOut {
                subject: format!("{what} of {}", node.name),
                unique_id: Some(node.unique_id.clone()),
                reason: "a foreign key cannot point at a proxy view".to_owned(),
            }));
        }
        list
    }

    fn removed(&self) -> Vec<RemovedNode> {
        let renamed: HashMap<&str, &str> = self
            .changes
            .nodes
            .iter()
            .filter_map(|(to, change)| match &change.kind {
                ChangeKind::Renamed { from } => Some((from.as_str(), to.as_str())),
                _ => None,
            })
            .collect();
        // A test that went with all that it tested is no news beside that.
        let removed = self.plan.removed.iter().filter(|removed| {
            let kind = ResourceType::from_name(&removed.resource_type);
            !matches!(kind, ResourceType::Test | ResourceType::UnitTest) || !removed.depended_on.is_empty()
        });
        removed
            .map(|removed| RemovedNode {
                unique_id: removed.unique_id.clone(),
                name: short(&removed.unique_id).to_owned(),
                resource_type: removed.resource_type.clone(),
                still_used_by: removed.referred_by.iter().map(|id| short(id).to_owned()).collect(),
                renamed_to: renamed.get(removed.unique_id.as_str()).map(|to| short(to).to_owned()),
                disabled: removed.disabled,
            })
            .collect()
    }

    fn impact(&self) -> Impact {
        let changed: Vec<NodeId> = self
            .plan
            .nodes
            .iter()
            .filter(|node| matches!(node.why, PlannedWhy::Changed { .. }))
            .filter_map(|node| self.graph.id(&node.unique_id))
            .collect();
        let mut impact = Impact::default();
        for id in self.graph.descendants(changed.iter().copied()) {
            let unique_id = self.graph.unique_id(id);
            if let Some(exposure) = self.pr.exposures.get(unique_id) {
                impact.exposures.push(ExposedUse {
                    unique_id: unique_id.to_owned(),
                    name: exposure.label.as_deref().unwrap_or(&exposure.name).to_owned(),
                    kind: exposure.kind.as_deref().map(str::to_owned),
                    owner: owner_name(exposure.owner.as_ref()),
                    url: exposure.url.as_deref().map(str::to_owned),
                });
            } else if let Some(node) = self.pr.nodes.get(unique_id)
                && node.resource_type.is_relation()
                && !changed.contains(&id)
            {
                impact.models.push(DownstreamModel {
                    unique_id: unique_id.to_owned(),
                    name: node.name.to_string(),
                    owner: self.owner(node.group.as_deref()),
                });
            }
        }
        impact.models.sort_by(|a, b| a.name.cmp(&b.name));
        impact.exposures.sort_by(|a, b| a.name.cmp(&b.name));
        impact
    }
}

fn not_checked(planned: &crate::plan::NotChecked) -> NotChecked {
    let reason = match &planned.reason {
        NotCheckedReason::PythonModel => "a Python model needs Python".to_owned(),
        NotCheckedReason::UnknownMaterialization { materialized } => {
            format!("premerge does not know the materialization `{materialized}`")
        }
        NotCheckedReason::NotCompiled => "the manifest has no compiled SQL for it; run `dbt compile`".to_owned(),
        NotCheckedReason::ParentNotAvailable { parent } => {
            format!("it reads {}, which is neither built nor in production", short(parent))
        }
        NotCheckedReason::MissingParent { parent } => format!("the manifest does not have {parent}, which it reads"),
        NotCheckedReason::NothingOfItIsBuilt => "nothing that it tests is built".to_owned(),
        NotCheckedReason::IndirectSelection { mode } => {
            format!("`indirect_selection: {mode}` leaves it out, though something that it tests is built")
        }
        NotCheckedReason::NotSelected => {
            "--select or --exclude leaves it out, though something that it tests is built".to_owned()
        }
        NotCheckedReason::UnitTestUnsupported => "unit tests are not run yet".to_owned(),
        NotCheckedReason::FunctionUnsupported => "functions are not made yet; production's is called".to_owned(),
    };
    let subject = format!("{} {}", planned.resource_type.replace('_', " "), planned.name);
    NotChecked { subject, unique_id: Some(planned.unique_id.clone()), reason }
}

/// `reason` of the reason's data form: the word for programs.
pub(super) fn kind_of(reason: &crate::changes::Reason) -> String {
    let value = serde_json::to_value(reason).unwrap_or_default();
    value.get("reason").and_then(serde_json::Value::as_str).unwrap_or("changed").to_owned()
}

pub(super) fn why(kind: &str, text: String) -> Why {
    Why { kind: kind.to_owned(), text }
}

pub(super) fn plain(text: &str) -> String {
    text.replace('`', "")
}

fn owner_name(owner: Option<&serde_json::Value>) -> Option<String> {
    let owner = owner?;
    let text = |key: &str| owner.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    text("name").or_else(|| text("email"))
}

/// What follows type and package in a unique_id.
pub(super) fn short(unique_id: &str) -> &str {
    unique_id.splitn(3, '.').nth(2).unwrap_or(unique_id)
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
