//! DuckDB's errors, classified by the kind that its messages begin with.

use crate::warehouse::{FaultClass, Repeat, WarehouseError};

pub(super) fn classify(error: &duckdb::Error) -> WarehouseError {
    let message = match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    };
    let class = class_of(&message);
    let remedy = match class {
        FaultClass::Connection if message.contains("lock on file") => {
            Some("another process has the database open for writing; close it, or copy the file".to_owned())
        }
        FaultClass::Unsupported if message.contains("newer version of DuckDB") => {
            Some("the file was written by a newer DuckDB than this build of premerge has; use a newer premerge".to_owned())
        }
        FaultClass::Unsupported => Some(
            "time zones and `now() - interval` need the ICU extension: run `install icu` once in a DuckDB shell of the \
             same version"
                .to_owned(),
        ),
        _ => None,
    };
    // A transaction that lost a race has done nothing.
    let repeat = if class == FaultClass::Conflict { Repeat::Safe } else { Repeat::Never };
    WarehouseError { class, message, remedy, repeat }
}

fn class_of(message: &str) -> FaultClass {
    if message.contains("TIMESTAMP WITH TIME ZONE") && message.contains("No function matches") {
        return FaultClass::Unsupported;
    }
    if message.contains("newer version of DuckDB") {
        return FaultClass::Unsupported;
    }
    let kind = message.split_once(" Error:").map_or("", |(kind, _)| kind);
    match kind {
        "Parser" => FaultClass::Syntax,
        "Binder" if message.contains("Ambiguous reference") => FaultClass::Ambiguous,
        "Binder" if message.contains("must appear in the GROUP BY clause") => FaultClass::Ungrouped,
        "Binder" => FaultClass::Binding,
        "Catalog" if message.contains("Function") => FaultClass::Binding,
        "Catalog" => FaultClass::MissingRelation,
        "Conversion" | "Constraint" | "Out of Range" | "Invalid Input" | "Mismatch Type" | "Divide by Zero" => {
            FaultClass::Data
        }
        "Permission" => FaultClass::Permission,
        "IO" | "Connection" | "HTTP" => FaultClass::Connection,
        "Out of Memory" => FaultClass::Resources,
        "INTERRUPT" => FaultClass::Cancelled,
        "TransactionContext" | "Transaction" => FaultClass::Conflict,
        "Missing Extension" => FaultClass::Unsupported,
        _ => FaultClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_apart() {
        let db = duckdb::Connection::open_in_memory().unwrap();
        db.execute_batch("create table t (a integer not null)").unwrap();
        for (sql, class) in [
            ("selec 1", FaultClass::Syntax),
            ("select b from t", FaultClass::Binding),
            ("select nope(a) from t", FaultClass::Binding),
            ("select a from t as x cross join t as y", FaultClass::Ambiguous),
            ("select a, count(*) from t", FaultClass::Ungrouped),
            ("select * from u", FaultClass::MissingRelation),
            ("insert into t values (null)", FaultClass::Data),
            ("select cast('x' as integer)", FaultClass::Data),
        ] {
            assert_eq!(classify(&db.execute_batch(sql).unwrap_err()).class, class, "{sql}");
        }
    }
}
