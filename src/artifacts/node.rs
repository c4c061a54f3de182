//! One node of a manifest.

use std::borrow::Cow;
use std::sync::OnceLock;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::column::Column;
use super::resource_type::ResourceType;
use super::text::Text;
use super::tolerant::{flag, object, opt, opt_object, strings, text};
use crate::sql::{Dialect, RelationName};

/// A member of `nodes`: model, seed, snapshot, test, analysis or operation. `functions` read the same.
#[derive(Debug, Clone, Deserialize)]
pub struct Node<'a> {
    /// `model.<package>.<name>[.v<version>]`, `test.<package>.<name>.<hash>`, …
    #[serde(borrow, default, deserialize_with = "text")]
    pub unique_id: Cow<'a, str>,
    /// Model, seed, snapshot, test, analysis, operation or function.
    #[serde(default = "other")]
    pub resource_type: ResourceType,
    /// The name that `ref` uses.
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// The project or package it belongs to.
    #[serde(borrow, default, deserialize_with = "text")]
    pub package_name: Cow<'a, str>,
    /// Path below the model (test, seed, …) folder.
    #[serde(borrow, default, deserialize_with = "text")]
    pub path: Cow<'a, str>,
    /// Path below the package's root; for a generic test, its YAML file.
    #[serde(borrow, default, deserialize_with = "text")]
    pub original_file_path: Cow<'a, str>,
    /// `package://file.yml` of the properties, if any.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub patch_path: Option<Cow<'a, str>>,
    /// `[package, folder…, name]`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub fqn: Vec<Cow<'a, str>>,
    /// Database, catalog or project.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub database: Option<Cow<'a, str>>,
    /// Schema or dataset.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub schema: Option<Cow<'a, str>>,
    /// The relation's identifier.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub alias: Option<Cow<'a, str>>,
    /// The rendered name; `None` for ephemeral models, most tests, analyses, operations.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub relation_name: Option<Cow<'a, str>>,
    /// `sql` or `python`.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub language: Option<Cow<'a, str>>,
    /// The file's text, Jinja and all. `raw_sql` before manifest v7.
    #[serde(borrow, default, alias = "raw_sql")]
    pub raw_code: Text<'a>,
    /// The rendered `SELECT`; absent when dbt did not compile the node. `compiled_sql` before manifest v7.
    #[serde(borrow, default, alias = "compiled_sql")]
    pub compiled_code: Option<Text<'a>>,
    /// The file's checksum.
    #[serde(borrow, default, deserialize_with = "object")]
    pub checksum: Checksum<'a>,
    /// Parents and macros.
    #[serde(borrow, default, deserialize_with = "object")]
    pub depends_on: DependsOn<'a>,
    /// The merged, rendered configuration, as it stands in the file. See [`Node::config`].
    #[serde(borrow, default, rename = "config")]
    pub raw_config: Option<&'a RawValue>,
    /// The configuration before rendering: what dbt compares.
    #[serde(borrow, default)]
    pub unrendered_config: Option<&'a RawValue>,
    /// `columns` as it stands in the file. See [`Node::columns`].
    #[serde(borrow, default, rename = "columns")]
    pub raw_columns: Option<&'a RawValue>,
    /// From the YAML, with docs blocks rendered.
    #[serde(borrow, default)]
    pub description: Text<'a>,
    /// Tags, merged.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub tags: Vec<Cow<'a, str>>,
    /// Whether dbt enforces columns and types, and their checksum.
    #[serde(borrow, default, deserialize_with = "object")]
    pub contract: Contract<'a>,
    /// Model-level constraints, as they stand in the file.
    #[serde(borrow, default)]
    pub constraints: Option<&'a RawValue>,
    /// `private`, `protected` or `public`.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub access: Option<Cow<'a, str>>,
    /// The group's name.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub group: Option<Cow<'a, str>>,
    /// The version: a JSON number or string.
    #[serde(borrow, default)]
    pub version: Option<&'a RawValue>,
    /// The version that an unpinned `ref` means.
    #[serde(borrow, default)]
    pub latest_version: Option<&'a RawValue>,
    /// After this date the model may go.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub deprecation_date: Option<Cow<'a, str>>,
    /// Generic tests: the test and its arguments. Absent on singular tests, which is how dbt tells them apart.
    #[serde(borrow, default, deserialize_with = "opt_object")]
    pub test_metadata: Option<TestMetadata<'a>>,
    /// Generic tests: the column tested.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub column_name: Option<Cow<'a, str>>,
    /// Generic tests: the node tested; `None` when that is a source.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub attached_node: Option<Cow<'a, str>>,
    /// Functions: arguments, as they stand in the file.
    #[serde(borrow, default)]
    pub arguments: Option<&'a RawValue>,
    /// Functions: the returned type, as it stands in the file.
    #[serde(borrow, default)]
    pub returns: Option<&'a RawValue>,
    /// See [`Node::relation`].
    #[serde(skip)]
    pub(super) relation: OnceLock<Option<RelationName>>,
}

