//! What a build came to.

use std::time::Duration;

use super::meeting::Misfit;
use crate::warehouse::{FaultClass, WarehouseError};

/// Everything that happened.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One for each job, in the order of the plan.
    pub results: Vec<JobResult>,
    /// Proxy views that were made.
    pub proxies: usize,
    /// Proxy views that could not be made: unique_id and why.
    pub failed_proxies: Vec<(String, Failure)>,
    /// Tables of production that do not fit what was built.
    pub misfits: Vec<Misfit>,
    /// Nodes whose relation in production was rebuilt while the run read it.
    pub rebuilt: Vec<String>,
    /// Rows of changed relations: unique_id, production's count, the pull request's.
    pub row_counts: Vec<RowCount>,
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
        let superseded = |failure: &Failure| failure.class == Some(FaultClass::Superseded);
        self.failed_proxies.iter().any(|(_, failure)| superseded(failure))
            || self.results.iter().any(|result| matches!(&result.status, JobStatus::Error(f) if superseded(f)))
    }
}

/// Why a run ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGINT or SIGTERM.
    Signal,
    /// `--fail-fast`.
    FailFast,
}

/// Rows on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCount {
    /// The node.
    pub unique_id: String,
    /// In production; `None` when it has no such relation, or it could not be counted.
    pub production: Option<u64>,
    /// In the temporary schema; `None` when it could not be counted.
    pub pull_request: Option<u64>,
    /// Whether a relation that is there could not be counted.
    pub uncounted: bool,
}

/// What one job came to.
#[derive(Debug, Clone)]
pub struct JobResult {
    /// The node or test.
    pub unique_id: String,
    /// How it ended.
    pub status: JobStatus,
    /// Rows written, where the warehouse says so.
    pub rows: Option<u64>,
    /// From sending to answer; zero when it never ran.
    pub duration: Duration,
    /// How many times it was sent: 1, or more after faults that passed; 0 when it never ran.
    pub attempts: u32,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobStatus {
    /// A node was built.
    Built,
    /// A test found nothing.
    Pass,
    /// A test's `warn_if` holds.
    Warn {
        /// dbt's number of failures.
        failures: u64,
    },
    /// A test's `error_if` holds.
    Fail {
        /// dbt's number of failures.
        failures: u64,
    },
    /// It could not be done; dbt's status `error`.
    Error(Failure),
    /// Something it needs did not end well.
    Skipped {
        /// The unique_id of what failed first.
        because: String,
    },
    /// The run ended before its turn.
    NotRun,
}

impl JobStatus {
    /// Whether dbt would go on with what depends on it.
    #[must_use]
    pub fn lets_descendants_run(&self) -> bool {
        matches!(self, Self::Built | Self::Pass | Self::Warn { .. })
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
