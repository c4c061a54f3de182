//! One node of a manifest.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::manifest::{lenient, opt, strings};
use super::text::Text;

/// dbt's resource types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    /// A model, SQL or Python.
    Model,
    /// A CSV file.
    Seed,
    /// A slowly-changing-dimension table.
    Snapshot,
    /// A data test, generic or singular.
    Test,
    /// A query that is compiled and never run.
    Analysis,
    /// `on-run-start` and `on-run-end`.
    Operation,
    /// A table that dbt reads and does not make.
    Source,
    /// Something outside dbt that reads models.
    Exposure,
    /// A metric.
    Metric,
    /// A semantic model.
    SemanticModel,
    /// A saved query.
    SavedQuery,
    /// A unit test.
    UnitTest,
    /// A user-defined function (dbt 1.11).
    Function,
    /// Anything a later dbt may add.
    Other,
}

impl ResourceType {
    /// dbt's own name of the type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Test => "test",
            Self::Analysis => "analysis",
            Self::Operation => "operation",
            Self::Source => "source",
            Self::Exposure => "exposure",
            Self::Metric => "metric",
            Self::SemanticModel => "semantic_model",
            Self::SavedQuery => "saved_query",
            Self::UnitTest => "unit_test",
            Self::Function => "function",
            Self::Other => "other",
        }
    }

    /// The type that dbt calls `name`; [`ResourceType::Other`] when unknown.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "model" => Self::Model,
            "seed" => Self::Seed,
            "snapshot" => Self::Snapshot,
            "test" => Self::Test,
            "analysis" => Self::Analysis,
            "operation" => Self::Operation,
            "source" => Self::Source,
            "exposure" => Self::Exposure,
            "metric" => Self::Metric,
            "semantic_model" => Self::SemanticModel,
            "saved_query" => Self::SavedQuery,
            "unit_test" => Self::UnitTest,
            "function" => Self::Function,
            _ => Self::Other,
        }
    }

    /// Whether dbt makes a relation of it (ephemeral models excepted).
    #[must_use]
    pub fn is_relation(self) -> bool {
        matches!(self, Self::Model | Self::Seed | Self::Snapshot)
    }
}

impl<'de> Deserialize<'de> for ResourceType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_name(&Cow::<'de, str>::deserialize(deserializer)?))
    }
}

/// A member of `nodes`: model, seed, snapshot, test, analysis or operation. `functions` read the same.
#[derive(Debug, Clone, Deserialize)]
pub struct Node<'a> {
    /// `model.<package>.<name>[.v<version>]`, `test.<package>.<name>.<hash>`, …
    #[serde(borrow, default)]
    pub unique_id: Cow<'a, str>,
    /// What it is.
    #[serde(default = "other")]
    pub resource_type: ResourceType,
    /// The name that `ref` uses.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// The project or package it belongs to.
    #[serde(borrow, default)]
    pub package_name: Cow<'a, str>,
    /// Path below the model (test, seed, …) folder.
    #[serde(borrow, default)]
    pub path: Cow<'a, str>,
    /// Path below the package's root; for a generic test, its YAML file.
    #[serde(borrow, default)]
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
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub checksum: Checksum<'a>,
    /// Parents and macros.
    #[serde(borrow, default, deserialize_with = "lenient")]
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
    /// The description.
    #[serde(borrow, default)]
    pub description: Text<'a>,
    /// Tags, merged.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub tags: Vec<Cow<'a, str>>,
    /// The contract.
    #[serde(borrow, default, deserialize_with = "lenient")]
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
    #[serde(borrow, default)]
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
}

fn other() -> ResourceType {
    ResourceType::Other
}

/// `checksum`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Checksum<'a> {
    /// `sha256`, `path` (seeds over 1 MiB) or `none`.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The value.
    #[serde(borrow)]
    pub checksum: Cow<'a, str>,
}

/// `depends_on`.
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

/// `contract`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Contract<'a> {
    /// Whether dbt checks and makes the columns of the YAML.
    pub enforced: bool,
    /// Only when enforced.
    #[serde(borrow, deserialize_with = "opt")]
    pub checksum: Option<Cow<'a, str>>,
}

/// `test_metadata`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TestMetadata<'a> {
    /// The generic test's name: `unique`, …
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Its package, if not dbt's.
    #[serde(borrow, deserialize_with = "opt")]
    pub namespace: Option<Cow<'a, str>>,
    /// Its arguments, as they stand in the file.
    #[serde(borrow)]
    pub kwargs: Option<&'a RawValue>,
}

