//! One PostgreSQL or Redshift session, which outlives its connection.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_postgres::SimpleQueryMessage;

use super::activity;
use super::cancel::Cancel;
use super::connection::{Backend, Link, Server};
use super::fault;
use super::greeting::Access;
use super::moves::Moves;
use super::statement::{Rendered, render};
use crate::sql::{Dialect, Facts, RelationName};
use crate::warehouse::engine::{Classify, Engine, Listed, Under};
use crate::warehouse::{
    Canceller, ColumnType, FaultClass, Privileges, Repeat, Rows, Seen, WarehouseError, Write, Written,
};

/// Redshift takes statements of up to 16 MB; seeds and batches are cut well below.
pub(super) const REDSHIFT_STATEMENT: usize = 8 * 1024 * 1024;

/// A session. A connection that was lost is made again by the next statement, after the old one's server
/// process has been ended.
pub(super) struct PgSession {
    pub(super) server: Arc<Server>,
    pub(super) link: Option<Link>,
    lost: Option<Backend>,
    /// By which its statements are told from those of the run's other sessions.
    number: u64,
    /// Whether it keeps its connection to a pooler's server, by a transaction that is always open.
    pub(super) reserved: bool,
    cancel: Arc<Cancel>,
}

impl PgSession {
    pub(super) fn new(server: Arc<Server>, link: Link) -> Self {
        let cancel = Arc::new(Cancel::new(&server));
        let number = server.sessions.fetch_add(1, Ordering::Relaxed);
        Self { server, link: Some(link), lost: None, number, reserved: false, cancel }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.server.dialect
    }

    /// The connection, made anew if it is gone.
    async fn link(&mut self) -> Result<&Link, WarehouseError> {
        if self.link.as_ref().is_some_and(|link| link.client.is_closed()) {
            self.lose();
        }
        if self.link.is_none() {
            let link = self.server.connect(true).await?;
            if let Some(lost) = self.lost.take() {
                self.server.end(&lost, self.number, &link.client).await;
            }
            self.link = Some(link);
        }
        self.link.as_ref().ok_or_else(|| WarehouseError::new(FaultClass::Connection, "there is no connection"))
    }

    pub(super) fn lose(&mut self) {
        if let Some(link) = self.link.take() {
            self.lost = Some(link.backend.clone());
        }
    }

    /// Runs one exchange with the server within the time limit, and lets it be cancelled.
    pub(super) async fn exchange<T>(
        &mut self,
        work: impl AsyncFnOnce(&tokio_postgres::Client) -> Result<T, WarehouseError>,
    ) -> Result<T, WarehouseError> {
        let cancel = Arc::clone(&self.cancel);
        let mut asked = cancel.asked.subscribe();
        if *asked.borrow() {
            return Err(cancelled());
        }
        let server = Arc::clone(&self.server);
        let number = self.number;
        let _leave = tokio::select! {
            leave = Self::leave(&server, self.reserved) => leave,
            () = async { let _ = asked.wait_for(|asked| *asked).await; } => return Err(cancelled()),
        };
        let link = self.link().await?;
        // A cancel that came too late for the statement before.
        server.has_given_way(number);
        *cancel.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.cancel_token());
        let began = Instant::now();
        let result = {
            let mut work = pin!(work(&link.client));
            let limit = tokio::time::sleep(server.limits.statement + server.limits.grace);
            let grace = async {
                if asked.wait_for(|asked| *asked).await.is_ok() {
                    tokio::time::sleep(server.limits.grace).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                result = &mut work => Some(result),
                () = limit => None,
                () = grace => None,
            }
        };
        cancel.settle(server.limits.grace).await;
        let asked = *cancel.asked.borrow();
        match result {
            Some(Err(error)) => {
                let ran_out = began.elapsed() >= server.limits.statement;
                if self.link.as_ref().is_some_and(|link| link.client.is_closed()) {
                    self.lose();
                }
                Err(match error.class {
                    // A cancelled session says so, whatever its broken statement says.
                    _ if asked => cancelled(),
                    FaultClass::Cancelled | FaultClass::Timeout if ran_out => timed_out(&server),
                    FaultClass::Cancelled if server.has_given_way(number) => gave_way(),
                    _ => error,
                })
            }
            Some(Ok(value)) => Ok(value),
            None => {
                // No answer: the server or the network hangs, so this connection is of no use any more.
                if let Some(link) = &self.link {
                    server.cancel(link.cancel_token()).await;
                }
                self.lose();
                Err(if asked { cancelled() } else { timed_out(&server).with_repeat(Repeat::Never) })
            }
        }
    }

