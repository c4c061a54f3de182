//! The temporary schema made, taken over, worked in and dropped.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::guard::Guard;
use super::owner::Owner;
use super::register::{CLEAN_UP, OBJECT_COLUMNS, OBJECTS, RUN_COLUMNS, RUNS, Register, row};
use super::temp_schema::{GuardError, Protected, TempSchema};
use super::write::Write;
use super::{FaultClass, Meeting, Session, Warehouse, WarehouseError};
use crate::config::AtStart;
use crate::sql::Dialect;

/// How long a newer run waits for an older one's last statement, where it cannot end it.
const PATIENCE: Duration = Duration::from_secs(60);

impl TempSchema {
    /// Makes the schema, or takes over the one that an earlier run of the same pull request registered: ends
    /// that run's statements and drops what it made, or gets ready to replace it. `session` holds the schema
    /// afterwards.
    ///
    /// # Errors
    /// When the name is protected, unusable or somebody else's, a newer run has it, or the warehouse fails.
    pub async fn open(
        warehouse: &dyn Warehouse,
        session: &mut Session,
        name: &str,
        protected: &Protected,
        owner: Owner,
        at_start: AtStart,
    ) -> Result<Self, GuardError> {
        let dialect = warehouse.dialect();
        check_name(name, dialect)?;
        if protected.contains(name) {
            return Err(GuardError::Protected { schema: name.to_owned() });
        }
        let mut schema = Self::found(warehouse.temp_database().map(str::to_owned), name.to_owned(), dialect, owner);
        session.hold(None);
        match schema.make_or_take(session, warehouse.session_tag(), at_start).await {
            Ok(()) => Ok(schema),
            // A newer run ends the sessions of this one, maybe before it knows that it has lost.
            Err(GuardError::Warehouse { source, .. })
                if matches!(source.class, FaultClass::Restart | FaultClass::Connection)
                    && schema.is_lost(session).await =>
            {
                Err(GuardError::Superseded { schema: schema.name().to_owned() })
            }
            Err(error) => Err(error),
        }
    }

    async fn make_or_take(
        &mut self,
        session: &mut Session,
        tag: Option<&str>,
        at_start: AtStart,
    ) -> Result<(), GuardError> {
        self.make_or_find(session, tag).await?;
        self.take(session).await?;
        session.hold(Some(self.guard()));
        if at_start == AtStart::Replace && session.traits().replaces {
            let replacing = self.find_replaceable(session).await.map_err(|error| self.fail(error))?;
            session.replace(replacing.clone());
            self.set_replacing(replacing);
            return Ok(());
        }
        self.drop_objects(session).await.map_err(|error| self.fail(error))
    }

    async fn is_lost(&self, session: &mut Session) -> bool {
        session.hold(None);
        let lost = session.read(&Register::of(self).lost(&self.owner().run)).await;
        lost.is_ok_and(|rows| !rows.rows.is_empty())
    }

