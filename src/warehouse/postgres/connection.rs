//! Making connections: addresses, encryption, session set-up, retries.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode as Wire;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, NoTls, SimpleQueryMessage, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::cancel_stream::CancelStream;
use super::fault;
use super::profile::{Profile, hosts};
use super::redshift::Method;
use super::tls::SslMode;
use crate::sql::Dialect;
use crate::warehouse::retry::pause;
use crate::warehouse::{FaultClass, Limits, WarehouseError};

/// Attempts while a server is starting, or has no connection left: about eight seconds in all.
const PATIENT_ATTEMPTS: u32 = 6;

/// Whether a backslash in an ordinary string is a character like any other. premerge's reading of the project's text
/// rests on it.
const CONFORMING: &str = "standard_conforming_strings";

/// An option of the session's start, which no pooler hands on: a transaction only reads unless it says otherwise.
const READS: &str = "-c default_transaction_read_only=on";

/// Before statements about our own server processes: a role that was taken on may not touch them.
pub(super) const AS_USER: &str = "set local role none;\n";

/// When sessions look whether they are in a deadlock: each once, that long after it began to wait. The one that finds it
/// is the victim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlock {
    /// Milliseconds, of everybody's sessions.
    usual: u64,
    /// Whether the role may say it for its own.
    may_set: bool,
    /// Milliseconds that an administrator lets the role wait for a lock, which are not raised; 0 for no limit.
    longest_wait: u64,
}

impl Deadlock {
    /// As long a wait for a lock as asked for, or as the role may.
    pub(super) fn at_most(self, milliseconds: u64) -> u64 {
        let limit = if self.longest_wait == 0 { u64::MAX } else { self.longest_wait };
        milliseconds.clamp(1, limit)
    }

    /// Where production closes the circle, ours gives up before production looks; where ours closes it, ours looks at once.
    fn settings(self) -> Vec<String> {
        let lock = format!("set local lock_timeout to {}", self.at_most(self.usual * 4 / 5));
        let look = format!("set local deadlock_timeout to {}", self.usual.div_ceil(20));
        std::iter::once(lock).chain(self.may_set.then_some(look)).collect()
    }
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing but read.
    Read,
    /// Write, into the temporary schema.
    Write,
}

/// Whether the role may set what is a superuser's to set.
#[derive(Debug, Clone, Copy)]
enum MaySet {
    Yes,
    No,
    /// Where somebody has granted it, which servers know from version 15 on.
    Granted,
}

impl MaySet {
    fn of(is_superuser: Option<&str>, version: Option<&str>) -> Self {
        let major = version.and_then(|version| version.split(['.', ' ']).next()?.parse::<u32>().ok());
        match (is_superuser, major) {
            (Some("on"), _) => Self::Yes,
            (_, Some(15..)) => Self::Granted,
            _ => Self::No,
        }
    }

    fn as_sql(self) -> &'static str {
        match self {
            Self::Yes => "true",
            Self::No => "false",
            Self::Granted => "pg_catalog.has_parameter_privilege(session_user, 'deadlock_timeout', 'set')",
        }
    }
}

/// A server and how to log in there; shared by all sessions.
pub(super) struct Server {
    pub(super) dialect: Dialect,
    pub(super) profile: Profile,
    pub(super) method: Method,
    /// `None` where the profile or a socket makes encryption pointless.
    pub(super) tls: Option<MakeRustlsConnect>,
    /// `application_name` of all sessions of this process, by which a newer run finds them.
    pub(super) tag: String,
    pub(super) limits: Limits,
    /// What the last attempt came to, once a server that had been there was waited for in vain: hundreds of
    /// statements must not each wait again.
    pub(super) gone: OnceLock<String>,
    /// Server processes of ours whose statements were cancelled for somebody who waited, and have not ended yet.
    pub(super) gave_way: Mutex<HashSet<String>>,
    /// Milliseconds that a statement may take by what was found at the server; known after the first connection.
    pub(super) role_limit: OnceLock<u128>,
    /// Whether options at the start of a session were refused: a pooler between takes none.
    pub(super) refuses_options: AtomicBool,
    /// When deadlocks are looked for; known after the first connection.
    pub(super) deadlock: OnceLock<Deadlock>,
    /// Why a connection that could have been encrypted is not.
    pub(super) unencrypted: OnceLock<String>,
    /// Names of functions and columns that the catalogue was asked about, and that call nothing which may write.
    pub(super) vetted: Mutex<HashSet<String>>,
}

