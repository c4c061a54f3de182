//! A new database file, for the demo and for tests.

use std::path::Path;

use duckdb::Connection;

use super::fault::classify;
use super::profile::stem;
use crate::sql::Dialect;
use crate::warehouse::{FaultClass, WarehouseError};

/// Makes a database file that does not exist yet and runs `statements` in it, in order.
///
/// The one place that writes without a temporary schema; it cannot reach production, because it refuses a
/// file that is already there.
///
/// # Errors
/// When the file exists or a statement fails; a half-made file stays for looking at.
pub fn create_database<S: AsRef<str>>(
    path: &Path,
    statements: impl IntoIterator<Item = S>,
) -> Result<(), WarehouseError> {
    if path.exists() {
        return Err(WarehouseError::new(FaultClass::Permission, format!("{} exists already", path.display())));
    }
    // The oldest storage format, so that any DuckDB can open what this one makes.
    let name = Dialect::DuckDb.quote(&stem(path));
    let attach = format!(
        "attach {} as {name} (storage_version 'v1.0.0'); use {name};",
        Dialect::DuckDb.literal(&path.to_string_lossy())
    );
    let connection = Connection::open_in_memory().map_err(|error| classify(&error))?;
    connection.execute_batch(&attach).map_err(|error| classify(&error))?;
    for statement in statements {
        connection.execute_batch(statement.as_ref()).map_err(|error| {
            let error = classify(&error);
            WarehouseError { message: format!("{}\n{}", error.message, statement.as_ref()), ..error }
        })?;
    }
    connection.close().map_err(|(_, error)| classify(&error))
}
