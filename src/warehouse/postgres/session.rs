//! One PostgreSQL or Redshift session, which outlives its connection.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use futures::SinkExt as _;
use tokio::sync::watch;
use tokio_postgres::{CancelToken, CopyInSink, SimpleQueryMessage};

use super::connection::{AS_USER, Backend, Link, Server};
use super::fault;
use super::seed;
use super::statement::{self, RelationKind, Rendered, render};
use super::types;
use crate::sql::{Dialect, check_enclosed};
use crate::warehouse::privileges::{self, Privileges, SchemaPrivileges};
use crate::warehouse::{
    Canceller, ColumnType, FaultClass, Guard, Repeat, Rows, SeedFile, Session, TempRelation, WarehouseError, Write,
    Written,
};

/// Redshift takes statements of up to 16 MB; seeds and batches are cut well below.
const REDSHIFT_STATEMENT: usize = 8 * 1024 * 1024;

/// A session. A connection that was lost is made again by the next statement, after the old one's server
/// process has been ended.
pub(super) struct PgSession {
    server: Arc<Server>,
    link: Option<Link>,
    lost: Option<Backend>,
    guard: Option<Guard>,
    cancel: Arc<Cancel>,
}

/// Stops statements of one session; once used it stays used until the next `canceller()`.
struct Cancel {
    server: Arc<Server>,
    asked: watch::Sender<bool>,
    running: Mutex<Option<(CancelToken, bool)>>,
}

impl Canceller for Cancel {
    fn cancel(&self) {
        self.asked.send_replace(true);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some(token), Ok(runtime)) = (running, tokio::runtime::Handle::try_current()) {
            let server = Arc::clone(&self.server);
            runtime.spawn(async move { server.cancel(token).await });
        }
    }
}

impl PgSession {
    pub(super) fn new(server: Arc<Server>, link: Link) -> Self {
        let cancel = Arc::new(Cancel::new(&server));
        Self { server, link: Some(link), lost: None, guard: None, cancel }
    }

