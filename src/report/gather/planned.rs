//! What is planned: everything that is known before anything runs.

use std::collections::{HashMap, HashSet};

use crate::artifacts::{Manifest, Node, ResourceType, UniqueId};
use crate::build::left_out_of_contract;
use crate::changes::{ChangeKind, Changes, Reason};
use crate::plan::{
    self, LeftOutKind, Materialization, NotCheckedReason, NoticeLevel, NoticeRule, Plan, PlannedNode, PlannedTest,
    SkipReason,
};
use crate::project::{Graph, NodeId};
use crate::report::outcome::NOT_REACHED;
use crate::report::{
    Check, DownstreamModel, Draft, ExposedUse, Finding, Impact, LeftOut, Location, NodeOutcome, NodeStatus, NotChecked,
    OtherChange, OtherFate, RemovedNode, RuleId, Severity, TestKind, TestOutcome, TestStatus, Why, rules,
};
use crate::text::words::{len, noun, some_of};

/// Most names in one sentence.
const NAMED: usize = 5;

/// A plan, and what it was made of.
#[derive(Clone, Copy)]
pub struct Planned<'a> {
    /// What is to be done.
    pub plan: &'a Plan,
    /// The pull request's manifest.
    pub pr: &'a Manifest<'a>,
    /// The pull request's graph.
    pub graph: &'a Graph<'a>,
    /// What the pull request changes.
    pub changes: &'a Changes,
}

impl Draft {
    /// Adds what is planned, left out, removed and downstream. Nodes and tests are those to be built and run, with
    /// nothing done yet.
    pub fn add_plan(&mut self, planned: Planned<'_>) {
        let Planned { plan, .. } = planned;
        self.nodes = plan.nodes.iter().map(|node| planned.node(node)).collect();
        self.nodes.extend(plan.trials.iter().map(|trial| planned.trial(trial)));
        self.tests = plan.tests.iter().map(|test| planned.test(test)).collect();
        self.not_checked = plan.not_checked.iter().map(not_checked).collect();
        self.left_out = planned.left_out();
        self.not_checked.extend(planned.changed_and_left_out());
        self.other_changes = planned.other_changes();
        self.notes.extend(planned.notes());
        self.removed = planned.removed();
        self.impact = planned.impact();
        self.checks.impact = Check::of_impact(&self.impact);
        self.reasons = plan.reasons.clone();
        self.cosmetic = planned.cosmetic();
        self.not_yours = planned.not_yours();
        for removed in self.removed.iter().filter(|removed| !removed.still_used_by.is_empty()) {
            let verb = if removed.still_used_by.len() == 1 { "references" } else { "reference" };
            let by = removed.still_used_by.join(", ");
            let message = format!("`{}` was removed, but {by} still {verb} it", removed.name);
            self.findings.push(Finding::about(Severity::Warning, rules::REMOVED_IN_USE, &removed.unique_id, message));
        }
        self.findings.extend(planned.weaker_tests());
        self.findings.extend(plan.notices.iter().map(|notice| planned.notice(notice)));
    }
}

