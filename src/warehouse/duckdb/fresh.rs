//! A new database file, for the demo and for tests.

use std::path::Path;

use duckdb::Connection;

use super::fault::classify;
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
    let connection = Connection::open(path).map_err(|error| classify(&error))?;
    for statement in statements {
        connection.execute_batch(statement.as_ref()).map_err(|error| {
            let error = classify(&error);
            WarehouseError { message: format!("{}\n{}", error.message, statement.as_ref()), ..error }
        })?;
    }
    connection.close().map_err(|(_, error)| classify(&error))
}