    /// What its statements begin with.
    pub(super) fn mark(&self) -> String {
        activity::mark(&self.server.tag, self.number, self.dialect())
    }

    pub(super) async fn simple(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, WarehouseError> {
        // In one message, so that the pooler has no moment to lend the connection to somebody else.
        let sql = match self.reserved {
            true => format!("{}commit;\nbegin;\n{sql}\n;\ncommit;\nbegin", self.mark()),
            false => format!("{}{sql}", self.mark()),
        };
        self.exchange(async move |client| client.simple_query(&sql).await.map_err(|error| Self::classify(&error))).await
    }

    /// The same for text of the project: behind it, and within its transaction, the session is made what it was.
    /// Without the answers to that.
    async fn simple_of_project(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, WarehouseError> {
        let restore = self.server.restore();
        if restore.is_empty() {
            return self.simple(sql).await;
        }
        // The text may end in a line comment.
        let mut messages = self.simple(&format!("{sql}\n;\n{}", restore.join(";\n"))).await?;
        let is_end = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::CommandComplete(_));
        let ends = messages.iter().enumerate().rev().filter(|(_, message)| is_end(message));
        let ours = ends.map(|(at, _)| at + 1).nth(restore.len());
        messages.truncate(ours.unwrap_or_default());
        Ok(messages)
    }

    /// One query in a transaction that only reads.
    pub(super) async fn guarded(&mut self, sql: &str, under: Under<'_>) -> Result<Rows, WarehouseError> {
        // The statements of one message are one transaction, which `set transaction` may open.
        let guard = guard_sql(under);
        if self.dialect() == Dialect::Redshift {
            // A query may end in a line comment.
            let answer = self.ask(&format!("begin read only;\n{guard}{sql}\n;\ncommit")).await;
            return self.after(answer).await;
        }
        let opening = self.server.opening(Access::Read);
        let answer = self.simple_of_project(&format!("{opening}{guard}{sql}")).await;
        answer.map(|messages| last_rows(&messages))
    }

    /// A query of our own, without guard.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Rows, WarehouseError> {
        let opening = self.server.opening(Access::Read);
        self.simple(&format!("{opening}{sql}")).await.map(|messages| last_rows(&messages))
    }

    /// Sends statements in one round trip, which PostgreSQL carries out in one transaction. The answer is the
    /// row count of the one at that place from the end.
    pub(super) async fn batch(
        &mut self,
        statements: &[String],
        counted_from_end: usize,
        under: Under<'_>,
    ) -> Result<Option<u64>, WarehouseError> {
        if statements.is_empty() {
            return Ok(None);
        }
        let opening = self.server.opening(Access::Write);
        let sql = format!("{opening}{}{}", guard_sql(under), statements.join(";\n"));
        // Redshift's documentation does not promise that a message is a transaction, so it is said.
        let explicit = self.dialect() == Dialect::Redshift;
        let sql = if explicit { format!("begin;\n{sql};\ncommit") } else { sql };
        let counted_from_end = counted_from_end + if self.reserved { 2 } else { usize::from(explicit) };
        let answer = self.simple_of_project(&sql).await;
        let messages = if explicit { self.after(answer).await } else { answer }?;
        let mut counts = messages.iter().rev().filter_map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        });
        Ok(counts.nth(counted_from_end))
    }
}

/// How many there are, without those that set the transaction up.
fn working(statements: &[String]) -> u64 {
    statements.iter().filter(|statement| !statement.starts_with("set local ")).count() as u64
}

fn cancelled() -> WarehouseError {
    WarehouseError::new(FaultClass::Cancelled, "the statement was cancelled by premerge")
}

fn gave_way() -> WarehouseError {
    let message = "the statement was cancelled because another session was waiting for its lock";
    WarehouseError::new(FaultClass::Conflict, message)
        .with_remedy("run the check again when production is not being changed")
        .with_repeat(Repeat::Safe)
}

/// What dbt's statements fail with, too.
fn only_reads(user: &str) -> WarehouseError {
    let message = format!("`default_transaction_read_only` is on for the user {user}, so that nothing can be built");
    WarehouseError::new(FaultClass::Permission, message).with_remedy(format!(
        "use a user that may write to its own schemas, or: alter role {} set default_transaction_read_only = off",
        Dialect::Postgres.quote(user)
    ))
}

fn timed_out(server: &Server) -> WarehouseError {
    let seconds = server.limits.statement.as_secs();
    WarehouseError::new(FaultClass::Timeout, format!("the statement ran longer than {seconds} s"))
        .with_remedy("make it cheaper, or raise `statement_timeout_seconds` in premerge.yml")
}

