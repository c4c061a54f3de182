//! Seeds loaded: `copy` on PostgreSQL, inserts on Redshift.

use std::pin::pin;

use futures::SinkExt as _;
use tokio_postgres::CopyInSink;

use super::fault;
use super::greeting::Access;
use super::seed;
use super::session::{PgSession, REDSHIFT_STATEMENT, guard_sql};
use crate::sql::Dialect;
use crate::warehouse::engine::Under;
use crate::warehouse::{SeedFile, SeedKind, TempRelation, WarehouseError};

impl PgSession {
    pub(super) async fn copy(
        &mut self,
        at: &TempRelation,
        file: &SeedFile,
        create: &str,
        then: &str,
        under: Under<'_>,
    ) -> Result<u64, WarehouseError> {
        let zone = self.ask("select current_setting('TimeZone')").await?;
        let mut rows = seed::Rows::open(file, zone.scalar().unwrap_or("UTC"))?;
        let opening = self.server.opening(Access::Write);
        let mark = self.mark();
        let begin = format!("{mark}begin;\n{opening}{}{create}", guard_sql(under));
        let columns: Vec<_> = file.columns.iter().map(|column| column.name.as_str()).collect();
        let copy = format!("{mark}copy {} ({}) from stdin", at.sql(), columns.join(", "));
        let end = if then.is_empty() { format!("{mark}commit") } else { format!("{mark}{then};\ncommit") };
        let result = self
            .exchange(async move |client| {
                let of = |error: &tokio_postgres::Error| fault::of_statement(error);
                client.batch_execute(&begin).await.map_err(|error| of(&error))?;
                let sink: CopyInSink<std::io::Cursor<Vec<u8>>> =
                    client.copy_in(copy.as_str()).await.map_err(|error| of(&error))?;
                let mut sink = pin!(sink);
                while let Some(chunk) = rows.next_chunk() {
                    if sink.send(std::io::Cursor::new(chunk)).await.is_err() {
                        // Only `finish` gives the server's reason.
                        break;
                    }
                }
                let copied = sink.as_mut().finish().await.map_err(|error| of(&error))?;
                client.batch_execute(&end).await.map_err(|error| of(&error))?;
                Ok(copied)
            })
            .await;
        self.after(result).await
    }

    /// Redshift's `copy` reads from S3 only, so seeds are inserts.
    pub(super) async fn insert(
        &mut self,
        at: &TempRelation,
        file: &SeedFile,
        create: &str,
        under: Under<'_>,
    ) -> Result<u64, WarehouseError> {
        let mut rows = seed::Rows::open(file, "UTC")?;
        let columns: Vec<_> = file.columns.iter().map(|column| column.name.as_str()).collect();
        let head = format!("insert into {} ({}) values ", at.sql(), columns.join(", "));
        let begin = format!("begin;\n{}{create}", guard_sql(under));
        let mut result = self.simple(&begin).await.map(|_| 0);
        let mut insert = String::new();
        while let Ok(inserted) = result {
            let row = rows.next();
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
            let values: Vec<_> =
                row.iter().zip(&file.kinds).map(|(value, kind)| value_sql(value.as_deref(), *kind)).collect();
            insert.push_str(if insert.is_empty() { &head } else { ", " });
            insert.push_str(&format!("({})", values.join(", ")));
            result = Ok(inserted + 1);
        }
        self.after(result).await
    }

    /// After an error within an explicit transaction the session has to leave it.
    pub(super) async fn after<T>(&mut self, result: Result<T, WarehouseError>) -> Result<T, WarehouseError> {
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
}

/// A value of Redshift's `insert`. Numbers stand bare, as dbt-redshift sends them typed: a list of rows in which
/// a number is a text has no type that fits the column.
fn value_sql(value: Option<&str>, kind: SeedKind) -> String {
    let Some(text) = value else { return "null".to_owned() };
    let is_number = || text.parse::<f64>().is_ok_and(f64::is_finite);
    match kind {
        SeedKind::Integer | SeedKind::Float if is_number() => text.to_owned(),
        SeedKind::Boolean if matches!(text.to_ascii_lowercase().as_str(), "true" | "false") => {
            text.to_ascii_lowercase()
        }
        _ => Dialect::Redshift.literal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_to_their_places() {
        for (value, kind, sql) in [
            (None, SeedKind::Text, "null"),
            (Some("-1"), SeedKind::Integer, "-1"),
            (Some("1.5e3"), SeedKind::Float, "1.5e3"),
            (Some("inf"), SeedKind::Float, "'inf'"),
            (Some("1)"), SeedKind::Integer, "'1)'"),
            (Some("True"), SeedKind::Boolean, "true"),
            (Some("2020-01-01"), SeedKind::Date, "'2020-01-01'"),
            (Some("1"), SeedKind::Text, "'1'"),
            (Some("it's \\"), SeedKind::Text, "'it''s \\\\'"),
        ] {
            assert_eq!(value_sql(value, kind), sql);
        }
    }
}
