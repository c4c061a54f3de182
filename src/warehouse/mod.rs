//! The one door to a database.
//!
//! In: reads as SQL text, writes as [`Write`] values. Out: rows as text, counts, classified errors.
//! A write needs a [`TempRelation`], which only an opened [`TempSchema`] can make; there is no conversion
//! from a name that may be read. To add a warehouse is to add one file here and one arm in [`open`].

mod error;
mod rows;
mod temp_schema;
mod write;

#[cfg(feature = "duckdb")]
mod duckdb;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use crate::config::Target;
use crate::sql::Dialect;

#[cfg(feature = "duckdb")]
pub use duckdb::create_database;
pub use error::{FaultClass, OpenError, WarehouseError};
pub use rows::{ColumnType, Rows};
pub use temp_schema::{GuardError, Owner, Protected, TempRelation, TempSchema};
pub use write::{ColumnDef, SeedFile, Write, Written};

/// A warehouse that can be connected to: credentials and place, no open connection.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Its SQL.
    fn dialect(&self) -> Dialect;

    /// The database that temporary schemas are made in; `None` where names have two parts.
    fn temp_database(&self) -> Option<&str>;

    /// Where it is and who we are there, without secrets: for people.
    fn describe(&self) -> String;

    /// Opens one session; each worker has its own.
    ///
    /// # Errors
    /// When no connection can be made.
    async fn connect(&self) -> Result<Box<dyn Session>, WarehouseError>;

    /// Facts a reader of the report should know, such as a missing extension.
    fn notices(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One connection.
#[async_trait]
pub trait Session: Send {
    /// Runs one query and returns all its rows as text.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    async fn read(&mut self, sql: &str) -> Result<Rows, WarehouseError>;

    /// Names and types of a query's columns, without running it.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    async fn columns_of(&mut self, query: &str) -> Result<Vec<ColumnType>, WarehouseError>;

    /// Whether `schema` exists.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    async fn schema_exists(&mut self, database: Option<&str>, schema: &str) -> Result<bool, WarehouseError>;

    /// Carries out writes, in order, in as few round trips as the engine allows. The answer is that of
    /// the last one.
    ///
    /// # Errors
    /// What the warehouse said, classified. Writes before the failing one have happened.
    async fn write(&mut self, writes: &[Write<'_>]) -> Result<Written, WarehouseError>;

    /// A handle that stops what this session is running, from another task.
    fn canceller(&self) -> Arc<dyn Canceller>;
}

/// Stops the running statement of the session it came from.
pub trait Canceller: Send + Sync {
    /// Asks the warehouse to stop; returns at once.
    fn cancel(&self);
}

/// What [`open`] needs to know beside the profile.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Relative paths of the profile start here, as dbt changes into this folder.
    pub project_dir: &'a Path,
    /// The temporary schema's name: an engine whose databases are files names its file after it.
    pub schema: &'a str,
    /// Where such an engine keeps that file.
    pub temp_dir: &'a Path,
}

/// The warehouse that a dbt target names.
///
/// # Errors
/// When the adapter is unknown or not compiled in, or the target's fields do not fit it.
pub fn open(target: &Target, place: Place<'_>) -> Result<Arc<dyn Warehouse>, OpenError> {
    match target.adapter.as_str() {
        #[cfg(feature = "duckdb")]
        "duckdb" => Ok(Arc::new(duckdb::DuckDb::new(target, place)?)),
        #[cfg(not(feature = "duckdb"))]
        "duckdb" => {
            let _ = place;
            Err(OpenError::NotCompiledIn { adapter: "duckdb" })
        }
        other => Err(OpenError::UnknownAdapter { adapter: other.to_owned() }),
    }
}
