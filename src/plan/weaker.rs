//! Tests that find less than they did.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::document::{Weakening, WeakerTest};
use super::facts::Facts;
use crate::artifacts::{Node, ResourceType, UniqueId};
use crate::changes::{Change, ChangeKind, Reason};
use crate::text::words;

/// Tests that the pull request removes or disables while what they test stays, those that fail or warn later, look at
/// fewer rows, or no longer keep what they found, and those that look for something else. What others changed is not
/// among them.
pub(super) fn weaker_tests(facts: &Facts<'_>) -> Vec<WeakerTest> {
    let mut found: Vec<WeakerTest> = gone(facts);
    for (id, new) in &facts.pr.nodes {
        let Some(old) = facts.state.nodes.get(id).filter(|_| new.resource_type == ResourceType::Test) else { continue };
        if facts.changes.not_yours.contains_key(id.as_ref()) {
            continue;
        }
        let same = old.raw_config.map(serde_json::value::RawValue::get)
            == new.raw_config.map(serde_json::value::RawValue::get);
        let mut how = if same { Vec::new() } else { weakenings(old, new) };
        if facts.changes.nodes.get(id.as_ref()).is_some_and(is_other_sql) {
            how.push(Weakening::Sql);
        }
        if !how.is_empty() {
            found.push(WeakerTest { unique_id: id.as_ref().into(), name: new.name.to_string(), how });
        }
    }
    found.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
    found
}

/// Whether a test that both have is written otherwise, by its file or by a macro. No wildcard: a new reason decides.
fn is_other_sql(change: &Change) -> bool {
    change.kind == ChangeKind::Modified
        && change.reasons.iter().any(|reason| match reason {
            Reason::Body | Reason::Macros { .. } | Reason::CompiledSql => true,
            Reason::New
            | Reason::Configs { .. }
            | Reason::Relation
            | Reason::PersistedDescriptions
            | Reason::Contract { .. }
            | Reason::Fqn
            | Reason::Field { .. }
            | Reason::BuildMacros { .. }
            | Reason::RenderedConfigs { .. }
            | Reason::Removed
            | Reason::RenamedTo { .. } => false,
        })
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
    let renamed: BTreeMap<&str, &UniqueId> = changed
        .iter()
        .filter_map(|(to, change)| match &change.kind {
            ChangeKind::Renamed { from } => Some((from.as_str(), to)),
            ChangeKind::Added | ChangeKind::Modified | ChangeKind::Removed | ChangeKind::Disabled => None,
        })
        .collect();
    let added = changed.iter().filter(|(id, change)| is_test(id) && change.kind == ChangeKind::Added);
    let mut replacements: BTreeMap<Subject<'_>, Vec<&Node<'_>>> = BTreeMap::new();
    for node in added.filter_map(|(id, _)| facts.pr.nodes.get(id.as_str())) {
        if let Some(subject) = subject(node) {
            replacements.entry(subject).or_default().push(node);
        }
    }
    let successor = Successors::of(facts, &renamed);
    gone.filter_map(|(id, change)| {
        let was = facts.state.resource(id)?;
        let tested = was.depends_on().into_iter().flat_map(|depends_on| &depends_on.nodes);
        // A test that went with all that it tested is not news beside that.
        let still_there = tested.into_iter().any(|parent| successor.of_node(parent).is_some());
        // A unit test's id holds the name of its model, which may be another now.
        let moved = id.kind() == ResourceType::UnitTest
            && changed.iter().any(|(new, change)| {
                change.kind == ChangeKind::Added
                    && facts.pr.unit_tests.get(new.as_str()).is_some_and(|test| test.name == was.name())
            });
        if !still_there || moved || renamed.contains_key(id.as_str()) {
            return None;
        }
        // Other arguments are another test to dbt, with another id.
        let old = facts.state.nodes.get(id.as_str());
        let replaced = old.and_then(|old| {
            let (name, attached, column) = subject(old)?;
            let now = (name, attached.map(|id| successor.of_node(id).unwrap_or(id)), column);
            let [new] = replacements.get(&now)?.as_slice() else { return Some(vec![Weakening::Arguments]) };
            let mut how = weakenings(old, new);
            how.extend(arguments(old, new));
            Some(how)
        });
        let how = replaced.unwrap_or_else(|| {
            vec![if change.kind == ChangeKind::Disabled { Weakening::Disabled } else { Weakening::Removed }]
        });
        (!how.is_empty()).then(|| WeakerTest { unique_id: id.clone(), name: was.name().to_owned(), how })
    })
    .collect()
}

/// Where nodes of production are now: under their id, renamed, or another node that builds the same relation.
struct Successors<'f, 'm> {
    facts: &'f Facts<'m>,
    renamed: &'f BTreeMap<&'f str, &'f UniqueId>,
    builds: HashMap<&'f str, &'f str>,
}

impl<'f, 'm> Successors<'f, 'm> {
    fn of(facts: &'f Facts<'m>, renamed: &'f BTreeMap<&'f str, &'f UniqueId>) -> Self {
        let nodes = facts.pr.nodes.iter().filter(|(_, node)| node.resource_type != ResourceType::Test);
        let builds = nodes.filter_map(|(id, node)| Some((node.relation_name.as_deref()?, id.as_ref()))).collect();
        Self { facts, renamed, builds }
    }

    fn of_node(&self, id: &'f str) -> Option<&'f str> {
        let same = || self.facts.graph.id(id).map(|_| id);
        let renamed = || self.renamed.get(id).map(|to| to.as_str());
        let builds = || {
            let relation = self.facts.state.nodes.get(id)?.relation_name.as_deref()?;
            self.builds.get(relation).copied()
        };
        same().or_else(renamed).or_else(builds)
    }
}

/// What other arguments of a generic test come to: `accepted_values` with fewer values is stricter.
fn arguments(old: &Node<'_>, new: &Node<'_>) -> Option<Weakening> {
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
