//! Which rules hold when two manifests were not written by the same dbt.

use serde_json::Value;

use crate::artifacts::Manifest;

use super::json::equal;

/// How far the two manifests' dbt differ.
///
/// An upgrade changes the text of dbt's own macros and the defaults it writes down. Compared to the letter,
/// nearly everything would then count as changed. dbt 2 compares with tolerant rules for that reason; these
/// are those rules, and they hold only where the versions differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Drift {
    /// The same dbt wrote both.
    None,
    /// Two versions of one major: dbt's own macros and empty configuration values do not count.
    Version,
    /// dbt 1 and dbt 2: ids, checksums and texts are also compared in the forms that both know.
    Major,
}

impl Drift {
    pub(super) fn between(state: &Manifest<'_>, pr: &Manifest<'_>) -> Self {
        let (old, new) = (&state.metadata, &pr.metadata);
        match (old.dbt_major(), new.dbt_major()) {
            (Some(a), Some(b)) if a != b => Self::Major,
            (Some(_), Some(_)) if old.dbt_version != new.dbt_version => Self::Version,
            _ => Self::None,
        }
    }

    /// Whether the macros of `package` are dbt's own, and the versions differ.
    pub(super) fn ignores_macros_of(self, package: &str, adapter: &str) -> bool {
        // Redshift's adapter builds on PostgreSQL's, Databricks' on Spark's.
        let own = |name: &str| name == adapter || matches!(name, "postgres" | "spark");
        self > Self::None && (package == "dbt" || package.strip_prefix("dbt_").is_some_and(own))
    }
}

/// Text without what a checkout or an editor changes: the ends of lines, and white space around it.
pub(super) fn normal_text(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

/// Whether two values mean the same: versions of dbt differ in the empty members that they write down.
pub(super) fn equal_but_empty(old: &Value, new: &Value) -> bool {
    equal(&meaning(old), &meaning(new))
}

/// A value without what carries no meaning: empty values are null, one final line break is dropped.
pub(super) fn meaning(value: &Value) -> Value {
    match value {
        Value::Array(list) if list.is_empty() => Value::Null,
        Value::Array(list) => list.iter().map(meaning).collect(),
        Value::Object(map) => {
            let members: serde_json::Map<_, _> = map
                .iter()
                .map(|(key, value)| (key.clone(), meaning(value)))
                .filter(|(_, value)| !value.is_null())
                .collect();
            if members.is_empty() { Value::Null } else { Value::Object(members) }
        }
        Value::String(text) => Value::String(text.strip_suffix('\n').unwrap_or(text).replace("\r\n", "\n")),
        other => other.clone(),
    }
}
