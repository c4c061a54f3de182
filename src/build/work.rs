//! One task carried out on one session.

use super::compared::{Compared, compared};
use super::contract;
use super::count::{RowCount, count_rows};
use super::data_test::judge;
use super::keys::{RepeatedKeys, repeated_keys};
use super::result::{Failure, NodeStatus, TestStatus};
use super::task::{Build, Contracted, Later, Select, Test, Work};
use crate::artifacts::UniqueId;
use crate::sql::Dialect;
use crate::warehouse::{Session, TempRelation, Write, Written};

/// What a task came to, and what it took.
pub(super) struct Performed {
    pub(super) ended: Ended,
    /// Statements sent.
    pub(super) statements: u64,
    /// How many times the task's own statement was sent.
    pub(super) attempts: u32,
}

/// What a task came to.
pub(super) enum Ended {
    Node(NodeStatus),
    Test(TestStatus),
    Counted(RowCount),
    Compared(Compared),
    Keys(RepeatedKeys),
    /// What is only looked up was not: there is nothing to look at, or the run was stopped.
    Nothing,
}

impl Ended {
    pub(super) fn skipped(work: &Work, because: UniqueId) -> Self {
        match work {
            Work::Build(_) | Work::Later(Later::Build { .. }) => Self::Node(NodeStatus::Skipped { because }),
            Work::Test(_) | Work::Later(Later::Test) => Self::Test(TestStatus::Skipped { because }),
            Work::Count(_) | Work::Compare(_) | Work::Keys(_) => Self::Nothing,
        }
    }

    pub(super) fn not_run(work: &Work) -> Self {
        match work {
            Work::Build(_) | Work::Later(Later::Build { .. }) => Self::Node(NodeStatus::NotRun),
            Work::Test(_) | Work::Later(Later::Test) => Self::Test(TestStatus::NotRun),
            Work::Count(_) | Work::Compare(_) | Work::Keys(_) => Self::Nothing,
        }
    }

    /// The same of a task that was stopped: what it looked up says nothing.
    pub(super) fn stopped(self) -> Self {
        match self {
            Self::Node(_) | Self::Test(_) => self,
            Self::Counted(_) | Self::Compared(_) | Self::Keys(_) | Self::Nothing => Self::Nothing,
        }
    }

    /// What is to be blamed for what depends on the task and cannot run; `None` where it can.
    pub(super) fn blame(&self, task: &UniqueId) -> Option<UniqueId> {
        match self {
            Self::Node(NodeStatus::Skipped { because }) | Self::Test(TestStatus::Skipped { because }) => {
                Some(because.clone())
            }
            Self::Node(status) => (!status.lets_dependents_run()).then(|| task.clone()),
            Self::Test(status) => (!status.lets_dependents_run()).then(|| task.clone()),
            Self::Counted(_) | Self::Compared(_) | Self::Keys(_) | Self::Nothing => None,
        }
    }
}

pub(super) async fn perform(work: &Work, dialect: Dialect, session: &mut Session) -> Performed {
    match work {
        Work::Build(Ok(work)) => build(work, session).await.into(),
        Work::Build(Err(failure)) => Built::failed(failure.clone()).into(),
        Work::Test(Ok(test)) => run_test(test, session).await,
        Work::Test(Err(failure)) => {
            Performed { ended: Ended::Test(TestStatus::Error(failure.clone())), statements: 0, attempts: 0 }
        }
        // Its text was never made.
        Work::Later(_) => Performed { ended: Ended::not_run(work), statements: 0, attempts: 0 },
        Work::Count(count) => {
            let counted = count_rows(count, dialect, session).await;
            Performed { ended: Ended::Counted(counted), statements: 1, attempts: 1 }
        }
        Work::Keys(check) => {
            let repeated = repeated_keys(check, dialect, session).await;
            Performed { ended: Ended::Keys(repeated), statements: 1, attempts: 1 }
        }
        Work::Compare(existing) => {
            let found = compared(existing, dialect, session).await;
            let described = if existing.later_text.is_some() { existing.parents.len() } else { 0 };
            let described = 2 * u64::try_from(described + 1).unwrap_or(u64::MAX);
            let statements = described + u64::from(!existing.readers.is_empty() && found.misfit.is_none());
            Performed { ended: Ended::Compared(found), statements, attempts: 1 }
        }
    }
}

