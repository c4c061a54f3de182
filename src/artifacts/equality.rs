//! Python's `==` on values of JSON: how dbt compares what it read from a manifest.

use serde_json::Value;

/// Python's `==`: `1 == 1.0 == True`, objects without regard to the order of keys, lists with regard to it.
#[must_use]
pub fn equal(a: &Value, b: &Value) -> bool {
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
