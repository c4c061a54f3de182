//! What is set for a session and for each of its transactions, and what is asked when a session begins.

use std::sync::atomic::Ordering;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::connection::{Backend, Server};
use super::fault;
use super::greeting::{Access, CHECK, CHECK_EVERY, CONFORMING, Deadlock, Found, Greeting, MaySet};
use crate::sql::Dialect;
use crate::warehouse::{FaultClass, WarehouseError};

impl Server {
    /// What holds for a transaction, to be said at its beginning. Nothing is set for a session, so that a pooler which lends
    /// the connection to somebody else hands no setting on. On Redshift a session has its settings once and for all.
    pub(super) fn opening(&self, access: Access) -> String {
        if self.dialect == Dialect::Redshift {
            return String::new();
        }
        let mode = match access {
            Access::Read => "set transaction read only",
            Access::Write => "set transaction read write",
        };
        // First, because it may not follow a query.
        let statements = std::iter::once(mode.to_owned()).chain(self.settings()).chain(self.set_role());
        statements.map(|statement| statement + ";\n").collect()
    }

    /// The same without what it may do.
    fn settings(&self) -> Vec<String> {
        let literal = |text: &str| self.dialect.literal(text);
        let mut settings = vec![self.statement_timeout()];
        if self.dialect == Dialect::Postgres {
            // As psycopg2 does for dbt: the style is ISO, and the order of day and month stays the role's.
            settings.push("set local datestyle to 'ISO'".to_owned());
            settings.extend(self.deadlock().into_iter().flat_map(Deadlock::settings));
            settings.extend(self.found.get().and_then(|found| found.check).map(checked_every));
            // libpq sends these when it connects.
            let named = [("timezone", &self.profile.timezone), ("geqo", &self.profile.geqo)];
            let named = named.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
            settings.extend(named.map(|(name, value)| format!("set local {name} to {}", literal(value))));
            if self.is_pooled() {
                // Said when connecting it would stay with the pooler's connection, whoever has that next.
                settings.push(format!("set local application_name to {}", literal(&self.tag)));
            }
        }
        if let Some(path) = &self.profile.search_path {
            settings.push(match self.dialect {
                Dialect::Redshift => format!("set search_path to {path}"),
                _ => format!("select pg_catalog.set_config('search_path', {}, true)", literal(path)),
            });
        }
        if let Some(group) = &self.profile.query_group {
            settings.push(format!("set query_group to {}", literal(group)));
        }
        settings
    }

    /// Sets our limit, or leaves the shorter one that an administrator has put on the role or the database.
    fn statement_timeout(&self) -> String {
        let ours = self.limits.statement.as_millis();
        let limit = self.found.get().map(|found| found.statement_limit).filter(|limit| *limit > 0);
        match (self.dialect, limit) {
            (Dialect::Postgres, None) => format!(
                "select pg_catalog.set_config('statement_timeout', case when setting::bigint between 1 and {ours} \
                 then setting else '{ours}' end, true) from pg_catalog.pg_settings where name = 'statement_timeout'"
            ),
            (Dialect::Postgres, Some(limit)) => format!("set local statement_timeout to {limit}"),
            (_, Some(limit)) => format!("set statement_timeout to {limit}"),
            (_, None) => format!("set statement_timeout to {ours}"),
        }
    }

    fn set_role(&self) -> Option<String> {
        let role = self.profile.role.as_ref()?;
        // dbt writes the name bare, so it is folded; only what cannot stand bare is quoted.
        let bare = role.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let local = if self.dialect == Dialect::Redshift { "" } else { "local " };
        Some(format!("set {local}role {}", if bare { role.clone() } else { self.dialect.quote(role) }))
    }

    /// When deadlocks are looked for.
    pub(super) fn deadlock(&self) -> Option<Deadlock> {
        self.found.get()?.deadlock
    }

    /// Statements that make a session what it was after connecting, whatever functions that text of the project
    /// calls have set: sent in the same message behind it, so that either both have happened or neither. Empty
    /// on Redshift.
    pub(super) fn restore(&self) -> Vec<String> {
        if self.dialect == Dialect::Redshift {
            return Vec::new();
        }
        vec![
            "reset session authorization".to_owned(),
            "reset all".to_owned(),
            format!("set {CONFORMING} to on"),
            // A pooler's server connections may have begun with another. It keeps these two for each client.
            "set client_encoding to 'UTF8'".to_owned(),
            "reset role".to_owned(),
        ]
    }