    /// Whether clean-up has taken the schema that this run has lost, and no newer run.
    ///
    /// # Errors
    /// What the warehouse said.
    pub async fn is_cleaned_up(&self, warehouse: &dyn Warehouse) -> Result<bool, WarehouseError> {
        // Without a server the newer run has the file, and clean-up waits for it.
        if warehouse.traits().meeting == Meeting::File {
            return Ok(false);
        }
        let mut session = warehouse.connect().await?;
        match session.read(&Register::of(self).taker(&self.owner().run)).await {
            // No row: the register that knew this run is gone, and there is a new one.
            Ok(rows) => Ok(rows.scalar().is_none_or(|taker| taker == CLEAN_UP)),
            // Without the register the server's answer is that of a superseded run.
            Err(error) if matches!(error.class, FaultClass::MissingRelation | FaultClass::Superseded) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// A session that writes for this schema: it stops when a newer run has taken the schema over.
    ///
    /// # Errors
    /// When no connection can be made.
    pub async fn connect(&self, warehouse: &dyn Warehouse) -> Result<Session, WarehouseError> {
        let mut session = warehouse.connect().await?;
        session.hold(Some(self.guard()));
        session.replace(self.replacing().cloned());
        Ok(session)
    }

    fn guard(&self) -> Guard {
        Register::of(self).guard(&self.owner().run)
    }

    /// Writes the names of relations into the register. Must happen before they are made, so that a run
    /// killed at any moment leaves nothing that clean-up does not know.
    ///
    /// # Errors
    /// What the warehouse said.
    pub async fn register(&self, session: &mut Session, identifiers: &[&str]) -> Result<(), WarehouseError> {
        if identifiers.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = identifiers
            .iter()
            .map(|identifier| vec![Some(self.owner().run.clone()), Some((*identifier).to_owned())])
            .collect();
        let at = self.relation(OBJECTS);
        let columns = Register::of(self).columns(&OBJECT_COLUMNS);
        session.write(&[Write::Register { at: &at, columns: &columns, rows: &rows }]).await.map(|_| ())
    }

    /// Drops everything the register names, and then register and schema together; `false` when these two
    /// stay, because somebody else has made something in the schema.
    ///
    /// # Errors
    /// What the warehouse said; what was dropped until then stays dropped, and the register stays until all is,
    /// so that it can be done again.
    pub async fn drop(self, session: &mut Session) -> Result<bool, WarehouseError> {
        self.drop_objects(session).await?;
        session.write(&[Write::DropSchema { schema: &self }]).await?;
        // The guard asks the register, which is gone.
        session.hold(None);
        Ok(!session.schema_exists(self.database(), self.name()).await?)
    }

    /// Drops what belongs to relations outside, so that nothing of premerge's stands in the way of production's own
    /// changes any more; their number. What is left stands alone. The register goes on naming all, for clean-up.
    ///
    /// # Errors
    /// What the warehouse said; what was dropped until then stays dropped.
    pub async fn release(&self, session: &mut Session) -> Result<usize, WarehouseError> {
        let registered = self.registered_objects(session).await?;
        let bound = session.bound_in(self.name()).await?;
        let bound: Vec<_> =
            bound.iter().filter(|name| registered.contains(name)).map(|name| self.relation(name)).collect();
        let drops: Vec<_> = bound.iter().map(|at| Write::Drop { at }).collect();
        if !drops.is_empty() {
            session.write(&drops).await?;
        }
        Ok(drops.len())
    }

    fn fail(&self, source: WarehouseError) -> GuardError {
        match source.class {
            FaultClass::Superseded => GuardError::Superseded { schema: self.name().to_owned() },
            _ => GuardError::Warehouse { schema: self.name().to_owned(), source },
        }
    }

    /// Makes schema and register with this run in it, in one transaction where the engine has such; or checks
    /// whose the one is that is there, and adds this run.
    async fn make_or_find(&self, session: &mut Session, tag: Option<&str>) -> Result<(), GuardError> {
        let runs = self.relation(RUNS);
        let columns = Register::of(self).columns(&RUN_COLUMNS);
        let row = [row(self.owner(), tag)];
        let enter = Write::Register { at: &runs, columns: &columns, rows: &row };
        let exists = |found: Result<bool, WarehouseError>| found.map_err(|error| self.fail(error));
        if !exists(session.schema_exists(self.database(), self.name()).await)? {
            let made = session.write(&[Write::CreateSchema { schema: self }, enter.clone()]).await;
            match made {
                Ok(_) => return Ok(()),
                // Another run of this pull request was a moment faster; or the answer of our own was lost.
                Err(error) if error.class == FaultClass::Conflict => {}
                Err(error) => return Err(self.fail(error)),
            }
        }
        self.check_owner(session).await?;
        // Clean-up and another project may have come between; the register is locked, so that nobody can now.
        let register = Register::of(self);
        let (lock, enter) = (register.lock(), register.enter(self.owner(), tag));
        let writes: Vec<_> = lock.iter().chain([&enter]).map(|sql| Write::Bookkeeping { at: &runs, sql }).collect();
        let entered = session.write(&writes).await.map_err(|error| self.fail(error))?;
        if entered.rows == Some(0) { self.check_owner(session).await } else { Ok(()) }
    }

    async fn check_owner(&self, session: &mut Session) -> Result<(), GuardError> {
        // A model can be called as the register is, and have its columns.
        let made = session.schemas_with(RUNS).await.map_err(|error| self.fail(error))?;
        if !made.iter().any(|schema| schema == self.name()) {
            return Err(GuardError::NotOurs { schema: self.name().to_owned() });
        }
        let sql = Register::of(self).read_runs(&["repository", "project", "pull_request"]);
        let runs = match session.read(&sql).await {
            Ok(runs) => runs,
            Err(error) if error.class == FaultClass::Permission => {
                return Err(GuardError::Unreadable { schema: self.name().to_owned() });
            }
            Err(error)
                if matches!(
                    error.class,
                    FaultClass::MissingRelation | FaultClass::Binding | FaultClass::Superseded
                ) =>
            {
                return Err(GuardError::NotOurs { schema: self.name().to_owned() });
            }
            Err(error) => return Err(self.fail(error)),
        };
        let ours = [self.owner().repository.clone(), self.owner().project.clone(), self.owner().pull_request_text()];
        for row in &runs.rows {
            let theirs: Vec<_> = row.iter().map(|value| value.clone().unwrap_or_default()).collect();
            if theirs != ours {
                let owner = match theirs.as_slice() {
                    [repository, project, pull_request] if !pull_request.is_empty() => {
                        format!("pull request {pull_request} of {repository} (project {project})")
                    }
                    [repository, project, _] => format!("{repository} (project {project}, no pull request)"),
                    _ => "somebody else".to_owned(),
                };
                return Err(GuardError::SomebodyElses { schema: self.name().to_owned(), owner });
            }
        }
        Ok(())
    }

    /// Takes the schema from older runs, and waits until they are quiet.
    async fn take(&self, session: &mut Session) -> Result<(), GuardError> {
        let register = Register::of(self);
        let runs = self.relation(RUNS);
        let lock = register.lock();
        let takes = register.take(self.owner(), &format!("{:.9}", Timestamp::now()));
        let writes: Vec<_> = lock.iter().chain(&takes).map(|sql| Write::Bookkeeping { at: &runs, sql }).collect();
        let fail = |error| self.fail(error);
        session.write(&writes).await.map_err(fail)?;
        if !session.read(&register.lost(&self.owner().run)).await.map_err(fail)?.rows.is_empty() {
            return Err(GuardError::Superseded { schema: self.name().to_owned() });
        }
        session.hold(Some(self.guard()));
        let began = Instant::now();
        loop {
            let losers = session.read(&register.losers()).await.map_err(fail)?;
            let tags: Vec<String> = losers.rows.into_iter().filter_map(|row| row.into_iter().next()?).collect();
            // An engine that cannot end them lets them find out for themselves.
            if tags.is_empty() || session.end_sessions(&tags).await.map_err(fail)? || began.elapsed() > PATIENCE {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Drops what the register names.
    pub(super) async fn drop_objects(&self, session: &mut Session) -> Result<(), WarehouseError> {
        let relations: Vec<_> =
            self.registered_objects(session).await?.iter().map(|name| self.relation(name)).collect();
        if relations.is_empty() {
            return Ok(());
        }
        let drops: Vec<_> = relations.iter().map(|at| Write::Drop { at }).collect();
        session.write(&drops).await?;
        let at = self.relation(OBJECTS);
        session.write(&[Write::Bookkeeping { at: &at, sql: &Register::of(self).forget_objects() }]).await.map(|_| ())
    }

    /// What the register names.
    pub(super) async fn registered_objects(&self, session: &mut Session) -> Result<Vec<String>, WarehouseError> {
        match session.read(&Register::of(self).read_objects()).await {
            Ok(objects) => {
                let names = objects.rows.into_iter().filter_map(|row| row.into_iter().next()?);
                // The register goes with the schema and not before.
                Ok(names.filter(|name| ![RUNS, OBJECTS].contains(&name.to_lowercase().as_str())).collect())
            }
            // The earlier run was killed before it registered anything.
            Err(error) if error.class == FaultClass::MissingRelation => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn check_name(name: &str, dialect: Dialect) -> Result<(), GuardError> {
    let fail = |why: &str| Err(GuardError::Name { schema: name.to_owned(), why: why.to_owned() });
    if name.is_empty() {
        return fail("it is empty");
    }
    if name.len() > dialect.max_identifier() {
        return fail(&format!("it is longer than {} bytes", dialect.max_identifier()));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') || name.starts_with(|c: char| c.is_ascii_digit()) {
        return fail("use letters, digits and underscores, and begin with a letter");
    }
    if name.to_ascii_lowercase().starts_with("pg_") && matches!(dialect, Dialect::Postgres | Dialect::Redshift) {
        return fail("names that begin with pg_ are the server's own");
    }
    Ok(())
}
