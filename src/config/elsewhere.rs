//! Settings in YAML that depend on where dbt runs: a test that is `error` in CI and `warn` in production. A manifest holds
//! what they came to on one target.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::checkout::{Checkout, Counting};
use super::read_regular_text;
use crate::sql::surroundings::readings;

/// Keys that say where something is, how it is kept and what is said of it. What is below them is not looked at.
const IGNORED: &[&str] = &[
    "access",
    "alias",
    "analysis-paths",
    "asset-paths",
    "clean-targets",
    "cluster_by",
    "data_type",
    "database",
    "dataset",
    "deprecation_date",
    "description",
    "dispatch",
    "dist",
    "docs",
    "docs-paths",
    "exposures",
    "external",
    "file_format",
    "grants",
    "group",
    "groups",
    "identifier",
    "indexes",
    "label",
    "labels",
    "loader",
    "location",
    "location_root",
    "log-path",
    "materialized",
    "meta",
    "metrics",
    "name",
    "on-run-end",
    "on-run-start",
    "overrides",
    "owner",
    "partition_by",
    "persist_docs",
    "post-hook",
    "post_hook",
    "pre-hook",
    "pre_hook",
    "profile",
    "project",
    "query-comment",
    "query_tag",
    "quoting",
    "saved_queries",
    "schema",
    "semantic_models",
    "sort",
    "tags",
    "target-path",
    "target_database",
    "target_schema",
    "transient",
    "vars",
    "version",
];

/// A setting that depends on where dbt runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Below the project.
    pub file: String,
    /// Where its text stands first.
    pub line: Option<u32>,
    /// `severity`; empty where the file cannot be read as YAML.
    pub key: String,
    /// What it reads: `target`.
    pub what: String,
    /// Since when it does.
    pub since: Since,
}

/// Since when a setting depends on where dbt runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// It is in the base commit too, or nobody can have changed it.
    Before,
    /// The pull request brought it.
    Now,
    /// The base commit's file cannot be had.
    Unknown {
        /// Why.
        why: String,
    },
}

/// One setting: its path through the file by names, its key, and its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Setting {
    path: Vec<String>,
    key: String,
    text: String,
    what: String,
}

/// Those in dbt_project.yml and in these files of the project, below `project_dir`.
#[must_use]
pub fn elsewhere(project_dir: &Path, checkout: &Checkout, files: &BTreeSet<String>) -> Vec<Elsewhere> {
    let mut sides = Vec::new();
    let files: BTreeSet<&str> = files.iter().map(String::as_str).chain(["dbt_project.yml"]).collect();
    for file in files {
        let path = project_dir.join(file);
        // A package's folder may be a link to one of the checkout.
        let path = fs_err::canonicalize(&path).unwrap_or(path);
        let Ok(head) = read_regular_text(&path) else { continue };
        let base = match checkout.counting(&path) {
            Counting::OnDisk => Ok(None),
            Counting::Base { text, .. } => Ok(Some(text)),
            Counting::Added { .. } => Ok(Some(String::new())),
            Counting::PullRequest { why } => Err(why),
        };
        let found = settings(&head);
        let before = base.as_ref().ok().and_then(Option::as_ref).map(|text| settings(text));
        sides.push((file, head, found, before, base));
    }
    let known: BTreeSet<Setting> = sides.iter().flat_map(|side| side.3.iter().flatten().cloned()).collect();
    // Everything that the base commit's files say, so that a test that is new is told from one that was there.
    let paths: BTreeSet<Vec<String>> = sides
        .iter()
        .filter_map(|side| side.4.as_ref().ok().and_then(Option::as_ref))
        .flat_map(|text| paths(text))
        .collect();
    let texts: BTreeSet<(&str, &str)> = known.iter().map(|one| (one.key.as_str(), one.text.as_str())).collect();
    let mut found = Vec::new();
    for (file, head, settings, _, base) in &sides {
        for setting in settings {
            let since = match base {
                Ok(None) => Since::Before,
                Ok(Some(_)) if known.contains(setting) => Since::Before,
                // The same for one more test is what the project does.
                Ok(Some(_))
                    if !paths.contains(&setting.path)
                        && texts.contains(&(setting.key.as_str(), setting.text.as_str())) =>
                {
                    Since::Before
                }
                Ok(Some(_)) => Since::Now,
                Err(why) => Since::Unknown { why: why.clone() },
            };
            let line = head.lines().position(|line| line.contains(setting.text.trim()));
            found.push(Elsewhere {
                file: (*file).to_owned(),
                line: line.and_then(|line| u32::try_from(line + 1).ok()),
                key: setting.key.clone(),
                what: setting.what.clone(),
                since,
            });
        }
    }
    found
}

