//! PostgreSQL's errors, classified by SQLSTATE.
//!
//! The codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>. Redshift answers with the
//! codes of PostgreSQL 8.0 and puts its own faults into `XX000`.

use tokio_postgres::Error;

use super::redshift_fault;
use super::statement::SUPERSEDED;
use crate::warehouse::error::with_causes;
use crate::warehouse::register::RUNS;
use crate::warehouse::{FaultClass, Repeat, WarehouseError};

/// A fault of a statement that was sent.
pub(super) fn of_statement(error: &Error) -> WarehouseError {
    match error.as_db_error() {
        Some(db) => {
            // Redshift's message may be a number, and the matter in the detail.
            let detail = db.detail().map(|detail| format!("; {detail}")).unwrap_or_default();
            of_state(db.code().code(), &format!("{}{detail}", db.message()))
        }
        None => WarehouseError::new(FaultClass::Connection, with_causes(error))
            .with_remedy("check that the warehouse and the network between are up, then run the check again")
            .with_repeat(Repeat::Unknown),
    }
}

/// A fault of connecting, when nothing has been sent yet.
pub(super) fn of_connecting(error: &Error, place: &str) -> WarehouseError {
    if let Some(db) = error.as_db_error() {
        return of_state(db.code().code(), db.message());
    }
    let message = format!("{place}: {}", with_causes(error));
    let text = error.to_string();
    // tokio-postgres has no public kinds; its texts for these two are fixed.
    if text.contains("TLS") {
        return WarehouseError::new(FaultClass::Encryption, message)
            .with_remedy("compare `sslmode`, `sslrootcert` and `host` of the profile with the server's certificate");
    }
    if text.contains("authentication") || message.contains("password missing") {
        return WarehouseError::new(FaultClass::Authentication, message)
            .with_remedy("set `password` in the profile, or an entry in .pgpass");
    }
    WarehouseError::new(FaultClass::Connection, message)
        .with_remedy("check `host` and `port` of the profile, and that this machine can reach them")
        .with_repeat(Repeat::Safe)
}

fn of_state(state: &str, message: &str) -> WarehouseError {
    // The guard did not find the run; or not even the register, because clean-up has dropped it.
    if message.contains(SUPERSEDED) || (matches!(state, "42P01" | "3F000") && message.contains(RUNS)) {
        return superseded();
    }
    // Two sessions that create the same name at once: the loser trips over an index of the catalogue.
    if state == "23505" && message.contains("\"pg_") {
        return WarehouseError::new(FaultClass::Conflict, message).with_repeat(Repeat::Safe);
    }
    if let Some(fault) = redshift_fault::of(state, message) {
        return fault;
    }
    // A view was expanded, and what it reads was dropped before it was locked.
    if state == "XX000" && (message.contains("could not open relation") || message.contains("cache lookup failed")) {
        return WarehouseError::new(FaultClass::Conflict, message).with_repeat(Repeat::Safe);
    }
    if state == "57014" && message.contains("statement timeout") {
        return WarehouseError::new(FaultClass::Timeout, format!("{message} (SQLSTATE {state})")).with_remedy(
            "the role or the database may have a `statement_timeout` of its own, which premerge does not raise",
        );
    }
    let (class, repeat) = class_of(state);
    let fault = WarehouseError::new(class, format!("{message} (SQLSTATE {state})")).with_repeat(repeat);
    match remedy(state, class, message) {
        Some(remedy) => fault.with_remedy(remedy),
        None => fault,
    }
}

/// What a run is told that has lost its schema. Its guard does not know to whom.
pub(super) fn superseded() -> WarehouseError {
    let message = "the temporary schema was taken from this run: by a newer run of the pull request, or by cleanup";
    WarehouseError::new(FaultClass::Superseded, message).with_remedy("see the newer run, if there is one")
}

