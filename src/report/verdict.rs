//! The verdict: computed from what was found, in one function.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::CheckState;
use super::draft::Draft;
use super::facts::Interruption;
use super::finding::Severity;
use super::outcome::{NodeOutcome, NodeStatus};

/// May this pull request be merged?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every required check ran to its end and found nothing.
    Passed,
    /// Every required check ran to its end; a person should look at something.
    Warned,
    /// Something is wrong: the gate is shut.
    Failed,
    /// Something required was not checked. Never green.
    Incomplete,
    /// The run is not over.
    Running,
}

impl Verdict {
    /// The verdict in the words that a reader of the comment sees.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Passed => "Safe to merge",
            Self::Warned => "Review needed",
            Self::Failed => "Not ready to merge",
            Self::Incomplete => "Not checked",
            Self::Running => "Running",
        }
    }

    /// The icon beside the words; never alone.
    #[must_use]
    pub fn icon(self) -> &'static str {
        match self {
            Self::Passed => "✅",
            Self::Warned => "⚠️",
            Self::Failed => "❌",
            Self::Incomplete => "◻️",
            Self::Running => "⏳",
        }
    }

    /// The word in `report.json` and in outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
            Self::Running => "running",
        }
    }

    /// The process's exit code: 0 passed or warned, 1 failed, 3 incomplete or not over.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed | Self::Warned => 0,
            Self::Failed => 1,
            Self::Incomplete | Self::Running => 3,
        }
    }
}

/// Computes the verdict.
///
/// What is proven wrong shuts the gate even when something else was not checked, so `failed` goes before
/// `incomplete`; except in a superseded run, whose findings are about a commit that no longer counts.
/// Nodes, tests and findings are looked at beside the scoreboard, so that a scoreboard filled in wrongly
/// cannot hide them.
pub(super) fn conclude(draft: &Draft) -> Verdict {
    if draft.interruption == Some(Interruption::Superseded) {
        Verdict::Incomplete
    } else if anything_failed(draft) {
        Verdict::Failed
    } else if !everything_checked(draft) {
        Verdict::Incomplete
    } else if anything_warned(draft) {
        Verdict::Warned
    } else {
        Verdict::Passed
    }
}

fn anything_failed(draft: &Draft) -> bool {
    draft.findings.iter().any(|finding| finding.severity().shuts_gate())
        || draft.checks.all().iter().any(|(_, check)| check.shuts_gate())
        || draft.nodes.iter().any(|node| node.status.shuts_gate())
        || draft.tests.iter().any(|test| test.status.shuts_gate())
}

fn everything_checked(draft: &Draft) -> bool {
    draft.interruption.is_none()
        && draft.checks.all().iter().all(|(_, check)| !check.required || check.is_complete())
        // Where it exists, a check that stopped half-way counts, required or not.
        && draft.checks.all().iter().all(|(_, check)| check.done >= check.total)
        && draft.nodes.iter().all(|node| node.status == NodeStatus::Built)
        && draft.tests.iter().all(|test| test.status.ran())
}