    fn dialect(&self) -> Dialect {
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
                self.server.end(&lost, &link.client).await;
            }
            self.link = Some(link);
        }
        self.link.as_ref().ok_or_else(|| WarehouseError::new(FaultClass::Connection, "there is no connection"))
    }

    fn lose(&mut self) {
        if let Some(link) = self.link.take() {
            self.lost = Some(link.backend.clone());
        }
    }

    /// Runs one exchange with the server within the time limit, and lets it be cancelled.
    async fn exchange<T>(
        &mut self,
        work: impl AsyncFnOnce(&tokio_postgres::Client) -> Result<T, WarehouseError>,
    ) -> Result<T, WarehouseError> {
        let cancel = Arc::clone(&self.cancel);
        let mut asked = cancel.asked.subscribe();
        if *asked.borrow() {
            return Err(cancelled());
        }
        let server = Arc::clone(&self.server);
        let link = self.link().await?;
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
        *cancel.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
                    FaultClass::Cancelled if ran_out => timed_out(&server),
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

    async fn simple(&mut self, sql: &str) -> Result<Vec<SimpleQueryMessage>, WarehouseError> {
        let sql = format!("/* {} */ {sql}", self.server.tag);
        self.exchange(async move |client| client.simple_query(&sql).await.map_err(|error| fault::of_statement(&error)))
            .await
    }

    fn guard_sql(&self) -> String {
        self.guard.as_ref().map(|guard| format!("{};\n", guard.sql())).unwrap_or_default()
    }

    /// A query of our own, without guard.
    async fn ask(&mut self, sql: &str) -> Result<Rows, WarehouseError> {
        self.simple(sql).await.map(|messages| last_rows(&messages))
    }

    /// Sends statements in one round trip, which PostgreSQL carries out in one transaction. The answer is the
    /// row count of the one at that place from the end.
    async fn batch(&mut self, statements: &[String], counted_from_end: usize) -> Result<Option<u64>, WarehouseError> {
        if statements.is_empty() {
            return Ok(None);
        }
        let sql = format!("{}{}", self.guard_sql(), statements.join(";\n"));
        let messages = self.simple(&sql).await?;
        let mut counts = messages.iter().rev().filter_map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => Some(*rows),
            _ => None,
        });
        Ok(counts.nth(counted_from_end))
    }

    async fn copy(&mut self, at: &TempRelation, file: &SeedFile, create: &str) -> Result<u64, WarehouseError> {
        let zone = self.ask("select current_setting('TimeZone')").await?;
        let mut rows = seed::Rows::open(file, zone.scalar().unwrap_or("UTC"))?;
        let begin = format!("/* {} */ begin;\n{}{create}", self.server.tag, self.guard_sql());
        let columns: Vec<_> = file.columns.iter().map(|column| column.name.as_str()).collect();
        let copy = format!("copy {} ({}) from stdin", at.sql(), columns.join(", "));
        let result = self
            .exchange(async move |client| {
                let of = |error: &tokio_postgres::Error| fault::of_statement(error);
                client.batch_execute(&begin).await.map_err(|error| of(&error))?;
                let sink: CopyInSink<std::io::Cursor<Vec<u8>>> =
                    client.copy_in(copy.as_str()).await.map_err(|error| of(&error))?;
                let mut sink = pin!(sink);
                while let Some(chunk) = rows.next_chunk()? {
                    if sink.send(std::io::Cursor::new(chunk)).await.is_err() {
                        // Only `finish` gives the server's reason.
                        break;
                    }
                }
                let copied = sink.as_mut().finish().await.map_err(|error| of(&error))?;
                client.batch_execute("commit").await.map_err(|error| of(&error))?;
                Ok(copied)
            })
            .await;
        self.after(result).await
    }

    /// Redshift's `copy` reads from S3 only, so seeds are inserts.
    async fn insert(&mut self, at: &TempRelation, file: &SeedFile, create: &str) -> Result<u64, WarehouseError> {
        let mut rows = seed::Rows::open(file, "UTC")?;
        let columns: Vec<_> = file.columns.iter().map(|column| column.name.as_str()).collect();
        let head = format!("insert into {} ({}) values ", at.sql(), columns.join(", "));
        let begin = format!("begin;\n{}{create}", self.guard_sql());
        let mut result = self.simple(&begin).await.map(|_| 0);
        let mut insert = String::new();
        while let Ok(inserted) = result {
            let row = match rows.next() {
                Ok(row) => row,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            };
            let ended = row.is_none();
            if !insert.is_empty() && (ended || insert.len() > REDSHIFT_STATEMENT) {
                let sent = self.simple(&std::mem::take(&mut insert)).await;
                if let Err(error) = sent {
                    result = Err(error);
                    break;
                }
            }
            let Some(row) = row else {
                result = self.simple("commit").await.map(|_| inserted);
                break;
            };
            let values: Vec<_> = row
                .iter()
                .map(|value| value.as_deref().map_or_else(|| "null".to_owned(), |text| self.dialect().literal(text)))
                .collect();
            insert.push_str(if insert.is_empty() { &head } else { ", " });
            insert.push_str(&format!("({})", values.join(", ")));
            result = Ok(inserted + 1);
        }
        self.after(result).await
    }

    /// After an error within an explicit transaction the session has to leave it.
    async fn after<T>(&mut self, result: Result<T, WarehouseError>) -> Result<T, WarehouseError> {
        if result.is_err() {
            let open = self.link.as_ref().is_some_and(|link| !link.client.is_closed());
            if open {
                let limit = self.server.limits.grace;
                let rollback = async {
                    match &self.link {
                        Some(link) => link.client.batch_execute("rollback").await.is_ok(),
                        None => false,
                    }
                };
                if !tokio::time::timeout(limit, rollback).await.unwrap_or(false) {
                    self.lose();
                }
            }
        }
        result
    }

    /// Drops those of `relations` that exist, whatever they are: one statement asks, one drops.
    async fn drop_all(&mut self, relations: &[&TempRelation], written: &mut Written) -> Result<(), WarehouseError> {
        let Some(schema) = relations.first().and_then(|at| at.name().schema.clone()) else { return Ok(()) };
        let literal = |text: &str| Dialect::Postgres.literal(text);
        let names: Vec<_> = relations.iter().map(|at| literal(&at.name().identifier)).collect();
        let sql = format!(
            "select c.relname, c.relkind from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = {} and c.relname in ({})",
            literal(&schema),
            names.join(", ")
        );
        let found = self.ask(&sql).await?;
        written.statements += 1;
        let existing: Vec<_> = found
            .rows
            .iter()
            .filter_map(|row| {
                let [Some(name), Some(kind)] = row.as_slice() else { return None };
                let at = relations.iter().find(|at| at.name().identifier == *name)?;
                Some((at.sql().to_owned(), RelationKind::of(kind)?))
            })
            .collect();
        let drops = statement::drops(&existing);
        written.statements += drops.len() as u64;
        self.batch(&drops, 0).await.map(|_| ()).map_err(|error| {
            if error.message.contains("2BP01") {
                return error.with_remedy(
                    "something outside the temporary schema reads it, and premerge does not drop what it did not make: \
                     drop that view first",
                );
            }
            error
        })
    }
}

impl Cancel {
    fn new(server: &Arc<Server>) -> Self {
        Self { server: Arc::clone(server), asked: watch::Sender::new(false), running: Mutex::new(None) }
    }
}

