//! Temporary schemas found and dropped by their registers.

use jiff::Timestamp;

use super::owner::Owner;
use super::register::{RUNS, Register};
use super::temp_schema::BEHIND;
use super::write::Write;
use super::{FaultClass, Session, TempSchema, Warehouse, WarehouseError};

/// A schema that premerge made, as its register tells.
#[derive(Debug, Clone)]
pub struct KeptSchema {
    schema: TempSchema,
    /// Relations that its runs made or were about to make.
    pub relations: usize,
    /// When clean-up may drop it; `None` when the register does not say it so that it can be read.
    pub expires_at: Option<Timestamp>,
}

/// A schema with a register that could not be read.
#[derive(Debug)]
pub struct Unreadable {
    /// The schema.
    pub name: String,
    /// What the warehouse said.
    pub error: WarehouseError,
}

/// What became of a schema that was to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// The schema and all in it.
    Gone,
    /// What premerge made is gone; somebody else's relations are left in it, and so is it.
    OthersLeft,
    /// A run of its pull request has just begun, so it was left alone.
    InUse,
}

impl KeptSchema {
    /// Every schema of the warehouse that premerge made and that holds its register; apart from them those whose
    /// register could not be
    /// read, of which it is not known whose they are.
    ///
    /// # Errors
    /// What the warehouse said.
    pub async fn find(
        warehouse: &dyn Warehouse,
        session: &mut Session,
    ) -> Result<(Vec<Self>, Vec<Unreadable>), WarehouseError> {
        let (mut found, mut unreadable) = (Vec::new(), Vec::new());
        for name in session.schemas_with(RUNS).await? {
            let unknown = Owner {
                repository: String::new(),
                project: String::new(),
                pull_request: None,
                commit: None,
                run: String::new(),
                who: String::new(),
                started_at: String::new(),
                expires_at: String::new(),
            };
            let database = warehouse.temp_database().map(str::to_owned);
            let schema = TempSchema::found(database, name.clone(), warehouse.dialect(), unknown);
            match Self::read(schema, session).await {
                Ok(kept) => found.extend(kept),
                // It was dropped a moment ago, or its tables are another program's.
                Err(error)
                    if matches!(
                        error.class,
                        FaultClass::MissingRelation | FaultClass::Superseded | FaultClass::Binding
                    ) => {}
                Err(error) if error.class == FaultClass::Cancelled => return Err(error),
                Err(error) => unreadable.push(Unreadable { name, error }),
            }
        }
        Ok((found, unreadable))
    }

    /// `None` when no run is in the register.
    async fn read(schema: TempSchema, session: &mut Session) -> Result<Option<Self>, WarehouseError> {
        let register = Register::of(&schema);
        let columns =
            ["repository", "project", "pull_request", "commit_sha", "run_id", "who", "started_at", "expires_at"];
        let runs = session.read(&register.read_runs(&columns)).await?;
        let objects = schema.registered_objects(session).await?;
        let relations = objects.iter().filter(|name| !name.starts_with(BEHIND)).count();
        let mut owners: Vec<Owner> = runs
            .rows
            .into_iter()
            .map(|row| {
                let mut values = row.into_iter();
                let mut text = || values.next().flatten().unwrap_or_default();
                let (repository, project, pull_request, commit) = (text(), text(), text(), text());
                let (run, who, started_at, expires_at) = (text(), text(), text(), text());
                let (pull_request, commit) = (pull_request.parse().ok(), Some(commit).filter(|c| !c.is_empty()));
                Owner { repository, project, pull_request, commit, run, who, started_at, expires_at }
            })
            .collect();
        owners.sort_by(|a, b| a.started_at.cmp(&b.started_at));
        // The longest any of its runs wanted to keep it.
        let expires_at = owners.iter().filter_map(|owner| owner.expires_at.parse::<Timestamp>().ok()).max();
        let Some(owner) = owners.pop() else { return Ok(None) };
        Ok(Some(Self { schema: schema.owned_by(owner), relations, expires_at }))
    }

    /// The schema's name, as the register's own schema has it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.schema.name()
    }

    /// The newest run in it.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        self.schema.owner()
    }

    /// How many of its views hold relations of production: what a killed run or an older version left, or was asked to
    /// keep.
    ///
    /// # Errors
    /// What the warehouse said.
    pub async fn views_that_hold(&self, session: &mut Session) -> Result<usize, WarehouseError> {
        session.bound_in(self.name()).await.map(|views| views.len())
    }

    /// Whether it may be dropped at `now`.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Takes it from its runs, ends their statements, and drops what the register names.
    ///
    /// # Errors
    /// What the warehouse said; what was dropped until then stays dropped, and the register stays until all is.
    pub async fn drop(self, session: &mut Session) -> Result<Dropped, WarehouseError> {
        session.hold(None);
        let register = Register::of(&self.schema);
        let runs = self.schema.relation(RUNS);
        let (lock, close) = (register.lock(), register.close());
        let writes: Vec<_> = lock.iter().chain([&close]).map(|sql| Write::Bookkeeping { at: &runs, sql }).collect();
        session.write(&writes).await?;
        let losers = session.read(&register.losers()).await?;
        let tags: Vec<String> = losers.rows.into_iter().filter_map(|row| row.into_iter().next()?).collect();
        session.end_sessions(&tags).await?;
        // From here on a run that begins has the schema again.
        session.hold(Some(register.nobody()));
        let dropped = self.schema.drop(session).await;
        session.hold(None);
        match dropped {
            Ok(true) => Ok(Dropped::Gone),
            Ok(false) => Ok(Dropped::OthersLeft),
            Err(error) if error.class == FaultClass::Superseded => Ok(Dropped::InUse),
            Err(error) => Err(error),
        }
    }
}