fn other() -> ResourceType {
    ResourceType::Other
}

/// A hash of the file that dbt compares instead of its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Checksum<'a> {
    /// `sha256`, `path` (seeds over 1 MiB) or `none`.
    #[serde(borrow, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// The value.
    #[serde(borrow, deserialize_with = "text")]
    pub checksum: Cow<'a, str>,
}

/// What a node reads and which macros it calls.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DependsOn<'a> {
    /// unique_ids of the parents.
    #[serde(borrow, deserialize_with = "strings")]
    pub nodes: Vec<Cow<'a, str>>,
    /// unique_ids of the macros called directly.
    #[serde(borrow, deserialize_with = "strings")]
    pub macros: Vec<Cow<'a, str>>,
}

/// Whether the declared columns and types are enforced.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Contract<'a> {
    /// Whether dbt checks and makes the columns of the YAML.
    #[serde(deserialize_with = "flag")]
    pub enforced: bool,
    /// Only when enforced.
    #[serde(borrow, deserialize_with = "opt")]
    pub checksum: Option<Cow<'a, str>>,
}

/// Which generic test it is, and with which arguments.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TestMetadata<'a> {
    /// The generic test's name: `unique`, …
    #[serde(borrow, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// Its package, if not dbt's.
    #[serde(borrow, deserialize_with = "opt")]
    pub namespace: Option<Cow<'a, str>>,
    /// Its arguments, as they stand in the file.
    #[serde(borrow)]
    pub kwargs: Option<&'a RawValue>,
}

impl<'a> Node<'a> {
    /// Whether it is an incremental model that dbt builds in batches, each with its parents' rows of a time.
    #[must_use]
    pub fn is_microbatch(&self) -> bool {
        let strategy = || self.config().extra.get("incremental_strategy").cloned();
        self.materialized().as_deref() == Some("incremental")
            && strategy().is_some_and(|strategy| strategy.as_str() == Some("microbatch"))
    }

    /// `config.materialized`, without decoding the rest.
    #[must_use]
    pub fn materialized(&self) -> Option<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct Only<'b> {
            #[serde(borrow, default, deserialize_with = "opt")]
            materialized: Option<Cow<'b, str>>,
        }
        serde_json::from_str::<Only<'a>>(self.raw_config?.get()).ok()?.materialized
    }

    /// Whether the node is an ephemeral model.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        self.resource_type == ResourceType::Model && self.materialized().as_deref() == Some("ephemeral")
    }

    /// Whether a data test keeps its failing rows in a relation.
    #[must_use]
    pub fn keeps_failures(&self) -> bool {
        let extra = self.config().extra;
        let kept = extra.get("store_failures_as").and_then(serde_json::Value::as_str);
        kept.is_some_and(|kept| kept != "ephemeral")
            || extra.get("store_failures").and_then(serde_json::Value::as_bool).unwrap_or(false)
    }

    /// The name of its relation, read once. A function's is made of its parts, as the manifest has no more of it.
    ///
    /// `dialect`: that of the manifest's adapter. `None` where there is no relation, or its text is not a name.
    #[must_use]
    pub fn relation(&self, dialect: Dialect) -> Option<&RelationName> {
        let read = || {
            if self.resource_type == ResourceType::Function {
                let (database, schema) = (self.database.as_deref(), self.schema.as_deref());
                let identifier = self.alias.as_deref().unwrap_or(&self.name);
                return Some(RelationName::from_parts(database, schema, identifier, dialect));
            }
            RelationName::parse(self.relation_name.as_deref()?, dialect)
        };
        self.relation.get_or_init(read).as_ref()
    }

    /// Whether the node is written in Python.
    #[must_use]
    pub fn is_python(&self) -> bool {
        self.language.as_deref() == Some("python")
    }

    /// The columns of the YAML, in its order.
    #[must_use]
    pub fn columns(&self) -> IndexMap<String, Column> {
        self.read_columns().unwrap_or_default()
    }

    /// The same, for whoever must not take unreadable columns for none.
    ///
    /// # Errors
    /// When they are of another form, or nested deeper than the reader goes.
    pub fn read_columns(&self) -> Result<IndexMap<String, Column>, serde_json::Error> {
        self.raw_columns.map_or_else(|| Ok(IndexMap::new()), |raw| serde_json::from_str(raw.get()))
    }
}
