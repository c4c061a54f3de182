//! The guarded session: what every statement goes through, whatever the engine.
//!
//! Texts of the project are checked before anything is sent; every statement is sent under the guard of the run that
//! holds the temporary schema; one that failed for a reason that passes is sent again, and a write only when it has
//! certainly not happened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::engine::{Canceller, Classify, Engine, Listed, Traits, Under};
use super::guard::Guard;
use super::retry::{ATTEMPTS, PATIENCE, pause};
use super::temp_schema::Replacing;
use super::write::{Write, Written};
use super::{ColumnType, FaultClass, Privileges, Repeat, Rows, Seen, WarehouseError};
use crate::sql::{Dialect, ProjectText, Refusal, RelationName, judge};

/// How premerge's own refusals begin.
pub const NOT_SENT: &str = "premerge does not send this statement";

/// One connection to a warehouse, and what its statements are sent under.
pub struct Session {
    engine: Box<dyn Engine>,
    dialect: Dialect,
    traits: Traits,
    guard: Option<Guard>,
    replacing: Option<Replacing>,
    attempts: u32,
    /// When the statement failed first.
    failing_since: Instant,
    /// How long a lock that others have is asked for.
    patience: Duration,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { dialect, guard, replacing, .. } = self;
        f.debug_struct("Session")
            .field("dialect", dialect)
            .field("guard", guard)
            .field("replacing", replacing)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(engine: impl Engine + Classify + 'static, dialect: Dialect, traits: Traits) -> Self {
        Self {
            engine: Box::new(engine),
            dialect,
            traits,
            guard: None,
            replacing: None,
            attempts: 0,
            failing_since: Instant::now(),
            patience: PATIENCE,
        }
    }

    /// The same, which asks for a lock that others have for `limit` at most.
    pub(super) fn patient_for(self, limit: Duration) -> Self {
        Self { patience: PATIENCE.min(limit), ..self }
    }

    /// What the engine can do.
    #[must_use]
    pub fn traits(&self) -> Traits {
        self.traits
    }

    /// The dialect of its texts.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// How many times the last statement was sent: 1 when the first answer counted.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Runs one query and returns all its rows as text.
    ///
    /// # Errors
    /// What the warehouse said, classified; or that the text is not one query that only reads.
    pub async fn read(&mut self, sql: &str) -> Result<Rows, WarehouseError> {
        self.check([ProjectText::Query(sql)]).await?;
        self.attempts = 1;
        loop {
            let under = Under { guard: self.guard.as_ref(), replacing: self.replacing.as_ref() };
            match self.engine.query(sql, under).await {
                Err(error) if self.repeats(&error) => self.wait().await,
                result => return result,
            }
        }
    }

