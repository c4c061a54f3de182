//! One DuckDB connection.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use duckdb::types::ValueRef;
use duckdb::{Connection, InterruptHandle};
use tokio::task::{JoinError, JoinHandle};

use super::fault::classify;
use super::lease_file::LeaseFile;
use super::statement::{self, render};
use crate::sql::Dialect;
use crate::warehouse::engine::{Classify, Engine, Listed, Under};
use crate::warehouse::{
    Canceller, ColumnType, FaultClass, Limits, Rows, SeedFile, TempRelation, WarehouseError, Write, Written,
};

/// The engine blocks, so every call runs on a thread of its own.
pub(super) struct DuckDbSession {
    connection: Arc<Mutex<Connection>>,
    interrupt: Arc<InterruptHandle>,
    cancelled: Arc<AtomicBool>,
    lease: Arc<LeaseFile>,
    /// Production's database, which names of two parts mean.
    production: String,
    seeds: PathBuf,
    limits: Limits,
    /// Whether a statement was given up that the engine did not.
    stuck: AtomicBool,
}

/// How often a running statement is looked after.
const TICK: Duration = Duration::from_millis(100);

impl DuckDbSession {
    pub(super) fn new(
        connection: Arc<Mutex<Connection>>,
        lease: Arc<LeaseFile>,
        production: String,
        seeds: PathBuf,
        limits: Limits,
    ) -> Self {
        let interrupt = connection.lock().unwrap_or_else(PoisonError::into_inner).interrupt_handle();
        Self {
            connection,
            interrupt,
            cancelled: Arc::default(),
            lease,
            production,
            seeds,
            limits,
            stuck: AtomicBool::new(false),
        }
    }

    /// What a relation is, in the word that `drop` takes; `None` when it is not there.
    async fn kind_of(&self, at: &TempRelation) -> Result<Option<&'static str>, WarehouseError> {
        let text = |value: &str| Dialect::DuckDb.literal(value);
        let sql = format!(
            "select table_type from information_schema.tables \
             where table_catalog = {} and table_schema = {} and lower(table_name) = lower({})",
            text(at.schema().database().unwrap_or_default()),
            text(at.schema().name()),
            text(at.identifier()),
        );
        Ok(match self.look(&sql).await?.scalar() {
            None => None,
            Some("VIEW") => Some("view"),
            Some(_) => Some("table"),
        })
    }

    /// Whether the run still has the file. One process has it, so the register in it cannot say anything new: the file
    /// beside it does.
    fn may_go_on(&self, under: Under<'_>) -> Result<(), WarehouseError> {
        if under.guard.is_some() && self.lease.lost() { Err(superseded()) } else { Ok(()) }
    }

    fn copy_of(&self, seed: &Path) -> Result<tempfile::NamedTempFile, WarehouseError> {
        let copied = || {
            fs_err::create_dir_all(&self.seeds)?;
            let mut copy = tempfile::Builder::new().suffix(".csv").tempfile_in(&self.seeds)?;
            std::io::copy(&mut fs_err::File::open(seed)?, &mut copy)?;
            Ok::<_, std::io::Error>(copy)
        };
        copied().map_err(|error| WarehouseError::new(FaultClass::Other, format!("the seed could not be read: {error}")))
    }

    /// A query of our own, without guard.
    async fn look(&self, sql: &str) -> Result<Rows, WarehouseError> {
        let sql = sql.to_owned();
        self.blocking(move |connection| read(connection, &sql)).await
    }

    /// Waits for the engine within the limit for a statement, and within the time of grace once it was interrupted.
    /// `None` when it goes on even so: it looks for interrupts when it carries a plan out, not when it makes one.
    async fn ended<T>(&self, mut task: JoinHandle<T>) -> Option<Result<T, JoinError>> {
        let began = Instant::now();
        let mut interrupted: Option<Instant> = None;
        loop {
            if let Ok(answer) = tokio::time::timeout(TICK, &mut task).await {
                self.stuck.store(false, Ordering::Relaxed);
                return Some(answer);
            }
            let over = began.elapsed() >= self.limits.statement || self.cancelled.load(Ordering::Relaxed);
            match interrupted {
                None if over => {
                    self.interrupt.interrupt();
                    interrupted = Some(Instant::now());
                }
                Some(since) if since.elapsed() >= self.limits.grace => return None,
                _ => {}
            }
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> duckdb::Result<T> + Send + 'static,
    ) -> Result<T, WarehouseError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(WarehouseError::new(FaultClass::Cancelled, "the statement was cancelled by premerge"));
        }
        if self.stuck.load(Ordering::Relaxed) && self.connection.try_lock().is_err() {
            return Err(WarehouseError::new(FaultClass::Timeout, "the engine is still running an earlier statement"));
        }
        let connection = Arc::clone(&self.connection);
        let task = tokio::task::spawn_blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&connection).map_err(|error| Self::classify(&error))
        });
        let Some(answer) = self.ended(task).await else {
            self.stuck.store(true, Ordering::Relaxed);
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(WarehouseError::new(FaultClass::Cancelled, "the statement was cancelled by premerge"));
            }
            return Err(timed_out(self.limits.statement.as_secs()));
        };
        match answer {
            Ok(Err(error)) if error.class == FaultClass::Cancelled && !self.cancelled.load(Ordering::Relaxed) => {
                Err(timed_out(self.limits.statement.as_secs()))
            }
            Ok(result) => result,
            Err(join) => Err(WarehouseError::new(FaultClass::Other, format!("the engine's thread ended: {join}"))),
        }
    }
}

