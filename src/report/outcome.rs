//! What became of each node and each test.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::{Location, Severity};
use super::json::v1;
use crate::artifacts::UniqueId;

/// Why a node is in scope: one reason, with a phrase for people in names only: "macro `cents_to_dollars`" without the
/// backticks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(with = "v1::Why")]
#[serde(from = "v1::Why", into = "v1::Why")]
pub enum Why {
    /// The node itself differs from production.
    Changed {
        /// In which way: [`Reason::kind`](crate::changes::Reason::kind).
        kind: Cow<'static, str>,
        /// For people.
        text: String,
    },
    /// Something upstream changed.
    Downstream {
        /// For people.
        text: String,
    },
    /// Production has no relation for it, and something built reads it.
    Needed {
        /// For people.
        text: String,
    },
    /// Others changed it, and something built reads it.
    NotYours {
        /// For people.
        text: String,
    },
}

impl Why {
    /// The word for programs.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Changed { kind, .. } => kind,
            Self::Downstream { .. } => "downstream",
            Self::Needed { .. } => "needed",
            Self::NotYours { .. } => "not_yours",
        }
    }

    /// Whether its SQL, a seed's rows or a file's text differ: dbt's `state:modified.body`.
    #[must_use]
    pub fn is_body(&self) -> bool {
        match self {
            Self::Changed { kind, .. } => kind == "body",
            Self::Downstream { .. } | Self::Needed { .. } | Self::NotYours { .. } => false,
        }
    }

    /// The phrase for people.
    #[must_use]
    pub fn text(&self) -> &str {
        let (Self::Changed { text, .. } | Self::Downstream { text } | Self::Needed { text } | Self::NotYours { text }) =
            self;
        text
    }
}

impl From<Why> for v1::Why {
    fn from(why: Why) -> Self {
        Self { kind: why.kind().to_owned(), text: why.text().to_owned() }
    }
}

impl From<v1::Why> for Why {
    fn from(v1::Why { kind, text }: v1::Why) -> Self {
        match kind.as_str() {
            "downstream" => Self::Downstream { text },
            "needed" => Self::Needed { text },
            "not_yours" => Self::NotYours { text },
            _ => Self::Changed { kind: kind.into(), text },
        }
    }
}

/// What a node or test says that the run did not come to.
pub(super) const NOT_REACHED: &str = "not reached before the run ended";

/// What became of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// It was built in the temporary schema.
    Built,
    /// The warehouse refused it, or its contract does not hold.
    Failed,
    /// Something it needs failed.
    Skipped,
    /// premerge cannot or was not allowed to build it.
    NotChecked,
}

impl NodeStatus {
    /// Whether the pull request may not be merged for it.
    #[must_use]
    pub fn shuts_gate(self) -> bool {
        match self {
            Self::Failed => true,
            Self::Built | Self::Skipped | Self::NotChecked => false,
        }
    }

    /// Whether it was left because something it needs failed.
    #[must_use]
    pub fn is_skipped(self) -> bool {
        match self {
            Self::Skipped => true,
            Self::Built | Self::Failed | Self::NotChecked => false,
        }
    }

    /// Whether nothing is known of it, and nothing else in the report says why.
    #[must_use]
    pub fn is_unchecked(self) -> bool {
        match self {
            Self::NotChecked => true,
            Self::Built | Self::Failed | Self::Skipped => false,
        }
    }
}

/// A model, seed or snapshot that was to be built, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeOutcome {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// Name, with `.v2` and the like for a version.
    pub name: String,
    /// `model`, `seed` or `snapshot`.
    pub resource_type: String,
    /// Its file.
    #[serde(default, rename = "place", skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Why it is in scope. Never empty in a report that premerge wrote.
    #[serde(default)]
    pub why: Vec<Why>,
    /// Whether it changed itself; otherwise it is downstream of something that did.
    #[serde(default)]
    pub changed: bool,
    /// What became of it.
    pub status: NodeStatus,
    /// Rows of the built relation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Rows of the same relation in production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub production_rows: Option<u64>,
    /// What went wrong or why it was left, in names and counts; never in the warehouse's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The warehouse's own words, for the terminal and for no document.
    #[serde(skip)]
    #[schemars(skip)]
    pub detail: Option<String>,
    /// Nodes upstream that the pull request affects and that were not built: this one was built on what production has
    /// of them, which proves nothing of the change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads_unbuilt: Vec<UniqueId>,
    /// Whether macros asked the warehouse while dbt made its SQL (`--compile`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks_warehouse: bool,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Who owns it: its group's owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How many nodes are downstream of it.
    #[serde(default)]
    pub downstream: u64,
}

