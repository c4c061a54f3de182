//! Statements sent again after a fault that passes.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use super::{ColumnType, Repeat, Rows, Session, WarehouseError, Write, Written};

/// Times that one statement is sent at most.
pub(super) const ATTEMPTS: u32 = 4;
/// Before the second attempt; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A result and how many times the statement was sent for it.
#[derive(Debug)]
pub struct Attempted<T> {
    /// What the last attempt gave.
    pub result: Result<T, WarehouseError>,
    /// 1 when the first did.
    pub attempts: u32,
}

/// Reads, and reads again after a fault that may pass: reading changes nothing.
pub async fn read(session: &mut dyn Session, sql: &str) -> Attempted<Rows> {
    let mut attempts = 1;
    loop {
        match session.read(sql).await {
            Err(error) if error.repeat != Repeat::Never && attempts < ATTEMPTS => pause(attempts).await,
            result => return Attempted { result, attempts },
        }
        attempts += 1;
    }
}

/// Names and types of a query's columns, asked for again after a fault that may pass.
pub async fn columns_of(session: &mut dyn Session, query: &str) -> Attempted<Vec<ColumnType>> {
    let mut attempts = 1;
    loop {
        match session.columns_of(query).await {
            Err(error) if error.repeat != Repeat::Never && attempts < ATTEMPTS => pause(attempts).await,
            result => return Attempted { result, attempts },
        }
        attempts += 1;
    }
}

/// Writes, and writes again only what has certainly not happened: after a connection that broke in the
/// middle, the warehouse is asked first.
pub async fn write(session: &mut dyn Session, writes: &[Write<'_>]) -> Attempted<Written> {
    let mut attempts = 1;
    loop {
        let error = match session.write(writes).await {
            Err(error) if error.repeat != Repeat::Never && attempts < ATTEMPTS => error,
            result => return Attempted { result, attempts },
        };
        pause(attempts).await;
        attempts += 1;
        if error.repeat == Repeat::Unknown {
            match session.find_written(writes).await {
                Ok(Some(written)) => return Attempted { result: Ok(written), attempts },
                Ok(None) => {}
                // Asking failed in its turn: what is known is the first fault.
                Err(again) if again.repeat == Repeat::Never => return Attempted { result: Err(again), attempts },
                Err(_) => return Attempted { result: Err(error), attempts },
            }
        }
    }
}

/// Waits before the next attempt: twice as long each time, give or take half, so that sessions that failed
/// together do not come back together.
pub(super) async fn pause(attempt: u32) {
    let full = FIRST_PAUSE * 2_u32.saturating_pow(attempt.saturating_sub(1).min(5));
    // A hasher's random keys are randomness enough for this.
    let random = RandomState::new().build_hasher().finish() % 1000;
    let share = 0.5 + f64::from(u32::try_from(random).unwrap_or(0)) / 1000.0;
    tokio::time::sleep(full.mul_f64(share)).await;
}
