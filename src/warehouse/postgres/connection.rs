//! Making connections: addresses, encryption, session set-up, retries.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode as Wire;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, NoTls, SimpleQueryMessage, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::activity;
use super::cancel_stream::CancelStream;
use super::fault;
use super::greeting::{CONFORMING, Found, Greeting};
use super::profile::{Profile, hosts};
use super::redshift::Method;
use super::tls::SslMode;
use crate::sql::Dialect;
use crate::warehouse::retry::pause;
use crate::warehouse::{FaultClass, Limits, WarehouseError};

/// Attempts while a server is starting, or has no connection left: about eight seconds in all.
const PATIENT_ATTEMPTS: u32 = 6;

/// An option of the session's start, which no pooler hands on: a transaction only reads unless it says otherwise.
const READS: &str = "-c default_transaction_read_only=on";

/// Before statements about our own server processes: a role that was taken on may not touch them.
pub(super) const AS_USER: &str = "set local role none;\n";

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
    /// Numbers of sessions whose statements were cancelled for somebody who waited, and have not ended yet.
    pub(super) gave_way: Mutex<HashSet<u64>>,
    /// How many sessions there were.
    pub(super) sessions: AtomicU64,
    /// Whether a pooler between has refused options at the start of a session.
    pub(super) refuses_options: AtomicBool,
    /// Whether a pooler is between, which lends a server process for each transaction.
    pub(super) pooled: AtomicBool,
    /// How many statements a pooler has room for at once; unset where there is room for all.
    pub(super) room: OnceLock<Semaphore>,
    /// Known after the first connection.
    pub(super) found: OnceLock<Found>,
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

    pub(super) fn place(&self) -> String {
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

    /// Whether a connection is told when it begins that its transactions only read.
    pub(super) fn says_reads_only(&self) -> bool {
        let of_environment = self.profile.options.as_deref().unwrap_or_default();
        self.dialect == Dialect::Postgres
            && !self.refuses_options.load(Ordering::Relaxed)
            && !of_environment.contains("default_transaction_read_only")
    }

    /// What a connection is told when it begins, which stays what `reset` goes back to.
    fn with_options(&self, mut config: Config) -> Config {
        let reads = self.says_reads_only().then_some(READS);
        let options: Vec<&str> = self.profile.options.as_deref().into_iter().chain(reads).collect();
        if !options.is_empty() {
            config.options(options.join(" "));
        }
        if !self.is_pooled() {
            config.application_name(&self.tag);
        }
        config
    }

    /// Whether a pooler is between, which lends a server process for each transaction.
    pub(super) fn is_pooled(&self) -> bool {
        self.pooled.load(Ordering::Relaxed)
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
        config.connect_timeout(profile.connect_timeout);
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
        let mut connected = self.with_options(config.clone()).connect(tls.clone()).await;
        if let Err(error) = &connected
            && self.says_reads_only()
            && error.code() == Some(&SqlState::PROTOCOL_VIOLATION)
        {
            self.refuses_options.store(true, Ordering::Relaxed);
            self.pooled.store(true, Ordering::Relaxed);
            connected = self.with_options(config).connect(tls).await;
        }
        let (client, connection) = connected.map_err(|error| fault::of_connecting(&error, &self.place()))?;
        let misreads = connection.parameter(CONFORMING) != Some("on");
        let greeting = Greeting::of(connection.parameter("is_superuser"), connection.parameter("server_version"));
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
        let backend = self.set_up(&client, greeting).await?;
        Ok(Link { client, backend, encrypted, task })
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

    /// Ends what a session's lost connection was doing, and waits until it is over: it is then either committed or rolled
    /// back. Gives up after the grace time.
    pub(super) async fn end(&self, backend: &Backend, session: u64, client: &Client) {
        let _ = tokio::time::timeout(self.limits.grace, self.end_and_wait(backend, session, client)).await;
    }

    async fn end_and_wait(&self, backend: &Backend, session: u64, client: &Client) {
        if self.dialect == Dialect::Redshift {
            let _ = client.simple_query(&format!("select pg_terminate_backend({})", backend.pid)).await;
            return;
        }
        // Behind a pooler it may be any process, and that of the connection may be somebody else's by now.
        let runs = activity::runs("a", &self.tag, Some(session));
        let sql = format!(
            "{AS_USER}select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a where {runs}"
        );
        loop {
            let Ok(answer) = client.simple_query(&sql).await else {
                return;
            };
            if !answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(_))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
