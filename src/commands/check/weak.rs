//! Tests that find less in production than here, because what says so depends on where dbt runs.

use std::collections::BTreeSet;

use super::settings::Settings;
use crate::artifacts::Manifest;
use crate::changes::tests_elsewhere;
use crate::config::{Since, elsewhere};
use crate::report::{Finding, Location, Severity, rules};
use crate::text::words::count_of;

/// Findings that are said one by one; of more, the rest is counted.
const NAMED: usize = 10;

const REMEDY: &str = "give the test one setting for every target; what only production runs, no check can see";

/// What the pull request brings, as warnings, and what was there, as one notice.
pub(super) fn findings(settings: &Settings, before: &Manifest<'_>, pr: &Manifest<'_>) -> Vec<Finding> {
    let project = pr.metadata.project_name.as_deref().unwrap_or("project");
    let (mut found, mut old) = (Vec::new(), 0_usize);
    let mut in_yaml: BTreeSet<(String, String)> = BTreeSet::new();
    for setting in elsewhere(&settings.project_dir, &settings.checkout, &yaml_files(pr)) {
        let what = if setting.key.is_empty() { "a setting".to_owned() } else { format!("`{}`", setting.key) };
        let why = match &setting.since {
            Since::Before => {
                old += 1;
                continue;
            }
            Since::Now => String::new(),
            Since::Unknown { why } => format!(", and whether it did before is not known: {why}"),
        };
        let message = format!("{what} depends on `{}`: production may test less than this check{why}", setting.what);
        let location = Location { line: setting.line, ..Location::file(setting.file) };
        found.push(Finding::at(Severity::Warning, rules::TESTS_WEAKENED, location, message).with_remedy(REMEDY));
        in_yaml.insert((setting.key, setting.what));
    }
    for test in tests_elsewhere(before, pr) {
        if !test.is_new {
            old += 1;
            continue;
        }
        let said = test.key.clone().is_some_and(|key| in_yaml.contains(&(key, test.what.clone())));
        if said {
            continue;
        }
        let what = match test.key.as_deref() {
            None => "its SQL".to_owned(),
            Some("") => "its configuration".to_owned(),
            Some(key) => format!("`{key}`"),
        };
        let message = format!("{what} depends on `{}`: production may test less than this check", test.what);
        let finding = Finding::about(Severity::Warning, rules::TESTS_WEAKENED, test.unique_id, message);
        found.push(finding.with_remedy(REMEDY));
    }
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    if more > 0 {
        let message = format!("and {more} more settings of tests that depend on where dbt runs");
        found.push(Finding::about(Severity::Warning, rules::TESTS_WEAKENED, project, message));
    }
    if old > 0 {
        let message = format!(
            "{} of tests {} on where dbt runs, as before: production may test less than this check",
            count_of(old, "setting"),
            if old == 1 { "depends" } else { "depend" }
        );
        found.push(Finding::about(Severity::Notice, rules::TESTS_WEAKENED, project, message));
    }
    found
}

/// The YAML files that the manifest names, below the project.
fn yaml_files(pr: &Manifest<'_>) -> BTreeSet<String> {
    let project = pr.metadata.project_name.as_deref().unwrap_or_default();
    let mut files = BTreeSet::new();
    let mut add = |package: &str, path: &str| {
        // Hooks are of `./dbt_project.yml`.
        let path = path.trim_start_matches("./");
        let is_yaml = [".yml", ".yaml"].iter().any(|end| path.ends_with(end));
        if is_yaml && path.split('/').all(|part| part != "..") && !package.contains(['/', '\\', '.']) {
            let below = if package == project { String::new() } else { format!("dbt_packages/{package}/") };
            files.insert(format!("{below}{path}"));
        }
    };
    for node in pr.nodes.values() {
        add(&node.package_name, &node.original_file_path);
        if let Some((package, path)) = node.patch_path.as_deref().and_then(|patch| patch.split_once("://")) {
            add(package, path);
        }
    }
    pr.sources.values().for_each(|source| add(&source.package_name, &source.original_file_path));
    pr.unit_tests.values().for_each(|test| add(&test.package_name, &test.original_file_path));
    for (id, definitions) in &pr.disabled {
        let package = crate::artifacts::UniqueIdRef::new(id).package();
        definitions.iter().for_each(|definition| add(package, &definition.original_file_path));
    }
    files
}
