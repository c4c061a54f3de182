//! Tests whose result depends on where dbt runs, as far as the manifests show it: a severity of `dbt_project.yml`, the
//! configuration of a singular test, a macro of a generic one.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::build_macros::is_dbts_own;
use super::macro_calls::{callable_names, with_callers};
use crate::artifacts::{Manifest, Node, ResourceType, UniqueId};
use crate::config::is_judged;
use crate::sql::surroundings::readings;

/// A test that may find less elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestElsewhere {
    /// The test, or another node that only exists on some targets.
    pub unique_id: UniqueId,
    /// `severity`; `None`: its SQL.
    pub key: Option<String>,
    /// What that reads: `target`.
    pub what: String,
    /// Whether the pull request brought it.
    pub is_new: bool,
}

/// Those of the pull request, in the order of their ids. `before`: what its SQL is compared with.
#[must_use]
pub fn tests_elsewhere(before: &Manifest<'_>, pr: &Manifest<'_>) -> Vec<TestElsewhere> {
    let names = callable_names(pr);
    let is_macro = |name: &str| names.contains(name);
    let usual: BTreeSet<(String, String)> = before.nodes.values().flat_map(|node| unrendered(node)).collect();
    let changed_macros = changed_macros(before, pr, &is_macro);
    let mut found = Vec::new();
    for (id, node) in &pr.nodes {
        let is_test = node.resource_type == ResourceType::Test;
        let old = before.nodes.get(id);
        let mut add = |key: Option<&str>, what: &str, is_new: bool| {
            let (unique_id, key) = (UniqueId::from(id.as_ref()), key.map(str::to_owned));
            found.push(TestElsewhere { unique_id, key, what: what.to_owned(), is_new });
        };
        let known: BTreeSet<(String, String)> = old.map(|old| unrendered(old).collect()).unwrap_or_default();
        for setting in unrendered(node).filter(|(key, _)| is_test || key == "enabled") {
            if let Some(reading) = readings(&setting.1, &|_| false).into_iter().next() {
                let is_known = known.contains(&setting) || (old.is_none() && usual.contains(&setting));
                add(Some(&setting.0), &reading.what, !is_known);
            }
        }
        if !is_test {
            continue;
        }
        // A singular test's own text; that of a generic one is dbt's.
        if node.test_metadata.is_none() {
            let is_new = old.is_none_or(|old| old.raw_code != node.raw_code);
            for reading in readings(&node.raw_code.get(), &is_macro) {
                add(reading.key.as_deref(), &reading.what, is_new);
            }
        }
        for (key, what) in node.depends_on.macros.iter().filter_map(|called| changed_macros.get(called.as_ref())) {
            add(key.as_deref(), what, true);
        }
    }
    found.dedup();
    found
}

/// Texts of a node's configuration as they stand in YAML, and of its arguments. Only what is Jinja.
fn unrendered(node: &Node<'_>) -> impl Iterator<Item = (String, String)> {
    let object = |raw: Option<&serde_json::value::RawValue>| -> serde_json::Map<String, Value> {
        raw.filter(|raw| raw.get().contains("{{") || raw.get().contains("{%"))
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default()
    };
    let config = object(node.unrendered_config).into_iter().filter(|(key, _)| is_judged(key));
    let arguments = object(node.test_metadata.as_ref().and_then(|metadata| metadata.kwargs));
    let arguments = arguments.into_iter().filter(|(key, _)| key != "model");
    let text = |(key, value): (String, Value)| Some((key, value.as_str()?.to_owned()));
    config.chain(arguments).filter_map(text)
}

/// Macros that differ, or only the pull request has, and that depend on where dbt runs, themselves or through others, with
/// what of. In macros of packages only what they configure counts.
fn changed_macros<'m>(
    before: &Manifest<'_>,
    pr: &'m Manifest<'_>,
    is_macro: &dyn Fn(&str) -> bool,
) -> HashMap<&'m str, (Option<String>, String)> {
    let project = pr.metadata.project_name.as_deref();
    let mut found: HashMap<&str, (Option<String>, String)> = HashMap::new();
    for (id, of) in pr.macros.iter().filter(|(id, _)| !is_dbts_own(id)) {
        if before.macros.get(id).is_some_and(|old| old.macro_sql == of.macro_sql) {
            continue;
        }
        let is_own = project == Some(&*of.package_name);
        let reading =
            readings(&of.macro_sql.get(), is_macro).into_iter().find(|reading| is_own || reading.key.is_some());
        if let Some(reading) = reading {
            found.insert(id.as_ref(), (reading.key, reading.what));
        }
    }
    // dbt's own macros call those that stand in for others of dbt's.
    with_callers(pr, found, |_| true)
}
