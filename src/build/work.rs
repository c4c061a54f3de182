//! One job carried out on one session.

use std::time::Duration;

use super::contract;
use super::data_test::{TestStatus, judge};
use super::job::{Select, Work};
use super::outcome::{Failure, JobStatus};
use crate::warehouse::{FaultClass, Session, WarehouseError, Write, Written};

/// Repetitions of a statement that lost a race with another session. Such a statement has done nothing.
const RETRIES: u32 = 3;

/// The status, the rows written, and the statements sent.
pub(super) async fn perform(work: &Work, session: &mut dyn Session) -> (JobStatus, Option<u64>, u64) {
    let done = match work {
        Work::View(Select { at, header, sql }) => {
            // A view has no row count: the warehouse has only looked at it.
            let write = Write::View { at, header: header.as_deref(), select: sql };
            written(session, &write).await.map(|done| Written { rows: None, ..done })
        }
        Work::Table(Select { at, header, sql }) => {
            written(session, &Write::Table { at, header: header.as_deref(), select: sql }).await
        }
        Work::Seed { at, seed } => written(session, &Write::Seed { at, seed }).await,
        Work::Contract { select, declared, table } => {
            let compared = compare(session, select, declared).await;
            match compared {
                Err(failure) => return (JobStatus::Error(failure), None, 2),
                Ok(()) => {
                    let Select { at, header, sql } = select;
                    let header = header.as_deref();
                    let write = match table {
                        None => Write::View { at, header, select: sql },
                        Some(table) => Write::TypedTable {
                            at,
                            columns: &table.columns,
                            constraints: &table.constraints,
                            header,
                            select: sql,
                        },
                    };
                    let is_view = table.is_none();
                    written(session, &write)
                        .await
                        .map(|done| Written { rows: done.rows.filter(|_| !is_view), statements: done.statements + 2 })
                }
            }
        }
        Work::Test { sql, config } => {
            let status = match session.read(sql).await.map(|rows| judge(&rows, config)) {
                Ok(Ok((TestStatus::Pass, _))) => JobStatus::Pass,
                Ok(Ok((TestStatus::Warn, failures))) => JobStatus::Warn { failures },
                Ok(Ok((TestStatus::Fail, failures))) => JobStatus::Fail { failures },
                Ok(Err(why)) => JobStatus::Error(Failure::refused(why)),
                Err(error) => JobStatus::Error(error.into()),
            };
            return (status, None, 1);
        }
        Work::Refused(failure) => return (JobStatus::Error(failure.clone()), None, 0),
    };
    match done {
        Ok(written) => (JobStatus::Built, written.rows, written.statements),
        Err(error) => (JobStatus::Error(error.into()), None, 1),
    }
}

async fn written(session: &mut dyn Session, write: &Write<'_>) -> Result<Written, WarehouseError> {
    let mut attempt = 0;
    loop {
        match session.write(std::slice::from_ref(write)).await {
            Err(error) if error.class == FaultClass::Conflict && attempt < RETRIES => {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
            }
            result => return result,
        }
    }
}

/// dbt's comparison before a contracted build: names and types of both sides, without running the query.
async fn compare(session: &mut dyn Session, select: &Select, declared: &str) -> Result<(), Failure> {
    let declared = session.columns_of(declared).await.map_err(|error| Failure {
        message: "the contract declares a type that the warehouse does not know".to_owned(),
        ..error.into()
    })?;
    let actual = session.columns_of(&contract::actual_query(&select.sql)).await?;
    let mismatches = contract::compare(&declared, &actual);
    if mismatches.is_empty() {
        return Ok(());
    }
    let list: Vec<_> = mismatches.iter().map(|m| format!("column `{}` {}", m.column, m.what)).collect();
    Err(Failure {
        remedy: Some("make the SQL and the contract's columns agree in name and data_type".to_owned()),
        ..Failure::refused(format!("the contract is broken: {}", list.join("; ")))
    })
}
