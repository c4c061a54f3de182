//! In which ways a test's settings and arguments let it find less than it did.

use serde_json::Value;

use super::document::Weakening;
use crate::artifacts::Node;
use crate::text::words;

/// What other arguments of a generic test come to: `accepted_values` with fewer values is stricter.
pub(super) fn arguments(old: &Node<'_>, new: &Node<'_>) -> Option<Weakening> {
    let kwargs = |node: &Node<'_>| -> serde_json::Map<String, Value> {
        let raw = node.test_metadata.as_ref().and_then(|metadata| metadata.kwargs);
        let mut kwargs: serde_json::Map<String, Value> =
            raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        // The text of a `ref`, which a new name changes.
        kwargs.remove("model");
        kwargs
    };
    let (mut before, mut after) = (kwargs(old), kwargs(new));
    if before == after {
        return None;
    }
    let is_values = old.test_metadata.as_ref().is_some_and(|metadata| metadata.name == "accepted_values");
    if let (true, Some(Value::Array(from)), Some(Value::Array(to))) =
        (is_values, before.get("values"), after.get("values"))
    {
        let more: Vec<&Value> = to.iter().filter(|value| !from.contains(value)).collect();
        if !more.is_empty() {
            return Some(Weakening::MoreValues { more: words::len(&more) });
        }
        before.remove("values");
        after.remove("values");
    }
    (before != after).then_some(Weakening::Arguments)
}

/// In which ways the settings of a test let it find less.
pub(super) fn weakenings(old: &Node<'_>, new: &Node<'_>) -> Vec<Weakening> {
    let (before, after) = (old.test_config(), new.test_config());
    let mut how = Vec::new();
    if before.severity_error && !after.severity_error {
        how.push(Weakening::SeverityWarn);
    }
    for (key, from, to) in
        [("error_if", &before.error_if, &after.error_if), ("warn_if", &before.warn_if, &after.warn_if)]
    {
        if is_higher(from, to) {
            how.push(Weakening::Threshold { key: key.to_owned(), from: from.clone(), to: to.clone() });
        }
    }
    if before.fail_calc.trim() != after.fail_calc.trim() {
        how.push(Weakening::FailCalc { to: after.fail_calc.clone() });
    }
    let (extra, extra_now) = (old.config().extra, new.config().extra);
    let text = |extra: &indexmap::IndexMap<String, Value>| {
        extra.get("where").and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    if let Some(to) = text(&extra_now)
        && text(&extra).as_ref() != Some(&to)
    {
        how.push(Weakening::Where { to });
    }
    if let Some(to) = after.limit
        && before.limit.is_none_or(|limit| to < limit)
    {
        how.push(Weakening::Limit { to });
    }
    let stores = |extra: &indexmap::IndexMap<String, Value>| {
        let kept = extra.get("store_failures_as").and_then(Value::as_str).map(|kept| kept != "ephemeral");
        kept.or_else(|| extra.get("store_failures").and_then(Value::as_bool)).unwrap_or(false)
    };
    if stores(&extra) && !stores(&extra_now) {
        how.push(Weakening::StoreFailuresOff);
    }
    how
}

/// Whether a threshold lets more failures through. Of two that are not plain comparisons of one kind, any change may.
fn is_higher(from: &str, to: &str) -> bool {
    let (from, to) = (from.trim(), to.trim());
    if from == to {
        return false;
    }
    match (least(from), least(to)) {
        (Some(from), Some(to)) => to > from,
        _ => true,
    }
}

/// The smallest number of failures for which a threshold holds: 1 of `!= 0`, 11 of `> 10`.
fn least(threshold: &str) -> Option<u64> {
    let number = |prefix: &str| threshold.strip_prefix(prefix)?.trim().parse::<u64>().ok();
    match number("!=").or_else(|| number("<>")) {
        Some(0) => Some(1),
        Some(_) => None,
        None => number(">=").or_else(|| number(">")?.checked_add(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_compared_by_what_they_let_through() {
        for (from, to, higher) in [
            ("!= 0", "> 10", true),
            ("> 10", "!= 0", false),
            ("!=0", "> 0", false),
            (">= 5", "> 4", false),
            (">5", ">=7", true),
            ("!= 0", "between 5 and 9", true),
            ("!= 0", "!= 0", false),
            ("!= 0", "= 3", true),
        ] {
            assert_eq!(is_higher(from, to), higher, "{from} → {to}");
        }
    }
}
