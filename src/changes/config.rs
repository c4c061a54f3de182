//! `state:modified.configs` and `.relation`: the unrendered configuration.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::drift::{Drift, equal_but_empty, meaning};
use super::json::{equal, object, value};

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

/// An unrendered configuration and the rendered one.
pub(super) type Configs<'m> = (Option<&'m RawValue>, Option<&'m RawValue>);

/// Compares two configurations. The unrendered ones decide, except after an upgrade of dbt.
pub(super) fn compare_configs(old: Configs<'_>, new: Configs<'_>, rule: ConfigRule, drift: Drift) -> ConfigDifference {
    if let (Some(old), Some(new)) = (old.0, new.0)
        && old.get() == new.get()
    {
        return ConfigDifference::default();
    }
    let (old_config, new_config) = (object(old.0), object(new.0));
    let mut keys: Vec<String> =
        differing_keys(&old_config, &new_config).filter(|key| rule.compares(key)).cloned().collect();
    keys.sort_unstable();
    if drift > Drift::None && !keys.is_empty() {
        let rendered = (object(old.1), object(new.1));
        keys.retain(|key| !same_after_upgrade(key, (&old_config, &new_config), (&rendered.0, &rendered.1)));
    }
    let relation = RELATION.iter().any(|key| {
        let (old, new) = (old_config.get(*key).unwrap_or(&Value::Null), new_config.get(*key).unwrap_or(&Value::Null));
        !equal(old, new)
    });
    ConfigDifference { keys, relation }
}

/// Whether two rendered configurations are equal. `absent`: what this dbt writes down for what another does not know.
pub(super) fn same_rendered(old: Option<&RawValue>, new: Option<&RawValue>, drift: Drift, absent: &Value) -> bool {
    if old.map(RawValue::get) == new.map(RawValue::get) {
        return true;
    }
    let (mut old, mut new) = (value(old), value(new));
    if drift == Drift::None {
        return equal(&old, &new);
    }
    for side in [&mut old, &mut new] {
        if let (Value::Object(members), Value::Object(absent)) = (side, absent) {
            for (key, value) in absent {
                members.entry(key).or_insert_with(|| value.clone());
            }
        }
    }
    equal_but_empty(&old, &new)
}

type Members = BTreeMap<String, Value>;

fn differing_keys<'m>(old: &'m Members, new: &'m Members) -> impl Iterator<Item = &'m String> {
    let changed = new.iter().filter(|(key, value)| !old.get(*key).is_some_and(|old| equal(old, value)));
    let dropped = old.iter().filter(|(key, _)| !new.contains_key(*key));
    changed.chain(dropped).map(|(key, _)| key)
}

/// dbt 2's rule in two stages: what is empty on both sides, or renders to the same, did not change.
fn same_after_upgrade(key: &str, unrendered: (&Members, &Members), rendered: (&Members, &Members)) -> bool {
    const ABSENT: &Value = &Value::Null;
    // The same hook under its two spellings.
    let spellings = [key.replace('-', "_"), key.replace('_', "-")];
    let find = |members: &Members| -> Value {
        let found = members.get(key).or_else(|| spellings.iter().find_map(|spelling| members.get(spelling)));
        meaning(found.unwrap_or(ABSENT))
    };
    equal(&find(unrendered.0), &find(unrendered.1)) || equal(&find(rendered.0), &find(rendered.1))
}
