//! The one door to a database.
//!
//! In: reads as SQL text, writes as [`Write`] values. Out: rows as text, counts, classified errors.
//! A write needs a [`TempRelation`], which only an opened [`TempSchema`] can make; there is no conversion
//! from a name that may be read. To add a warehouse is to add one file here and one arm in [`open`].

pub mod agate;
mod aws;
mod cleanup;
mod configs;
mod error;
mod lease;
mod own_name;
mod postgres;
mod privileges;
mod register;
mod replace;
pub mod retry;
mod rows;
mod temp_schema;
mod write;

#[cfg(feature = "duckdb")]
mod duckdb;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::config::{Env, Target};
use crate::sql::Dialect;

pub use cleanup::{Dropped, KeptSchema, Unreadable};
pub use configs::{Index, RelationConfigs};
#[cfg(feature = "duckdb")]
pub use duckdb::create_database;
pub use error::{FaultClass, OpenError, Repeat, WarehouseError};
pub use lease::Lease;
pub use privileges::{Privileges, SchemaPrivileges, grants};
pub use register::{Guard, Owner};
pub use replace::Replacing;
pub use rows::{ColumnType, Rows};
pub use temp_schema::{GuardError, Protected, TempRelation, TempSchema};
pub use write::{ColumnDef, RegisterSql, SeedFile, SeedKind, Write, Written};

/// A warehouse that can be connected to: credentials and place, no open connection.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Its SQL.
    fn dialect(&self) -> Dialect;

    /// The database that temporary schemas are made in; `None` where names have two parts.
    fn temp_database(&self) -> Option<&str>;

    /// Where it is and who we are there, without secrets: for people.
    fn describe(&self) -> String;

    /// The name that all sessions of this process carry at the server, if there is one: a newer run ends the
    /// statements of an older one by it.
    fn session_tag(&self) -> Option<&str> {
        None
    }

    /// Whether a newer run on this machine asks for what this one holds. Engines with a server keep that in
    /// the register instead.
    fn superseded(&self) -> bool {
        false
    }

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

    /// Schemas in which a table of this name is, and that may be written to.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    async fn schemas_with(&mut self, table: &str) -> Result<Vec<String>, WarehouseError>;

    /// Names of all relations in `schema`.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    async fn relations_in(&mut self, database: Option<&str>, schema: &str) -> Result<Vec<String>, WarehouseError>;

    /// Carries out writes, in order, in as few round trips as the engine allows. The answer is that of
    /// the last one.
    ///
    /// # Errors
    /// What the warehouse said, classified. Writes before the failing one may have happened, or may have been
    /// rolled back with it.
    async fn write(&mut self, writes: &[Write<'_>]) -> Result<Written, WarehouseError>;

    /// Whether `writes`, whose answer was lost, have happened after all; `None` when they have not, so that
    /// they may be sent again.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    async fn find_written(&mut self, writes: &[Write<'_>]) -> Result<Option<Written>, WarehouseError> {
        let _ = writes;
        Ok(None)
    }

    /// What the role may do in the database and in `schemas`; `None` where production cannot be written to
    /// at all.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    async fn privileges(&mut self, schemas: &[String]) -> Result<Option<Privileges>, WarehouseError> {
        let _ = schemas;
        Ok(None)
    }

    /// From now on every statement fails with [`FaultClass::Superseded`] when the run that `guard` names has
    /// lost its schema.
    fn hold(&mut self, guard: Option<Guard>);

    /// Whether the engine can put a new relation into the place of an old one without a moment between.
    fn can_replace(&self) -> bool {
        true
    }

    /// From now on what a write makes takes the place of the relation that `replacing` found there.
    fn replace(&mut self, replacing: Option<Replacing>);

    /// Ends the sessions with these tags, and waits until their statements are over. `false` when the engine
    /// cannot.
    ///
    /// # Errors
    /// What the warehouse said, classified; or that they would not end.
    async fn end_sessions(&mut self, tags: &[String]) -> Result<bool, WarehouseError> {
        let _ = tags;
        Ok(false)
    }

    /// A handle that stops what this session is running, from another task. It also keeps the session from
    /// starting another statement, until the next handle is taken.
    fn canceller(&mut self) -> Arc<dyn Canceller>;
}

/// Stops the running statement of the session it came from.
pub trait Canceller: Send + Sync {
    /// Asks the warehouse to stop; returns at once.
    fn cancel(&self);
}

/// Waits for `work`, and cancels what its session is running when `stop` turns true; the answer is then that
/// of the cancelled statement.
pub async fn stoppable<T>(
    canceller: Arc<dyn Canceller>,
    mut stop: watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        result = &mut work => result,
        Ok(_) = async { stop.wait_for(|stop| *stop).await.map(|_| ()) } => {
            canceller.cancel();
            work.await
        }
    }
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
    /// Where engines find what the profile leaves to the environment, such as `.pgpass`.
    pub env: &'a Env,
    /// How long to wait for what.
    pub limits: Limits,
    /// The run that the temporary schema is for; `None` for what is no run, such as clean-up.
    pub run: Option<&'a Owner>,
}

/// How long the run waits; nothing waits without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one statement.
    pub statement: Duration,
    /// For a cancelled statement to end, and for another run's to.
    pub grace: Duration,
    /// Between two signs of life in the register.
    pub heartbeat: Duration,
    /// For somebody else's transaction to let go of a relation that is to be dropped or replaced.
    pub lock: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            statement: Duration::from_secs(3600),
            grace: Duration::from_secs(10),
            heartbeat: Duration::from_secs(5),
            lock: Duration::from_secs(30),
        }
    }
}

/// The temporary schemas that an engine without a server keeps in files of `temp_dir`; each is opened by its
/// name. Empty for engines with a server, where one connection sees all.
#[must_use]
pub fn schemas_in_files(target: &Target, temp_dir: &Path) -> Option<Vec<String>> {
    match target.adapter.as_str() {
        #[cfg(feature = "duckdb")]
        "duckdb" => Some(duckdb::schemas_in(target, temp_dir)),
        _ => {
            let _ = temp_dir;
            None
        }
    }
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
        "duckdb" => Err(OpenError::NotCompiledIn { adapter: "duckdb" }),
        "postgres" => Ok(Arc::new(postgres::Postgres::new(target, place)?)),
        "redshift" => Ok(Arc::new(postgres::Postgres::redshift(target, place)?)),
        other => Err(OpenError::UnknownAdapter { adapter: other.to_owned() }),
    }
}
