//! Relations of ours that somebody else's transaction holds.

use std::sync::PoisonError;
use std::time::Duration;

use super::activity;
use super::connection::{AS_USER, Server};
use super::session::PgSession;
use crate::sql::Dialect;
use crate::warehouse::{FaultClass, Repeat, TempRelation, WarehouseError};

/// PostgreSQL's code of a lock that was not to be had in time.
const LOCK_TIMEOUT: &str = "(SQLSTATE 55P03)";

impl Server {
    /// Said before a statement of our own that needs a relation for itself: whoever has looked at it in a
    /// transaction that is still open would keep it waiting for the whole time limit of a statement. `None` on
    /// Redshift, which has no such setting.
    pub(super) fn impatient(&self) -> Option<String> {
        let limit = self.limits.lock.min(self.limits.statement / 2);
        self.wait_at_most(limit)
    }

    fn wait_at_most(&self, limit: Duration) -> Option<String> {
        let wanted = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let limit = self.deadlock().map_or(wanted, |deadlock| deadlock.at_most(wanted));
        (self.dialect == Dialect::Postgres).then(|| format!("set local lock_timeout to {limit}"))
    }

    /// Whether the session's statement was cancelled for somebody who waited; forgotten with the answer.
    pub(super) fn has_given_way(&self, session: u64) -> bool {
        self.gave_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&session)
    }

    /// Said before a statement that needs no more than a look at production's relations, and can be sent again.
    pub(super) fn brief(&self) -> Option<String> {
        let limit = self.limits.production.min(self.limits.statement / 2);
        self.wait_at_most(limit)
    }
}

impl PgSession {
    /// Server processes of others that wait for a lock of ours.
    pub(super) async fn waiting(&mut self) -> Result<Vec<String>, WarehouseError> {
        if self.dialect() == Dialect::Redshift {
            return Ok(Vec::new());
        }
        let found = self.ask(&self.blocked("w.pid", "")).await?;
        Ok(found.rows.into_iter().filter_map(|row| row.into_iter().next()?).collect())
    }

    /// Cancels those statements of ours that these processes wait for.
    pub(super) async fn cancel_for(&mut self, waiting: &[String]) -> Result<(), WarehouseError> {
        let numbers: Vec<&str> = waiting.iter().map(String::as_str).filter(|pid| pid.parse::<i32>().is_ok()).collect();
        let only = format!(" and w.pid in ({})", numbers.join(", "));
        let number = activity::session_of("o");
        let found = self.ask(&self.blocked(&number, &only)).await?;
        let ours = found.rows.into_iter().filter_map(|row| row.into_iter().next()??.parse().ok());
        let ours: Vec<u64> = ours.collect();
        if ours.is_empty() {
            return Ok(());
        }
        let sessions: Vec<String> = ours.iter().map(|session| format!("'{session}'")).collect();
        let only = format!("{only} and {number} in ({})", sessions.join(", "));
        // Before they are cancelled, so that each knows why.
        self.server.gave_way.lock().unwrap_or_else(PoisonError::into_inner).extend(ours);
        self.ask(&self.blocked("pg_catalog.pg_cancel_backend(o.pid)", &only)).await.map(|_| ())
    }

    /// Asks about those who wait (`w`) for a statement of ours (`o`).
    fn blocked(&self, what: &str, only: &str) -> String {
        let tag = &self.server.tag;
        format!(
            "{AS_USER}select distinct {what} from pg_catalog.pg_locks w join pg_catalog.pg_stat_activity o \
             on o.pid = any (pg_catalog.pg_blocking_pids(w.pid)) and {} \
             where not w.granted{only} and not exists (select 1 from pg_catalog.pg_stat_activity x \
             where x.pid = w.pid and {})",
            activity::runs("o", tag, None),
            activity::runs("x", tag, None),
        )
    }

    /// Where `error` is of a lock that was not to be had, says who holds `relations`.
    pub(super) async fn blame(&mut self, error: WarehouseError, relations: &[&TempRelation]) -> WarehouseError {
        let Some(first) = relations.first().filter(|_| error.message.contains(LOCK_TIMEOUT)) else { return error };
        let literal = |text: &str| self.dialect().literal(text);
        let names: Vec<_> = relations.iter().map(|at| literal(at.identifier())).collect();
        let sql = format!(
            "{AS_USER}select distinct l.pid, a.usename, a.application_name from pg_catalog.pg_locks l \
             join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             join pg_catalog.pg_stat_activity a on a.pid = l.pid and a.datname = current_database() \
             where l.locktype = 'relation' and l.granted and not {} and n.nspname = {} \
             and c.relname in ({}) order by 1",
            activity::runs("a", &self.server.tag, None),
            literal(first.schema().name()),
            names.join(", ")
        );
        // Beside the point where it cannot be asked: then it is not known who.
        let found = self.ask(&sql).await.unwrap_or_default();
        let text = |row: &[Option<String>], at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let holders: Vec<_> = found
            .rows
            .iter()
            .map(|row| format!("process {} (user {}, application {})", text(row, 0), text(row, 1), text(row, 2)))
            .collect();
        let who = if holders.is_empty() { "a session that has ended since".to_owned() } else { holders.join(", ") };
        let message = format!("{}; it is held by {who}", error.message);
        WarehouseError::new(FaultClass::Locked, message)
            .with_remedy("let that session end its transaction (the log names it), then try again")
            .with_repeat(Repeat::Never)
    }
}
