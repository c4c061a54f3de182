//! Manifests that are committed as differences.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

use serde_json::{Map, Value};

/// `fixtures/mutate.py` says what a delta is.
pub fn patched(old: &Value, delta: &Value) -> Value {
    let Some(delta) = delta.as_object() else { return old.clone() };
    if let Some(value) = delta.get("=") {
        return value.clone();
    }
    let part = |key: &str| delta.get(key).and_then(Value::as_object).into_iter().flatten();
    let mut new: Map<String, Value> = old.as_object().cloned().unwrap_or_default();
    for key in delta.get("-").and_then(Value::as_array).into_iter().flatten() {
        new.shift_remove(key.as_str().unwrap());
    }
    for (key, change) in part("~") {
        let value = patched(&old[key], change);
        new.insert(key.clone(), value);
    }
    new.extend(part("+").map(|(key, value)| (key.clone(), value.clone())));
    Value::Object(new)
}
