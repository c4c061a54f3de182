//! PostgreSQL, and Redshift on the same wire.
//!
//! All SQL goes by the simple protocol: texts in, texts out, several statements in one round trip, no type
//! look-ups, which Redshift does not survive. There is no pool: each worker has a session, and a session makes
//! its connection anew when it was lost.

mod activity;
mod cancel;
mod cancel_stream;
mod catalog;
mod certificate;
mod clauses;
mod columns;
mod connection;
mod fault;
mod functions;
mod greeting;
mod iam;
mod late;
mod load;
mod locks;
mod moves;
mod pgpass;
mod physical;
mod profile;
mod proxies;
mod redshift;
mod redshift_fault;
mod room;
mod seed;
mod session;
mod set_up;
mod statement;
mod tls;
mod types;
mod watch;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;

use super::{Meeting, OpenContext, OpenError, Session, Traits, Warehouse, WarehouseError};
use crate::config::{Target, mask_variables};
use crate::sql::Dialect;
use connection::Server;
pub use physical::{Index, PostgresConfigs, RedshiftConfigs};
use profile::{Fields, Profile};
use redshift::Method;
use session::PgSession;
use tls::SslMode;

/// PostgreSQL's.
pub(super) const POSTGRES_TRAITS: Traits =
    Traits { meeting: Meeting::Register, replaces: true, binds_views: true, ends_sessions: true };

/// Redshift's: its `alter table` knows no `if exists` and its late-binding views no steps aside; it binds those views of
/// models that do not say otherwise.
pub(super) const REDSHIFT_TRAITS: Traits =
    Traits { meeting: Meeting::Register, replaces: false, binds_views: true, ends_sessions: false };

/// A target of dbt-postgres or dbt-redshift.
pub(super) struct Postgres {
    server: Arc<Server>,
    traits: Traits,
}

impl Postgres {
    pub(super) fn new(target: &Target, context: OpenContext<'_>) -> Result<Self, OpenError> {
        let fields = Fields::of(target)?;
        let mut profile = Profile::read(&fields, 5432, context, false)?;
        profile.add_environment(context);
        Self::with(&fields, profile, Method::Password, Dialect::Postgres, POSTGRES_TRAITS, context)
    }

    /// A dbt-redshift target, on the same wire.
    pub(super) fn redshift(target: &Target, context: OpenContext<'_>) -> Result<Self, OpenError> {
        let fields = Fields::of(target)?;
        let method = redshift::method(&fields, context.env)?;
        // The driver of dbt-redshift reads booleans here, and dbt's own names as well.
        fields.flag("ra3_node")?;
        let mut profile = Profile::read(&fields, 5439, context, matches!(method, Method::Temporary(_)))?;
        profile.query_group = fields.text("query_group");
        redshift::encrypt(&fields, &mut profile, &method)?;
        Self::with(&fields, profile, method, Dialect::Redshift, REDSHIFT_TRAITS, context)
    }

    fn with(
        fields: &Fields<'_>,
        profile: Profile,
        method: Method,
        dialect: Dialect,
        traits: Traits,
        context: OpenContext<'_>,
    ) -> Result<Self, OpenError> {
        // As libpq: a socket is never encrypted.
        let tls = match profile.sslmode {
            SslMode::Disable => None,
            _ if profile.host.starts_with('/') => None,
            mode => Some(tls::connector(mode, &profile.certificates).map_err(|why| fields.wrong(why))?),
        };
        let tag = tag(&profile.application_name);
        let (gone, unencrypted, found) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        let server = Server {
            dialect,
            profile,
            method,
            tls,
            tag,
            limits: context.limits,
            gone,
            gave_way: Mutex::default(),
            sessions: AtomicU64::new(0),
            refuses_options: AtomicBool::new(false),
            pooled: AtomicBool::new(false),
            room: OnceLock::new(),
            found,
            unencrypted,
            vetted: Mutex::default(),
        };
        Ok(Self { server: Arc::new(server), traits })
    }
}

/// The profile's name and a random suffix, within the 63 bytes that the server keeps.
fn tag(name: &str) -> String {
    // It is shown at the server, in the register and in reports.
    let name = mask_variables(name);
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || " -_.".contains(*c)).take(40).collect();
    let name = if name.trim().is_empty() { "premerge" } else { name.as_str() };
    format!("{name} {:016x}", RandomState::new().build_hasher().finish())
}

#[async_trait]
impl Warehouse for Postgres {
    fn dialect(&self) -> Dialect {
        self.server.dialect
    }

    fn traits(&self) -> Traits {
        self.traits
    }

    /// The connection's own database: relation names in manifests carry it, and nothing crosses databases.
    fn temp_database(&self) -> Option<&str> {
        Some(&self.server.profile.dbname)
    }

    fn describe(&self) -> String {
        mask_variables(&self.server.describe()).into_owned()
    }

    fn session_tag(&self) -> Option<&str> {
        Some(&self.server.tag)
    }

    async fn connect(&self) -> Result<Session, WarehouseError> {
        let link = self.server.connect(false).await?;
        let engine = PgSession::new(Arc::clone(&self.server), link);
        let session = Session::new(engine, self.dialect(), self.traits());
        Ok(session.patient_for(self.server.limits.statement))
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = self.server.profile.notices.clone();
        notices.extend(self.server.unencrypted.get().map(|why| {
            format!(
                "the connection is not encrypted: TLS failed ({why}) and `sslmode: prefer` fell back; use \
                 `sslmode: require` to refuse"
            )
        }));
        notices
    }
}
