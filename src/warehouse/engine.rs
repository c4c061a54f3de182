//! What an engine does for the guarded session: one connection that reads, describes, lists, writes and can be
//! stopped. Nothing here is checked or repeated; [`super::Session`] does that once for all engines.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::guard::Guard;
use super::temp_schema::Replacing;
use super::write::{Write, Written};
use super::{ColumnType, Privileges, Rows, Seen, WarehouseError};
use crate::sql::{Facts, RelationName};

/// What engines differ in, as far as the code above them has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// Where two runs of one pull request meet.
    pub meeting: Meeting,
    /// Whether a new relation can take the place of an old one without a moment between.
    pub replaces: bool,
    /// Whether a view belongs to what it reads, so that it stands in the way of production's own changes.
    pub binds_views: bool,
    /// Whether a session can end the statements of another run, instead of waiting for them.
    pub ends_sessions: bool,
}

/// Where two runs of one pull request meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// At a server: the register says who has the temporary schema, and one connection sees all schemas.
    Register,
    /// At a file that one process can open: a file beside it says who has it, and each temporary schema has its own.
    File,
}

impl Meeting {
    /// Whether one connection sees every temporary schema.
    #[must_use]
    pub fn shows_all_schemas(self) -> bool {
        match self {
            Self::Register => true,
            Self::File => false,
        }
    }
}

/// What every statement of a session is sent under.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Under<'a> {
    /// The statement fails where this does.
    pub(super) guard: Option<&'a Guard>,
    /// What a write makes takes the place of the relation found there.
    pub(super) replacing: Option<&'a Replacing>,
}

/// What the catalogue can be asked for; the answer is a list of names.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "duckdb"), expect(dead_code, reason = "a server's connection has one database"))]
pub(super) enum Listed<'a> {
    /// The schema of that name: one, or none.
    Schema { database: Option<&'a str>, schema: &'a str },
    /// Tables and views in a schema, by name.
    Relations { database: Option<&'a str>, schema: &'a str },
    /// The relations in a schema that belong to relations outside of it, themselves or by what they read.
    Bound { schema: &'a str },
    /// The schemas in which a table of this name is, and that premerge made: a server's bear its mark, and in an engine
    /// without a server they are in the one file that may be written to.
    SchemasWith { table: &'a str },
}

/// One connection of an engine. Errors are what the warehouse said, classified.
#[async_trait]
pub(super) trait Engine: Send {
    /// Refuses what a text of the project names that only the warehouse knows to do more than read: functions, by
    /// what its catalogue says of them.
    async fn vet(&mut self, facts: &Facts) -> Result<(), WarehouseError> {
        let _ = facts;
        Ok(())
    }

    /// A query whose values are text, for an engine whose driver gives them as something else.
    fn as_text(&self, query: &str) -> String {
        query.to_owned()
    }

    /// Runs one query and returns all its rows as text.
    async fn query(&mut self, sql: &str, under: Under<'_>) -> Result<Rows, WarehouseError>;

    /// Names and types of a query's columns, without running it.
    async fn describe(&mut self, query: &str, under: Under<'_>) -> Result<Vec<ColumnType>, WarehouseError>;

    /// Names from the catalogue.
    async fn list(&mut self, listed: Listed<'_>) -> Result<Vec<String>, WarehouseError>;

    /// Carries out writes, in order, in as few round trips as the engine allows. The answer is that of the last.
    /// Writes before a failing one may have happened, or may have been rolled back with it.
    async fn send(&mut self, writes: &[Write<'_>], under: Under<'_>) -> Result<Written, WarehouseError>;

    /// Whether `writes`, whose answer was lost, have happened after all; `None` when they have not.
    async fn find_written(
        &mut self,
        writes: &[Write<'_>],
        under: Under<'_>,
    ) -> Result<Option<Written>, WarehouseError> {
        let _ = (writes, under);
        Ok(None)
    }

    /// What the role may do in the database and in `schemas`; `None` where production cannot be written to at all.
    async fn privileges(&mut self, schemas: &[String]) -> Result<Option<Privileges>, WarehouseError> {
        let _ = schemas;
        Ok(None)
    }

    /// Ends the sessions with these tags and waits until their statements are over. Only asked of engines with
    /// [`Traits::ends_sessions`].
    async fn end_sessions(&mut self, tags: &[String]) -> Result<(), WarehouseError> {
        let _ = tags;
        Ok(())
    }

    /// What the catalogue says of relations of production, one answer for each; `None` where it does not tell whether
    /// they were replaced or written to.
    async fn look_at(&mut self, names: &[&RelationName]) -> Result<Option<Vec<Seen>>, WarehouseError> {
        let _ = names;
        Ok(None)
    }

    /// How long after it was committed a write of somebody who is connected may show in [`Self::look_at`]; `None` where
    /// nobody is who could have written into these relations, or writes show at once.
    async fn shows_late(&mut self, names: &[&RelationName]) -> Result<Option<Duration>, WarehouseError> {
        let _ = names;
        Ok(None)
    }

    /// Sessions of others that wait for a lock which a statement of this run has. Empty where nobody waits for readers.
    async fn waiting_for_us(&mut self) -> Result<Vec<String>, WarehouseError> {
        Ok(Vec::new())
    }

    /// Makes sure that this session can send statements while `workers` others do; what the reader should know where that
    /// is not so, or only because they are fewer at once.
    async fn reserve(&mut self, workers: usize) -> Result<Option<String>, WarehouseError> {
        let _ = workers;
        Ok(None)
    }

    /// Cancels the statements of this run that these sessions wait for; they are sent again.
    async fn give_way(&mut self, waiting: &[String]) -> Result<(), WarehouseError> {
        let _ = waiting;
        Ok(())
    }

    /// A new handle that stops what this connection is running. Once used, the connection starts no other statement
    /// until the next handle is made.
    fn canceller(&mut self) -> Arc<dyn Canceller>;
}

/// What an engine makes of an error of its driver. [`Session::new`](super::Session) asks every engine for it, so that
/// no fault goes on without a class.
pub(super) trait Classify {
    /// The driver's error.
    type Fault;

    /// The error with its class, whether it may be repeated, and what the reader can do.
    fn classify(fault: &Self::Fault) -> WarehouseError;
}

/// Stops the running statement of the session it came from.
pub trait Canceller: Send + Sync {
    /// Asks the warehouse to stop; returns at once.
    fn cancel(&self);
}
