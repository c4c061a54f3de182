//! The scoreboard: which checks ran, and how far.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::impact::Impact;
use super::outcome::{NodeOutcome, NodeStatus, TestOutcome};
use crate::text::words;

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It ran, and found nothing.
    Passed,
    /// It ran, and someone should review it.
    Warned,
    /// It ran, and shuts the gate.
    Failed,
    /// It should have run and did not, or not to its end.
    NotChecked,
    /// This version or this configuration has no such check.
    Absent,
}

/// One check of the scoreboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// How it ended.
    pub state: CheckState,
    /// Whether the verdict `passed` needs it. A check that is not required can still fail the gate.
    #[serde(default)]
    pub required: bool,
    /// How many items it checked.
    #[serde(default)]
    pub done: u64,
    /// How many items it should have checked.
    #[serde(default)]
    pub total: u64,
    /// How many of them fail.
    #[serde(default)]
    pub failed: u64,
    /// How many of them warn.
    #[serde(default)]
    pub warned: u64,
    /// The cell's words where counts do not say it ("1 breaking, 2 added").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Why it did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Check {
    /// A check that ran on `done` of `total` things.
    #[must_use]
    pub fn ran(done: u64, total: u64, failed: u64, warned: u64) -> Self {
        let state = match (failed, warned) {
            (1.., _) => CheckState::Failed,
            (0, 1..) => CheckState::Warned,
            (0, 0) if done < total => CheckState::NotChecked,
            (0, 0) => CheckState::Passed,
        };
        let reason = (done < total).then(|| format!("{done} of {total} completed"));
        Self { state, required: true, done, total, failed, warned, summary: None, reason }
    }

    /// A check that should have been made and was not.
    #[must_use]
    pub fn not_checked(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::blank(CheckState::NotChecked, true) }
    }

    /// A check that nobody asked for, or that this version does not have.
    #[must_use]
    pub fn absent() -> Self {
        Self::blank(CheckState::Absent, false)
    }

    /// The check `Build`, counted from the nodes that were to be built.
    #[must_use]
    pub fn of_nodes(nodes: &[NodeOutcome]) -> Self {
        let built = count(nodes.iter().filter(|node| node.status == NodeStatus::Built));
        let failed = count(nodes.iter().filter(|node| node.status.shuts_gate()));
        let total = count_all(nodes);
        let unproved = nodes.iter().filter(|node| node.is_unproved()).fold(0, |sum, _| sum + 1);
        let check = Self::ran(built + failed, total, failed, unproved);
        match (failed, unproved) {
            (0, 1..) => {
                let built = words::thousands(built - unproved);
                let (total, unproved) = (words::thousands(total), words::thousands(unproved));
                check.with_summary(format!("{built} of {total}, {unproved} not checked"))
            }
            _ => check,
        }
    }

    /// The check `Tests`, counted from the tests that were to be run.
    #[must_use]
    pub fn of_tests(tests: &[TestOutcome]) -> Self {
        let done = count(tests.iter().filter(|test| test.status.ran()));
        let failed = count(tests.iter().filter(|test| test.status.shuts_gate()));
        let warned = count(tests.iter().filter(|test| test.status.warns()));
        Self::ran(done, count_all(tests), failed, warned)
    }

    /// The check `Impact`, which only counts: it neither warns nor fails.
    #[must_use]
    pub fn of_impact(impact: &Impact) -> Self {
        let (models, exposures) = (count_all(&impact.models), count_all(&impact.exposures));
        Self::ran(0, 0, 0, 0).with_summary(format!(
            "{} · {}",
            words::count(models, "model"),
            words::count(exposures, "exposure")
        ))
    }

    /// Says it in words instead of counts.
    #[must_use]
    pub fn with_summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }

    /// Makes the verdict `passed` independent of this check having run.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Whether the pull request may not be merged for it.
    #[must_use]
    pub fn shuts_gate(&self) -> bool {
        let state = match self.state {
            CheckState::Failed => true,
            CheckState::Passed | CheckState::Warned | CheckState::NotChecked | CheckState::Absent => false,
        };
        state || self.failed > 0
    }

    /// Whether it ran to its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let ran = match self.state {
            CheckState::Passed | CheckState::Warned | CheckState::Failed => true,
            CheckState::NotChecked | CheckState::Absent => false,
        };
        ran && self.done >= self.total
    }

    fn blank(state: CheckState, required: bool) -> Self {
        Self { state, required, done: 0, total: 0, failed: 0, warned: 0, summary: None, reason: None }
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.fold(0, |sum, _| sum + 1)
}

fn count_all<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// What the report's table says something about, one row each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckName {
    /// Models, seeds and snapshots built.
    Build,
    /// Data and unit tests.
    Tests,
    /// Style and project rules.
    Lint,
    /// Columns and contracts against production.
    Schema,
    /// Rows against production.
    Data,
    /// What is downstream.
    Impact,
}

impl std::fmt::Display for CheckName {
    /// The head of its column; keeps to a width that is asked for.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Build => "Build",
            Self::Tests => "Tests",
            Self::Lint => "Lint",
            Self::Schema => "Schema",
            Self::Data => "Data",
            Self::Impact => "Impact",
        })
    }
}

/// The six checks, always in this order.
///
/// A scoreboard starts with nothing checked: build and tests are required, so a run that forgets to fill
/// them in ends as `incomplete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scoreboard {
    /// Models, seeds and snapshots built.
    pub build: Check,
    /// Data and unit tests.
    pub tests: Check,
    /// Style and project rules.
    pub lint: Check,
    /// Columns and contracts against production.
    pub schema: Check,
    /// Rows against production.
    pub data: Check,
    /// What is downstream.
    pub impact: Check,
}

impl Scoreboard {
    /// Every check with its name, in order.
    #[must_use]
    pub fn all(&self) -> [(CheckName, &Check); 6] {
        [
            (CheckName::Build, &self.build),
            (CheckName::Tests, &self.tests),
            (CheckName::Lint, &self.lint),
            (CheckName::Schema, &self.schema),
            (CheckName::Data, &self.data),
            (CheckName::Impact, &self.impact),
        ]
    }
}

impl Default for Scoreboard {
    fn default() -> Self {
        Self {
            build: Check::not_checked("nothing was built"),
            tests: Check::not_checked("no test was run"),
            lint: Check::absent(),
            schema: Check::absent(),
            data: Check::absent(),
            impact: Check::absent(),
        }
    }
}
