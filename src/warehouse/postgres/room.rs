//! Room in a pooler's pool for the session that looks who waits for us.
//!
//! A pooler in transaction mode lends a connection for each transaction. Where statements of ours have all of them, the
//! lease's session gets none, and nobody is told that production waits. So it takes one before they begin and keeps it, by
//! a transaction that is always open and never has a snapshot or lock; and no more statements are sent at once than the
//! pool has room for beside it, so that none waits in the pooler's queue, which loses patience.

use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::session::PgSession;
use crate::warehouse::WarehouseError;

/// How long connections are waited for that the pool may not have.
const PATIENCE: Duration = Duration::from_secs(2);

impl PgSession {
    /// Takes a connection for good and finds out how many the pool has beside it, up to `wanted`; what the reader should
    /// know if they are fewer.
    pub(super) async fn reserve_room(&mut self, wanted: usize) -> Result<Option<String>, WarehouseError> {
        if !self.server.is_pooled() {
            return Ok(None);
        }
        self.reserved = true;
        self.ask("select 1").await?;
        let server = &self.server;
        let one = async || {
            let link = server.connect(false).await.ok()?;
            link.client.batch_execute("begin").await.ok()?;
            Some(link)
        };
        let tries = (0..wanted).map(|_| tokio::time::timeout(PATIENCE, one()));
        // All of them are held until the last has an answer.
        let held: Vec<_> = join_all(tries).await.into_iter().filter_map(|tried| tried.ok().flatten()).collect();
        let room = held.len();
        for link in held {
            let _ = link.client.batch_execute("rollback").await;
        }
        if room >= wanted {
            return Ok(None);
        }
        let _ = self.server.room.set(Semaphore::new(room.max(1)));
        if room > 0 {
            return Ok(Some(format!(
                "the pooler has {room} of its connections for this run's statements, so no more are sent at once; raise \
                 its pool size above `threads` ({wanted})"
            )));
        }
        self.simple("select 1").await?;
        self.reserved = false;
        self.simple("rollback").await?;
        Ok(Some(
            "the pooler has one connection for this run, so while a statement runs nobody sees whether production waits \
             for it; raise its pool size above `threads`"
                .to_owned(),
        ))
    }

    /// Leave to send a statement; held until it has ended.
    pub(super) async fn leave(server: &super::connection::Server, reserved: bool) -> Option<SemaphorePermit<'_>> {
        let room = server.room.get().filter(|_| !reserved)?;
        room.acquire().await.ok()
    }
}