async fn run_test(Test { sql, config }: &Test, session: &mut Session) -> Performed {
    let result = session.read(sql).await;
    let attempts = session.attempts();
    let status = match result.map(|rows| judge(&rows, config)) {
        Ok(Ok(status)) => status,
        Ok(Err(why)) => TestStatus::Error(Failure::refused(why)),
        Err(error) => TestStatus::Error(error.into()),
    };
    Performed { ended: Ended::Test(status), statements: u64::from(attempts), attempts }
}

/// What came of a build.
struct Built {
    status: NodeStatus,
    statements: u64,
    attempts: u32,
}

impl Built {
    fn failed(failure: Failure) -> Self {
        Self { status: NodeStatus::Error(failure), statements: 0, attempts: 0 }
    }

    /// A view has no row count: the warehouse has only looked at it.
    fn without_rows(mut self) -> Self {
        if let NodeStatus::Built { rows } = &mut self.status {
            *rows = None;
        }
        self
    }
}

impl From<Built> for Performed {
    fn from(Built { status, statements, attempts }: Built) -> Self {
        Self { ended: Ended::Node(status), statements, attempts }
    }
}

async fn build(work: &Build, session: &mut Session) -> Built {
    match work {
        Build::View { select, behind } => view(session, select, behind.as_deref()).await,
        Build::Table(Select { at, header, sql, configs }) => {
            written(session, &Write::Table { at, header: header.as_deref(), select: sql, configs }).await
        }
        Build::Seed { at, seed } => written(session, &Write::Seed { at, seed }).await,
        Build::Contract { select, declared, made } => {
            if let Err(failure) = compare(session, select, declared).await {
                return Built { statements: 2, attempts: 1, ..Built::failed(failure) };
            }
            let Select { at, header, sql, configs } = select;
            let header = header.as_deref();
            let built = match made {
                Contracted::View { behind } => view(session, select, behind.as_deref()).await,
                Contracted::Table(table) => {
                    let write = Write::TypedTable {
                        at,
                        columns: &table.columns,
                        constraints: &table.constraints,
                        header,
                        select: sql,
                        configs,
                    };
                    written(session, &write).await
                }
            };
            Built { statements: built.statements + 2, ..built }
        }
    }
}

async fn view(session: &mut Session, select: &Select, behind: Option<&TempRelation>) -> Built {
    let Select { at, header, sql, configs } = select;
    let write = match behind {
        Some(behind) => Write::LateView { at, behind, select: sql },
        None => Write::View { at, header: header.as_deref(), select: sql, configs },
    };
    written(session, &write).await.without_rows()
}

async fn written(session: &mut Session, write: &Write<'_>) -> Built {
    let result = session.write(std::slice::from_ref(write)).await;
    let attempts = session.attempts();
    let repeated = u64::from(attempts.saturating_sub(1));
    match result {
        Ok(Written { rows, statements }) => {
            Built { status: NodeStatus::Built { rows }, statements: statements + repeated, attempts }
        }
        Err(error) => Built { statements: 1 + repeated, attempts, ..Built::failed(error.into()) },
    }
}

/// dbt's comparison before a contracted build: names and types of both sides, without running the query.
async fn compare(session: &mut Session, select: &Select, declared: &str) -> Result<(), Failure> {
    let declared = session.columns_of(declared).await.map_err(|error| {
        if error.class.is_infrastructure() {
            return error.into();
        }
        Failure { message: "the contract declares a type unknown to the warehouse".to_owned(), ..error.into() }
    })?;
    let actual = session.columns_of(&contract::actual_query(&select.sql)).await?;
    let broken = contract::compare(&declared, &actual);
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure {
        detail: broken.in_private(),
        remedy: Some("make the SQL and the contract's columns agree in name and data_type".to_owned()),
        ..Failure::refused(format!("the contract is broken: {}", broken.in_public()))
    })
}