impl NodeOutcome {
    /// A node with the facts that every node has.
    #[must_use]
    pub fn new(unique_id: impl Into<UniqueId>, name: impl Into<String>, status: NodeStatus) -> Self {
        let unique_id = unique_id.into();
        let resource_type = unique_id.kind().as_str().to_owned();
        Self {
            unique_id,
            name: name.into(),
            resource_type,
            location: None,
            why: Vec::new(),
            changed: false,
            status,
            rows: None,
            production_rows: None,
            message: None,
            detail: None,
            reads_unbuilt: Vec::new(),
            asks_warehouse: false,
            duration_ms: None,
            owner: None,
            downstream: 0,
        }
    }
}

impl NodeOutcome {
    /// Whether it was built on data that lacks the change, so that nothing is proved by it.
    #[must_use]
    pub fn is_unproved(&self) -> bool {
        self.status == NodeStatus::Built && !self.reads_unbuilt.is_empty()
    }
}

/// Whether dbt runs a test on the built relation or on given rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestKind {
    /// Generic and singular data tests.
    #[default]
    Data,
    /// Unit tests.
    Unit,
}

/// How a test ended. The first four are dbt's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// Fewer failures than it allows.
    Pass,
    /// Failures, and its severity is `warn`.
    Warn,
    /// Failures, and its severity is `error`.
    Fail,
    /// The warehouse refused its SQL.
    Error,
    /// Something it needs failed.
    Skipped,
    /// premerge cannot or was not allowed to run it.
    NotRun,
}

impl TestStatus {
    /// Whether it was run at all.
    #[must_use]
    pub fn ran(self) -> bool {
        match self {
            Self::Pass | Self::Warn | Self::Fail | Self::Error => true,
            Self::Skipped | Self::NotRun => false,
        }
    }

    /// Whether it asks for a reviewer's look, though the pull request may be merged.
    #[must_use]
    pub fn warns(self) -> bool {
        match self {
            Self::Warn => true,
            Self::Pass | Self::Fail | Self::Error | Self::Skipped | Self::NotRun => false,
        }
    }

    /// Whether the pull request may not be merged for it.
    #[must_use]
    pub fn shuts_gate(self) -> bool {
        match self {
            Self::Fail | Self::Error => true,
            Self::Pass | Self::Warn | Self::Skipped | Self::NotRun => false,
        }
    }

    /// Whether it was left because something it needs failed.
    #[must_use]
    pub fn is_skipped(self) -> bool {
        match self {
            Self::Skipped => true,
            Self::Pass | Self::Warn | Self::Fail | Self::Error | Self::NotRun => false,
        }
    }

    /// Whether nothing is known of it, and nothing else in the report says why.
    #[must_use]
    pub fn is_unchecked(self) -> bool {
        match self {
            Self::NotRun => true,
            Self::Pass | Self::Warn | Self::Fail | Self::Error | Self::Skipped => false,
        }
    }
}

/// A data or unit test that was to be run, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestOutcome {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// dbt's name.
    pub name: String,
    /// Data or unit test.
    #[serde(default)]
    pub kind: TestKind,
    /// unique_id of the node it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached_node: Option<UniqueId>,
    /// How it ended.
    pub status: TestStatus,
    /// dbt's failure count (`fail_calc`), where it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
    /// Whether failures shut the gate.
    pub severity: Severity,
    /// The file that declares it.
    #[serde(default, rename = "place", skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// What went wrong or why it was left, in names and counts; never in the warehouse's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The warehouse's own words, for the terminal and for no document.
    #[serde(skip)]
    #[schemars(skip)]
    pub detail: Option<String>,
    /// Whether macros asked the warehouse while dbt made its SQL (`--compile`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks_warehouse: bool,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

