//! Values of a manifest compared as dbt compares them: with Python's `==`.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

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
pub(super) fn equal_but_nulls(a: &Value, b: &Value) -> bool {
    equal(&without_nulls(a.clone()), &without_nulls(b.clone()))
}

/// Python's `==`: `1 == 1.0 == True`, objects without regard to the order of keys, lists with regard to it.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Null, Value::Null) => true,
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
    }
}

/// A number, or a boolean as the number that Python takes it for.
#[derive(PartialEq)]
enum Number {
    Whole(i128),
    Real(f64),
}

fn number(value: &Value) -> Option<Number> {
    Some(match value {
        Value::Bool(flag) => Number::Whole(i128::from(*flag)),
        Value::Number(number) => {
            if let Some(whole) = number.as_i64() {
                Number::Whole(whole.into())
            } else if let Some(whole) = number.as_u64() {
                Number::Whole(whole.into())
            } else {
                let real = number.as_f64()?;
                // Up to 2^53 every whole number has its own float.
                if real.fract() == 0.0 && real.abs() < 9_007_199_254_740_992.0 {
                    #[expect(clippy::cast_possible_truncation, reason = "whole and in range, tested above")]
                    let whole = real as i128;
                    Number::Whole(whole)
                } else {
                    Number::Real(real)
                }
            }
        }
        _ => return None,
    })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_booleans_compare_as_in_python() {
        assert!(equal(&json!(1), &json!(1.0)));
        assert!(equal(&json!(1), &json!(true)));
        assert!(equal(&json!(0.0), &json!(false)));
        assert!(equal(&json!({"a": 1, "b": [2]}), &json!({"b": [2.0], "a": 1})));
        assert!(!equal(&json!("1"), &json!(1)));
        assert!(!equal(&json!([1, 2]), &json!([2, 1])));
        assert!(!equal(&json!({"a": null}), &json!({})));
        assert!(!equal(&json!(null), &json!(false)));
    }
}
