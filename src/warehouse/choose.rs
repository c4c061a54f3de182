//! Which name the temporary schema has, and the schema opened under it.

use std::sync::Arc;

use tokio::sync::watch;

use super::owner::Owner;
use super::temp_schema::{GuardError, Protected, TempSchema};
use super::{FaultClass, OpenContext, OpenError, Session, Warehouse, WarehouseError, open, schemas_in_files};
use crate::config::{AtStart, Target};

/// What a temporary schema is opened with.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The target of profiles.yml.
    pub target: &'a Target,
    /// Its `schema` is set for each attempt.
    pub context: OpenContext<'a>,
    /// The name that the schema should have.
    pub wanted: &'a str,
    /// A name that only this pull request has, for when the wanted one is another project's or repository's. `None`
    /// when somebody chose the wanted one, who is told then.
    pub own: Option<String>,
    /// Schemas that must never be written to.
    pub protected: &'a Protected,
    /// Whose schema it is.
    pub owner: &'a Owner,
    /// What happens to what an earlier run left.
    pub at_start: AtStart,
    /// The files that the project's sources are read from.
    pub files: Vec<String>,
}

/// A temporary schema that is open.
pub struct OpenedSchema {
    /// Where it is.
    pub warehouse: Arc<dyn Warehouse>,
    /// The session that opened it, and holds it.
    pub session: Session,
    /// Open, and this run's until a newer one takes it.
    pub schema: TempSchema,
}

impl std::fmt::Debug for OpenedSchema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedSchema").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// How opening a temporary schema ended.
pub struct Attempt {
    /// The schema, or why there is none.
    pub opened: Result<OpenedSchema, OpeningError>,
    /// Where it was tried last; `None` where the target gives no warehouse.
    pub warehouse: Option<Arc<dyn Warehouse>>,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("opened", &self.opened).finish_non_exhaustive()
    }
}

/// Why no temporary schema could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// The target gives no warehouse.
    #[error(transparent)]
    Target(#[from] OpenError),
    /// The schema may not be used, or the warehouse failed while it was made.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The warehouse failed before that.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
}

impl Opening<'_> {
    /// Opens the schema under the wanted name, or under the pull request's own. `stop` ends it early.
    pub async fn open(&self, stop: watch::Receiver<bool>) -> Attempt {
        let mut warehouse = None;
        let opened = self.open_chosen(stop, &mut warehouse).await;
        Attempt { opened, warehouse }
    }

    async fn open_chosen(
        &self,
        stop: watch::Receiver<bool>,
        tried: &mut Option<Arc<dyn Warehouse>>,
    ) -> Result<OpenedSchema, OpeningError> {
        let files = schemas_in_files(self.target, self.context.temp_dir);
        let mut name = self.first_name(&files);
        loop {
            let warehouse = open(self.target, OpenContext { schema: Some(&name), ..self.context })?;
            warehouse.let_read(self.files.clone());
            *tried = Some(Arc::clone(&warehouse));
            let mut session = match warehouse.connect().await {
                Err(error) if error.class == FaultClass::SomebodyElses => match self.other_than(&name) {
                    Some(other) => {
                        name = other.to_owned();
                        continue;
                    }
                    None => {
                        let owner = "another project or repository".to_owned();
                        return Err(GuardError::SomebodyElses { schema: name, owner }.into());
                    }
                },
                session => session?,
            };
            // A server shows in one look whether an earlier run came to that name.
            if let Some(other) = self.other_than(&name)
                && warehouse.traits().meeting.shows_all_schemas()
                && session.schema_exists(warehouse.temp_database(), other).await?
            {
                name = other.to_owned();
            }
            let opening = async |session: &mut Session| {
                let owner = self.owner.clone();
                TempSchema::open(warehouse.as_ref(), session, &name, self.protected, owner, self.at_start).await
            };
            match session.begin().until(stop.clone(), opening).await {
                Err(GuardError::SomebodyElses { owner, schema }) => match self.other_than(&name) {
                    Some(other) => {
                        tracing::info!("schema `{name}` belongs to {owner}");
                        name = other.to_owned();
                    }
                    None => return Err(GuardError::SomebodyElses { schema, owner }.into()),
                },
                schema => return Ok(OpenedSchema { schema: schema?, warehouse, session }),
            }
        }
    }

    /// The wanted name, unless there is a file already under the pull request's own.
    fn first_name(&self, files: &[String]) -> String {
        match &self.own {
            Some(own) if files.contains(own) => own.clone(),
            Some(_) | None => self.wanted.to_owned(),
        }
    }

    /// The pull request's own name, where that is another one.
    fn other_than(&self, name: &str) -> Option<&str> {
        self.own.as_deref().filter(|own| *own != name)
    }
}
