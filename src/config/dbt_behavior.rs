//! How dbt works in a project: what `dbt_project.yml` says of it and no manifest records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::checkout::{Checkout, Counting};
use super::read_regular_text;
use crate::sql::Dialect;

/// Flags of dbt 1.11, its adapters and dbt 1.8 to 1.10 that change no test's result and no relation: what they change is
/// the log, the speed, the documentation, the semantic layer or `state:`, stands in the manifest, or makes dbt refuse a
/// project. Every other flag counts, those that are not known yet among them.
const HARMLESS: &[&str] = &[
    "cache_selected_only",
    "debug",
    "fail_fast",
    "log_format",
    "log_format_file",
    "log_level",
    "log_level_file",
    "partial_parse",
    "populate_cache",
    "printer_width",
    // Redshift's and PostgreSQL's round trips.
    "postgres_skip_autocommit_transaction_statements",
    "redshift_skip_autocommit_transaction_statements",
    "require_event_names_in_deprecations",
    "require_generic_test_arguments_property",
    "require_nested_cumulative_type_params",
    "require_ref_searches_node_package_before_root",
    "require_resource_names_without_spaces",
    "require_unique_project_resource_names",
    "require_yaml_configuration_for_mf_time_spines",
    "send_anonymous_usage_stats",
    "source_freshness_run_project_hooks",
    "state_modified_compare_more_unrendered_values",
    "state_modified_compare_vars",
    "static_parser",
    "use_colors",
    "use_colors_file",
    "use_experimental_parser",
    "validate_macro_args",
    "version_check",
];

/// The flag by which a package replaces dbt's materializations without the project's doing.
const OVERRIDES: &str = "require_explicit_package_overrides_for_builtin_materializations";

/// The longest name of a flag that is said.
const LONGEST_NAME: usize = 80;

/// Whether a package's materialization takes the place of dbt's of the same name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PackageOverrides {
    /// As dbt has it without the project's word: since dbt 1.8 it does not.
    #[default]
    Unsaid,
    /// It does.
    Allowed,
    /// It does not.
    Refused,
    /// The project's file is not at hand.
    Unknown,
}

/// What a project says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DbtBehavior {
    flags: BTreeMap<String, Value>,
    /// Where dispatch looks for the macros of dbt and its adapters, by namespace.
    dispatch: BTreeMap<String, Value>,
}

/// What the project says in the checkout, and what it said before the pull request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DbtBehaviors {
    /// `None`: the project's folder has no dbt_project.yml that can be read.
    pub pull_request: Option<DbtBehavior>,
    /// `None`: it is not known.
    pub base: Option<DbtBehavior>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct File {
    flags: Option<BTreeMap<String, Value>>,
    dispatch: Option<Vec<Value>>,
}

/// dbt reads `config` where `dbt_project.yml` has no flags.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Profiles {
    config: Option<BTreeMap<String, Value>>,
}

impl DbtBehaviors {
    /// Of `project_dir` and the `profiles.yml` in it.
    pub(super) fn read(project_dir: &Path, checkout: &Checkout) -> Self {
        let (project, profiles) = (project_dir.join("dbt_project.yml"), project_dir.join("profiles.yml"));
        let pull_request = read_regular_text(&project).ok();
        let pull_request =
            pull_request.and_then(|text| DbtBehavior::parse(&text, &read_regular_text(&profiles).unwrap_or_default()));
        let at_base = |path: &Path| match checkout.counting(path) {
            Counting::Base { text, .. } => Some(text),
            Counting::Added { .. } => Some(String::new()),
            Counting::OnDisk | Counting::PullRequest { .. } => None,
        };
        let base =
            at_base(&project).and_then(|text| DbtBehavior::parse(&text, &at_base(&profiles).unwrap_or_default()));
        Self { pull_request, base }
    }

    /// Whether packages replace dbt's materializations in the pull request.
    #[must_use]
    pub fn package_overrides(&self) -> PackageOverrides {
        self.pull_request.as_ref().map_or(PackageOverrides::Unknown, DbtBehavior::package_overrides)
    }

    /// The same before the pull request; as in the pull request where that is not known.
    #[must_use]
    pub fn package_overrides_before(&self) -> PackageOverrides {
        self.base.as_ref().map_or_else(|| self.package_overrides(), DbtBehavior::package_overrides)
    }

    /// What the pull request changes that may judge tests or build relations otherwise: `flags.warn_error`,
    /// `dispatch of dbt`. Sorted; nothing where one side is not known.
    #[must_use]
    pub fn changed(&self) -> Vec<String> {
        let (Some(pr), Some(base)) = (&self.pull_request, &self.base) else { return Vec::new() };
        let flags = differing(&base.flags, &pr.flags).filter(|name| !HARMLESS.contains(name));
        let dispatch = differing(&base.dispatch, &pr.dispatch);
        let mut found: Vec<String> = dispatch.map(|name| format!("dispatch of {name}")).collect();
        found.extend(flags.map(|name| format!("flags.{name}")));
        found
    }
}