fn timed_out(seconds: u64) -> WarehouseError {
    WarehouseError::new(FaultClass::Timeout, format!("the statement ran longer than {seconds} s"))
        .with_remedy("make it cheaper, or raise `statement_timeout_seconds` in premerge.yml")
}

/// What a run is told that has lost its file to a newer one.
pub(super) fn superseded() -> WarehouseError {
    WarehouseError::new(
        FaultClass::Superseded,
        "superseded: a newer run of this pull request asks for the temporary database",
    )
}

struct Interrupt(Arc<InterruptHandle>, Arc<AtomicBool>);

impl Canceller for Interrupt {
    fn cancel(&self) {
        self.1.store(true, Ordering::Relaxed);
        self.0.interrupt();
    }
}

impl Classify for DuckDbSession {
    type Fault = duckdb::Error;

    fn classify(fault: &duckdb::Error) -> WarehouseError {
        classify(fault)
    }
}

#[async_trait]
impl Engine for DuckDbSession {
    fn as_text(&self, query: &str) -> String {
        format!("select columns(*)::varchar from (\n{query}\n)")
    }

    async fn query(&mut self, sql: &str, under: Under<'_>) -> Result<Rows, WarehouseError> {
        self.may_go_on(under)?;
        self.look(sql).await
    }

    async fn describe(&mut self, query: &str, under: Under<'_>) -> Result<Vec<ColumnType>, WarehouseError> {
        let described = self.query(&format!("describe (\n{query}\n)"), under).await?;
        let column = |row: &Vec<Option<String>>, at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        Ok(described.rows.iter().map(|row| ColumnType { name: column(row, 0), data_type: column(row, 1) }).collect())
    }

    async fn list(&mut self, listed: Listed<'_>) -> Result<Vec<String>, WarehouseError> {
        let text = |value: &str| Dialect::DuckDb.literal(value);
        let sql = match listed {
            Listed::Schema { database, schema } => {
                let database = database.map(|name| format!(" and lower(catalog_name) = lower({})", text(name)));
                format!(
                    "select schema_name from information_schema.schemata where lower(schema_name) = lower({}){}",
                    text(schema),
                    database.unwrap_or_default()
                )
            }
            Listed::Relations { database, schema } => format!(
                "select table_name from information_schema.tables where table_catalog = {} and table_schema = {}",
                text(database.unwrap_or_default()),
                text(schema)
            ),
            // A view is a text, looked up when it is read.
            Listed::Bound { .. } => return Ok(Vec::new()),
            Listed::SchemasWith { table } => format!(
                "select distinct table_schema from information_schema.tables where table_name = {} \
                 and not (select readonly from duckdb_databases() where database_name = table_catalog)",
                text(table)
            ),
        };
        let found = self.look(&sql).await?;
        Ok(found.rows.into_iter().filter_map(|row| row.into_iter().next()?).collect())
    }