impl Planned<'_> {
    /// A remark of the plan as a finding.
    fn notice(&self, notice: &plan::Notice) -> Finding {
        let severity = match notice.level {
            NoticeLevel::Error => Severity::Error,
            NoticeLevel::Warn => Severity::Warning,
            NoticeLevel::Note => Severity::Notice,
        };
        let about = notice.unique_id.as_deref().unwrap_or(&self.plan.project);
        let rule = rule(notice.rule);
        if notice.details.is_empty() {
            return Finding::about(severity, rule, about, &notice.message);
        }
        let message = format!("{}: {}", notice.message, notice.details.join(", "));
        let finding = Finding::about(severity, rule, about, message);
        let location = self.pr.nodes.get(about).and_then(|node| self.location(node));
        finding.with_location(location).with_remedy(
            "keep the contract and make a new version of the model; a model may be removed once its deprecation_date has passed",
        )
    }

    fn node(&self, planned: &PlannedNode) -> NodeOutcome {
        let mut node = NodeOutcome::new(&planned.unique_id, &planned.name, NodeStatus::NotChecked);
        let (changed, why) = match &planned.why {
            plan::Why::Changed { reasons, .. } => (true, whys(reasons, planned.unique_id.kind())),
            plan::Why::Downstream { of, and_more } => {
                let names: Vec<_> = of.iter().take(2).map(UniqueId::name).collect();
                let more = if *and_more || of.len() > 2 { ", …" } else { "" };
                (false, vec![Why::Downstream { text: format!("reads {}{more}", names.join(", ")) }])
            }
            plan::Why::NotYours { by } => {
                let text = format!("changed by others, needed by your change: {} reads it", first(by));
                (false, vec![Why::NotYours { text }])
            }
            plan::Why::NeededNew { by } => {
                (false, vec![Why::Needed { text: format!("not in production; {} reads it", first(by)) }])
            }
        };
        node.changed = changed;
        node.why = why;
        node.reads_unbuilt.clone_from(&planned.reads_unbuilt);
        node.message = Some(NOT_REACHED.to_owned());
        if let Some(manifest) = self.pr.nodes.get(planned.unique_id.as_str()) {
            node.location = self.location(manifest);
            node.owner = self.owner(manifest.group.as_deref());
            if let Some(version) = manifest.version {
                node.name = format!("{}.v{}", planned.name, version.get().trim_matches('"'));
            }
        }
        let id = self.graph.id(&planned.unique_id);
        node.downstream = self.downstream(id).filter(|id| self.graph.resource_type(*id).is_relation()).count() as u64;
        node
    }

    /// A snapshot below a change, whose query is tried.
    fn trial(&self, trial: &plan::Trial) -> NodeOutcome {
        let mut node = NodeOutcome::new(&trial.unique_id, &trial.name, NodeStatus::NotChecked);
        let names: Vec<_> = trial.of.iter().take(2).map(UniqueId::name).collect();
        let more = if trial.of.len() > 2 { ", …" } else { "" };
        let read = format!("reads {}{more}", names.join(", "));
        node.why = vec![Why::Downstream {
            text: format!("{read}; built as on a first run; downstream nodes read production"),
        }];
        if let Some(manifest) = self.pr.nodes.get(trial.unique_id.as_str()) {
            node.location = self.location(manifest);
            node.owner = self.owner(manifest.group.as_deref());
        }
        let id = self.graph.id(&trial.unique_id);
        node.downstream = self.downstream(id).filter(|id| self.graph.resource_type(*id).is_relation()).count() as u64;
        node
    }

    fn test(&self, planned: &PlannedTest) -> TestOutcome {
        let mut test = TestOutcome::new(&planned.unique_id, &planned.name, TestStatus::NotRun);
        test.kind = match planned.kind {
            plan::TestKind::Generic | plan::TestKind::Singular => TestKind::Data,
        };
        test.attached_node.clone_from(&planned.attached_node);
        test.severity = match planned.severity {
            plan::Severity::Error => Severity::Error,
            plan::Severity::Warn => Severity::Warning,
        };
        test.location = self.pr.nodes.get(planned.unique_id.as_str()).and_then(|node| self.location(node));
        test
    }

    /// Only the root project's files are in the repository at the path that the manifest names.
    fn location(&self, node: &Node<'_>) -> Option<Location> {
        let own = self.pr.metadata.project_name.as_deref() == Some(node.package_name.as_ref());
        (own && !node.original_file_path.is_empty()).then(|| Location::file(node.original_file_path.as_ref()))
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

    /// What dbt does, premerge leaves out, and production has just so.
    fn left_out(&self) -> Vec<LeftOut> {
        let same = self.plan.left_out.iter().filter(|left| left.count > left.changed);
        let mut list: Vec<_> = same
            .map(|left| {
                let (kind, reason) = left_out_words(left.what);
                let count = left.count - left.changed;
                let name = left.unique_id.name();
                let subject = match left.what {
                    LeftOutKind::StoreFailures => format!("{kind} of {name}"),
                    LeftOutKind::Settings => format!("{kind} {} of {name}", left.settings.join(", ")),
                    LeftOutKind::PreHook
                    | LeftOutKind::PostHook
                    | LeftOutKind::Grants
                    | LeftOutKind::OnRunStart
                    | LeftOutKind::OnRunEnd => format!("{count} {kind} of {name}"),
                };
                LeftOut {
                    subject,
                    unique_id: Some(left.unique_id.clone()),
                    kind: Some(kind.to_owned()),
                    count: Some(count as u64),
                    reason: reason.to_owned(),
                }
            })
            .collect();
        // A plan is made for a known adapter only.
        let dialect = self.plan.dialect();
        for node in self.plan.nodes.iter().filter(|node| node.contract_enforced) {
            let Some(manifest) = self.pr.nodes.get(node.unique_id.as_str()) else { continue };
            list.extend(left_out_of_contract(manifest, dialect).into_iter().map(|what| LeftOut {
                subject: format!("{what} of {}", node.name),
                unique_id: Some(node.unique_id.clone()),
                kind: None,
                count: None,
                reason: "foreign keys are not created in the temporary schema".to_owned(),
            }));
        }
        list
    }

    /// What dbt does, premerge leaves out, and the pull request adds or changes: nothing has run it yet.
    fn changed_and_left_out(&self) -> Vec<NotChecked> {
        let changed = self.plan.left_out.iter().filter(|left| left.changed > 0);
        changed
            .map(|left| {
                let (kind, reason) = left_out_words(left.what);
                let kind = if left.changed == 1 { kind.to_owned() } else { format!("{} {kind}", left.changed) };
                // No unique_id: the node itself is checked.
                NotChecked {
                    subject: format!("{kind} of {}", left.unique_id.name()),
                    unique_id: None,
                    reason: format!("the pull request adds or changes it, and {reason}"),
                }
            })
            .collect()
    }

    /// What changed beside the nodes that are built.
    fn other_changes(&self) -> Vec<OtherChange> {
        let plan = self.plan;
        let change = |unique_id: &UniqueId, why: Vec<Why>, fate| OtherChange {
            unique_id: unique_id.clone(),
            name: unique_id.short_name().to_owned(),
            resource_type: unique_id.kind().as_str().to_owned(),
            why,
            fate,
        };
        let definitions = plan.definitions.iter().map(|entry| {
            let why =
                if entry.new { vec![Why::Changed { kind: "new".into(), text: "new".to_owned() }] } else { Vec::new() };
            let why = if why.is_empty() { whys(&entry.reasons, entry.unique_id.kind()) } else { why };
            change(&entry.unique_id, why, OtherFate::Definition)
        });
        let skipped = plan.skipped.iter().filter(|entry| !entry.changed.is_empty()).filter_map(|entry| {
            let fate = match entry.reason {
                SkipReason::Ephemeral => OtherFate::Inlined,
                SkipReason::Empty => OtherFate::Empty,
                // These have a place of their own.
                SkipReason::Cosmetic | SkipReason::SnapshotNotChanged => return None,
            };
            Some(change(&entry.unique_id, whys(&entry.changed, entry.unique_id.kind()), fate))
        });
        // What is built has its row already, and what is not checked of it stands with the rest.
        let planned: HashSet<&str> = plan.nodes.iter().map(|node| &*node.unique_id).collect();
        let unchecked = plan.not_checked.iter().filter(|entry| !entry.changed.is_empty());
        let unchecked = unchecked.filter(|entry| !planned.contains(&*entry.unique_id));
        let unchecked = unchecked
            .map(|entry| change(&entry.unique_id, whys(&entry.changed, entry.unique_id.kind()), OtherFate::NotChecked));
        // A test that comes with a node that changed is told by that node's row.
        let built: HashSet<&str> =
            plan.nodes.iter().filter(|node| is_changed(node)).map(|node| &*node.unique_id).collect();
        let tests = plan.tests.iter().filter_map(|test| match &test.why {
            plan::TestWhy::Changed { reasons } if !test.parents.iter().any(|parent| built.contains(&**parent)) => {
                Some(change(&test.unique_id, whys(reasons, ResourceType::Test), OtherFate::Test))
            }
            plan::TestWhy::Changed { .. } | plan::TestWhy::Tests { .. } => None,
        });
        definitions.chain(skipped).chain(unchecked).chain(tests).collect()
    }

    fn notes(&self) -> Option<String> {
        let incremental =
            self.plan.nodes.iter().filter(|node| node.materialization == Materialization::IncrementalAsTable);
        let names = some_of(incremental.map(|node| node.name.as_str()), NAMED);
        (!names.is_empty()).then(|| format!("incremental models were built in full: {names}"))
    }

    fn weaker_tests(&self) -> impl Iterator<Item = Finding> {
        self.plan.weaker_tests.iter().map(|test| {
            let (rule, what) = if test.is_certain() {
                (rules::TESTS_WEAKENED, "weakens the test")
            } else {
                (rules::TESTS_CHANGED, "changes what the test finds")
            };
            let message = format!("this pull request {what}: {}", test.in_words());
            let location = self.pr.nodes.get(test.unique_id.as_str()).and_then(|node| self.location(node));
            Finding::about(Severity::Warning, rule, &test.unique_id, message).with_location(location)
        })
    }

    fn removed(&self) -> Vec<RemovedNode> {
        let renamed: HashMap<&UniqueId, &UniqueId> = self
            .changes
            .nodes
            .iter()
            .filter_map(|(to, change)| match &change.kind {
                ChangeKind::Renamed { from } => Some((from, to)),
                _ => None,
            })
            .collect();
        // A test that went with all that it tested is not news beside that.
        let removed = self.plan.removed.iter().filter(|removed| {
            !matches!(removed.unique_id.kind(), ResourceType::Test | ResourceType::UnitTest)
                || !removed.depended_on.is_empty()
        });
        removed
            .map(|removed| RemovedNode {
                unique_id: removed.unique_id.clone(),
                name: removed.unique_id.name().to_owned(),
                resource_type: removed.resource_type.clone(),
                still_used_by: removed.referred_by.iter().map(|id| id.name().to_owned()).collect(),
                renamed_to: renamed.get(&removed.unique_id).map(|to| to.name().to_owned()),
                disabled: removed.disabled,
            })
            .collect()
    }

    fn impact(&self) -> Impact {
        // Everything that changed, whether it is built or not. New definitions have readers only among new nodes.
        let built = self.plan.nodes.iter().filter(|node| is_changed(node)).map(|node| &node.unique_id);
        let definitions = self.plan.definitions.iter();
        let definitions = definitions.filter(|entry| !self.changes.cosmetic.contains_key(&entry.unique_id));
        let definitions = definitions.map(|entry| &entry.unique_id);
        let skipped = self.plan.skipped.iter().filter(|entry| entry.reason != SkipReason::Cosmetic);
        let skipped = skipped.filter(|entry| !entry.changed.is_empty()).map(|entry| &entry.unique_id);
        let unchecked = self.plan.not_checked.iter().filter(|entry| !entry.changed.is_empty());
        let all = built.chain(definitions).chain(skipped).chain(unchecked.map(|entry| &entry.unique_id));
        let changed: HashSet<NodeId> = all.filter_map(|id| self.graph.id(id)).collect();
        let mut impact = Impact::default();
        for id in self.graph.descendants(changed.iter().copied()) {
            let unique_id = self.graph.unique_id(id);
            if let Some(exposure) = self.pr.exposures.get(unique_id) {
                impact.exposures.push(ExposedUse {
                    unique_id: unique_id.into(),
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
                    unique_id: unique_id.into(),
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

fn is_changed(node: &PlannedNode) -> bool {
    matches!(node.why, plan::Why::Changed { .. })
}

/// What is left out, and why.
fn left_out_words(what: LeftOutKind) -> (&'static str, &'static str) {
    match what {
        LeftOutKind::PreHook => ("pre-hook", "hooks are not run"),
        LeftOutKind::PostHook => ("post-hook", "hooks are not run"),
        LeftOutKind::Grants => ("grants", "nobody else reads the temporary schema"),
        LeftOutKind::OnRunStart => ("on-run-start", "operations are not run"),
        LeftOutKind::OnRunEnd => ("on-run-end", "operations are not run"),
        LeftOutKind::StoreFailures => ("storing failures", "the test runs without keeping them"),
        LeftOutKind::Settings => ("settings", "premerge does not apply them; they are the same in production"),
    }
}

fn not_checked(planned: &plan::NotChecked) -> NotChecked {
    let reason = match &planned.reason {
        NotCheckedReason::PythonModel => "Python models are not supported".to_owned(),
        NotCheckedReason::UnknownMaterialization { materialized } => {
            format!("unknown materialization `{materialized}`")
        }
        NotCheckedReason::NotCompiled => {
            "dbt compiled no SQL for it (a default selector?); run `dbt compile --select fqn:*`".to_owned()
        }
        NotCheckedReason::ParentNotAvailable { parent } => {
            format!("it reads {}, which is neither built nor in production", parent.name())
        }
        NotCheckedReason::MissingParent { parent } => format!("it reads {parent}, which is not in the manifest"),
        NotCheckedReason::ReadsUnbuilt { parent } => {
            format!("it reads {}, which changes and is not built", parent.name())
        }
        NotCheckedReason::NothingOfItIsBuilt => "none of the nodes it tests are built".to_owned(),
        NotCheckedReason::IndirectSelection { mode } => {
            format!("`indirect_selection: {mode}` leaves it out, though something that it tests is built")
        }
        NotCheckedReason::NotSelected if planned.resource_type.ends_with("test") => {
            "--select, --exclude or --selector leaves it out, though something that it tests is built".to_owned()
        }
        NotCheckedReason::NotSelected => "it changed, and --select, --exclude or --selector leaves it out".to_owned(),
        NotCheckedReason::UnitTestUnsupported => "unit tests are not run yet".to_owned(),
        NotCheckedReason::FunctionUnsupported => "functions are not created yet; production's is called".to_owned(),
        NotCheckedReason::Settings { keys } => format!("it was built without {}", keys.join(", ")),
        NotCheckedReason::OwnMacros { macros } => {
            let called = noun(len(macros), "macro");
            match planned.unique_id.kind() {
                ResourceType::Test => format!("the project's own {called} {} decides whether it fails", names(macros)),
                _ => format!("it was built as dbt builds it, without the project's own {called} {}", names(macros)),
            }
        }
        NotCheckedReason::CompiledIncremental => {
            "its SQL was compiled for an incremental run, by the project's own is_incremental".to_owned()
        }
        NotCheckedReason::ExternalFile => "it was built as a table; its external file was not written".to_owned(),
        NotCheckedReason::NextRun => {
            "it was built as on its first run; what its next run does to production's table was not tested".to_owned()
        }
        NotCheckedReason::Database { name } => {
            format!(
                "it is built in database {name}, which production does not use; whether that database exists was not checked"
            )
        }
        NotCheckedReason::AskedProduction { relations } => format!(
            "not checked as built: its SQL queried {} in production at compile time, which this pull request changes",
            names(relations)
        ),
        NotCheckedReason::OtherCommand => {
            "not checked as built: its SQL depends on which dbt command runs, and the manifest may not be that of \
             `dbt build`; check with --compile"
                .to_owned()
        }
        NotCheckedReason::AskedNothing { relations } => format!(
            "not checked as built: its SQL queried {} at compile time, before it existed; compile with `dbt compile --defer --favor-state --state …`",
            names(relations)
        ),
    };
    let subject = format!("{} {}", planned.resource_type.replace('_', " "), planned.name);
    NotChecked { subject, unique_id: Some(planned.unique_id.clone()), reason }
}

/// Which of the report's rules a remark of the plan comes from.
fn rule(rule: NoticeRule) -> RuleId {
    match rule {
        NoticeRule::ContractBreakingChange => rules::CONTRACT_BREAKING_CHANGE,
        NoticeRule::SeedNotCompared => rules::SEED_NOT_COMPARED,
        NoticeRule::BuiltDifferently => rules::BUILT_DIFFERENTLY,
        NoticeRule::ReadsProduction => rules::READS_PRODUCTION,
        NoticeRule::StateOld => rules::STATE_OLD,
        NoticeRule::ManifestPartial => rules::MANIFEST_PARTIAL,
    }
}

/// The reasons of a change of a resource of that type.
pub(super) fn whys(reasons: &[Reason], resource_type: ResourceType) -> Vec<Why> {
    let text = |reason: &Reason| reason.about(resource_type).replace('`', "");
    reasons.iter().map(|reason| Why::Changed { kind: reason.kind().into(), text: text(reason) }).collect()
}

fn names(ids: &[UniqueId]) -> String {
    ids.iter().map(UniqueId::name).collect::<Vec<_>>().join(", ")
}

fn first(ids: &[UniqueId]) -> &str {
    ids.first().map_or("", UniqueId::name)
}

fn owner_name(owner: Option<&serde_json::Value>) -> Option<String> {
    let owner = owner?;
    let text = |key: &str| owner.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    text("name").or_else(|| text("email"))
}