fn cancelled() -> WarehouseError {
    WarehouseError::new(FaultClass::Cancelled, "the statement was cancelled by premerge")
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

#[async_trait]
impl Session for PgSession {
    async fn read(&mut self, sql: &str) -> Result<Rows, WarehouseError> {
        check_enclosed(sql, self.dialect()).map_err(refused)?;
        // The statements of one message are one transaction, which `set transaction` may open.
        let read_only = if self.dialect() == Dialect::Redshift { "" } else { "set transaction read only;\n" };
        let sql = format!("{read_only}{}{sql}", self.guard_sql());
        self.ask(&sql).await
    }

    async fn columns_of(&mut self, query: &str) -> Result<Vec<ColumnType>, WarehouseError> {
        check_enclosed(query, self.dialect()).map_err(refused)?;
        if self.dialect() == Dialect::Redshift {
            return self.columns_by_table(query).await;
        }
        let described = self.read(&format!("select * from (\n{query}\n) as q limit 0")).await?;
        let places: Vec<_> = (1..=described.columns.len()).map(|at| format!("c{at}")).collect();
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let types: Vec<_> = places.iter().map(|place| format!("pg_catalog.pg_typeof({place})")).collect();
        // A join on false gives one row of NULLs that have types, and the query is not run for it.
        let sql = format!(
            "select {} from (select 1) as one left join (\n{query}\n) as q ({}) on false",
            types.join(", "),
            places.join(", ")
        );
        let types = self.read(&sql).await?.rows.into_iter().next().unwrap_or_default();
        Ok(described
            .columns
            .into_iter()
            .zip(types)
            .map(|(name, found)| ColumnType { name, data_type: types::dbt_name(&found.unwrap_or_default()) })
            .collect())
    }

    async fn schema_exists(&mut self, _: Option<&str>, schema: &str) -> Result<bool, WarehouseError> {
        // Redshift lists the schemas of all its databases elsewhere; ours is in the current one.
        let sql = format!("select 1 from pg_catalog.pg_namespace where nspname = {}", self.dialect().literal(schema));
        Ok(!self.ask(&sql).await?.rows.is_empty())
    }

    async fn write(&mut self, writes: &[Write<'_>]) -> Result<Written, WarehouseError> {
        writes.iter().try_for_each(|write| write.check(self.dialect())).map_err(refused)?;
        let mut written = Written::default();
        let mut batch: Vec<String> = Vec::new();
        let mut counted = 0;
        let mut rest = writes;
        while let Some((write, after)) = rest.split_first() {
            rest = after;
            match write {
                Write::Drop { .. } => {
                    self.flush(&mut batch, counted, &mut written).await?;
                    let is_drop = |write: &Write<'_>| matches!(write, Write::Drop { .. });
                    let more = rest.iter().take_while(|write| is_drop(write)).count();
                    let drops: Vec<_> = std::iter::once(write)
                        .chain(rest.iter().take(more))
                        .filter_map(|write| if let Write::Drop { at } = write { Some(*at) } else { None })
                        .collect();
                    self.drop_all(&drops, &mut written).await?;
                    written.rows = None;
                    rest = rest.get(more..).unwrap_or_default();
                }
                Write::DropSchema { .. } => {
                    self.flush(&mut batch, counted, &mut written).await?;
                    written.statements += 1;
                    match self.batch(&render(write, self.dialect()).statements, 0).await {
                        // Something that is not ours is left in it.
                        Err(error) if error.message.contains("2BP01") => {}
                        result => written.rows = result?,
                    }
                }
                Write::Seed { at, seed } => {
                    self.flush(&mut batch, counted, &mut written).await?;
                    let create = render(write, self.dialect()).statements.join(";\n");
                    written.statements += 2;
                    let rows = match self.dialect() {
                        Dialect::Redshift => self.insert(at, seed, &create).await?,
                        _ => self.copy(at, seed, &create).await?,
                    };
                    written.rows = Some(rows);
                }
                other => {
                    let Rendered { statements, counted_from_end } = render(other, self.dialect());
                    batch.extend(statements);
                    counted = counted_from_end;
                    if batch.iter().map(String::len).sum::<usize>() > REDSHIFT_STATEMENT {
                        self.flush(&mut batch, counted, &mut written).await?;
                    }
                }
            }
        }
        self.flush(&mut batch, counted, &mut written).await?;
        Ok(written)
    }

    async fn find_written(&mut self, writes: &[Write<'_>]) -> Result<Option<Written>, WarehouseError> {
        // One message is one transaction, so the last relation is there exactly when all are.
        let Some(at) = writes.iter().rev().find_map(Write::makes) else { return Ok(None) };
        let literal = |text: &str| self.dialect().literal(text);
        let sql = format!(
            "select c.relkind from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = {} and c.relname = {}",
            literal(at.name().schema.as_deref().unwrap_or_default()),
            literal(&at.name().identifier)
        );
        let found = self.read(&sql).await?;
        let rows = match found.scalar() {
            None => return Ok(None),
            Some("v") => None,
            Some(_) => {
                let counted = self.read(&format!("select count(*) from {}", at.sql())).await?;
                counted.scalar().and_then(|text| text.parse().ok())
            }
        };
        Ok(Some(Written { rows, statements: 2 }))
    }

    async fn schemas_with(&mut self, table: &str) -> Result<Vec<String>, WarehouseError> {
        let sql = format!(
            "select n.nspname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where c.relname = {} and c.relkind = 'r' order by 1",
            self.dialect().literal(table)
        );
        let found = self.ask(&sql).await?;
        Ok(found.rows.into_iter().filter_map(|row| row.into_iter().next()?).collect())
    }

    async fn privileges(&mut self, schemas: &[String]) -> Result<Option<Privileges>, WarehouseError> {
        let about = "select current_user, version(), has_database_privilege(current_database(), 'CREATE')";
        let about = self.read(about).await?.rows.into_iter().next().unwrap_or_default();
        let text = |row: &[Option<String>], at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let found = self.read(&privileges::query(self.dialect(), schemas)).await?;
        let schemas = found.rows.iter().map(|row| SchemaPrivileges {
            name: text(row, 0),
            usage: text(row, 1) == "t",
            create: text(row, 2) == "t",
            unreadable: text(row, 3).parse().unwrap_or(0),
            writable: text(row, 4).parse().unwrap_or(0),
        });
        Ok(Some(Privileges {
            role: text(&about, 0),
            version: text(&about, 1).split(" on ").next().unwrap_or_default().to_owned(),
            may_create_schemas: text(&about, 2) == "t",
            schemas: schemas.collect(),
        }))
    }

    fn hold(&mut self, guard: Option<Guard>) {
        self.guard = guard;
    }

    async fn end_sessions(&mut self, tags: &[String]) -> Result<bool, WarehouseError> {
        if self.dialect() == Dialect::Redshift {
            return Ok(false);
        }
        let tags: Vec<_> =
            tags.iter().filter(|tag| **tag != self.server.tag).map(|t| Dialect::Postgres.literal(t)).collect();
        if tags.is_empty() {
            return Ok(true);
        }
        let sql = format!(
            "{AS_USER}select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity \
             where datname = current_database() and application_name in ({})",
            tags.join(", ")
        );
        let began = Instant::now();
        loop {
            if self.ask(&sql).await?.rows.is_empty() {
                return Ok(true);
            }
            if began.elapsed() > self.server.limits.grace {
                let message = "statements of an older run of this pull request do not end";
                return Err(WarehouseError::new(FaultClass::Conflict, message)
                    .with_remedy("wait until it is over, or end its sessions at the server"));
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    fn canceller(&mut self) -> Arc<dyn Canceller> {
        self.cancel = Arc::new(Cancel::new(&self.server));
        Arc::clone(&self.cancel) as Arc<dyn Canceller>
    }
}

impl PgSession {
    async fn flush(
        &mut self,
        batch: &mut Vec<String>,
        counted: usize,
        written: &mut Written,
    ) -> Result<(), WarehouseError> {
        if !batch.is_empty() {
            let statements = std::mem::take(batch);
            written.statements += statements.len() as u64;
            written.rows = self.batch(&statements, counted).await?;
        }
        Ok(())
    }

    /// Redshift has no `pg_typeof`: an empty temporary table of the session tells the types.
    async fn columns_by_table(&mut self, query: &str) -> Result<Vec<ColumnType>, WarehouseError> {
        let table = "premerge_columns";
        let sql = format!(
            "drop table if exists {table};\ncreate temporary table {table} as select * from (\n{query}\n) as q limit 0"
        );
        self.simple(&sql).await?;
        let sql = format!(
            "select a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a \
             where a.attrelid = (select max(oid) from pg_catalog.pg_class where relname = '{table}') and a.attnum > 0 \
             order by a.attnum"
        );
        let found = self.ask(&sql).await?;
        self.simple(&format!("drop table if exists {table}")).await?;
        let text = |value: Option<String>| value.unwrap_or_default();
        Ok(found
            .rows
            .into_iter()
            .filter_map(|row| {
                let mut values = row.into_iter();
                let name = text(values.next()?);
                // Lengths and precisions are no part of dbt's comparison.
                let found = text(values.next()?);
                let bare = found.split_once('(').map_or(found.as_str(), |(bare, _)| bare);
                Some(ColumnType { name, data_type: types::dbt_name(bare) })
            })
            .collect())
    }
}

fn refused(error: crate::sql::SqlError) -> WarehouseError {
    WarehouseError::new(FaultClass::Unsupported, format!("premerge does not send this statement: {error}"))
        .with_remedy("write it as one statement that only reads")
}
