//! What became of the plan: nodes, tests, row counts, interruptions.

use std::collections::HashMap;

use super::whose::excuse;
use crate::artifacts::UniqueId;
use crate::build::{
    self, Disturbance, ExistingTableKind, Failure, KeptRows, Misfit, NodeResult, Outcome, RepeatedKeys, Stop,
    TestResult,
};
use crate::config::RowLimit;
use crate::report::outcome::NOT_REACHED;
use crate::report::{
    Draft, Finding, Interruption, NodeOutcome, NodeStatus, NotChecked, Severity, TestOutcome, TestStatus, rules,
};
use crate::text::words::{self, count_of};
use crate::warehouse::FaultClass;

impl Draft {
    /// Fills in what became of the plan.
    pub fn add_outcome(&mut self, outcome: &Outcome, limit: RowLimit) {
        let results: HashMap<&UniqueId, &NodeResult> =
            outcome.nodes.iter().map(|result| (&result.unique_id, result)).collect();
        for node in &mut self.nodes {
            if let Some(result) = results.get(&node.unique_id) {
                built(node, result);
            }
        }
        excuse(self);
        let results: HashMap<&UniqueId, &TestResult> =
            outcome.tests.iter().map(|result| (&result.unique_id, result)).collect();
        for test in &mut self.tests {
            if let Some(result) = results.get(&test.unique_id) {
                tested(test, result);
            }
        }
        let counts: HashMap<&UniqueId, _> = outcome.row_counts.iter().map(|count| (&count.unique_id, count)).collect();
        for node in &mut self.nodes {
            if let Some(count) = counts.get(&node.unique_id) {
                node.rows = count.pull_request.or(node.rows);
                node.production_rows = count.production;
            }
        }
        let misfits: Vec<_> = outcome.misfits.iter().map(|misfit| not_fitting(misfit, &self.nodes)).collect();
        self.not_checked.extend(misfits);
        let kept: Vec<_> = outcome.kept_rows.iter().map(|kept| on_other_rows(kept, &self.nodes)).collect();
        self.not_checked.extend(kept);
        let uncounted = outcome.row_counts.iter().filter(|count| count.uncounted);
        self.findings.extend(uncounted.map(|count| {
            let side = if count.pull_request.is_none() { "the built relation" } else { "production's relation" };
            let message = format!("the rows of {side} could not be counted");
            Finding::about(Severity::Notice, rules::ROWS_NOT_COUNTED, &count.unique_id, message)
        }));
        self.findings.extend(outcome.repeated_keys.iter().filter_map(repeated_keys));
        let rows = self.nodes.iter().filter_map(|node| row_count(node, limit));
        self.findings.extend(rows.collect::<Vec<_>>());
        let tests = outcome.tests.iter().filter(|test| test.status.lets_dependents_run());
        let nodes = outcome.nodes.iter().filter(|node| node.status.lets_dependents_run());
        let well = tests.map(|test| (&test.unique_id, test.attempts));
        let well = well.chain(nodes.map(|node| (&node.unique_id, node.attempts)));
        self.findings.extend(well.filter(|(_, attempts)| *attempts > 1).map(|(unique_id, attempts)| {
            let message = format!("succeeded on attempt {attempts} after a transient warehouse error");
            Finding::about(Severity::Notice, rules::STATEMENT_REPEATED, unique_id, message)
        }));
        self.findings.extend(changed(outcome));
        self.findings.extend(self.left_behind(outcome));
        self.proxies = u64::try_from(outcome.proxies).unwrap_or(u64::MAX);
        self.timings.statements = Some(self.timings.statements.unwrap_or(0) + outcome.statements);
        self.timings.warehouse_ms = Some(milliseconds(outcome.waited));
        self.interruption = match outcome.stopped {
            Some(Stop::Signal) => Some(Interruption::Cancelled { reason: "stopped by a signal".to_owned() }),
            Some(Stop::FailFast) => {
                Some(Interruption::Cancelled { reason: "stopped by --fail-fast at the first failure".to_owned() })
            }
            None => rebuilt(outcome).or_else(|| infrastructure(outcome)),
        };
        self.tally();
    }