/// The rows of the last result set.
fn last_rows(messages: &[SimpleQueryMessage]) -> Rows {
    let mut rows = Rows::default();
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                rows.columns = columns.iter().map(|column| column.name().to_owned()).collect();
                rows.rows.clear();
            }
            SimpleQueryMessage::Row(row) => {
                let value = |at| row.try_get(at).ok().flatten().map(str::to_owned);
                rows.rows.push((0..row.len()).map(value).collect());
            }
            _ => {}
        }
    }
    rows
}

impl Classify for PgSession {
    type Fault = tokio_postgres::Error;

    fn classify(fault: &tokio_postgres::Error) -> WarehouseError {
        fault::of_statement(fault)
    }
}

#[async_trait]
impl Engine for PgSession {
    async fn query(&mut self, sql: &str, under: Under<'_>) -> Result<Rows, WarehouseError> {
        self.guarded(sql, under).await
    }

    async fn vet(&mut self, facts: &Facts) -> Result<(), WarehouseError> {
        self.vet_functions(facts).await
    }

    async fn describe(&mut self, query: &str, under: Under<'_>) -> Result<Vec<ColumnType>, WarehouseError> {
        self.columns_of(query, under).await
    }

    async fn list(&mut self, listed: Listed<'_>) -> Result<Vec<String>, WarehouseError> {
        self.names(listed).await
    }