fn class_of(state: &str) -> (FaultClass, Repeat) {
    use FaultClass as C;
    use Repeat::{Never, Safe, Unknown, Waits};
    // Whole codes first, then classes, which are the first two characters.
    match state {
        "42601" | "42P14" | "42P12" => (C::Syntax, Never),
        "42701" | "42702" | "42712" | "42725" | "42P09" => (C::Ambiguous, Never),
        "42803" => (C::Ungrouped, Never),
        "42P01" | "3F000" => (C::MissingRelation, Never),
        "3D000" => (C::MissingDatabase, Never),
        "42501" => (C::Permission, Never),
        "40001" | "40P01" | "55006" => (C::Conflict, Safe),
        "55P03" => (C::Conflict, Waits),
        "42P06" | "42P07" | "42710" => (C::Conflict, Never),
        "53300" => (C::TooManyConnections, Safe),
        // The server is starting up or shutting down and has not looked at the statement.
        "57P03" => (C::Restart, Safe),
        // Killed while the statement ran, or just after it ended.
        "57P01" | "57P02" | "57P05" => (C::Restart, Unknown),
        "57014" => (C::Cancelled, Never),
        "25006" => (C::Permission, Never),
        "0A000" => (C::Unsupported, Never),
        _ => match state.get(..2).unwrap_or_default() {
            "08" => (C::Connection, Unknown),
            "28" => (C::Authentication, Never),
            "22" | "23" | "P0" => (C::Data, Never),
            "40" => (C::Conflict, Safe),
            "42" => (C::Binding, Never),
            "53" | "54" | "58" => (C::Resources, Never),
            _ => (C::Other, Never),
        },
    }
}

fn remedy(state: &str, class: FaultClass, message: &str) -> Option<&'static str> {
    Some(match state {
        "3D000" => "correct `dbname` of the profile",
        "53100" => "the warehouse's disk is full: free some, or drop old schemas with `premerge cleanup --expired`",
        "25006" => "the statement writes, and premerge sends it in a read-only transaction; tests must only read",
        "0A000" if message.contains("cross-database") => {
            "PostgreSQL cannot read across databases: the profile's `dbname` must be the database of production; \
             Redshift reads other databases through late-binding views only"
        }
        _ => match class {
            FaultClass::Authentication => "check `user`, `password` (or .pgpass), `role` and the server's pg_hba.conf",
            FaultClass::Permission => "run `premerge debug`: it prints the grants that the role needs",
            FaultClass::TooManyConnections => "lower --threads, or raise the server's max_connections",
            FaultClass::Restart | FaultClass::Conflict => "run the check again",
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_classes_and_only_harmless_ones_are_repeated() {
        for (state, class, repeat) in [
            ("42601", FaultClass::Syntax, Repeat::Never),
            ("42703", FaultClass::Binding, Repeat::Never),
            ("42883", FaultClass::Binding, Repeat::Never),
            ("42804", FaultClass::Binding, Repeat::Never),
            ("42701", FaultClass::Ambiguous, Repeat::Never),
            ("42702", FaultClass::Ambiguous, Repeat::Never),
            ("42803", FaultClass::Ungrouped, Repeat::Never),
            ("42P01", FaultClass::MissingRelation, Repeat::Never),
            ("3F000", FaultClass::MissingRelation, Repeat::Never),
            ("3D000", FaultClass::MissingDatabase, Repeat::Never),
            ("22012", FaultClass::Data, Repeat::Never),
            ("23502", FaultClass::Data, Repeat::Never),
            ("42501", FaultClass::Permission, Repeat::Never),
            ("40P01", FaultClass::Conflict, Repeat::Safe),
            ("53300", FaultClass::TooManyConnections, Repeat::Safe),
            ("53100", FaultClass::Resources, Repeat::Never),
            ("57014", FaultClass::Cancelled, Repeat::Never),
            ("57P01", FaultClass::Restart, Repeat::Unknown),
            ("08006", FaultClass::Connection, Repeat::Unknown),
            ("28P01", FaultClass::Authentication, Repeat::Never),
            ("XX000", FaultClass::Other, Repeat::Never),
            ("", FaultClass::Other, Repeat::Never),
        ] {
            assert_eq!(class_of(state), (class, repeat), "{state}");
        }
    }
}