    /// Relations of the last run that are still there.
    fn left_behind(&self, outcome: &Outcome) -> Option<Finding> {
        let schema = self.temporary_schema.as_ref()?;
        let failure = outcome.left_behind.as_ref().filter(|failure| failure.class != Some(FaultClass::Superseded))?;
        let message = format!(
            "could not drop leftover relations of the previous run ({}); the next run or `premerge cleanup` will retry",
            failure.message
        );
        Some(Finding::about(Severity::Warning, rules::LEFT_BEHIND, &schema.name, message))
    }
}

/// A snapshot's keys that several rows have.
fn repeated_keys(repeated: &RepeatedKeys) -> Option<Finding> {
    let (severity, message) = match repeated.keys {
        Some(0) => return None,
        Some(count) => {
            let (keys, verb) = (words::count(count, "key"), if count == 1 { "occurs" } else { "occur" });
            let message =
                format!("{keys} of its `unique_key` {verb} more than once; dbt's next run repeats rows or fails");
            (Severity::Warning, message)
        }
        // Its own failure is named where it is built.
        None => (Severity::Notice, "whether its `unique_key` is unique could not be told".to_owned()),
    };
    Some(Finding::about(severity, rules::SNAPSHOT_KEYS, &repeated.unique_id, message))
}

/// A table of production that dbt goes on writing into, and that does not fit.
fn not_fitting(misfit: &Misfit, nodes: &[NodeOutcome]) -> NotChecked {
    let writes = match misfit.kind {
        ExistingTableKind::Seed => "dbt loads it into production's table unless it runs with --full-refresh, and",
        ExistingTableKind::Incremental => "it was built in full; its next run writes into production's table, and",
        ExistingTableKind::Snapshot => "its next run writes into production's table, and",
    };
    let subject = subject(&misfit.unique_id, nodes);
    let reason = format!("{writes} {}", misfit.columns.join(", "));
    NotChecked { subject, unique_id: Some(misfit.unique_id.clone()), reason }
}

/// What ran on other rows than production's table will have.
fn on_other_rows(kept: &KeptRows, nodes: &[NodeOutcome]) -> NotChecked {
    let readers = words::some_of(kept.readers.iter().map(UniqueId::short_name), 3);
    let were = if kept.readers.len() == 1 { "was" } else { "were" };
    let read = if kept.readers.len() == 1 { "reads" } else { "read" };
    let reason = match (kept.kind, kept.compared) {
        (ExistingTableKind::Snapshot, true) => format!("its next run adds rows that {readers} {were} not tried on"),
        (ExistingTableKind::Snapshot, false) => {
            format!("whether its next run adds rows could not be told, and {readers} {read} it")
        }
        (ExistingTableKind::Incremental | ExistingTableKind::Seed, true) => format!(
            "it was built in full; until a full refresh production's rows are others, and {readers} {were} not tried on them"
        ),
        (ExistingTableKind::Incremental | ExistingTableKind::Seed, false) => {
            format!(
                "it was built in full; whether production's rows are others could not be told, and {readers} {read} it"
            )
        }
    };
    NotChecked { subject: subject(&kept.unique_id, nodes), unique_id: Some(kept.unique_id.clone()), reason }
}

/// `model orders`.
fn subject(unique_id: &UniqueId, nodes: &[NodeOutcome]) -> String {
    let name = nodes.iter().find(|node| node.unique_id == *unique_id).map(|node| node.name.as_str());
    format!("{} {}", unique_id.kind().as_str(), name.unwrap_or_else(|| unique_id.name()))
}

/// Relations of production that were replaced while the run read them: what was built may be of old and new.
fn rebuilt(outcome: &Outcome) -> Option<Interruption> {
    let names = some_of(&outcome.rebuilt)?;
    Some(Interruption::Broken { reason: format!("production was being rebuilt ({names}): run the check again") })
}

/// Relations of production that were changed while the run read them.
fn changed(outcome: &Outcome) -> Vec<Finding> {
    let of = |written: bool| -> Vec<UniqueId> {
        let matching = outcome.changed.iter().filter(|found| (found.change == Disturbance::Loaded) == written);
        matching.map(|found| found.unique_id.clone()).collect()
    };
    let finding = |ids: &[UniqueId], what: &str, then: &str| {
        let (first, names) = (ids.first()?, some_of(ids)?);
        let message = format!("{what} while the check ran: {names}{then}");
        Some(Finding::about(Severity::Notice, rules::PRODUCTION_CHANGED, first, message))
    };
    let again = if outcome.rounds > 0 { "; what reads them was built and tested again" } else { "" };
    let rebuilt = finding(&of(false), "production's relations were rebuilt or dropped", again);
    let written = finding(&of(true), "rows were loaded into sources, or below views,", "");
    rebuilt.into_iter().chain(written).collect()
}