    /// The same with values as the engine casts them to text, whatever their type is.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_as_text(&mut self, sql: &str) -> Result<Rows, WarehouseError> {
        self.check([ProjectText::Query(sql)]).await?;
        let cast = self.engine.as_text(sql);
        self.read(&cast).await
    }

    /// Names and types of a query's columns, without running it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn columns_of(&mut self, query: &str) -> Result<Vec<ColumnType>, WarehouseError> {
        self.check([ProjectText::Query(query)]).await?;
        self.attempts = 1;
        loop {
            let under = Under { guard: self.guard.as_ref(), replacing: self.replacing.as_ref() };
            match self.engine.describe(query, under).await {
                Err(error) if self.repeats(&error) => self.wait().await,
                result => return result,
            }
        }
    }

    /// Carries out writes, in order. The answer is that of the last one. Only what has certainly not happened is sent
    /// again: after a connection that broke in the middle, the warehouse is asked first.
    ///
    /// # Errors
    /// What the warehouse said, classified; or that a text would not stay at its place. Writes before the failing one
    /// may have happened, or may have been rolled back with it.
    pub async fn write(&mut self, writes: &[Write<'_>]) -> Result<Written, WarehouseError> {
        self.check(writes.iter().flat_map(Write::texts)).await?;
        self.attempts = 1;
        loop {
            let under = Under { guard: self.guard.as_ref(), replacing: self.replacing.as_ref() };
            let error = match self.engine.send(writes, under).await {
                Err(error) if self.repeats(&error) => error,
                result => return result,
            };
            self.wait().await;
            if error.repeat == Repeat::Unknown {
                match self.find_written(writes).await {
                    Ok(Some(written)) => return Ok(written),
                    Ok(None) => {}
                    // Asking failed in its turn: what is known is the first fault.
                    Err(again) if again.repeat == Repeat::Never => return Err(again),
                    Err(_) => return Err(error),
                }
            }
        }
    }

    /// Whether `writes`, whose answer was lost, have happened after all; `None` when they have not, so that they may
    /// be sent again.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    pub async fn find_written(&mut self, writes: &[Write<'_>]) -> Result<Option<Written>, WarehouseError> {
        let under = Under { guard: self.guard.as_ref(), replacing: self.replacing.as_ref() };
        self.engine.find_written(writes, under).await
    }

    /// Whether `schema` exists.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    pub async fn schema_exists(&mut self, database: Option<&str>, schema: &str) -> Result<bool, WarehouseError> {
        Ok(!self.list(Listed::Schema { database, schema }).await?.is_empty())
    }

    /// Schemas in which a table of this name is, and that may be written to.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    pub async fn schemas_with(&mut self, table: &str) -> Result<Vec<String>, WarehouseError> {
        self.list(Listed::SchemasWith { table }).await
    }

    /// Names of all relations in `schema`.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    pub async fn relations_in(&mut self, database: Option<&str>, schema: &str) -> Result<Vec<String>, WarehouseError> {
        self.list(Listed::Relations { database, schema }).await
    }

    /// Relations in `schema` that belong to relations outside of it. None where the engine ties nothing to what it
    /// reads.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    pub async fn bound_in(&mut self, schema: &str) -> Result<Vec<String>, WarehouseError> {
        if !self.traits.binds_views {
            return Ok(Vec::new());
        }
        self.list(Listed::Bound { schema }).await
    }

    /// What the catalogue says of relations of production, one answer for each; `None` where it does not tell whether
    /// they were replaced or written to.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    pub async fn look_at(&mut self, names: &[&RelationName]) -> Result<Option<Vec<Seen>>, WarehouseError> {
        self.attempts = 1;
        loop {
            match self.engine.look_at(names).await {
                Err(error) if self.repeats(&error) => self.wait().await,
                result => return result,
            }
        }
    }

    /// How long after it was committed a write of somebody who is connected may show in [`Self::look_at`]; `None` where
    /// nobody is who could have written into these relations, or writes show at once.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    pub async fn shows_late(&mut self, names: &[&RelationName]) -> Result<Option<Duration>, WarehouseError> {
        self.attempts = 1;
        loop {
            match self.engine.shows_late(names).await {
                Err(error) if self.repeats(&error) => self.wait().await,
                result => return result,
            }
        }
    }

    async fn list(&mut self, listed: Listed<'_>) -> Result<Vec<String>, WarehouseError> {
        self.attempts = 1;
        loop {
            match self.engine.list(listed).await {
                Err(error) if self.repeats(&error) => self.wait().await,
                result => return result,
            }
        }
    }

    /// What the role may do in the database and in `schemas`; `None` where production cannot be written to at all.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    pub async fn privileges(&mut self, schemas: &[String]) -> Result<Option<Privileges>, WarehouseError> {
        self.engine.privileges(schemas).await
    }

    /// Ends the sessions with these tags, and waits until their statements are over. `false` when the engine cannot.
    ///
    /// # Errors
    /// What the warehouse said, classified; or that they would not end.
    pub async fn end_sessions(&mut self, tags: &[String]) -> Result<bool, WarehouseError> {
        if !self.traits.ends_sessions {
            return Ok(false);
        }
        self.attempts = 1;
        loop {
            match self.engine.end_sessions(tags).await {
                Err(error) if self.repeats(&error) => self.wait().await,
                result => return result.map(|()| true),
            }
        }
    }

    /// Makes sure that this session can send statements while `workers` others do; what the reader should know where that
    /// is not so, or only because they are fewer at once.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    pub async fn reserve(&mut self, workers: usize) -> Result<Option<String>, WarehouseError> {
        self.engine.reserve(workers).await
    }

    /// Lets those pass who wait for a lock of this run's: `waited` are the sessions that did so a while ago. Those that
    /// wait now, for the next call.
    ///
    /// # Errors
    /// What the warehouse said, classified.
    pub async fn let_pass(&mut self, waited: &[String]) -> Result<Vec<String>, WarehouseError> {
        let waiting = self.engine.waiting_for_us().await?;
        let still: Vec<String> = waiting.iter().filter(|pid| waited.contains(pid)).cloned().collect();
        if !still.is_empty() {
            self.engine.give_way(&still).await?;
        }
        Ok(waiting)
    }

    /// From now on every statement fails with [`FaultClass::Superseded`] when the run that `guard` names has lost its
    /// schema.
    pub fn hold(&mut self, guard: Option<Guard>) {
        self.guard = guard;
    }

    /// From now on what a write makes takes the place of the relation that `replacing` found there.
    pub fn replace(&mut self, replacing: Option<Replacing>) {
        self.replacing = replacing;
    }

    /// Begins a piece of work that another task may stop. When it ends, the session is fit for the next.
    pub fn begin(&mut self) -> Running<'_> {
        let canceller = self.engine.canceller();
        Running { session: self, canceller }
    }

    /// The one check of every text of the project: the engine's own grammar says what it is, and the warehouse what
    /// the functions are that it calls.
    async fn check<'t>(&mut self, texts: impl IntoIterator<Item = ProjectText<'t>>) -> Result<(), WarehouseError> {
        let texts: Vec<_> = texts.into_iter().collect();
        for text in texts {
            let facts = judge(text, self.dialect).map_err(|refusal| refused(&refusal))?;
            self.attempts = 1;
            while let Err(error) = self.engine.vet(&facts).await {
                if !self.repeats(&error) {
                    return Err(error);
                }
                self.wait().await;
            }
        }
        Ok(())
    }

    fn repeats(&mut self, error: &WarehouseError) -> bool {
        if self.attempts == 1 {
            self.failing_since = Instant::now();
        }
        match error.repeat {
            Repeat::Never => false,
            Repeat::Waits => self.failing_since.elapsed() < self.patience,
            Repeat::Safe | Repeat::Unknown => self.attempts < ATTEMPTS,
        }
    }

    async fn wait(&mut self) {
        // Beyond those of a fault it is for a lock, which is asked for at an even pace.
        pause(if self.attempts < ATTEMPTS { self.attempts } else { 2 }).await;
        self.attempts += 1;
    }
}

