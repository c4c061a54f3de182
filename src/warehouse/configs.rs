//! Node configuration that becomes clauses of a `create` statement.

use indexmap::IndexMap;
use serde_json::Value;

use super::postgres::{PostgresConfigs, RedshiftConfigs};
use crate::sql::{Dialect, ProjectText};

/// The physical configuration of one relation, as dbt's adapter takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RelationConfigs {
    /// None of it, or an adapter that has none.
    #[default]
    None,
    /// dbt-postgres'.
    Postgres(PostgresConfigs),
    /// dbt-redshift's.
    Redshift(RedshiftConfigs),
}

impl RelationConfigs {
    /// Reads the keys of a node's `config` that the adapter knows.
    ///
    /// # Errors
    /// A sentence about a key whose value makes no sense.
    pub fn read(configs: &IndexMap<String, Value>, dialect: Dialect) -> Result<Self, String> {
        Ok(match dialect {
            Dialect::Postgres => Self::Postgres(PostgresConfigs::read(configs)?),
            Dialect::Redshift => Self::Redshift(RedshiftConfigs::read(configs)?),
            Dialect::DuckDb | Dialect::Snowflake | Dialect::BigQuery | Dialect::Databricks | Dialect::Generic => {
                Self::None
            }
        })
    }

    /// The texts of the project in it.
    #[must_use]
    pub fn texts(&self) -> Vec<ProjectText<'_>> {
        match self {
            Self::None => Vec::new(),
            Self::Postgres(configs) => configs.texts(),
            Self::Redshift(configs) => configs.texts(),
        }
    }
}
