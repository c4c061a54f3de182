//! Tests that find less than they did.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::{Weakening, WeakerTest};
use super::facts::Facts;
use crate::artifacts::{Node, ResourceType, UniqueId};
use crate::changes::ChangeKind;

/// Tests that the pull request removes or disables while what they test stays, and those that fail or warn later,
/// look at fewer rows, or no longer keep what they found. What others changed is not among them.
pub(super) fn weaker_tests(facts: &Facts<'_>) -> Vec<WeakerTest> {
    let mut found: Vec<WeakerTest> = gone(facts);
    for (id, new) in &facts.pr.nodes {
        let Some(old) = facts.state.nodes.get(id).filter(|_| new.resource_type == ResourceType::Test) else { continue };
        let same = old.raw_config.map(serde_json::value::RawValue::get)
            == new.raw_config.map(serde_json::value::RawValue::get);
        if same || facts.changes.not_yours.contains_key(id.as_ref()) {
            continue;
        }
        let how = weakenings(old, new);
        if !how.is_empty() {
            found.push(WeakerTest { unique_id: id.as_ref().into(), name: new.name.to_string(), how });
        }
    }
    found.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
    found
}

/// What makes a test one that another may take the place of: the generic test, and what it is about.
type Subject<'m> = (&'m str, Option<&'m str>, Option<&'m str>);

fn subject<'m>(node: &'m Node<'_>) -> Option<Subject<'m>> {
    let metadata = node.test_metadata.as_ref()?;
    Some((&metadata.name, node.attached_node.as_deref(), node.column_name.as_deref()))
}

fn gone(facts: &Facts<'_>) -> Vec<WeakerTest> {
    let changed = &facts.changes.nodes;
    let is_test = |id: &UniqueId| matches!(id.kind(), ResourceType::Test | ResourceType::UnitTest);
    let gone = changed
        .iter()
        .filter(|(id, change)| is_test(id) && matches!(change.kind, ChangeKind::Removed | ChangeKind::Disabled));
    let mut gone = gone.peekable();
    if gone.peek().is_none() {
        return Vec::new();
    }
    let renamed: BTreeSet<&UniqueId> = changed
        .values()
        .filter_map(|change| match &change.kind {
            ChangeKind::Renamed { from } => Some(from),
            ChangeKind::Added | ChangeKind::Modified | ChangeKind::Removed | ChangeKind::Disabled => None,
        })
        .collect();
    let added = changed.iter().filter(|(id, change)| is_test(id) && change.kind == ChangeKind::Added);
    let added: BTreeSet<Subject<'_>> = added.filter_map(|(id, _)| subject(facts.pr.nodes.get(id.as_str())?)).collect();
    gone.filter_map(|(id, change)| {
        let was = facts.state.resource(id)?;
        let tested = was.depends_on().into_iter().flat_map(|depends_on| &depends_on.nodes);
        // A test that went with all that it tested is not news beside that.
        let still_there = tested.into_iter().any(|parent| facts.graph.id(parent).is_some());
        // Other arguments are another test to dbt, with another id.
        let replaced = facts.state.nodes.get(id.as_str()).and_then(subject).is_some_and(|key| added.contains(&key));
        (still_there && !replaced && !renamed.contains(id)).then(|| WeakerTest {
            unique_id: id.clone(),
            name: was.name().to_owned(),
            how: vec![if change.kind == ChangeKind::Disabled { Weakening::Disabled } else { Weakening::Removed }],
        })
    })
    .collect()
}

fn weakenings(old: &Node<'_>, new: &Node<'_>) -> Vec<Weakening> {
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
