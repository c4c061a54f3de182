//! DuckDB, in this process.
//!
//! Production's file is attached read-only and the temporary schema lives in a file of its own, so
//! production is neither written nor locked for writers of other schemas. Both stand in one in-memory
//! instance that every session clones.

mod fault;
mod fresh;
mod lease_file;
mod lock;
mod profile;
mod session;
mod statement;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::duckdb::{Config, Connection};
use async_trait::async_trait;

use super::{FaultClass, Limits, Meeting, OpenContext, OpenError, Session, Traits, Warehouse, WarehouseError};
use crate::config::{Target, refuse_strange_file};
use crate::sql::Dialect;
use fault::classify;
pub use fresh::create_database;
use lease_file::LeaseFile;
use profile::{Attach, Profile};
use session::DuckDbSession;

/// How long a newer run waits for an older one to let go of the file.
const PATIENCE: Duration = Duration::from_secs(30);

/// DuckDB's.
pub(super) const TRAITS: Traits =
    Traits { meeting: Meeting::File, replaces: true, binds_views: false, ends_sessions: false };

/// A dbt-duckdb target.
pub(super) struct DuckDb {
    profile: Profile,
    /// Production's database: dbt derives it from the file's name.
    production: Attach,
    /// The profile's other databases.
    attached: Vec<Attach>,
    temp_file: PathBuf,
    temp_database: String,
    /// Where seeds lie while they are read, beside the temporary database.
    seeds: PathBuf,
    /// Files that sources name.
    readable: Mutex<Vec<String>>,
    limits: Limits,
    opened: Mutex<Option<Connection>>,
    lease: Arc<LeaseFile>,
    notices: Mutex<Vec<String>>,
}

impl DuckDb {
    pub(super) fn new(target: &Target, context: OpenContext<'_>) -> Result<Self, OpenError> {
        let profile = Profile::read(target)?;
        let production = profile.production(target, context.project_dir)?;
        // Not the schema's bare name: DuckDB calls two-part names ambiguous when a database and a schema
        // have the same name.
        let schema = context.schema.ok_or(OpenError::NoSchema { adapter: "duckdb" })?;
        let temp_database = format!("{}_{schema}", production.alias);
        let temp_file = context.temp_dir.join(format!("{temp_database}.duckdb"));
        let notices = Mutex::new(profile.left_out().to_vec());
        let attached = profile.attached(context.project_dir);
        let lease = Arc::new(LeaseFile::beside(&temp_file, context.run));
        Ok(Self {
            profile,
            production,
            attached,
            seeds: temp_file.with_extension("seeds"),
            temp_file,
            temp_database,
            readable: Mutex::default(),
            limits: context.limits,
            opened: Mutex::new(None),
            lease,
            notices,
        })
    }

    /// The one instance that all sessions clone; opened by the first.
    fn instance(&self) -> Result<Connection, WarehouseError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.is_none() {
            *opened = Some(self.open()?);
            self.lease.claim();
        }
        match opened.as_ref() {
            Some(connection) => connection.try_clone().map_err(|error| classify(&error)),
            None => Err(classify(&::duckdb::Error::InvalidPath(self.temp_file.clone()))),
        }
    }

    fn open(&self) -> Result<Connection, WarehouseError> {
        let folder = self.temp_file.parent().unwrap_or(Path::new("."));
        fs_err::create_dir_all(folder).map_err(|error| WarehouseError::new(FaultClass::Other, error.to_string()))?;
        for file in [self.temp_file.clone(), self.temp_file.with_extension("duckdb.wal")] {
            refuse_strange_file(&file).map_err(|refused| {
                WarehouseError::new(FaultClass::Other, refused.to_string()).with_remedy(refused.remedy())
            })?;
        }
        let connection = self.started().map_err(|error| classify(&error))?;
        for attach in std::iter::once(&self.production).chain(&self.attached) {
            lock::attach_apart(&connection, attach, folder)?;
        }
        self.locked(&connection).map_err(|error| classify(&error))?;
        Ok(connection)
    }

    /// The engine as the profile wants it, without a database.
    fn started(&self) -> ::duckdb::Result<Connection> {
        // What does not fit into memory goes beside the temporary database, not into the checkout.
        let spill = self.temp_file.with_extension("spill");
        let config = Config::default()
            .with("temp_directory", spill.to_string_lossy())?
            .with("autoinstall_known_extensions", "false")?
            .with("autoload_known_extensions", "false")?;
        let connection = Connection::open_in_memory_with_flags(config)?;
        self.load_icu(&connection);
        for extension in &self.profile.extensions {
            connection.execute_batch(&format!("load {}", statement::name(extension)))?;
        }
        for (key, value) in &self.profile.settings {
            connection.execute_batch(&format!("set {} = {}", statement::name(key), Dialect::DuckDb.literal(value)))?;
        }
        Ok(connection)
    }

    /// The temporary database attached, and nothing else reachable from then on.
    fn locked(&self, connection: &Connection) -> ::duckdb::Result<()> {
        // The oldest storage format, so that any DuckDB client can open what was built.
        connection.execute_batch(&format!(
            "attach {} as {} (type duckdb, storage_version 'v1.0.0')",
            Dialect::DuckDb.literal(&self.temp_file.to_string_lossy()),
            statement::name(&self.temp_database)
        ))?;
        // dbt's connection stands in production's database: two-part names in the project's SQL mean that one.
        connection.execute_batch(&format!("use {}", statement::name(&self.production.alias)))?;
        lock::lock_down(connection, &self.places())
    }

    /// What of the file system the engine may reach, beside the databases that are attached.
    fn places(&self) -> lock::Places {
        let mut places = lock::Places::default();
        places.folder(&self.seeds);
        for file in self.readable.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            places.file(file);
        }
        places
    }

    /// The engine that is compiled into releases has no ICU, without which `now() - interval …` and time
    /// zones fail; the prebuilt library has it. Loading works where the user's machine has the extension.
    fn load_icu(&self, connection: &Connection) {
        let there = connection
            .query_row("select loaded from duckdb_extensions() where extension_name = 'icu'", [], |row| {
                row.get::<_, bool>(0)
            })
            .unwrap_or(false);
        if !there && connection.execute_batch("load icu").is_err() {
            self.notices.lock().unwrap_or_else(PoisonError::into_inner).push(
                "this build's DuckDB has no ICU extension: `now() - interval` and time zones fail; \
                 run `install icu` once in a DuckDB shell of the same version"
                    .to_owned(),
            );
        }
    }
}