impl TestOutcome {
    /// A test with the facts that every test has; severity `error`, dbt's default.
    #[must_use]
    pub fn new(unique_id: impl Into<UniqueId>, name: impl Into<String>, status: TestStatus) -> Self {
        Self {
            unique_id: unique_id.into(),
            name: name.into(),
            kind: TestKind::Data,
            attached_node: None,
            status,
            failures: None,
            severity: Severity::Error,
            location: None,
            message: None,
            detail: None,
            asks_warehouse: false,
            duration_ms: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::super::concluded::Report;
    use super::super::draft::Draft;
    use super::super::verdict::Verdict;
    use super::super::{markdown, terminal, words};
    use super::*;

    const FLAVOUR: markdown::Flavour = markdown::Flavour { cap: usize::MAX, files: "blob", nested: false };

    /// Every variant, as the schema of the type lists them: a new one is among them.
    fn every<T: JsonSchema + DeserializeOwned>() -> Vec<T> {
        let schema = serde_json::to_value(schemars::schema_for!(T)).unwrap();
        let variants = schema["oneOf"].as_array().unwrap().iter();
        variants.map(|variant| serde_json::from_value(variant["const"].clone()).unwrap()).collect()
    }

    /// What the comment and the terminal say below the tables that list everything, and the verdict.
    fn shown(fill: impl FnOnce(&mut Draft)) -> (Verdict, String, String) {
        let mut draft = Draft::default();
        fill(&mut draft);
        draft.tally();
        let report = Report::conclude(draft);
        let mut screen = Vec::new();
        terminal::write(&report, false, &mut screen).unwrap();
        let screen = String::from_utf8(screen).unwrap();
        let listed = screen.split("Built and checked").next().unwrap_or_default().to_owned();
        let comment = markdown::body(&report, FLAVOUR, usize::MAX);
        let folds = comment.split_once("<details>").map(|(_, folds)| folds.to_owned()).unwrap_or_default();
        (report.verdict(), listed, folds)
    }

    #[test]
    fn every_status_of_a_node_is_one_thing_and_shows() {
        let all: Vec<NodeStatus> = every();
        assert!(all.len() >= 4, "{all:?}");
        for status in all {
            let is = [status == NodeStatus::Built, status.shuts_gate(), status.is_skipped(), status.is_unchecked()];
            assert_eq!(is.iter().filter(|is| **is).count(), 1, "{status:?}");
            let (verdict, screen, folds) = shown(|draft| {
                draft.nodes = vec![
                    NodeOutcome::new("model.a.orders", "orders", status),
                    NodeOutcome::new("model.a.cause", "cause", NodeStatus::Failed),
                ];
            });
            assert_eq!(verdict, Verdict::Failed);
            let good = status == NodeStatus::Built;
            assert_eq!((screen.contains("orders"), folds.contains("orders")), (!good, !good), "{status:?}");
            let (verdict, ..) = shown(|draft| draft.nodes = vec![NodeOutcome::new("model.a.b", "b", status)]);
            assert_eq!(verdict == Verdict::Passed, good, "{status:?}");
        }
    }

    #[test]
    fn every_status_of_a_test_is_one_thing_and_shows() {
        let all: Vec<TestStatus> = every();
        assert!(all.len() >= 6, "{all:?}");
        for status in all {
            let good = status == TestStatus::Pass;
            let is = [good, status.warns(), status.shuts_gate(), status.is_skipped(), status.is_unchecked()];
            assert_eq!(is.iter().filter(|is| **is).count(), 1, "{status:?}");
            assert_eq!(status.ran(), !status.is_skipped() && !status.is_unchecked(), "{status:?}");
            let report = |tests: Vec<TestOutcome>| shown(move |draft| draft.tests = tests);
            let (verdict, screen, folds) = report(vec![TestOutcome::new("test.a.odd", "odd", status)]);
            assert_eq!(verdict == Verdict::Passed, good, "{status:?}");
            if !status.is_skipped() {
                assert_eq!((screen.contains("odd"), folds.contains("odd")), (!good, !good), "{status:?}");
                continue;
            }
            // Skipped tests are counted, below what failed.
            let failed = TestOutcome::new("test.a.cause", "cause", TestStatus::Fail);
            let (_, screen, folds) = report(vec![TestOutcome::new("test.a.odd", "odd", status), failed]);
            assert!(screen.contains("Skipped because") && folds.contains("Skipped as a result: 1 test"), "{folds}");
        }
    }

    /// A verdict needs its reason.
    #[test]
    fn every_status_is_in_the_headline() {
        let headline = |mut draft: Draft| {
            draft.tally();
            words::headline(&Report::conclude(draft))
        };
        for status in every::<TestStatus>() {
            let tests = vec![TestOutcome::new("test.a.odd", "odd", status)];
            let headline = headline(Draft { tests, ..Draft::default() });
            assert!(headline.contains("1 test"), "{status:?}: {headline}");
        }
        for status in every::<NodeStatus>() {
            let nodes = vec![NodeOutcome::new("model.a.b", "b", status)];
            let headline = headline(Draft { nodes, ..Draft::default() });
            assert!(headline.contains("1 model"), "{status:?}: {headline}");
        }
    }
}