/// What premerge is known not to do (a Python model, say) asks a person to look; it never passes as green.
fn anything_warned(draft: &Draft) -> bool {
    !draft.not_checked.is_empty()
        || draft.nodes.iter().any(NodeOutcome::is_unproved)
        || draft.findings.iter().any(|finding| finding.severity() == Severity::Warning)
        || draft.checks.all().iter().any(|(_, check)| check.state == CheckState::Warned || check.warned > 0)
        || draft.tests.iter().any(|test| test.status.warns())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;

    use super::super::check::{Check, Scoreboard};
    use super::super::concluded::Report;
    use super::super::facts::NotChecked;
    use super::super::finding::{Finding, rules};
    use super::super::outcome::{NodeOutcome, TestOutcome};
    use super::*;
    use crate::report::outcome::TestStatus;

    fn passed() -> Draft {
        let mut draft = Draft {
            nodes: vec![NodeOutcome::new("model.a.b", "b", NodeStatus::Built)],
            tests: vec![TestOutcome::new("test.a.c", "c", TestStatus::Pass)],
            ..Draft::default()
        };
        draft.tally();
        draft
    }

    fn verdict(change: impl FnOnce(&mut Draft)) -> Verdict {
        let mut draft = passed();
        change(&mut draft);
        Report::conclude(draft).verdict()
    }

    #[test]
    fn a_report_that_nobody_filled_in_is_not_green() {
        assert_eq!(Report::conclude(Draft::default()).verdict(), Verdict::Incomplete);
    }

    #[test]
    fn everything_built_and_tested_passes() {
        assert_eq!(verdict(|_| ()), Verdict::Passed);
        assert_eq!(verdict(|draft| draft.checks.lint = Check::absent()), Verdict::Passed);
    }

    #[test]
    fn a_pull_request_that_touches_no_node_passes() {
        let mut draft = Draft::default();
        draft.tally();
        assert_eq!(Report::conclude(draft).verdict(), Verdict::Passed);
    }

    #[test]
    fn what_is_proven_wrong_weighs_more_than_what_was_not_checked() {
        let both = |draft: &mut Draft| {
            draft.tests = vec![TestOutcome::new("test.a.c", "c", TestStatus::Fail)];
            draft.interruption = Some(Interruption::Broken { reason: "the connection was lost".into() });
        };
        assert_eq!(verdict(both), Verdict::Failed);
        let superseded = |draft: &mut Draft| {
            both(draft);
            draft.interruption = Some(Interruption::Superseded);
        };
        assert_eq!(verdict(superseded), Verdict::Incomplete);
    }

    #[test]
    fn a_scoreboard_cannot_hide_a_failed_node() {
        assert_eq!(verdict(|draft| draft.nodes[0].status = NodeStatus::Failed), Verdict::Failed);
        assert_eq!(verdict(|draft| draft.nodes[0].status = NodeStatus::Skipped), Verdict::Incomplete);
        assert_eq!(verdict(|draft| draft.tests[0].status = TestStatus::NotRun), Verdict::Incomplete);
    }

    #[test]
    fn a_warning_asks_for_a_look() {
        let finding = Finding::about(Severity::Warning, rules::STATE_OLD, "model.a.b", "40 days old");
        assert_eq!(verdict(|draft| draft.findings.push(finding)), Verdict::Warned);
        let notice = Finding::about(Severity::Notice, rules::STATE_OLD, "model.a.b", "2 days old");
        assert_eq!(verdict(|draft| draft.findings.push(notice)), Verdict::Passed);
        assert_eq!(verdict(|draft| draft.tests[0].status = TestStatus::Warn), Verdict::Warned);
    }

    fn any_check() -> impl Strategy<Value = Check> {
        let state = prop::sample::select(vec![
            CheckState::Passed,
            CheckState::Warned,
            CheckState::Failed,
            CheckState::NotChecked,
            CheckState::Absent,
        ]);
        let other = (state, any::<bool>(), 0..4_u64, 0..4_u64, 0..2_u64, 0..2_u64).prop_map(
            |(state, required, done, total, failed, warned)| Check {
                state,
                required,
                done,
                total,
                failed,
                warned,
                summary: None,
                reason: None,
            },
        );
        // Mostly fine, so that many drafts are one fault away from `passed`.
        let fine = any::<bool>().prop_map(|required| Check { required, ..Check::ran(2, 2, 0, 0) });
        prop_oneof![12 => fine, 1 => other]
    }

    fn any_draft() -> impl Strategy<Value = Draft> {
        let checks = prop::collection::vec(any_check(), 6).prop_map(|checks| {
            let mut checks = checks.into_iter();
            let mut next = || checks.next().expect("six were drawn");
            Scoreboard { build: next(), tests: next(), lint: next(), schema: next(), data: next(), impact: next() }
        });
        let node = prop_oneof![
            12 => Just(NodeStatus::Built),
            1 => prop::sample::select(vec![NodeStatus::Failed, NodeStatus::Skipped, NodeStatus::NotChecked]),
        ];
        let not_passed =
            [TestStatus::Warn, TestStatus::Fail, TestStatus::Error, TestStatus::Skipped, TestStatus::NotRun];
        let test = prop_oneof![12 => Just(TestStatus::Pass), 1 => prop::sample::select(not_passed.to_vec())];
        let severity = prop::sample::select(vec![Severity::Error, Severity::Warning, Severity::Notice]);
        let interruption = prop::option::weighted(0.1, Just(Interruption::Cancelled { reason: "time".into() }));
        (
            checks,
            prop::collection::vec(node, 0..3),
            prop::collection::vec(test, 0..3),
            prop::collection::vec(severity, 0..=1),
            prop::bool::weighted(0.1),
            interruption,
        )
            .prop_map(|(checks, nodes, tests, findings, not_checked, interruption)| Draft {
                checks,
                nodes: nodes.into_iter().map(|status| NodeOutcome::new("model.a.b", "b", status)).collect(),
                tests: tests.into_iter().map(|status| TestOutcome::new("test.a.c", "c", status)).collect(),
                findings: findings
                    .into_iter()
                    .map(|severity| Finding::about(severity, rules::STATE_OLD, "model.a.b", "x"))
                    .collect(),
                not_checked: not_checked
                    .then(|| NotChecked { subject: "b".into(), unique_id: None, reason: "x".into() })
                    .into_iter()
                    .collect(),
                interruption,
                ..Draft::default()
            })
    }

    /// The property below says nothing unless the drafts reach every verdict often.
    #[test]
    fn the_drawn_drafts_reach_every_verdict() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let mut counts = std::collections::HashMap::new();
        for _ in 0..1000 {
            let draft = any_draft().new_tree(&mut runner).unwrap().current();
            *counts.entry(Report::conclude(draft).verdict()).or_insert(0) += 1;
        }
        for verdict in [Verdict::Passed, Verdict::Warned, Verdict::Failed, Verdict::Incomplete] {
            assert!(counts.get(&verdict).is_some_and(|count| *count >= 50), "{counts:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// Promise 2, stated without looking at how the verdict is computed.
        #[test]
        fn passed_means_that_every_required_check_ran_to_its_end(draft in any_draft()) {
            let report = Report::conclude(draft);
            if matches!(report.verdict(), Verdict::Passed | Verdict::Warned) {
                for (name, check) in report.checks.all() {
                    if check.required {
                        prop_assert!(check.state != CheckState::NotChecked && check.state != CheckState::Absent, "{}", name);
                    }
                    prop_assert!(check.done >= check.total, "{}", name);
                    prop_assert!(check.state != CheckState::Failed && check.failed == 0, "{}", name);
                }
                prop_assert!(report.interruption.is_none());
                prop_assert!(report.nodes.iter().all(|node| node.status == NodeStatus::Built));
                prop_assert!(report.tests.iter().all(|test| matches!(test.status, TestStatus::Pass | TestStatus::Warn)));
            }
            if report.verdict() == Verdict::Passed {
                prop_assert!(report.not_checked.is_empty());
                prop_assert!(report.findings.iter().all(|finding| finding.severity() == Severity::Notice));
                prop_assert!(report.tests.iter().all(|test| test.status == TestStatus::Pass));
            }
        }
    }
}