/// A live connection.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) backend: Backend,
    encrypted: bool,
    task: JoinHandle<()>,
}

/// A server process; its start tells it from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) pid: String,
    pub(super) started: String,
}

impl Drop for Link {
    fn drop(&mut self) {
        // Dropping the client ends the connection in order; this is for one that no longer answers.
        let task = self.task.abort_handle();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(Duration::from_secs(2)).await;
                task.abort();
            });
        }
    }
}

impl Link {
    /// What stops the statement that is running, and how to reach the server for it.
    pub(super) fn cancel_token(&self) -> (CancelToken, bool) {
        (self.client.cancel_token(), self.encrypted)
    }
}

impl Server {
    pub(super) fn describe(&self) -> String {
        let product = if self.dialect == Dialect::Redshift { "Redshift" } else { "PostgreSQL" };
        let Profile { host, port, dbname, user, role, .. } = &self.profile;
        let role = role.as_deref().map(|role| format!(", role {role}")).unwrap_or_default();
        match &self.method {
            Method::Password => format!("{product} {host}:{port}/{dbname} as {user}{role}"),
            Method::Temporary(_) => {
                let user = if user.is_empty() { "an IAM role" } else { user };
                format!("{product} {host}:{port}/{dbname} as {user} (AWS IAM){role}")
            }
        }
    }

    /// Connects and prepares the session. `again` is for a session whose connection was lost: the server was
    /// there a moment ago, so it is worth waiting for, once in a run.
    pub(super) async fn connect(&self, again: bool) -> Result<Link, WarehouseError> {
        let mut attempt = 1;
        loop {
            if let Some(message) = self.gone.get() {
                return Err(WarehouseError::new(FaultClass::Connection, message));
            }
            let error = match self.attempt().await {
                Ok(link) => return Ok(link),
                Err(error) => error,
            };
            let attempts = match error.class {
                FaultClass::TooManyConnections | FaultClass::Restart => PATIENT_ATTEMPTS,
                FaultClass::Connection if again => PATIENT_ATTEMPTS,
                FaultClass::Connection => self.profile.retries.saturating_add(1),
                _ => 1,
            };
            if attempt >= attempts {
                if again && error.class == FaultClass::Connection {
                    let _ = self.gone.set(error.message.clone());
                }
                return Err(error);
            }
            pause(attempt).await;
            attempt += 1;
        }
    }

    /// One attempt within the time that the profile gives; asking AWS for a login has limits of its own.
    async fn attempt(&self) -> Result<Link, WarehouseError> {
        let config = self.config().await?;
        // The time is for each host.
        let hosts = u32::try_from(hosts(&self.profile.host).count()).unwrap_or(1);
        let limit = self.profile.connect_timeout.saturating_mul(hosts);
        let result = match tokio::time::timeout(limit, self.connect_once(config)).await {
            Ok(result) => result,
            Err(_) => Err(WarehouseError::new(
                FaultClass::Connection,
                format!("{}: no answer within {} s", self.place(), limit.as_secs()),
            )
            .with_remedy("check `host` and `port` of the profile, and that this machine can reach them")),
        };
        if let (Err(error), Method::Temporary(iam)) = (&result, &self.method)
            && error.class == FaultClass::Authentication
        {
            iam.forget().await;
        }
        result
    }

