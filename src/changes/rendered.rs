//! Configuration whose text is the same and whose value is not.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::artifacts::{Node, Source};
use crate::sql::jinja::names;

/// Keys that differ in the rendered configuration although their unrendered text, which is all that dbt compares,
/// is the same: a variable says something else. Keys among `but`, and texts that look at the target, do not count.
pub(super) fn unseen_keys(old: &Node<'_>, new: &Node<'_>, but: &[&str]) -> Vec<String> {
    let Some(unrendered) = new.unrendered_config.map(|raw| raw.get()) else { return Vec::new() };
    // Nearly all nodes stop here: `var('x')`, or dbt's print of it as a syntax tree.
    if !unrendered.contains("var(") && !unrendered.contains("var'") {
        return Vec::new();
    }
    let object = |text: &str| serde_json::from_str::<BTreeMap<String, Value>>(text).unwrap_or_default();
    let rendered = |node: &Node<'_>| node.raw_config.map(|raw| object(raw.get())).unwrap_or_default();
    let (old, new) = (rendered(old), rendered(new));
    let counts = |key: &String, value: &Value| {
        let from = origin(value);
        from.variable && !from.target && !but.contains(&key.as_str()) && !key.ends_with("hook")
    };
    object(unrendered)
        .into_iter()
        .filter(|(key, value)| counts(key, value) && old.get(key) != new.get(key))
        .map(|(key, _)| key)
        .collect()
}

/// What a source's other place comes from, where its text is the same and dbt therefore sees no change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Moved {
    /// A variable: these of `database` and `schema`.
    ByVariable(Vec<String>),
    /// An environment variable, which may say no more than that CI is elsewhere.
    ByEnvironment,
}

/// Whether a source lies elsewhere though its text names no target.
pub(super) fn moved_source(old: &Source<'_>, new: &Source<'_>) -> Option<Moved> {
    let parts = [
        ("database", &old.database, &new.database, &old.unrendered_database, &new.unrendered_database),
        ("schema", &old.schema, &new.schema, &old.unrendered_schema, &new.unrendered_schema),
    ];
    let mut keys = Vec::new();
    let mut environment = false;
    for (key, old, new, old_text, new_text) in parts {
        let Some(text) = new_text.as_deref().filter(|_| old != new && old_text == new_text) else { continue };
        let names = names(text);
        if names.contains(&"target") {
            continue;
        }
        if names.contains(&"env_var") {
            environment = true;
        } else if names.contains(&"var") {
            keys.push(key.to_owned());
        }
    }
    match (keys.is_empty(), environment) {
        (false, _) => Some(Moved::ByVariable(keys)),
        (true, true) => Some(Moved::ByEnvironment),
        (true, false) => None,
    }
}

/// What a configuration's text looks at.
#[derive(Default)]
struct Origin {
    variable: bool,
    target: bool,
}

fn origin(value: &Value) -> Origin {
    let mut found = Origin::default();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => {
                let names = names(text);
                found.variable |= names.iter().any(|name| matches!(*name, "var" | "env_var"));
                found.target |= names.contains(&"target");
            }
            Value::Array(list) => open.extend(list),
            Value::Object(map) => open.extend(map.values()),
            _ => {}
        }
    }
    found
}
