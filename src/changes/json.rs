//! Values of a manifest compared as dbt compares them: with Python's `==`.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

pub(super) use crate::artifacts::equal;

/// An object of the manifest, its values decoded; empty when it is absent or no object.
pub(super) fn object(raw: Option<&RawValue>) -> BTreeMap<String, Value> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// A value of the manifest; null when it is absent.
pub(super) fn value(raw: Option<&RawValue>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// Whether two fields of a manifest are equal. Equal text is equal; else the values decide. Inside them a
/// null is as good as absent: dbt reads these fields into classes, whose attributes default to `None`.
pub(super) fn same_field(old: Option<&RawValue>, new: Option<&RawValue>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) if old.get() == new.get() => true,
        (None, None) => true,
        _ => equal_but_nulls(&value(old), &value(new)),
    }
}

/// Like [`equal`], where a null member of an object is as good as an absent one.
fn equal_but_nulls(a: &Value, b: &Value) -> bool {
    equal(&without_nulls(a.clone()), &without_nulls(b.clone()))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(list) => list.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
