//! The only way to a write.

use std::collections::BTreeSet;

use super::rows::Rows;
use super::write::{ColumnDef, Write};
use super::{Session, Warehouse, WarehouseError};
use crate::sql::{Dialect, RelationName};

/// Runs, one row each, newest last.
const RUNS: &str = "_premerge_runs";
/// Every relation about to be made, one row each.
const OBJECTS: &str = "_premerge_objects";

/// Schemas that must never be written to.
#[derive(Debug, Clone, Default)]
pub struct Protected(BTreeSet<String>);

impl Protected {
    /// Schema names in any case: those of the production manifest, the profile, and the configuration.
    pub fn new<S: AsRef<str>>(schemas: impl IntoIterator<Item = S>) -> Self {
        Self(schemas.into_iter().map(|schema| schema.as_ref().to_lowercase()).collect())
    }

    /// Whether `schema` is one of them; compared without case, because some warehouses fold and some do not.
    #[must_use]
    pub fn contains(&self, schema: &str) -> bool {
        self.0.contains(&schema.to_lowercase())
    }
}

/// Who makes a temporary schema; the register holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `owner/name` of the repository, or the dbt project's name outside CI.
    pub repository: String,
    /// The dbt project.
    pub project: String,
    /// The pull request's number; `None` on a laptop.
    pub pull_request: Option<u64>,
    /// The commit checked.
    pub commit: Option<String>,
    /// This run.
    pub run: String,
    /// When it started, RFC 3339.
    pub started_at: String,
    /// From when on clean-up may drop the schema, RFC 3339.
    pub expires_at: String,
}

impl Owner {
    fn pull_request_text(&self) -> String {
        self.pull_request.map(|number| number.to_string()).unwrap_or_default()
    }
}

/// Why a temporary schema may not be used.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Production or the profile uses that schema.
    #[error(
        "`{schema}` cannot be the temporary schema: production's manifest, the profile or the configuration names it; \
         choose another with --schema"
    )]
    Protected {
        /// The name asked for.
        schema: String,
    },
    /// It is there, and it is not ours.
    #[error(
        "schema `{schema}` exists and has no premerge register, so premerge did not make it and will not touch it; \
         choose another with --schema"
    )]
    NotOurs {
        /// The name asked for.
        schema: String,
    },
    /// It is there, and another pull request's.
    #[error("schema `{schema}` belongs to {owner}; choose another with --schema")]
    SomebodyElses {
        /// The name asked for.
        schema: String,
        /// Repository, project and pull request of the register.
        owner: String,
    },
    /// A name no warehouse takes.
    #[error("`{schema}` cannot be a schema name: {why}")]
    Name {
        /// The name asked for.
        schema: String,
        /// What is wrong with it.
        why: String,
    },
    /// The warehouse failed.
    #[error("could not prepare schema `{schema}`: {source}")]
    Warehouse {
        /// The name asked for.
        schema: String,
        /// What it said.
        source: WarehouseError,
    },
}

/// A schema that this run made or took over from an earlier run of the same pull request. Holding one is
/// the only way to write.
#[derive(Debug, Clone)]
pub struct TempSchema {
    database: Option<String>,
    name: String,
    dialect: Dialect,
    owner: Owner,
}

/// A relation inside a [`TempSchema`]. It can be turned into a name to read; nothing turns back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TempRelation {
    name: RelationName,
    sql: String,
}

impl TempRelation {
    /// The name, quoted, for SQL.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The name, for reading.
    #[must_use]
    pub fn name(&self) -> &RelationName {
        &self.name
    }
}

impl TempSchema {
    /// Makes the schema, or takes over the one that an earlier run of the same pull request registered and
    /// drops what that run made.
    ///
    /// # Errors
    /// When the name is protected, unusable or somebody else's, or the warehouse fails. Nothing has been
    /// written then, except possibly an empty schema.
    pub async fn open(
        warehouse: &dyn Warehouse,
        session: &mut dyn Session,
        name: &str,
        protected: &Protected,
        owner: Owner,
    ) -> Result<Self, GuardError> {
        let dialect = warehouse.dialect();
        check_name(name, dialect)?;
        if protected.contains(name) {
            return Err(GuardError::Protected { schema: name.to_owned() });
        }
        let fail = |source| GuardError::Warehouse { schema: name.to_owned(), source };
        let schema =
            Self { database: warehouse.temp_database().map(str::to_owned), name: name.to_owned(), dialect, owner };

        if session.schema_exists(schema.database.as_deref(), name).await.map_err(fail)? {
            schema.take_over(session).await?;
        } else {
            session.write(&[Write::CreateSchema { schema: &schema }]).await.map_err(fail)?;
        }
        let owner = &schema.owner;
        let run = vec![
            Some(owner.repository.clone()),
            Some(owner.project.clone()),
            Some(owner.pull_request_text()),
            owner.commit.clone(),
            Some(owner.run.clone()),
            Some(owner.started_at.clone()),
            Some(owner.expires_at.clone()),
        ];
        let at = schema.relation(RUNS);
        let write = Write::Register { at: &at, columns: &text_columns(&RUN_COLUMNS, dialect), rows: &[run] };
        session.write(&[write]).await.map_err(fail)?;
        Ok(schema)
    }