/// The settings of a file that depend on where dbt runs.
fn settings(text: &str) -> Vec<Setting> {
    if !text.contains("{{") && !text.contains("{%") {
        return Vec::new();
    }
    let mut found = Vec::new();
    match serde_saphyr::from_str::<Value>(text) {
        Ok(value) => walk(&value, &mut Vec::new(), "", &mut |path, key, text| {
            // YAML knows no macros.
            if let Some(reading) = readings(text, &|_| false).into_iter().next() {
                found.push(Setting {
                    path: path.to_vec(),
                    key: key.to_owned(),
                    text: text.to_owned(),
                    what: reading.what,
                });
            }
        }),
        // dbt may read what this parser does not.
        Err(_) => {
            for line in text.lines() {
                if let Some(reading) = readings(line, &|_| false).into_iter().next() {
                    let text = line.to_owned();
                    found.push(Setting { path: Vec::new(), key: String::new(), text, what: reading.what });
                }
            }
        }
    }
    found
}

/// The paths of all mappings of a file.
fn paths(text: &str) -> Vec<Vec<String>> {
    fn collect(value: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        if value.is_object() {
            found.push(path.clone());
        }
        each(value, path, &mut |child, path, _| collect(child, path, found));
    }
    let mut found = Vec::new();
    if let Ok(value) = serde_saphyr::from_str::<Value>(text) {
        collect(&value, &mut Vec::new(), &mut found);
    }
    found
}

fn walk(value: &Value, path: &mut Vec<String>, key: &str, say: &mut dyn FnMut(&[String], &str, &str)) {
    if let Value::String(text) = value
        && (text.contains("{{") || text.contains("{%"))
    {
        let parent = path.split_last().map_or(&[][..], |(_, parent)| parent);
        say(parent, key, text);
    }
    each(value, path, &mut |child, path, key| walk(child, path, key, say));
}

