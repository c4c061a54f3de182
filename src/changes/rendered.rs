//! Configuration whose text is the same and whose value is not.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::artifacts::Node;

/// Keys that differ in the rendered configuration although their unrendered text, which is all that dbt compares,
/// is the same: a variable says something else. Keys among `but`, and texts that look at the target, do not count.
pub(super) fn unseen_keys(old: &Node<'_>, new: &Node<'_>, but: &[&str]) -> Vec<String> {
    let Some(unrendered) = new.unrendered_config.map(|raw| raw.get()) else { return Vec::new() };
    // Nearly all nodes stop here.
    if !unrendered.contains("var(") {
        return Vec::new();
    }
    let object = |text: &str| serde_json::from_str::<BTreeMap<String, Value>>(text).unwrap_or_default();
    let rendered = |node: &Node<'_>| node.raw_config.map(|raw| object(raw.get())).unwrap_or_default();
    let (old, new) = (rendered(old), rendered(new));
    let counts = |key: &String, text: &Value| {
        let text = text.to_string();
        text.contains("var(") && !text.contains("target") && !but.contains(&key.as_str()) && !key.ends_with("hook")
    };
    object(unrendered)
        .into_iter()
        .filter(|(key, text)| counts(key, text) && old.get(key) != new.get(key))
        .map(|(key, _)| key)
        .collect()
}
