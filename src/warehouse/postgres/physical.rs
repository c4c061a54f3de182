//! The physical configuration of dbt-postgres and dbt-redshift.

use indexmap::IndexMap;
use serde_json::Value;

use crate::sql::ProjectText;
use crate::warehouse::config_values::{flag, texts};

/// dbt-postgres' configuration of one relation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostgresConfigs {
    /// `create unlogged table`.
    pub unlogged: bool,
    /// Made after the table.
    pub indexes: Vec<Index>,
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

/// dbt-redshift's configuration of one relation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedshiftConfigs {
    /// `backup no` when false.
    pub backup: Option<bool>,
    /// `all`, `even`, `auto`, or a column.
    pub dist: Option<String>,
    /// Columns, or the one word `auto`.
    pub sort: Vec<String>,
    /// `compound` or `interleaved`.
    pub sort_type: Option<String>,
    /// False makes a late-binding view.
    pub bind: Option<bool>,
}

impl PostgresConfigs {
    /// # Errors
    /// A sentence about a key whose value makes no sense.
    pub(in crate::warehouse) fn read(configs: &IndexMap<String, Value>) -> Result<Self, String> {
        let unlogged = configs.get("unlogged").is_some_and(|value| flag(value) == Some(true));
        let indexes = match configs.get("indexes").filter(|list| !list.is_null()) {
            None => Vec::new(),
            Some(list) => {
                let list = list.as_array().ok_or("`indexes` is not a list")?;
                list.iter().map(index).collect::<Result<_, _>>()?
            }
        };
        Ok(Self { unlogged, indexes })
    }

    pub(in crate::warehouse) fn texts(&self) -> Vec<ProjectText<'_>> {
        let columns = self.indexes.iter().flat_map(|index| &index.columns).map(|text| ProjectText::Key(text));
        let methods = self.indexes.iter().filter_map(|index| index.method.as_deref());
        columns.chain(methods.map(ProjectText::IndexMethod)).collect()
    }

    /// Statements that make the indexes of `table`.
    pub(super) fn indexes_on(&self, table: &str) -> Vec<String> {
        let statement = |index: &Index| {
            let unique = if index.unique { "unique " } else { "" };
            let method = index.method.as_deref().map(|method| format!(" using {method}")).unwrap_or_default();
            // Without a name: PostgreSQL finds one that fits into 63 bytes and is free.
            format!("create {unique}index on {table}{method} ({})", index.columns.join(", "))
        };
        self.indexes.iter().map(statement).collect()
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

impl RedshiftConfigs {
    /// # Errors
    /// A sentence about a key whose value makes no sense.
    pub(in crate::warehouse) fn read(configs: &IndexMap<String, Value>) -> Result<Self, String> {
        let text = |key: &str| configs.get(key).and_then(Value::as_str).map(str::to_owned);
        let found = Self {
            backup: configs.get("backup").and_then(flag),
            dist: text("dist"),
            sort: configs.get("sort").map(texts).unwrap_or_default(),
            sort_type: text("sort_type"),
            bind: configs.get("bind").and_then(flag),
        };
        match &found.sort_type {
            Some(kind) if !["compound", "interleaved"].contains(&kind.as_str()) => {
                Err(format!("`sort_type: {kind}` is neither compound nor interleaved"))
            }
            _ => Ok(found),
        }
    }

    pub(in crate::warehouse) fn texts(&self) -> Vec<ProjectText<'_>> {
        // `all` is a word of the grammar that no key can be, and of ours here.
        let keys = self.dist.iter().chain(&self.sort).filter(|text| !text.trim().eq_ignore_ascii_case("all"));
        keys.map(|text| ProjectText::Key(text)).collect()
    }

    /// dbt-redshift's clauses between the name and the query, in its order.
    pub(super) fn clauses(&self) -> String {
        let mut clauses = String::new();
        if self.backup == Some(false) {
            clauses.push_str("\nbackup no");
        }
        match self.dist.as_deref().map(str::trim).map(|dist| (dist, dist.to_ascii_lowercase())) {
            // `auto` is what a table has that says nothing.
            None => {}
            Some((_, word)) if word == "auto" => {}
            Some((_, word)) if word == "all" || word == "even" => clauses.push_str(&format!("\ndiststyle {word}")),
            // dbt-redshift writes it in small letters.
            Some((_, column)) => clauses.push_str(&format!("\ndiststyle key distkey ({column})")),
        }
        match self.sort.as_slice() {
            [] => {}
            [word] if word.eq_ignore_ascii_case("auto") => {}
            columns => {
                let kind = self.sort_type.as_deref().unwrap_or("compound");
                clauses.push_str(&format!("\n{kind} sortkey({})", columns.join(", ")));
            }
        }
        clauses
    }
}
