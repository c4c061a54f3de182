//! One job carried out on one session.

use super::contract;
use super::data_test::{TestStatus, judge};
use super::job::{Select, Work};
use super::outcome::{Failure, JobStatus};

use crate::warehouse::{Session, Write, Written};

/// What came of a job.
pub(super) struct Performed {
    pub(super) status: JobStatus,
    /// Rows written, where the warehouse says so.
    pub(super) rows: Option<u64>,
    /// Statements sent.
    pub(super) statements: u64,
    /// How many times the job's own statement was sent.
    pub(super) attempts: u32,
}

pub(super) async fn perform(work: &Work, session: &mut Session) -> Performed {
    match work {
        Work::View(Select { at, header, sql, configs }) => {
            let write = Write::View { at, header: header.as_deref(), select: sql, configs };
            // A view has no row count: the warehouse has only looked at it.
            Performed { rows: None, ..written(session, &write).await }
        }
        Work::Table(Select { at, header, sql, configs }) => {
            written(session, &Write::Table { at, header: header.as_deref(), select: sql, configs }).await
        }
        Work::Seed { at, seed } => written(session, &Write::Seed { at, seed }).await,
        Work::Contract { select, declared, table } => {
            if let Err(failure) = compare(session, select, declared).await {
                return Performed { statements: 2, attempts: 1, ..Performed::failed(failure) };
            }
            let Select { at, header, sql, configs } = select;
            let header = header.as_deref();
            let write = match table {
                None => Write::View { at, header, select: sql, configs },
                Some(table) => Write::TypedTable {
                    at,
                    columns: &table.columns,
                    constraints: &table.constraints,
                    header,
                    select: sql,
                    configs,
                },
            };
            let done = written(session, &write).await;
            Performed { rows: done.rows.filter(|_| table.is_some()), statements: done.statements + 2, ..done }
        }
        Work::Test { sql, config } => {
            let result = session.read(sql).await;
            let attempts = session.attempts();
            let status = match result.map(|rows| judge(&rows, config)) {
                Ok(Ok((TestStatus::Pass, _))) => JobStatus::Pass,
                Ok(Ok((TestStatus::Warn, failures))) => JobStatus::Warn { failures },
                Ok(Ok((TestStatus::Fail, failures))) => JobStatus::Fail { failures },
                Ok(Err(why)) => JobStatus::Error(Failure::refused(why)),
                Err(error) => JobStatus::Error(error.into()),
            };
            Performed { status, rows: None, statements: u64::from(attempts), attempts }
        }
        Work::Refused(failure) => Performed::failed(failure.clone()),
    }
}

impl Performed {
    fn failed(failure: Failure) -> Self {
        Self { status: JobStatus::Error(failure), rows: None, statements: 0, attempts: 0 }
    }
}

async fn written(session: &mut Session, write: &Write<'_>) -> Performed {
    let result = session.write(std::slice::from_ref(write)).await;
    let attempts = session.attempts();
    let repeated = u64::from(attempts.saturating_sub(1));
    match result {
        Ok(Written { rows, statements }) => {
            Performed { status: JobStatus::Built, rows, statements: statements + repeated, attempts }
        }
        Err(error) => Performed { statements: 1 + repeated, attempts, ..Performed::failed(error.into()) },
    }
}

/// dbt's comparison before a contracted build: names and types of both sides, without running the query.
async fn compare(session: &mut Session, select: &Select, declared: &str) -> Result<(), Failure> {
    let declared = session.columns_of(declared).await.map_err(|error| {
        if error.class.is_infrastructure() {
            return error.into();
        }
        Failure { message: "the contract declares a type that the warehouse does not know".to_owned(), ..error.into() }
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
