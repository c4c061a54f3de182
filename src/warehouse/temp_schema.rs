//! The only way to a write.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::WarehouseError;
use super::owner::Owner;
use crate::sql::{Dialect, RelationName, SchemaName};

/// Runs, one row each.
pub(super) const RUNS: &str = "_premerge_runs";
/// Every relation about to be made, one row each.
pub(super) const OBJECTS: &str = "_premerge_objects";

/// What the names begin with of what stands behind a view.
pub(super) const BEHIND: &str = "_premerge_behind_";

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

/// Why a temporary schema may not be used.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Production or the profile uses that schema.
    #[error(
        "`{schema}` cannot be the temporary schema: production's manifest, the profile or the configuration uses it; choose another with --schema"
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
    /// It is there with a register that may not be read.
    #[error(
        "schema `{schema}` has a premerge register that this role cannot read, so its owner is unknown: run as \
         the role that made it, or choose another with --schema"
    )]
    Unreadable {
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
    /// A run of the same pull request that started later has it.
    #[error("superseded: a newer run of this pull request has schema `{schema}`")]
    Superseded {
        /// The name asked for.
        schema: String,
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
    name: SchemaName,
    dialect: Dialect,
    owner: Owner,
    replacing: Option<Replacing>,
}

/// A relation inside a [`TempSchema`]. It can be turned into a name to read; nothing turns back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TempRelation {
    schema: SchemaName,
    name: RelationName,
    sql: String,
    dialect: Dialect,
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

    /// The temporary schema.
    #[must_use]
    pub fn schema(&self) -> &SchemaName {
        &self.schema
    }

    /// Its name within the schema.
    #[must_use]
    pub fn identifier(&self) -> &str {
        self.name.identifier()
    }

    /// Another relation of the same temporary schema.
    pub(super) fn beside(&self, identifier: &str) -> Self {
        Self::new(&self.schema, identifier, self.dialect)
    }

    fn new(schema: &SchemaName, identifier: &str, dialect: Dialect) -> Self {
        let name = schema.relation(identifier);
        Self { schema: schema.clone(), sql: name.quoted(dialect), name, dialect }
    }
}

impl TempSchema {
    /// A schema that clean-up has found and may drop.
    pub(super) fn found(database: Option<String>, name: String, dialect: Dialect, owner: Owner) -> Self {
        Self { name: SchemaName::new(database, name), dialect, owner, replacing: None }
    }

    /// The place of `identifier` in this schema.
    #[must_use]
    pub fn relation(&self, identifier: &str) -> TempRelation {
        TempRelation::new(&self.name, identifier, self.dialect)
    }

    /// What this run puts behind a view that looks up what it reads.
    #[must_use]
    pub fn behind(&self, view: &TempRelation) -> TempRelation {
        self.relation(&format!("{BEHIND}{}_{}", short(&self.owner.run), short(view.identifier())))
    }

    /// Its whole name.
    #[must_use]
    pub fn schema_name(&self) -> &SchemaName {
        &self.name
    }

    /// The schema's name, without its database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.name()
    }

    /// Its database, where names have three parts.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.name.database()
    }

    /// Whether objects of earlier runs are still there, to be replaced one by one.
    #[must_use]
    pub fn replaces(&self) -> bool {
        self.replacing.is_some()
    }

    /// Who made it.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The same schema with another run as its owner.
    pub(super) fn owned_by(self, owner: Owner) -> Self {
        Self { owner, ..self }
    }

    /// The register's tables.
    pub(super) fn register_tables(&self) -> [TempRelation; 2] {
        [self.relation(OBJECTS), self.relation(RUNS)]
    }

    /// The name, quoted, for SQL.
    #[cfg_attr(not(feature = "duckdb"), allow(dead_code))]
    pub(super) fn sql(&self) -> String {
        self.name.quoted(self.dialect)
    }

    /// Objects of earlier runs, to be replaced one by one.
    pub(super) fn replacing(&self) -> Option<&Replacing> {
        self.replacing.as_ref()
    }

    /// The same schema with those objects to replace.
    pub(super) fn set_replacing(&mut self, replacing: Option<Replacing>) {
        self.replacing = replacing;
    }
}

/// Relations of earlier runs that a session puts new ones in the place of.
#[derive(Debug, Clone)]
pub struct Replacing {
    pub(super) run: String,
    pub(super) found: Arc<BTreeSet<String>>,
}

impl Replacing {
    /// Whether the schema had a relation of that name when the run began.
    pub(super) fn found(&self, at: &TempRelation) -> bool {
        self.found.contains(at.identifier())
    }

    /// Where that relation goes.
    pub(super) fn aside(&self, at: &TempRelation) -> TempRelation {
        at.beside(&self.aside_name(at.identifier()))
    }

    /// Where the new one is made.
    pub(super) fn incoming(&self, at: &TempRelation) -> TempRelation {
        at.beside(&format!("_premerge_new_{}_{}", self.run, short(at.identifier())))
    }

    /// A name for something that goes aside with its table, such as an index.
    pub(super) fn aside_name(&self, identifier: &str) -> String {
        format!("_premerge_old_{}_{}", self.run, short(identifier))
    }
}

/// Sixteen hexadecimal digits: names stay far below every engine's limit.
pub(super) fn short(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