/// Schemas whose files are in `temp_dir`: the part of their names behind production's database.
pub(super) fn schemas_in(target: &Target, temp_dir: &Path) -> Vec<String> {
    let Ok(profile) = Profile::read(target) else { return Vec::new() };
    let prefix = format!("{}_", profile.database_name());
    let files = fs_err::read_dir(temp_dir).into_iter().flatten().flatten();
    let name = |file: fs_err::DirEntry| {
        let name = file.file_name().into_string().ok()?;
        Some(name.strip_suffix(".duckdb")?.strip_prefix(&prefix)?.to_owned())
    };
    let mut names: Vec<_> = files.filter_map(name).collect();
    names.sort();
    names
}

fn held_elsewhere(error: &WarehouseError, file: &Path) -> bool {
    error.message.contains("lock on file") && error.message.contains(&*file.to_string_lossy())
}

#[async_trait]
impl Warehouse for DuckDb {
    fn dialect(&self) -> Dialect {
        Dialect::DuckDb
    }

    fn traits(&self) -> Traits {
        TRAITS
    }

    fn temp_database(&self) -> Option<&str> {
        Some(&self.temp_database)
    }

    fn describe(&self) -> String {
        format!("DuckDB {} (temporary schema in {})", self.production.path, self.temp_file.display())
    }

    async fn connect(&self) -> Result<Session, WarehouseError> {
        if let Some(folder) = self.temp_file.parent() {
            // What goes wrong here goes wrong again when the database is opened, and is said then.
            let _ = fs_err::create_dir_all(folder);
        }
        if !self.lease.reserve() {
            return Err(WarehouseError::new(
                FaultClass::SomebodyElses,
                format!("{} belongs to another project or repository", self.temp_file.display()),
            ));
        }
        let began = Instant::now();
        let connection = loop {
            // Opening replays a write-ahead log at most; it is quick enough not to leave this thread.
            match self.instance() {
                Err(_) if self.lease.lost() => return Err(session::superseded()),
                // An older run of the same pull request has the file: it is asked to go, and then waited for.
                Err(error) if held_elsewhere(&error, &self.temp_file) && began.elapsed() < PATIENCE => {
                    self.lease.claim();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                result => break result?,
            }
        };
        connection
            .execute_batch(&format!("use {}", statement::name(&self.production.alias)))
            .map_err(|error| classify(&error))?;
        let engine = DuckDbSession::new(
            Arc::new(Mutex::new(connection)),
            Arc::clone(&self.lease),
            self.production.alias.clone(),
            self.seeds.clone(),
            self.limits,
        );
        Ok(Session::new(engine, self.dialect(), self.traits()))
    }

    fn let_read(&self, files: Vec<String>) {
        *self.readable.lock().unwrap_or_else(PoisonError::into_inner) = files;
    }

    fn superseded(&self) -> bool {
        self.lease.lost()
    }

    fn notices(&self) -> Vec<String> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
