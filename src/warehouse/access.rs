//! A warehouse that can be connected to, and what that takes.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use super::engine::Traits;
use super::error::WarehouseError;
use super::owner::Owner;
use super::session::Session;
use crate::config::Env;
use crate::sql::Dialect;

/// A warehouse that can be connected to: credentials and place, no open connection.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Its SQL.
    fn dialect(&self) -> Dialect;

    /// What its engine can do.
    fn traits(&self) -> Traits;

    /// The database that temporary schemas are made in; `None` where names have two parts.
    fn temp_database(&self) -> Option<&str>;

    /// Where it is and who we are there, without secrets: for people.
    fn describe(&self) -> String;

    /// The name that all sessions of this process carry at the server, if there is one: a newer run ends the
    /// statements of an older one by it.
    fn session_tag(&self) -> Option<&str> {
        None
    }

    /// Names the files that the project's sources lie in. An engine that reads files reaches no others; to be said
    /// before the first connection.
    fn let_read(&self, files: Vec<String>) {
        let _ = files;
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
    async fn connect(&self) -> Result<Session, WarehouseError>;

    /// Facts a reader of the report should know, such as a missing extension.
    fn notices(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What [`open`] needs to know beside the profile.
#[derive(Debug, Clone, Copy)]
pub struct OpenContext<'a> {
    /// Relative paths of the profile start here, as dbt changes into this folder.
    pub project_dir: &'a Path,
    /// The temporary schema's name: an engine whose databases are files names its file after it. `None` for what looks
    /// at all schemas of a server.
    pub schema: Option<&'a str>,
    /// Where such an engine keeps that file.
    pub temp_dir: &'a Path,
    /// Where engines find what the profile leaves to the environment, such as `.pgpass`.
    pub env: &'a Env,
    /// How long to wait for what.
    pub limits: Limits,
    /// The run that the temporary schema is for; `None` for what is not a run, such as clean-up.
    pub run: Option<&'a Owner>,
}

/// How long the run waits; nothing waits without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long one statement may run.
    pub statement: Duration,
    /// For a cancelled statement to end, and for another run's to.
    pub grace: Duration,
    /// Between two signs of life in the register.
    pub heartbeat: Duration,
    /// For somebody else's transaction to let go of a relation that is to be dropped or replaced.
    pub lock: Duration,
    /// For production's lock on a relation that a proxy view is to read. Short, because who waits keeps others waiting;
    /// it is tried again.
    pub production: Duration,
    /// For production, behind a statement of this run's, before that gives way.
    pub give_way: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            statement: Duration::from_secs(3600),
            grace: Duration::from_secs(10),
            heartbeat: Duration::from_secs(5),
            lock: Duration::from_secs(30),
            production: Duration::from_millis(500),
            give_way: Duration::from_secs(2),
        }
    }
}