fn refused(refusal: &Refusal) -> WarehouseError {
    if refusal.syntax {
        return WarehouseError::new(FaultClass::Syntax, format!("{NOT_SENT}: {refusal}"));
    }
    WarehouseError::new(FaultClass::Unsupported, format!("{NOT_SENT}: {refusal}"))
        .with_remedy("write it as one statement that only reads")
}

/// A piece of work on a session, which owns what stops it.
pub struct Running<'s> {
    session: &'s mut Session,
    canceller: Arc<dyn Canceller>,
}

impl std::fmt::Debug for Running<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Running<'_> {
    /// What stops the work from another task: the running statement is cancelled, and no other is started.
    #[must_use]
    pub fn canceller(&self) -> Arc<dyn Canceller> {
        Arc::clone(&self.canceller)
    }

    /// The session that does the work.
    pub fn session(&mut self) -> &mut Session {
        self.session
    }

    /// Does the work, and stops it when `stop` turns true; the answer is then that of the cancelled statement.
    pub async fn until<T>(mut self, mut stop: watch::Receiver<bool>, work: impl AsyncFnOnce(&mut Session) -> T) -> T {
        let canceller = self.canceller();
        let mut work = std::pin::pin!(work(self.session()));
        tokio::select! {
            result = &mut work => result,
            Ok(_) = async { stop.wait_for(|stop| *stop).await.map(|_| ()) } => {
                canceller.cancel();
                work.await
            }
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // A handle that is still somewhere must not stop what comes after.
        let _ = self.session.engine.canceller();
    }
}
