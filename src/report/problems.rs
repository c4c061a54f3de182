//! Every problem of a report as findings, so that annotations and lists need one shape only.

use std::collections::HashSet;

use super::concluded::Report;
use super::facts::NotChecked;
use super::finding::{Finding, RuleId, Severity, rules};
use super::outcome::{NodeOutcome, NodeStatus, TestOutcome, TestStatus};
use super::words;
use crate::artifacts::UniqueId;

/// The rules whose findings say the same as a node's or test's outcome.
const OUTCOME_RULES: [RuleId; 4] = [rules::BUILD_FAILED, rules::TEST_FAILED, rules::TEST_ERROR, rules::TEST_WARNED];

impl Report {
    /// Everything wrong or worth saying, worst first: failed builds, failing tests, and the findings.
    ///
    /// A finding that repeats a node's or test's outcome is left out in favour of the outcome.
    #[must_use]
    pub fn problems(&self) -> Vec<Finding> {
        let nodes = self.nodes.iter().filter_map(of_node);
        let tests = self.tests.iter().filter_map(of_test);
        let others = self.own_findings().into_iter().cloned();
        let mut all: Vec<_> = nodes.chain(tests).chain(others).collect();
        // Stable: within one severity the order above stays, but what decides whether tests fail goes before what they say.
        all.sort_by_key(|finding| (finding.severity(), *finding.rule() != rules::TEST_MACROS_CHANGED));
        all
    }

    /// The findings that do not repeat a node's or test's outcome.
    #[must_use]
    pub fn own_findings(&self) -> Vec<&Finding> {
        let outcomes = self.outcome_ids();
        let repeats = |finding: &Finding| {
            OUTCOME_RULES.contains(finding.rule())
                && finding.unique_id().is_some_and(|id| outcomes.contains(id.as_str()))
        };
        self.findings.iter().filter(|finding| !repeats(finding)).collect()
    }

    /// What was not checked, apart from nodes and tests that say so themselves. What was built or run may have a part
    /// that was not checked, such as its next run.
    #[must_use]
    pub fn other_not_checked(&self) -> Vec<&NotChecked> {
        let nodes = self.nodes.iter().filter(|node| node.status != NodeStatus::Built).map(|node| &node.unique_id);
        let tests = self.tests.iter().filter(|test| !test.status.ran()).map(|test| &test.unique_id);
        let outcomes: HashSet<&str> = nodes.chain(tests).map(UniqueId::as_str).collect();
        let listed = |item: &NotChecked| item.unique_id.as_deref().is_some_and(|id| outcomes.contains(id));
        self.not_checked.iter().filter(|item| !listed(item)).collect()
    }

    fn outcome_ids(&self) -> HashSet<&str> {
        let nodes = self.nodes.iter().map(|node| node.unique_id.as_str());
        nodes.chain(self.tests.iter().map(|test| test.unique_id.as_str())).collect()
    }
}

fn of_node(node: &NodeOutcome) -> Option<Finding> {
    if !node.status.shuts_gate() {
        return None;
    }
    let message = node.message.as_deref().unwrap_or("it could not be built");
    let finding = Finding::about(Severity::Error, rules::BUILD_FAILED, &node.unique_id, message);
    Some(with_detail(finding.with_location(node.location.clone()), node.detail.as_deref()))
}

fn of_test(test: &TestOutcome) -> Option<Finding> {
    let (severity, rule) = match test.status {
        TestStatus::Fail => (Severity::Error, rules::TEST_FAILED),
        TestStatus::Error => (Severity::Error, rules::TEST_ERROR),
        TestStatus::Warn => (Severity::Warning, rules::TEST_WARNED),
        TestStatus::Pass | TestStatus::Skipped | TestStatus::NotRun => return None,
    };
    let message = test.message.clone().unwrap_or_else(|| match test.failures {
        Some(failures) => words::count(failures, "failure"),
        None => "could not run".to_owned(),
    });
    let finding = Finding::about(severity, rule, &test.unique_id, message);
    Some(with_detail(finding.with_location(test.location.clone()), test.detail.as_deref()))
}

fn with_detail(finding: Finding, detail: Option<&str>) -> Finding {
    match detail {
        Some(detail) => finding.with_detail(detail),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::super::draft::Draft;
    use super::*;

    #[test]
    fn what_was_not_checked_of_a_built_node_is_listed() {
        let not_checked = |id: &str| NotChecked {
            subject: format!("model {id}"),
            unique_id: Some(id.into()),
            reason: "its next run was not tested".to_owned(),
        };
        let report = Report::conclude(Draft {
            nodes: vec![
                NodeOutcome::new("model.a.built", "built", NodeStatus::Built),
                NodeOutcome::new("model.a.not", "not", NodeStatus::NotChecked),
            ],
            not_checked: ["model.a.built", "model.a.not", "model.a.other"].map(not_checked).to_vec(),
            ..Draft::default()
        });
        let listed: Vec<_> = report.other_not_checked().iter().map(|item| item.subject.as_str()).collect();
        assert_eq!(listed, ["model model.a.built", "model model.a.other"]);
    }

    #[test]
    fn a_failed_test_is_one_problem_even_when_a_finding_repeats_it() {
        let report = Report::conclude(Draft {
            tests: vec![TestOutcome { failures: Some(3), ..TestOutcome::new("test.a.c", "c", TestStatus::Fail) }],
            nodes: vec![NodeOutcome::new("model.a.b", "b", NodeStatus::Failed)],
            findings: vec![
                Finding::about(Severity::Notice, rules::STATE_OLD, "model.a.b", "old"),
                Finding::about(Severity::Error, rules::TEST_FAILED, "test.a.c", "again"),
            ],
            ..Draft::default()
        });
        let rules: Vec<_> = report.problems().iter().map(|problem| problem.rule().to_string()).collect();
        assert_eq!(rules, ["build-failed", "test-failed", "state-old"]);
    }
}
