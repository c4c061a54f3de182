//! The report while it is being gathered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, Scoreboard};
use super::facts::{Facts, Interruption, LeftOut, NotChecked, TemporarySchema, Timings};
use super::finding::Finding;
use super::impact::{CosmeticChange, Impact, OtherChange, RemovedNode};
use super::json::v1;
use super::lint::LintFacts;
use super::not_yours::NotYours;
use super::outcome::{NodeOutcome, TestOutcome};
use crate::artifacts::StateFacts;
use crate::plan::Reasons;

/// Everything a run found, before the verdict.
///
/// A fresh draft holds nothing checked, so concluding it gives `incomplete`, not `passed`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Draft {
    /// Which pull request, commit and run.
    #[serde(default)]
    pub facts: Facts,
    /// The production manifest it was compared with.
    #[serde(default, with = "v1::state_facts", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<v1::StateFacts>")]
    pub state: Option<StateFacts>,
    /// The manifest of the merge base, if there was one.
    #[serde(default, with = "v1::state_facts", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<v1::StateFacts>")]
    pub base: Option<StateFacts>,
    /// Where it was built; absent when nothing was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporary_schema: Option<TemporarySchema>,
    /// Where the time went.
    #[serde(default)]
    pub timings: Timings,
    /// Which checks ran, and how far.
    #[serde(default)]
    pub checks: Scoreboard,
    /// Why the run ended before its end, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interruption: Option<Interruption>,
    /// All findings. Failed nodes and tests count without a finding of their own.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// What lint counted, if it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lint: Option<LintFacts>,
    /// Models, seeds and snapshots that were to be built, in the order of the plan.
    #[serde(default)]
    pub nodes: Vec<NodeOutcome>,
    /// Tests that were to be run, in the order of the plan.
    #[serde(default)]
    pub tests: Vec<TestOutcome>,
    /// How many proxy views were made.
    #[serde(default)]
    pub proxies: u64,
    /// What changed but has nothing to build.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_changes: Vec<OtherChange>,
    /// Who is downstream.
    #[serde(default)]
    pub impact: Impact,
    /// Nodes that state has and the pull request does not.
    #[serde(default)]
    pub removed: Vec<RemovedNode>,
    /// What concerns many nodes at once: changed macros, variables.
    #[serde(default, with = "v1::reasons")]
    #[schemars(with = "v1::Reasons")]
    pub reasons: Reasons,
    /// What changed and was not built for it, because its SQL is the same.
    #[serde(default)]
    pub cosmetic: Vec<CosmeticChange>,
    /// What differs from production and not from the merge base: others changed it, and it does not gate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_yours: Vec<NotYours>,
    /// What should have been checked but was not.
    #[serde(default)]
    pub not_checked: Vec<NotChecked>,
    /// What dbt would have run and premerge intentionally skips.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// Notes on how it was checked, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Draft {
    /// Fills the checks `Build` and `Tests` of the scoreboard from the nodes and tests.
    ///
    /// To be called when building is over, also when it was cut short: nodes and tests that were not reached
    /// stand in the draft as `not_checked` and `not_run`.
    pub fn tally(&mut self) {
        self.checks.build = Check::of_nodes(&self.nodes);
        self.checks.tests = Check::of_tests(&self.tests);
    }
}