    /// One round trip: limits, role, search path, and which server process this is.
    pub(super) async fn set_up(&self, client: &Client, greeting: Greeting) -> Result<Backend, WarehouseError> {
        let asks = self.found.get().is_none() && greeting.major.is_some_and(|major| major >= 14);
        let checked = asks && self.dialect == Dialect::Postgres;
        match self.begin(client, greeting, checked).await {
            // Not every system that a server runs on can tell it.
            Err(error) if checked && error.message.contains(CHECK) => self.begin(client, greeting, false).await,
            begun => begun,
        }
    }

    async fn begin(&self, client: &Client, greeting: Greeting, checked: bool) -> Result<Backend, WarehouseError> {
        let mut statements = self.settings();
        if checked {
            statements.push(checked_every(CHECK_EVERY));
        }
        statements.push(match self.dialect {
            Dialect::Redshift => "select pg_backend_pid() as pid, '' as started".to_owned(),
            _ => self.question(greeting),
        });
        // Last, because a role may not see the processes of the user who took it on.
        statements.extend(self.set_role());
        let sql = statements.join(";");
        let answer = client.simple_query(&sql).await.map_err(|error| {
            let error = fault::of_connecting(&error, &self.place());
            // What else stands in the message is allowed to everybody.
            match &self.profile.role {
                Some(role) if error.class == FaultClass::Permission => error
                    .with_remedy(format!("`user` of the profile must be a member of its `role`: grant {role} to it")),
                _ => error,
            }
        })?;
        let row = answer.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let text = |at: usize| row.and_then(|row| row.try_get(at).ok()?).unwrap_or_default().to_owned();
        let usual = text(3).parse::<u64>().ok();
        let deadlock =
            usual.map(|usual| Deadlock { usual, may_set: text(4) == "t", longest_wait: text(5).parse().unwrap_or(0) });
        if self.dialect == Dialect::Postgres && self.says_reads_only() && text(6) != "on" {
            // What it was told when connecting has not arrived.
            self.pooled.store(true, Ordering::Relaxed);
        }
        let own: u64 = text(8).parse().unwrap_or(0);
        let _ = self.found.set(Found {
            statement_limit: text(2).parse().unwrap_or_default(),
            deadlock,
            check: checked.then_some(if own == 0 { CHECK_EVERY } else { own.min(CHECK_EVERY) }),
            only_reads: text(7) == "t",
        });
        Ok(Backend { pid: text(0), started: text(1) })
    }

    /// What is asked of PostgreSQL when a session begins.
    fn question(&self, greeting: Greeting) -> String {
        let setting =
            |what: &str, name: &str| format!("(select {what} from pg_catalog.pg_settings where name = '{name}')");
        // Others' sessions look when the server says, which a role that has a time of its own is not told.
        let usual = "case when source in ('user', 'database user', 'client', 'session') \
                     then least(setting::bigint, boot_val::bigint) else setting::bigint end";
        let read_only = "default_transaction_read_only";
        let only_reads = if self.says_reads_only() {
            // premerge says it itself, which hides what the role's sessions begin with.
            format!(
                "coalesce((select pg_catalog.lower(pg_catalog.split_part(c.text, '=', 2)) in ('on', 'true', 'yes', '1') from pg_catalog.pg_db_role_setting s \
                 cross join lateral pg_catalog.unnest(s.setconfig) c (text) where s.setrole in (0, (select r.oid from pg_catalog.pg_roles r \
                 where r.rolname = session_user)) and s.setdatabase in (0, (select d.oid from pg_catalog.pg_database d \
                 where d.datname = current_database())) and pg_catalog.split_part(c.text, '=', 1) = '{read_only}' \
                 order by s.setrole <> 0 desc, s.setdatabase <> 0 desc limit 1), false)"
            )
        } else {
            setting("setting = 'on'", read_only)
        };
        let fields = [
            "pid".to_owned(),
            "backend_start".to_owned(),
            setting("setting", "statement_timeout"),
            setting(usual, "deadlock_timeout"),
            MaySet::of(greeting.is_superuser, greeting.major).as_sql().to_owned(),
            setting("reset_val", "lock_timeout"),
            setting("setting", read_only),
            only_reads,
            setting("reset_val", CHECK),
        ];
        format!("select {} from pg_catalog.pg_stat_activity where pid = pg_backend_pid()", fields.join(", "))
    }
}

fn checked_every(milliseconds: u64) -> String {
    format!("set local {CHECK} to {milliseconds}")
}