    async fn send(&mut self, writes: &[Write<'_>], under: Under<'_>) -> Result<Written, WarehouseError> {
        self.may_go_on(under)?;
        let apart = writes.iter().any(|write| write.header().is_some_and(|header| !header.trim().is_empty()));
        let mut written = Written::default();
        // A seed is read from a copy in a folder that nothing else lies in: the engine reaches no other.
        let mut copies = Vec::new();
        // Kinds of what is to be dropped: DuckDB has no `drop` that takes either.
        let mut statements = Vec::new();
        for write in writes {
            let kind = match write {
                Write::Drop { at } => {
                    written.statements += 1;
                    match self.kind_of(at).await? {
                        None => continue,
                        Some(kind) => kind,
                    }
                }
                Write::DropSchema { schema } => {
                    written.statements += 1;
                    let text = |value: &str| Dialect::DuckDb.literal(value);
                    let sql = format!(
                        "select 1 from information_schema.tables where table_catalog = {} and table_schema = {} \
                         and table_name not in ({}) limit 1",
                        text(schema.database().unwrap_or_default()),
                        text(schema.name()),
                        schema.register_tables().map(|at| text(at.identifier())).join(", "),
                    );
                    if !self.look(&sql).await?.rows.is_empty() {
                        continue;
                    }
                    "schema"
                }
                Write::CreateSchema { .. }
                | Write::Proxy { .. }
                | Write::View { .. }
                | Write::LateView { .. }
                | Write::Table { .. }
                | Write::TypedTable { .. }
                | Write::Seed { .. }
                | Write::Register { .. }
                | Write::Bookkeeping { .. } => "",
            };
            if let (Some(replacing), Some(at)) = (under.replacing, write.makes())
                && replacing.found(at)
            {
                written.statements += 1;
                // Names of views are looked up when they are read, so nothing has to step aside.
                if let Some(kind) = self.kind_of(at).await? {
                    statements.extend(render(&Write::Drop { at }, kind));
                }
            }
            if let Write::Seed { at, seed } = write {
                let copy = self.copy_of(&seed.path)?;
                let seed = SeedFile { path: copy.path().to_owned(), ..(*seed).clone() };
                copies.push(copy);
                statements.extend(render(&Write::Seed { at, seed: &seed }, kind));
                continue;
            }
            statements.extend(render(write, kind));
        }
        written.statements += statements.len() as u64;
        self.may_go_on(under)?;
        let production = self.production.clone();
        let carried_out = self.blocking(move |connection| {
            if !apart {
                return in_one_transaction(connection, &statements);
            }
            // What a header sets ends with a connection of its own.
            let own = connection.try_clone()?;
            own.execute_batch(&format!("use {}", statement::name(&production)))?;
            in_one_transaction(&own, &statements)
        });
        written.rows = carried_out.await?;
        drop(copies);
        Ok(written)
    }

    fn canceller(&mut self) -> Arc<dyn Canceller> {
        self.cancelled = Arc::default();
        Arc::new(Interrupt(Arc::clone(&self.interrupt), Arc::clone(&self.cancelled)))
    }
}

/// All of them or none; the answer is that of the last one.
fn in_one_transaction(connection: &Connection, statements: &[String]) -> duckdb::Result<Option<u64>> {
    let run = || {
        let mut rows = None;
        for statement in statements {
            rows = written_rows(connection, statement)?;
        }
        Ok(rows)
    };
    if statements.len() < 2 {
        return run();
    }
    connection.execute_batch("begin transaction")?;
    let done = run().and_then(|rows| connection.execute_batch("commit").map(|()| rows));
    if done.is_err() {
        // A failed commit has ended the transaction already.
        let _ = connection.execute_batch("rollback");
    }
    done
}

/// DuckDB answers a `create table as`, an `insert` and a `copy` with one row that holds the count.
fn written_rows(connection: &Connection, sql: &str) -> duckdb::Result<Option<u64>> {
    let rows = read(connection, sql)?;
    Ok(rows.scalar().filter(|_| rows.columns == ["Count"]).and_then(|count| count.parse().ok()))
}

fn read(connection: &Connection, sql: &str) -> duckdb::Result<Rows> {
    let mut statement = connection.prepare(sql)?;
    let mut result = statement.query([])?;
    let mut rows = Vec::new();
    let columns = result.as_ref().map(duckdb::Statement::column_names).unwrap_or_default();
    while let Some(row) = result.next()? {
        let mut values = Vec::with_capacity(columns.len());
        for at in 0..columns.len() {
            values.push(text(row.get_ref(at)?));
        }
        rows.push(values);
    }
    Ok(Rows { columns, rows })
}

/// A value as DuckDB prints it. Queries whose columns may have other types cast them to text themselves.
fn text(value: ValueRef<'_>) -> Option<String> {
    Some(match value {
        ValueRef::Null => return None,
        ValueRef::Boolean(value) => value.to_string(),
        ValueRef::TinyInt(value) => value.to_string(),
        ValueRef::SmallInt(value) => value.to_string(),
        ValueRef::Int(value) => value.to_string(),
        ValueRef::BigInt(value) => value.to_string(),
        ValueRef::HugeInt(value) => value.to_string(),
        ValueRef::UHugeInt(value) => value.to_string(),
        ValueRef::UTinyInt(value) => value.to_string(),
        ValueRef::USmallInt(value) => value.to_string(),
        ValueRef::UInt(value) => value.to_string(),
        ValueRef::UBigInt(value) => value.to_string(),
        ValueRef::Float(value) => value.to_string(),
        ValueRef::Double(value) => value.to_string(),
        ValueRef::Decimal(value) => value.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("{:?}", other.to_owned()),
    })
}