impl DbtBehavior {
    /// `None`: the file does not parse.
    fn parse(project: &str, profiles: &str) -> Option<Self> {
        let empty = |text: &str| text.trim().is_empty();
        let file: File = if empty(project) { File::default() } else { serde_saphyr::from_str(project).ok()? };
        let mut flags = file.flags.unwrap_or_default();
        if flags.is_empty() && !empty(profiles) {
            flags = serde_saphyr::from_str::<Profiles>(profiles).ok()?.config.unwrap_or_default();
        }
        let mut dispatch = BTreeMap::new();
        for entry in file.dispatch.unwrap_or_default() {
            let namespace = entry.get("macro_namespace").and_then(Value::as_str).unwrap_or_default();
            // What other packages' macros say is in the compiled SQL.
            let adapter = namespace.strip_prefix("dbt_").and_then(Dialect::from_adapter);
            if namespace == "dbt" || adapter.is_some() {
                dispatch.insert(namespace.to_owned(), entry.get("search_order").cloned().unwrap_or(Value::Null));
            }
        }
        Some(Self { flags, dispatch })
    }

    fn package_overrides(&self) -> PackageOverrides {
        match self.flags.get(OVERRIDES) {
            None | Some(Value::Null) => PackageOverrides::Unsaid,
            Some(value) if is_no(value) => PackageOverrides::Allowed,
            Some(_) => PackageOverrides::Refused,
        }
    }
}

/// False in YAML 1.1, which dbt reads.
fn is_no(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => !yes,
        Value::String(text) => matches!(text.to_ascii_lowercase().as_str(), "no" | "off" | "false" | "n"),
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Names whose values differ, long ones cut.
fn differing<'b>(
    before: &'b BTreeMap<String, Value>,
    after: &'b BTreeMap<String, Value>,
) -> impl Iterator<Item = &'b str> {
    let names: BTreeSet<&str> = before.keys().chain(after.keys()).map(String::as_str).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| name.get(..LONGEST_NAME).unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(project: &str) -> DbtBehavior {
        DbtBehavior::parse(project, "").unwrap()
    }

    #[test]
    fn the_flag_is_read_as_dbt_reads_it() {
        for (value, overrides) in [
            ("false", PackageOverrides::Allowed),
            ("False", PackageOverrides::Allowed),
            ("no", PackageOverrides::Allowed),
            ("OFF", PackageOverrides::Allowed),
            ("true", PackageOverrides::Refused),
            ("yes", PackageOverrides::Refused),
            ("", PackageOverrides::Unsaid),
        ] {
            let text = format!("name: x\nflags:\n  send_anonymous_usage_stats: false\n  {OVERRIDES}: {value}\n");
            assert_eq!(of(&text).package_overrides(), overrides, "{value}");
        }
        assert_eq!(of("name: x").package_overrides(), PackageOverrides::Unsaid);
        let merged = format!("x: &f\n  {OVERRIDES}: false\nflags:\n  <<: *f\n");
        assert_eq!(of(&merged).package_overrides(), PackageOverrides::Allowed);
        let profiles = format!("config:\n  {OVERRIDES}: false\nshop: {{target: x}}\n");
        assert_eq!(DbtBehavior::parse("name: x", &profiles).unwrap().package_overrides(), PackageOverrides::Allowed);
        assert_eq!(DbtBehavior::parse("a: [", ""), None);
    }

    #[test]
    fn flags_that_may_judge_or_build_otherwise_count_and_so_do_those_that_nobody_knows() {
        let changed = |before: &str, after: &str| {
            DbtBehaviors { pull_request: Some(of(after)), base: Some(of(before)) }.changed()
        };
        let before = "flags: {warn_error: true, use_colors: false}\n";
        assert_eq!(changed(before, "flags: {use_colors: true}\n"), ["flags.warn_error"]);
        assert_eq!(changed(before, before), Vec::<String>::new());
        assert_eq!(changed("", "flags: {use_materialization_v2: true, debug: true}"), ["flags.use_materialization_v2"]);
        let dispatch = |namespace: &str| {
            format!("dispatch: [{{macro_namespace: {namespace}, search_order: [evil, {namespace}]}}]\n")
        };
        assert_eq!(changed("", &dispatch("dbt")), ["dispatch of dbt"]);
        assert_eq!(changed("", &dispatch("dbt_duckdb")), ["dispatch of dbt_duckdb"]);
        assert_eq!(changed("", &dispatch("dbt_utils")), Vec::<String>::new(), "the compiled SQL shows it");
        let unknown = DbtBehaviors { pull_request: Some(of(before)), base: None };
        assert_eq!(unknown.changed(), Vec::<String>::new());
    }
}