/// `` `a`, `b`, `c` and 3 others ``; `None` where there is none.
fn some_of(ids: &[UniqueId]) -> Option<String> {
    let shown: Vec<_> = ids.iter().take(3).map(|id| format!("`{}`", id.name())).collect();
    let others = match ids.len().saturating_sub(shown.len()) {
        0 => String::new(),
        number => format!(" and {}", count_of(number, "other relation")),
    };
    (!shown.is_empty()).then(|| format!("{}{others}", shown.join(", ")))
}

/// A fault of the warehouse or the network says nothing about the pull request: the run is incomplete.
fn infrastructure(outcome: &Outcome) -> Option<Interruption> {
    let (unique_id, failure) = outcome.failures().find(|(_, failure)| says_nothing(failure))?;
    Some(Interruption::Broken { reason: format!("{} at {unique_id}", failure.message) })
}

/// Whether a failure says nothing about the pull request.
fn says_nothing(failure: &Failure) -> bool {
    failure.class.is_some_and(FaultClass::is_infrastructure)
}

fn built(node: &mut NodeOutcome, result: &NodeResult) {
    node.duration_ms = Some(milliseconds(result.duration));
    node.status = match &result.status {
        build::NodeStatus::Error(failure) => {
            (node.message, node.detail) = said(failure);
            // Not the pull request's fault, so not a failure of the pull request.
            if says_nothing(failure) { NodeStatus::NotChecked } else { NodeStatus::Failed }
        }
        build::NodeStatus::Skipped { because } => {
            node.message = Some(skipped(because));
            NodeStatus::Skipped
        }
        build::NodeStatus::NotRun => {
            node.message = Some(NOT_REACHED.to_owned());
            NodeStatus::NotChecked
        }
        build::NodeStatus::Built { rows } => {
            node.rows = *rows;
            node.message = node.reads_unbuilt.first().map(|first| {
                let more = if node.reads_unbuilt.len() > 1 { " and others" } else { "" };
                let it = first.name();
                format!("it and its tests ran on production's `{it}`{more}, which this pull request affects but which was not built")
            });
            NodeStatus::Built
        }
    };
}

/// Far more or far fewer rows than in production; none where there were some.
fn row_count(node: &NodeOutcome, limit: RowLimit) -> Option<Finding> {
    let (before, after) = (node.production_rows?, node.rows?);
    if !limit.is_exceeded(before, after) {
        return None;
    }
    let rows = format!("{} → {} rows", words::thousands(before), words::thousands(after));
    let finding = Finding::about(Severity::Warning, rules::ROW_COUNT, &node.unique_id, rows);
    Some(finding.with_location(node.location.clone()))
}

fn tested(test: &mut TestOutcome, result: &TestResult) {
    test.duration_ms = Some(milliseconds(result.duration));
    (test.status, test.failures) = match &result.status {
        build::TestStatus::Pass => (TestStatus::Pass, Some(0)),
        build::TestStatus::Warn { failures } => (TestStatus::Warn, Some(*failures)),
        build::TestStatus::Fail { failures } => (TestStatus::Fail, Some(*failures)),
        build::TestStatus::Error(failure) => {
            (test.message, test.detail) = said(failure);
            (if says_nothing(failure) { TestStatus::NotRun } else { TestStatus::Error }, None)
        }
        build::TestStatus::Skipped { because } => {
            test.message = Some(skipped(because));
            (TestStatus::Skipped, None)
        }
        build::TestStatus::NotRun => (TestStatus::NotRun, None),
    };
}

fn skipped(because: &UniqueId) -> String {
    format!("skipped: `{}` failed", because.short_name())
}

fn said(failure: &Failure) -> (Option<String>, Option<String>) {
    let message = match &failure.remedy {
        Some(remedy) => format!("{}; {remedy}", failure.message),
        None => failure.message.clone(),
    };
    (Some(message), failure.detail.clone())
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