    fn place(&self) -> String {
        format!("{}:{}", self.profile.host, self.profile.port)
    }

    async fn connect_once(&self, config: Config) -> Result<Link, WarehouseError> {
        let Some(tls) = &self.tls else { return self.link(config, Wire::Disable, NoTls).await };
        match self.profile.sslmode {
            SslMode::Disable => self.link(config, Wire::Disable, NoTls).await,
            SslMode::Allow => match self.link(config.clone(), Wire::Disable, NoTls).await {
                Err(error) if error.class == FaultClass::Authentication => {
                    self.link(config, Wire::Require, tls.clone()).await
                }
                result => result,
            },
            SslMode::Prefer => match self.link(config.clone(), Wire::Prefer, tls.clone()).await {
                // As libpq: a handshake that fails, or a pg_hba.conf without `hostssl`, is tried without encryption.
                Err(error) if matches!(error.class, FaultClass::Encryption | FaultClass::Authentication) => {
                    match self.link(config, Wire::Disable, NoTls).await {
                        Ok(link) => {
                            if error.class == FaultClass::Encryption {
                                let _ = self.unencrypted.set(error.message);
                            }
                            Ok(link)
                        }
                        Err(_) => Err(error),
                    }
                }
                result => result,
            },
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                self.link(config, Wire::Require, tls.clone()).await
            }
        }
    }

    async fn config(&self) -> Result<Config, WarehouseError> {
        let profile = &self.profile;
        let mut config = Config::new();
        // A leading slash makes it the folder of a socket.
        hosts(&profile.host).for_each(|host| {
            config.host(host);
        });
        config.port(profile.port).dbname(&profile.dbname);
        match &self.method {
            Method::Password => {
                config.user(&profile.user);
                if let Some(password) = &profile.password {
                    config.password(password.expose());
                }
            }
            Method::Temporary(iam) => {
                let login = iam.login().await?;
                config.user(&login.user).password(login.password.expose());
            }
        }
        config.application_name(&self.tag).connect_timeout(profile.connect_timeout);
        config.keepalives(true);
        // Where the profile leaves it to the system, Linux would notice a dead peer after two hours.
        let idle = if profile.keepalives_idle.is_zero() { Duration::from_secs(60) } else { profile.keepalives_idle };
        config.keepalives_idle(idle).keepalives_interval(Duration::from_secs(10)).keepalives_retries(3);
        Ok(config)
    }

    async fn link<T>(&self, mut config: Config, mode: Wire, tls: T) -> Result<Link, WarehouseError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as tokio_postgres::tls::TlsConnect<Socket>>::Future: Send,
    {
        config.ssl_mode(mode);
        let mut connected = match self.dialect {
            Dialect::Postgres if !self.refuses_options.load(Ordering::Relaxed) => {
                config.clone().options(READS).connect(tls.clone()).await
            }
            _ => config.connect(tls.clone()).await,
        };
        if let Err(error) = &connected
            && error.code() == Some(&SqlState::PROTOCOL_VIOLATION)
            && !self.refuses_options.swap(true, Ordering::Relaxed)
        {
            connected = config.connect(tls).await;
        }
        let (client, connection) = connected.map_err(|error| fault::of_connecting(&error, &self.place()))?;
        let misreads = connection.parameter(CONFORMING) != Some("on");
        let may_set = MaySet::of(connection.parameter("is_superuser"), connection.parameter("server_version"));
        let task = tokio::spawn(async move {
            // Its end is seen by the statement that is running; between statements by `is_closed`.
            let _ = connection.await;
        });
        let encrypted = mode != Wire::Disable;
        if misreads && self.dialect == Dialect::Postgres {
            // A message of its own: the server reads all of a message before it carries out any of it.
            let on = format!("set {CONFORMING} to on");
            client.simple_query(&on).await.map_err(|error| fault::of_connecting(&error, &self.place()))?;
        }
        let backend = self.set_up(&client, may_set).await?;
        Ok(Link { client, backend, encrypted, task })
    }

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
            settings.extend(self.deadlock.get().into_iter().flat_map(|deadlock| deadlock.settings()));
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
        match (self.dialect, self.role_limit.get()) {
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
            // A pooler's server connections may have begun with others. It keeps these two for each client.
            "set client_encoding to 'UTF8'".to_owned(),
            format!("set application_name to {}", self.dialect.literal(&self.tag)),
            "reset role".to_owned(),
        ]
    }

    /// One round trip: limits, role, search path, and which server process this is.
    async fn set_up(&self, client: &Client, may_set: MaySet) -> Result<Backend, WarehouseError> {
        let mut statements = self.settings();
        statements.push(match self.dialect {
            Dialect::Redshift => "select pg_backend_pid() as pid, '' as started".to_owned(),
            _ => format!(
                "select pid, backend_start, (select setting from pg_catalog.pg_settings where name = 'statement_timeout'), \
                 (select setting from pg_catalog.pg_settings where name = 'deadlock_timeout'), {}, \
                 (select reset_val from pg_catalog.pg_settings where name = 'lock_timeout') \
                 from pg_stat_activity where pid = pg_backend_pid()",
                may_set.as_sql()
            ),
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
        let limit: u128 = text(2).parse().unwrap_or_default();
        if limit > 0 {
            let _ = self.role_limit.set(limit);
        }
        if let Ok(usual) = text(3).parse::<u64>() {
            let _ = self.deadlock.set(Deadlock {
                usual,
                may_set: text(4) == "t",
                longest_wait: text(5).parse().unwrap_or(0),
            });
        }
        Ok(Backend { pid: text(0), started: text(1) })
    }

    /// Asks the server to stop a statement; waits for the request's own connection only.
    pub(super) async fn cancel(&self, (token, encrypted): (CancelToken, bool)) {
        let tls = self.tls.as_ref().filter(|_| encrypted);
        let request = async {
            let mut hosts = hosts(&self.profile.host);
            // Which of several hosts it was, and where a socket is, the driver knows.
            if let (Some(host), None) = (hosts.next().filter(|host| !host.starts_with('/')), hosts.next())
                && let Ok((stream, sent)) = CancelStream::connect(host, self.profile.port).await
            {
                let _ = match tls {
                    Some(tls) => match MakeTlsConnect::<CancelStream>::make_tls_connect(&mut tls.clone(), host) {
                        Ok(tls) => token.cancel_query_raw(stream, tls).await,
                        Err(_) => return,
                    },
                    None => token.cancel_query_raw(stream, NoTls).await,
                };
                return CancelStream::closed(sent).await;
            }
            let _ = match tls {
                Some(tls) => token.cancel_query(tls.clone()).await,
                None => token.cancel_query(NoTls).await,
            };
        };
        // Whether it arrived shows in the statement itself.
        let _ = tokio::time::timeout(self.profile.connect_timeout, request).await;
    }

    /// Ends a server process of a lost connection, and waits until it is gone: what it was doing is then
    /// either committed or rolled back. Gives up after the grace time.
    pub(super) async fn end(&self, backend: &Backend, client: &Client) {
        let _ = tokio::time::timeout(self.limits.grace, self.end_and_wait(backend, client)).await;
    }

    async fn end_and_wait(&self, backend: &Backend, client: &Client) {
        if self.dialect == Dialect::Redshift {
            let _ = client.simple_query(&format!("select pg_terminate_backend({})", backend.pid)).await;
            return;
        }
        let alive = format!(
            "from pg_stat_activity where pid = {} and backend_start = {} and application_name = {}",
            backend.pid,
            self.dialect.literal(&backend.started),
            self.dialect.literal(&self.tag)
        );
        loop {
            let Ok(answer) = client.simple_query(&format!("{AS_USER}select pg_terminate_backend(pid) {alive}")).await
            else {
                return;
            };
            if !answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