    async fn send(&mut self, writes: &[Write<'_>], under: Under<'_>) -> Result<Written, WarehouseError> {
        let apart = has_header(writes);
        if apart {
            self.link = None;
        }
        let carried_out = self.carry_out(writes, under).await;
        if apart {
            self.link = None;
        }
        match carried_out {
            Err(error) => {
                // What stands aside for a new relation may be held, too.
                let made: Vec<_> = writes.iter().filter_map(Write::makes).collect();
                let replaces = under.replacing.is_some_and(|r| made.iter().any(|at| r.found(at)));
                Err(if replaces { self.blame(error, &made).await } else { error })
            }
            written => written,
        }
    }

    async fn find_written(
        &mut self,
        writes: &[Write<'_>],
        under: Under<'_>,
    ) -> Result<Option<Written>, WarehouseError> {
        self.look_for(writes, under).await
    }

    async fn privileges(&mut self, schemas: &[String]) -> Result<Option<Privileges>, WarehouseError> {
        self.privileges_in(schemas).await
    }

    async fn end_sessions(&mut self, tags: &[String]) -> Result<(), WarehouseError> {
        self.end_others(tags).await
    }

    async fn look_at(&mut self, names: &[&RelationName]) -> Result<Option<Vec<Seen>>, WarehouseError> {
        self.look(names).await
    }

    async fn shows_late(&mut self, names: &[&RelationName]) -> Result<Option<Duration>, WarehouseError> {
        self.counted_late(names).await
    }

    async fn waiting_for_us(&mut self) -> Result<Vec<String>, WarehouseError> {
        self.waiting().await
    }

    async fn reserve(&mut self, workers: usize) -> Result<Option<String>, WarehouseError> {
        self.reserve_room(workers).await
    }

    async fn give_way(&mut self, waiting: &[String]) -> Result<(), WarehouseError> {
        self.cancel_for(waiting).await
    }

    fn canceller(&mut self) -> Arc<dyn Canceller> {
        self.cancel = Arc::new(Cancel::new(&self.server));
        Arc::clone(&self.cancel) as Arc<dyn Canceller>
    }
}

/// A node with a header has a connection of its own, closed behind it.
fn has_header(writes: &[Write<'_>]) -> bool {
    writes.iter().any(|write| write.header().is_some_and(|header| !header.trim().is_empty()))
}

/// The guard as the beginning of a message.
pub(super) fn guard_sql(under: Under<'_>) -> String {
    under.guard.map(|guard| format!("{};\n", guard.sql())).unwrap_or_default()
}

impl PgSession {
    async fn carry_out(&mut self, writes: &[Write<'_>], under: Under<'_>) -> Result<Written, WarehouseError> {
        if self.server.found.get().is_some_and(|found| found.only_reads) {
            return Err(only_reads(&self.server.profile.user));
        }
        let mut written = Written::default();
        let mut batch: Vec<String> = Vec::new();
        let mut counted = 0;
        let mut rest = writes;
        while let Some((write, after)) = rest.split_first() {
            rest = after;
            match write {
                Write::Drop { .. } => {
                    self.flush(&mut batch, counted, &mut written, under).await?;
                    let is_drop = |write: &Write<'_>| matches!(write, Write::Drop { .. });
                    let more = rest.iter().take_while(|write| is_drop(write)).count();
                    let drops: Vec<_> = std::iter::once(write)
                        .chain(rest.iter().take(more))
                        .filter_map(|write| if let Write::Drop { at } = write { Some(*at) } else { None })
                        .collect();
                    self.drop_all(&drops, &mut written, under).await?;
                    written.rows = None;
                    rest = rest.get(more..).unwrap_or_default();
                }
                Write::Proxy { .. } => {
                    self.flush(&mut batch, counted, &mut written, under).await?;
                    let more = rest.iter().take_while(|write| matches!(write, Write::Proxy { .. })).count();
                    let (proxies, after) = (rest.get(..more).unwrap_or_default(), rest.get(more..).unwrap_or_default());
                    let proxies: Vec<_> = std::iter::once(write).chain(proxies).collect();
                    written.statements += self.make_proxies(&proxies, under).await?;
                    written.rows = None;
                    rest = after;
                }
                Write::LateView { at, behind, select } if self.dialect() == Dialect::Postgres => {
                    self.flush(&mut batch, counted, &mut written, under).await?;
                    written.statements += self.make_late(write, at, behind, select, under).await?;
                    written.rows = None;
                }
                Write::DropSchema { schema } => {
                    self.flush(&mut batch, counted, &mut written, under).await?;
                    written.statements += 1;
                    let drops = render(write, self.dialect()).statements;
                    let drops: Vec<_> = self.server.impatient().into_iter().chain(drops).collect();
                    match self.batch(&drops, 0, under).await {
                        // Something that is not ours is left in it.
                        Err(error) if error.message.contains("2BP01") => {}
                        Err(error) => {
                            let registers = schema.register_tables();
                            return Err(self.blame(error, &registers.each_ref()).await);
                        }
                        Ok(rows) => written.rows = rows,
                    }
                }
                Write::Seed { at, seed } => {
                    self.flush(&mut batch, counted, &mut written, under).await?;
                    let moves = self.moves(write, under).await?;
                    let at = moves.as_ref().map_or(*at, |moves| &moves.incoming);
                    let create = render(&write.made_at(at), self.dialect()).statements.join(";\n");
                    // The types of a seed's columns are text of the project.
                    let after = moves.iter().flat_map(|moves| moves.after.clone()).chain(self.server.restore());
                    let after = after.collect::<Vec<_>>().join(";\n");
                    written.statements += 2 + moves.as_ref().map_or(0, |moves| working(&moves.after));
                    let rows = match self.dialect() {
                        Dialect::Redshift => self.insert(at, seed, &create, under).await?,
                        _ => self.copy(at, seed, &create, &after, under).await?,
                    };
                    written.rows = Some(rows);
                }
                other => {
                    match self.moves(other, under).await? {
                        None => {
                            let Rendered { statements, counted_from_end } = render(other, self.dialect());
                            batch.extend(statements);
                            counted = counted_from_end;
                        }
                        Some(Moves { incoming, before, after }) => {
                            let Rendered { statements, counted_from_end } =
                                render(&other.made_at(&incoming), self.dialect());
                            counted = counted_from_end + after.len();
                            batch.extend(before.into_iter().chain(statements).chain(after));
                        }
                    }
                    // PostgreSQL takes a gigabyte, and what is replaced must be replaced in one transaction.
                    let long = batch.iter().map(String::len).sum::<usize>() > REDSHIFT_STATEMENT;
                    if long && self.dialect() == Dialect::Redshift {
                        self.flush(&mut batch, counted, &mut written, under).await?;
                    }
                }
            }
        }
        self.flush(&mut batch, counted, &mut written, under).await?;
        Ok(written)
    }

    /// `None` when the write makes nothing, or nothing is there to replace.
    pub(super) async fn moves(&mut self, write: &Write<'_>, under: Under<'_>) -> Result<Option<Moves>, WarehouseError> {
        let (Some(replacing), Some(at)) = (under.replacing, write.makes()) else { return Ok(None) };
        if !replacing.found(at) {
            return Ok(None);
        }
        // Indexes of named constraints have names of the whole schema. Renaming an index does not keep readers off.
        let indexes = match write {
            Write::TypedTable { constraints, .. } if !constraints.is_empty() => self.indexes_of(at).await?,
            _ => Vec::new(),
        };
        Ok(Some(Moves::new(at, replacing, &indexes, self.server.impatient(), self.dialect())))
    }

    async fn flush(
        &mut self,
        batch: &mut Vec<String>,
        counted: usize,
        written: &mut Written,
        under: Under<'_>,
    ) -> Result<(), WarehouseError> {
        if !batch.is_empty() {
            let statements = std::mem::take(batch);
            written.statements += working(&statements);
            written.rows = self.batch(&statements, counted, under).await?;
        }
        Ok(())
    }
}
