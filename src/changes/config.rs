//! `state:modified.configs` and `.relation`: the unrendered configuration.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::json::{equal, object};

/// Which keys of `unrendered_config` dbt compares; it depends on the class of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConfigRule {
    /// Models, seeds, snapshots, analyses, operations, functions: all but what says where the node is built
    /// or how it is filed.
    Node,
    /// Data tests: only what changes their verdict.
    Test,
    /// Metrics: all but the group.
    Metric,
    /// Sources and exposures: everything.
    All,
}

const NODE_EXCLUDES: [&str; 5] = ["alias", "schema", "database", "tags", "group"];
const TEST_INCLUDES: [&str; 8] =
    ["severity", "where", "limit", "fail_calc", "warn_if", "error_if", "store_failures", "store_failures_as"];
const RELATION: [&str; 3] = ["database", "schema", "alias"];

impl ConfigRule {
    fn compares(self, key: &str) -> bool {
        match self {
            Self::Node => !NODE_EXCLUDES.contains(&key),
            Self::Test => TEST_INCLUDES.contains(&key),
            Self::Metric => key != "group",
            Self::All => true,
        }
    }
}

/// What differs between two unrendered configurations.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ConfigDifference {
    /// The keys that dbt compares and that differ, sorted. A key on one side only differs, whatever its value.
    pub(super) keys: Vec<String>,
    /// Whether `database`, `schema` or `alias` differ; here an absent key is as good as null.
    pub(super) relation: bool,
}

/// Compares two unrendered configurations.
pub(super) fn compare_configs(old: Option<&RawValue>, new: Option<&RawValue>, rule: ConfigRule) -> ConfigDifference {
    if let (Some(old), Some(new)) = (old, new)
        && old.get() == new.get()
    {
        return ConfigDifference::default();
    }
    let (old, new) = (object(old), object(new));
    let mut keys: Vec<String> = differing_keys(&old, &new).filter(|key| rule.compares(key)).cloned().collect();
    keys.sort_unstable();
    let relation = RELATION.iter().any(|key| {
        let (old, new) = (old.get(*key).unwrap_or(&Value::Null), new.get(*key).unwrap_or(&Value::Null));
        !equal(old, new)
    });
    ConfigDifference { keys, relation }
}

fn differing_keys<'m>(
    old: &'m BTreeMap<String, Value>,
    new: &'m BTreeMap<String, Value>,
) -> impl Iterator<Item = &'m String> {
    let changed = new.iter().filter(|(key, value)| !old.get(*key).is_some_and(|old| equal(old, value)));
    let dropped = old.iter().filter(|(key, _)| !new.contains_key(*key));
    changed.chain(dropped).map(|(key, _)| key)
}
