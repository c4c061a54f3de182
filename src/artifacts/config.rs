//! The rendered configuration of a node, and its columns.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::node::Node;
use super::tolerant::{lenient, opt_flag};

/// The keys of a node's rendered `config` that premerge acts on. Everything else stays in `extra`.
#[derive(Debug, Clone, Default)]
pub struct NodeConfig {
    /// `view`, `table`, `incremental`, `ephemeral`, `seed`, `snapshot`, `test`, or a project's own.
    pub materialized: Option<String>,
    /// `false` disables the node.
    pub enabled: Option<bool>,
    /// Hooks that run before the build; `pre-hook` in the file.
    pub pre_hook: Vec<Hook>,
    /// Hooks that run after the build; `post-hook` in the file.
    pub post_hook: Vec<Hook>,
    /// Seeds: column name → SQL type.
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
    pub extra: IndexMap<String, serde_json::Value>,
}

/// A hook as the manifest holds it: unrendered Jinja.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// The text.
    #[serde(deserialize_with = "lenient")]
    pub sql: String,
    /// Whether it runs inside the build's transaction.
    #[serde(deserialize_with = "opt_flag")]
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

/// The members of an object of the manifest, each as it stands in the file.
struct Members<'a>(IndexMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Members<'a> {
    fn of(raw: Option<&'a RawValue>) -> Self {
        Self(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default())
    }

    /// A member, taken out; the default when it is absent or of another type.
    fn take<T: DeserializeOwned + Default>(&mut self, keys: &[&str]) -> T {
        let mut found = None;
        for key in keys {
            found = self.0.shift_remove(*key).or(found);
        }
        found.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }
}

impl From<Members<'_>> for NodeConfig {
    fn from(mut members: Members<'_>) -> Self {
        Self {
            materialized: members.take(&["materialized"]),
            enabled: members.take(&["enabled"]),
            pre_hook: members.take(&["pre_hook", "pre-hook"]),
            post_hook: members.take(&["post_hook", "post-hook"]),
            column_types: members.take(&["column_types"]),
            delimiter: members.take(&["delimiter"]),
            quote_columns: members.take(&["quote_columns"]),
            sql_header: members.take(&["sql_header"]),
            grants: members.take(&["grants"]),
            meta: members.take(&["meta"]),
            extra: members
                .0
                .into_iter()
                .map(|(key, raw)| (key.into_owned(), serde_json::from_str(raw.get()).unwrap_or_default()))
                .collect(),
        }
    }
}

impl<'de> Deserialize<'de> for NodeConfig {
    /// Key by key, so that one value of an unexpected type costs that key and not the whole configuration.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IndexMap::deserialize(deserializer).map(|members| Self::from(Members(members)))
    }
}

impl Node<'_> {
    /// The rendered configuration; defaults where it is absent or malformed.
    #[must_use]
    pub fn config(&self) -> NodeConfig {
        NodeConfig::from(Members::of(self.raw_config))
    }

    /// The configuration of a data test, with dbt's defaults.
    #[must_use]
    pub fn test_config(&self) -> TestConfig {
        let mut members = Members::of(self.raw_config);
        let severity: Option<String> = members.take(&["severity"]);
        let mut text = |key, default: &str| {
            let given: Option<String> = members.take(&[key]);
            given.unwrap_or_else(|| default.to_owned())
        };
        TestConfig {
            severity_error: !severity.is_some_and(|severity| severity.eq_ignore_ascii_case("warn")),
            fail_calc: text("fail_calc", "count(*)"),
            warn_if: text("warn_if", "!= 0"),
            error_if: text("error_if", "!= 0"),
            limit: members.take(&["limit"]),
        }
    }
}
