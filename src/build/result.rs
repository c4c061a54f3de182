//! What a build came to.

use std::time::Duration;

use super::changed::Changed;
use super::count::RowCount;
use super::existing_table::Misfit;
use super::kept_rows::KeptRows;
use super::keys::RepeatedKeys;
use crate::artifacts::UniqueId;
use crate::warehouse::{FaultClass, WarehouseError};

/// Everything that happened.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One for each node that was to be built, in the order of the plan.
    pub nodes: Vec<NodeResult>,
    /// One for each test that was to be run, in the order of the plan.
    pub tests: Vec<TestResult>,
    /// Proxy views that were made.
    pub proxies: usize,
    /// Proxy views that could not be made.
    pub failed_proxies: Vec<FailedProxy>,
    /// Tables of production that do not fit what was built.
    pub misfits: Vec<Misfit>,
    /// What ran on other rows than production's tables will have.
    pub kept_rows: Vec<KeptRows>,
    /// Relations of production that were changed while the run read them.
    pub changed: Vec<Changed>,
    /// How often what reads them was done again.
    pub rounds: usize,
    /// Those that were changed once more, or are not there: what was built may be of old and new.
    pub rebuilt: Vec<UniqueId>,
    /// Rows of changed relations.
    pub row_counts: Vec<RowCount>,
    /// Keys of snapshots that are not unique.
    pub repeated_keys: Vec<RepeatedKeys>,
    /// Why relations of an earlier run that this one did not make again could not be dropped.
    pub left_behind: Option<Failure>,
    /// Statements sent.
    pub statements: u64,
    /// Time in which at least one answer of the warehouse was awaited.
    pub waited: Duration,
    /// The run was stopped before its end: by a signal, or by `--fail-fast`.
    pub stopped: Option<Stop>,
}

impl Outcome {
    /// Whether a statement found that a newer run has the temporary schema.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        let failures = self.failures().map(|(_, failure)| failure);
        failures
            .chain(self.failed_proxies.iter().map(|proxy| &proxy.failure))
            .any(|failure| failure.class == Some(FaultClass::Superseded))
    }

    /// What could not be done, tests first.
    pub fn failures(&self) -> impl Iterator<Item = (&UniqueId, &Failure)> {
        let tests = self.tests.iter().filter_map(|result| Some((&result.unique_id, result.status.failure()?)));
        tests.chain(self.nodes.iter().filter_map(|result| Some((&result.unique_id, result.status.failure()?))))
    }
}

/// A proxy view that could not be made.
#[derive(Debug, Clone)]
pub struct FailedProxy {
    /// The node that it would have stood for.
    pub unique_id: UniqueId,
    /// Why not.
    pub failure: Failure,
}

/// Why a run ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGINT or SIGTERM.
    Signal,
    /// The first failure, under `--fail-fast`.
    FailFast,
}

/// What became of a node that was to be built.
#[derive(Debug, Clone)]
pub struct NodeResult {
    /// The node.
    pub unique_id: UniqueId,
    /// How it ended.
    pub status: NodeStatus,
    /// From sending to answer; zero when it never ran.
    pub duration: Duration,
    /// How many times it was sent: 1, or more after transient faults; 0 when it never ran.
    pub attempts: u32,
}

/// How the build of a node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeStatus {
    /// It was built.
    Built {
        /// Rows written, where the warehouse says so.
        rows: Option<u64>,
    },
    /// It could not be built; dbt's status `error`.
    Error(Failure),
    /// Something it needs did not end well.
    Skipped {
        /// What failed first.
        because: UniqueId,
    },
    /// The run ended before it was reached.
    NotRun,
}

impl NodeStatus {
    /// Whether dbt would go on with what depends on it.
    #[must_use]
    pub fn lets_dependents_run(&self) -> bool {
        match self {
            Self::Built { .. } => true,
            Self::Error(_) | Self::Skipped { .. } | Self::NotRun => false,
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Error(failure) => Some(failure),
            Self::Built { .. } | Self::Skipped { .. } | Self::NotRun => None,
        }
    }
}

/// What became of a test that was to be run.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// The test.
    pub unique_id: UniqueId,
    /// How it ended.
    pub status: TestStatus,
    /// From sending to answer; zero when it never ran.
    pub duration: Duration,
    /// How many times it was sent: 1, or more after transient faults; 0 when it never ran.
    pub attempts: u32,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestStatus {
    /// It found nothing.
    Pass,
    /// `warn_if` holds.
    Warn {
        /// dbt's number of failures.
        failures: u64,
    },
    /// `error_if` holds, and the severity is error.
    Fail {
        /// dbt's number of failures.
        failures: u64,
    },
    /// It could not be run; dbt's status `error`.
    Error(Failure),
    /// Something it needs did not end well.
    Skipped {
        /// What failed first.
        because: UniqueId,
    },
    /// The run ended before it was reached.
    NotRun,
}

impl TestStatus {
    /// Whether dbt would go on with what depends on it.
    #[must_use]
    pub fn lets_dependents_run(&self) -> bool {
        match self {
            Self::Pass | Self::Warn { .. } => true,
            Self::Fail { .. } | Self::Error(_) | Self::Skipped { .. } | Self::NotRun => false,
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Error(failure) => Some(failure),
            Self::Pass | Self::Warn { .. } | Self::Fail { .. } | Self::Skipped { .. } | Self::NotRun => None,
        }
    }
}

/// Why something could not be done, in two parts: what may be published, and what may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind of fault the warehouse reported; `None` when premerge refused before asking it.
    pub class: Option<FaultClass>,
    /// May be published: names, types and counts only.
    pub message: String,
    /// The warehouse's own text: for the terminal only.
    pub detail: Option<String>,
    /// What the reader can do.
    pub remedy: Option<String>,
}

impl Failure {
    /// A refusal of premerge's own.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { class: None, message: message.into(), detail: None, remedy: None }
    }
}

impl From<WarehouseError> for Failure {
    fn from(error: WarehouseError) -> Self {
        Self {
            class: Some(error.class),
            message: error.class.phrase().to_owned(),
            detail: Some(error.message),
            remedy: error.remedy,
        }
    }
}