/// The children of a value that are looked at, each with the path to it and its key without `+`.
fn each(value: &Value, path: &mut Vec<String>, act: &mut dyn FnMut(&Value, &mut Vec<String>, &str)) {
    let mut with = |name: String, child: &Value, key: &str| {
        path.push(name);
        act(child, path, key);
        path.pop();
    };
    match value {
        Value::Object(members) => {
            for (name, child) in members {
                let key = name.strip_prefix('+').unwrap_or(name);
                if !IGNORED.contains(&key) {
                    with(key.to_owned(), child, key);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                with(called(item).unwrap_or_else(|| index.to_string()), item, "");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What an item of a list is called: its name, or its only key, as a test is given.
fn called(item: &Value) -> Option<String> {
    let members = item.as_object()?;
    let name = ["name", "test_name", "v"].iter().find_map(|key| members.get(*key));
    match name {
        Some(Value::String(name)) => Some(name.clone()),
        Some(other) => Some(other.to_string()),
        None => members.keys().next().filter(|_| members.len() == 1).cloned(),
    }
}

/// The keys of a manifest's unrendered configuration are looked at like those of YAML.
#[must_use]
pub fn is_judged(key: &str) -> bool {
    !IGNORED.contains(&key)
}

/// Files by what is said of their settings, for a test.
#[cfg(test)]
mod tests {
    use super::super::git::tests::git;
    use super::*;

    fn found(base: &[(&str, &str)], head: &[(&str, &str)]) -> Vec<(String, String, bool)> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        git(root, &["init", "-q", "-b", "main"]);
        let commit = |files: &[(&str, &str)]| {
            files.iter().for_each(|(file, text)| fs_err::write(root.join(file), text).unwrap());
            git(root, &["add", "-A"]);
            git(root, &["commit", "-q", "--allow-empty", "-m", "x"]);
            git(root, &["rev-parse", "HEAD"])
        };
        let base = commit(base);
        commit(head);
        let checkout = Checkout::PullRequest { root: Some(root.to_owned()), bases: vec![base] };
        let files = head.iter().map(|(file, _)| (*file).to_owned()).filter(|file| file != "dbt_project.yml").collect();
        let found = elsewhere(root, &checkout, &files);
        found.into_iter().map(|one| (one.key, one.what, one.since == Since::Now)).collect()
    }

    const PLAIN: &str =
        "models: [{name: m, columns: [{name: id, data_tests: [unique: {config: {severity: error}}]}]}]\n";

    fn with(severity: &str) -> String {
        PLAIN.replace("severity: error", &format!("severity: \"{severity}\""))
    }

    const BY_TARGET: &str = "{{ 'warn' if target.name == 'prod' else 'error' }}";

    #[test]
    fn a_test_that_is_made_weak_elsewhere_is_told_from_one_that_was() {
        let new = |what: &str| vec![("severity".to_owned(), what.to_owned(), true)];
        let old = vec![("severity".to_owned(), "target".to_owned(), false)];
        let weak = with(BY_TARGET);
        assert_eq!(found(&[("m.yml", PLAIN)], &[("m.yml", &weak)]), new("target"));
        assert_eq!(found(&[("m.yml", PLAIN)], &[("m.yml", &with("{{ env_var('S') }}"))]), new("env_var"));
        assert_eq!(found(&[("m.yml", &weak)], &[("m.yml", &weak)]), old);
        let other = weak.replace("prod", "live");
        assert_eq!(found(&[("m.yml", &weak)], &[("m.yml", &other)]), new("target"));
        assert_eq!(found(&[], &[("m.yml", &weak)]), new("target"), "a file of its own");
        // Moved, and the same for one more test.
        assert_eq!(found(&[("m.yml", &weak)], &[("n.yml", &weak), ("m.yml", "models: []\n")]), old);
        let more =
            format!("{}- {{name: n, data_tests: [unique: {{config: {{severity: \"{BY_TARGET}\"}}}}]}}\n", "models:\n");
        assert_eq!(found(&[("m.yml", &weak)], &[("m.yml", &weak), ("n.yml", &more)]), [old.clone(), old].concat());
        assert_eq!(
            found(&[("m.yml", PLAIN)], &[("m.yml", &with("{{ 'warn' if target.type == 'x' else 'error' }}"))]),
            []
        );
    }

    #[test]
    fn what_decides_which_tests_there_are_counts_and_where_relations_go_does_not() {
        let project = |text: &str| found(&[("dbt_project.yml", "name: x\n")], &[("dbt_project.yml", text)]);
        let keys = |text: &str| project(text).into_iter().map(|(key, _, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(&format!("data_tests: {{+severity: \"{BY_TARGET}\"}}\n")), ["severity"]);
        assert_eq!(keys("tests: {x: {+enabled: \"{{ target.name != 'prod' }}\"}}\n"), ["enabled"]);
        assert_eq!(keys("models: {x: {+enabled: \"{{ target.name != 'prod' }}\"}}\n"), ["enabled"]);
        assert_eq!(keys("test-paths: [\"{{ 'tests' if target.name == 'ci' else 'none' }}\"]\n"), [""]);
        assert_eq!(
            keys("models: {x: {+schema: \"{{ target.schema }}\", +materialized: \"{{ target.name }}\"}}\n"),
            Vec::<String>::new()
        );
        assert_eq!(
            keys("on-run-start: [\"{{ target.name }}\"]\nvars: {a: \"{{ target.name }}\"}\n"),
            Vec::<String>::new()
        );
        // YAML that only dbt reads.
        assert_eq!(keys("a: 1\na: 2\ndata_tests: {+severity: \"{{ target.name }}\"}\n"), [""]);
    }
}
