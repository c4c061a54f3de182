//! A source: a table that dbt reads and does not make.

use std::borrow::Cow;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::Text;
use super::tolerant::{opt, strings, text};
use crate::sql::{Dialect, RelationName};

/// A member of `sources`.
#[derive(Debug, Clone, Deserialize)]
pub struct Source<'a> {
    /// `source.<package>.<source>.<table>`.
    #[serde(borrow, default, deserialize_with = "text")]
    pub unique_id: Cow<'a, str>,
    /// The table's name.
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// The source's name.
    #[serde(borrow, default, deserialize_with = "text")]
    pub source_name: Cow<'a, str>,
    /// The table's identifier in the warehouse.
    #[serde(borrow, default, deserialize_with = "text")]
    pub identifier: Cow<'a, str>,
    /// The project or package that defines it.
    #[serde(borrow, default, deserialize_with = "text")]
    pub package_name: Cow<'a, str>,
    /// Path of the YAML file, below the models folder.
    #[serde(borrow, default, deserialize_with = "text")]
    pub path: Cow<'a, str>,
    /// Path of the YAML file, below the package's root.
    #[serde(borrow, default, deserialize_with = "text")]
    pub original_file_path: Cow<'a, str>,
    /// `[package, folder…, source, table]`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub fqn: Vec<Cow<'a, str>>,
    /// Rendered; `None` where names have two parts.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub database: Option<Cow<'a, str>>,
    /// Rendered, as the relation has it.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub schema: Option<Cow<'a, str>>,
    /// The rendered name; on DuckDB also a file literal or a function call.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub relation_name: Option<Cow<'a, str>>,
    /// For the selector `tag:`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub tags: Vec<Cow<'a, str>>,
    /// From the YAML, with docs blocks rendered.
    #[serde(borrow, default)]
    pub description: Text<'a>,
    /// `package://file.yml` of a patch from another package.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub patch_path: Option<Cow<'a, str>>,
    /// The database as the YAML has it.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub unrendered_database: Option<Cow<'a, str>>,
    /// The schema as the YAML has it.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub unrendered_schema: Option<Cow<'a, str>>,
    /// Who loads the table.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub loader: Option<Cow<'a, str>>,
    /// The column or expression that tells how fresh the table is.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub loaded_at_field: Option<Cow<'a, str>>,
    /// The query that tells how fresh the table is.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub loaded_at_query: Option<Cow<'a, str>>,
    /// The project's own facts about it, as they stand in the file.
    #[serde(borrow, default)]
    pub meta: Option<&'a RawValue>,
    /// Freshness limits, as they stand in the file.
    #[serde(borrow, default)]
    pub freshness: Option<&'a RawValue>,
    /// Quoting of the source, as it stands in the file.
    #[serde(borrow, default)]
    pub quoting: Option<&'a RawValue>,
    /// External table properties, as they stand in the file.
    #[serde(borrow, default)]
    pub external: Option<&'a RawValue>,
    /// The rendered configuration, as it stands in the file.
    #[serde(borrow, default, rename = "config")]
    pub raw_config: Option<&'a RawValue>,
    /// The configuration before rendering: what dbt compares.
    #[serde(borrow, default)]
    pub unrendered_config: Option<&'a RawValue>,
    /// See [`Source::relation`].
    #[serde(skip)]
    pub(super) relation: OnceLock<Option<RelationName>>,
}

impl Source<'_> {
    /// The name of its relation, read once. `dialect`: that of the manifest's adapter. `None` for what has no name,
    /// such as a file.
    #[must_use]
    pub fn relation(&self, dialect: Dialect) -> Option<&RelationName> {
        self.relation.get_or_init(|| RelationName::parse(self.relation_name.as_deref()?, dialect)).as_ref()
    }
}