/// A member of `sources`.
#[derive(Debug, Clone, Deserialize)]
pub struct Source<'a> {
    /// `source.<package>.<source>.<table>`.
    #[serde(borrow, default)]
    pub unique_id: Cow<'a, str>,
    /// The table's name.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// The source's name.
    #[serde(borrow, default)]
    pub source_name: Cow<'a, str>,
    /// The table's identifier in the warehouse.
    #[serde(borrow, default)]
    pub identifier: Cow<'a, str>,
    /// The package.
    #[serde(borrow, default)]
    pub package_name: Cow<'a, str>,
    /// Path of the YAML file, below the models folder.
    #[serde(borrow, default)]
    pub path: Cow<'a, str>,
    /// Path of the YAML file, below the package's root.
    #[serde(borrow, default)]
    pub original_file_path: Cow<'a, str>,
    /// `[package, folder…, source, table]`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub fqn: Vec<Cow<'a, str>>,
    /// Database.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub database: Option<Cow<'a, str>>,
    /// Schema.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub schema: Option<Cow<'a, str>>,
    /// The rendered name; on DuckDB also a file literal or a function call.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub relation_name: Option<Cow<'a, str>>,
    /// Tags.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub tags: Vec<Cow<'a, str>>,
    /// Description.
    #[serde(borrow, default)]
    pub description: Text<'a>,
    /// The whole entry, for the fields that only the state comparison reads.
    #[serde(skip)]
    pub raw: Option<&'a RawValue>,
}

/// One column of the YAML.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Column {
    /// As written in the YAML.
    pub name: String,
    /// As written in the YAML.
    pub data_type: Option<String>,
    /// Prose.
    #[serde(deserialize_with = "lenient")]
    pub description: String,
    /// Whether dbt quotes the name.
    pub quote: Option<bool>,
    /// `[{type, expression, …}]`.
    #[serde(deserialize_with = "lenient")]
    pub constraints: Vec<serde_json::Value>,
}

/// The keys of a node's rendered `config` that premerge acts on. Everything else stays in `extra`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeConfig {
    /// `view`, `table`, `incremental`, `ephemeral`, `seed`, `snapshot`, `test`, or a project's own.
    pub materialized: Option<String>,
    /// `false` disables the node.
    pub enabled: Option<bool>,
    /// Hooks that run before the build; `pre-hook` in the file.
    #[serde(rename = "pre-hook", alias = "pre_hook", deserialize_with = "lenient")]
    pub pre_hook: Vec<Hook>,
    /// Hooks that run after the build; `post-hook` in the file.
    #[serde(rename = "post-hook", alias = "post_hook", deserialize_with = "lenient")]
    pub post_hook: Vec<Hook>,
    /// Seeds: column name → SQL type.
    #[serde(deserialize_with = "lenient")]
    pub column_types: IndexMap<String, String>,
    /// Seeds: the separator.
    pub delimiter: Option<String>,
    /// Seeds: whether the columns are quoted.
    pub quote_columns: Option<bool>,
    /// Text put before the `create`.
    pub sql_header: Option<String>,
    /// Grants by privilege.
    pub grants: serde_json::Value,
    /// Arbitrary facts of the project.
    pub meta: serde_json::Value,
    /// All other keys.
    #[serde(flatten)]
    pub extra: IndexMap<String, serde_json::Value>,
}

/// A hook as the manifest holds it: unrendered Jinja.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// The text.
    pub sql: String,
    /// Whether it runs inside the build's transaction.
    pub transaction: Option<bool>,
}

/// A data test's configuration, with dbt's defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestConfig {
    /// `true` for `severity: error`.
    pub severity_error: bool,
    /// The aggregate that counts failures; dbt's default is `count(*)`.
    pub fail_calc: String,
    /// SQL suffix; dbt's default is `!= 0`.
    pub warn_if: String,
    /// SQL suffix; dbt's default is `!= 0`.
    pub error_if: String,
    /// Rows read at most.
    pub limit: Option<u64>,
}

impl<'a> Node<'a> {
    /// The rendered configuration; defaults when absent or malformed.
    #[must_use]
    pub fn config(&self) -> NodeConfig {
        self.raw_config.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    /// The configuration of a data test, with dbt's defaults.
    #[must_use]
    pub fn test_config(&self) -> TestConfig {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Raw {
            severity: Option<String>,
            fail_calc: Option<String>,
            warn_if: Option<String>,
            error_if: Option<String>,
            limit: Option<u64>,
        }
        let raw: Raw = self.raw_config.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        TestConfig {
            severity_error: !raw.severity.is_some_and(|s| s.eq_ignore_ascii_case("warn")),
            fail_calc: raw.fail_calc.unwrap_or_else(|| "count(*)".to_owned()),
            warn_if: raw.warn_if.unwrap_or_else(|| "!= 0".to_owned()),
            error_if: raw.error_if.unwrap_or_else(|| "!= 0".to_owned()),
            limit: raw.limit,
        }
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

    /// Whether the node is written in Python.
    #[must_use]
    pub fn is_python(&self) -> bool {
        self.language.as_deref() == Some("python")
    }

    /// The columns of the YAML, in its order.
    #[must_use]
    pub fn columns(&self) -> IndexMap<String, Column> {
        self.raw_columns.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }
}
