//! Node configuration that becomes clauses of a `create` statement.

use indexmap::IndexMap;
use serde_json::Value;

use crate::sql::{Dialect, SqlError, check_enclosed};

/// dbt-postgres' and dbt-redshift's physical configuration of one relation. The default is none of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelationConfigs {
    /// PostgreSQL: `create unlogged table`.
    pub unlogged: bool,
    /// PostgreSQL: made after the table.
    pub indexes: Vec<Index>,
    /// Redshift: `backup no` when false.
    pub backup: Option<bool>,
    /// Redshift: `all`, `even`, `auto`, or a column.
    pub dist: Option<String>,
    /// Redshift: columns, or the one word `auto`.
    pub sort: Vec<String>,
    /// Redshift: `compound` or `interleaved`.
    pub sort_type: Option<String>,
    /// Redshift: false makes a late-binding view.
    pub bind: Option<bool>,
}

/// An entry of dbt-postgres' `indexes`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// Columns or expressions, as written.
    pub columns: Vec<String>,
    /// `create unique index`.
    pub unique: bool,
    /// `using …`.
    pub method: Option<String>,
}

impl RelationConfigs {
    /// Reads the keys of a node's `config` that the dialect knows.
    ///
    /// # Errors
    /// A sentence about a key whose value makes no sense.
    pub fn read(configs: &IndexMap<String, Value>, dialect: Dialect) -> Result<Self, String> {
        let mut found = Self::default();
        match dialect {
            Dialect::Postgres => {
                found.unlogged = configs.get("unlogged").is_some_and(|value| flag(value) == Some(true));
                if let Some(list) = configs.get("indexes").filter(|list| !list.is_null()) {
                    let list = list.as_array().ok_or("`indexes` is not a list")?;
                    found.indexes = list.iter().map(index).collect::<Result<_, _>>()?;
                }
            }
            Dialect::Redshift => {
                found.backup = configs.get("backup").and_then(flag);
                found.bind = configs.get("bind").and_then(flag);
                found.dist = configs.get("dist").and_then(Value::as_str).map(str::to_owned);
                found.sort = configs.get("sort").map(texts).unwrap_or_default();
                found.sort_type = configs.get("sort_type").and_then(Value::as_str).map(str::to_owned);
                if let Some(kind) = &found.sort_type
                    && !["compound", "interleaved"].contains(&kind.as_str())
                {
                    return Err(format!("`sort_type: {kind}` is neither compound nor interleaved"));
                }
            }
            _ => {}
        }
        Ok(found)
    }

    pub(super) fn check(&self, dialect: Dialect) -> Result<(), SqlError> {
        let indexes = self.indexes.iter().flat_map(|index| index.columns.iter().chain(&index.method));
        indexes.chain(&self.dist).chain(&self.sort).try_for_each(|text| check_enclosed(text, dialect))
    }
}

fn index(value: &Value) -> Result<Index, String> {
    let columns = value.get("columns").map(texts).unwrap_or_default();
    if columns.is_empty() {
        return Err("an entry of `indexes` has no `columns`".to_owned());
    }
    Ok(Index {
        columns,
        unique: value.get("unique").and_then(flag).unwrap_or(false),
        method: value.get("type").and_then(Value::as_str).map(str::to_owned),
    })
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}