    /// The place of `identifier` in this schema.
    #[must_use]
    pub fn relation(&self, identifier: &str) -> TempRelation {
        let name = RelationName {
            database: self.database.clone(),
            schema: Some(self.name.clone()),
            identifier: identifier.to_owned(),
        };
        TempRelation { sql: name.quoted(self.dialect), name }
    }

    /// The schema's name, without its database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its database, where names have three parts.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Writes the names of relations into the register. Must happen before they are made, so that a run
    /// killed at any moment leaves nothing that clean-up does not know.
    ///
    /// # Errors
    /// What the warehouse said.
    pub async fn register(&self, session: &mut dyn Session, identifiers: &[&str]) -> Result<(), WarehouseError> {
        if identifiers.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = identifiers
            .iter()
            .map(|identifier| vec![Some(self.owner.run.clone()), Some((*identifier).to_owned())])
            .collect();
        let at = self.relation(OBJECTS);
        let columns = text_columns(&OBJECT_COLUMNS, self.dialect);
        session.write(&[Write::Register { at: &at, columns: &columns, rows: &rows }]).await.map(|_| ())
    }

    /// Drops everything the register names, and the schema itself when nothing else is left in it.
    ///
    /// # Errors
    /// What the warehouse said; what was dropped until then stays dropped.
    pub async fn drop(self, session: &mut dyn Session) -> Result<(), WarehouseError> {
        self.drop_objects(session).await?;
        for register in [OBJECTS, RUNS] {
            let at = self.relation(register);
            session.write(&[Write::Drop { at: &at }]).await?;
        }
        session.write(&[Write::DropSchema { schema: &self }]).await.map(|_| ())
    }

    /// The name, quoted, for SQL.
    pub(super) fn sql(&self) -> String {
        let parts = self.database.as_deref().into_iter().chain([self.name.as_str()]);
        parts.map(|part| self.dialect.quote(part)).collect::<Vec<_>>().join(".")
    }

    async fn take_over(&self, session: &mut dyn Session) -> Result<(), GuardError> {
        let columns: Vec<_> = RUN_COLUMNS.iter().take(3).map(|column| self.dialect.quote(column)).collect();
        let sql = format!("select distinct {} from {}", columns.join(", "), self.relation(RUNS).sql());
        let Ok(Rows { rows, .. }) = session.read(&sql).await else {
            return Err(GuardError::NotOurs { schema: self.name.clone() });
        };
        let ours = [self.owner.repository.clone(), self.owner.project.clone(), self.owner.pull_request_text()];
        for row in &rows {
            let theirs: Vec<_> = row.iter().map(|value| value.clone().unwrap_or_default()).collect();
            if theirs != ours {
                let owner = match theirs.as_slice() {
                    [repository, project, pull_request] if !pull_request.is_empty() => {
                        format!("pull request {pull_request} of {repository} (project {project})")
                    }
                    [repository, project, _] => format!("{repository} (project {project}, no pull request)"),
                    _ => "somebody else".to_owned(),
                };
                return Err(GuardError::SomebodyElses { schema: self.name.clone(), owner });
            }
        }
        let fail = |source| GuardError::Warehouse { schema: self.name.clone(), source };
        self.drop_objects(session).await.map_err(fail)
    }

    /// Drops what the register names, newest first, so that views go before what they read.
    async fn drop_objects(&self, session: &mut dyn Session) -> Result<(), WarehouseError> {
        let at = self.relation(OBJECTS);
        let name = self.dialect.quote("identifier");
        let Ok(objects) = session.read(&format!("select distinct {name} from {}", at.sql())).await else {
            // No such table: the earlier run was killed before it made anything.
            return Ok(());
        };
        let relations: Vec<_> =
            objects.rows.iter().filter_map(|row| row.first()?.as_deref()).map(|name| self.relation(name)).collect();
        let mut drops: Vec<_> = relations.iter().map(|at| Write::Drop { at }).collect();
        drops.push(Write::Drop { at: &at });
        session.write(&drops).await.map(|_| ())
    }
}

const RUN_COLUMNS: [&str; 7] =
    ["repository", "project", "pull_request", "commit_sha", "run_id", "started_at", "expires_at"];
const OBJECT_COLUMNS: [&str; 2] = ["run_id", "identifier"];

fn text_columns(names: &[&str], dialect: Dialect) -> Vec<ColumnDef> {
    let text = match dialect {
        Dialect::Redshift => "varchar(1024)",
        Dialect::BigQuery | Dialect::Databricks => "string",
        _ => "varchar",
    };
    names.iter().map(|name| ColumnDef { name: dialect.quote(name), definition: text.to_owned() }).collect()
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
    Ok(())
}
