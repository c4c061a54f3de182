//! What the pull request changes in its own gate: premerge.yml, profiles.yml, sqlfluff's settings, `noqa` for the rest
//! of a file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::settings::Settings;
use crate::artifacts::{Manifest, Node, UniqueId};
use crate::changes::changed_test_macros;
use crate::config::{
    ChangedTestMacros, Checkout, Gate, ProfileSource, StyleSwitch, Target, ToolFiles, git, read_regular_text,
};
use crate::publish::ci::Ci;
use crate::report::{Finding, Location, Severity, rules};
use crate::text::escape;
use crate::text::words::and_list;

/// How names begin that are premerge's own.
const RESERVED: &str = "_premerge_";

/// Files that are named one by one; of more, the rest is counted.
const NAMED: usize = 10;

/// Where sqlfluff's settings stand, from the repository's root.
const OF_SQLFLUFF: [&str; 2] = ["**/.sqlfluff", "**/.sqlfluffignore"];

/// Where they stand beside others'.
const ALSO_OF_SQLFLUFF: [&str; 4] = ["**/pyproject.toml", "**/setup.cfg", "**/tox.ini", "**/pep8.ini"];

/// All that the pull request changes there. `before`: what its SQL is compared with.
pub(super) fn findings(settings: &Settings, ci: &Ci, before: &Manifest<'_>, pr: &Manifest<'_>) -> Vec<Finding> {
    let project = pr.metadata.project_name.as_deref().unwrap_or("project");
    let mut findings: Vec<Finding> = test_macros(settings, before, pr).into_iter().collect();
    findings.extend(super::weak::findings(settings, before, pr));
    findings.extend(of_premerge(&settings.gate, project));
    findings.extend(reserved(pr));
    findings.extend(of_dbt(&settings.target, project));
    findings.extend(of_dbt_project(settings, project));
    if settings.lint.style != StyleSwitch::Never {
        findings.extend(of_sqlfluff(settings, ci, project));
        findings.extend(silenced(before, pr, project));
    }
    findings
}

/// Whose premerge.yml counts, where that is worth a word.
pub(in crate::commands) fn gate_in_words(gate: &Gate) -> Option<String> {
    match gate {
        Gate::Own => None,
        Gate::Trusted { differs, .. } if differs.is_empty() => None,
        Gate::Trusted { source, differs } => Some(format!(
            "the pull request's premerge.yml changes {}; {source} applies until it is merged",
            listed(differs)
        )),
        Gate::PullRequest { sets, .. } if sets.is_empty() => None,
        Gate::PullRequest { why, sets } => {
            Some(format!("gate settings {} come from the pull request's own premerge.yml: {why}", listed(sets)))
        }
    }
}

/// Macros that decide whether a test fails, and that the pull request adds, changes or removes.
fn test_macros(settings: &Settings, before: &Manifest<'_>, pr: &Manifest<'_>) -> Option<Finding> {
    let behaviors = &settings.dbt_behaviors;
    let changed =
        changed_test_macros((before, behaviors.package_overrides_before()), (pr, behaviors.package_overrides()))?;
    let severity = match settings.test_macros_changed {
        ChangedTestMacros::Fail if !changed.are_wrapping_packages => Severity::Error,
        // Another version of a package that hands over to dbt's test, as it did.
        ChangedTestMacros::Fail | ChangedTestMacros::Warn => Severity::Warning,
    };
    let changed = changed.macros;
    let first = changed.first()?;
    let names: Vec<&str> = changed.iter().map(UniqueId::name).collect();
    let message = format!("this pull request changes how data tests are judged: {}", listed(&names));
    let file =
        pr.macros.get(first.as_str()).filter(|own| pr.metadata.project_name.as_deref() == Some(&*own.package_name));
    let finding = match file.map(|own| own.original_file_path.as_ref()).filter(|path| !path.is_empty()) {
        Some(path) => Finding::at(severity, rules::TEST_MACROS_CHANGED, Location::file(path), message),
        None => Finding::about(severity, rules::TEST_MACROS_CHANGED, first, message),
    };
    Some(finding.with_remedy(
        "review what these macros let pass; `test_macros_changed: warn` in premerge.yml of the base lets it through",
    ))
}

/// Names that are premerge's own in every temporary schema: a relation of the project must not look like the register.
fn reserved(pr: &Manifest<'_>) -> impl Iterator<Item = Finding> {
    let is_reserved = |node: &&Node<'_>| {
        let alias = node.alias.as_deref().unwrap_or(&node.name);
        node.resource_type.is_relation()
            && alias.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED))
    };
    pr.nodes.values().filter(is_reserved).map(|node| {
        let message = format!("names that begin with `{RESERVED}` are reserved for premerge's register");
        Finding::at(Severity::Error, rules::RESERVED_NAME, Location::file(node.original_file_path.as_ref()), message)
            .with_node(node.unique_id.as_ref())
            .with_remedy("choose another alias")
    })
}

fn of_premerge(gate: &Gate, project: &str) -> Option<Finding> {
    let remedy = "check out with `fetch-depth: 2`, or pass a file outside the checkout with --trusted-config";
    let about = |severity, message: String| Finding::about(severity, rules::GATE_CHANGED, project, message);
    match (gate, gate_in_words(gate)) {
        (Gate::Own, _) => None,
        (Gate::Trusted { .. }, said) => said.map(|said| about(Severity::Notice, said)),
        (Gate::PullRequest { .. }, Some(said)) => Some(about(Severity::Warning, said).with_remedy(remedy)),
        (Gate::PullRequest { why, .. }, None) => {
            let message = format!("premerge.yml of the base could not be read, so the defaults apply: {why}");
            Some(about(Severity::Notice, message).with_remedy(remedy))
        }
    }
}

/// A profile says which database is production's, so another one is another production.
fn of_dbt(target: &Target, project: &str) -> Vec<Finding> {
    let about = |severity, message: String| {
        Finding::about(severity, rules::GATE_CHANGED, project, message).with_remedy(PROFILE_REMEDY)
    };
    match profile_in_words(target) {
        ProfileWords::Base(said) => said.into_iter().map(|said| about(Severity::Notice, said)).collect(),
        ProfileWords::PullRequest(said) => vec![about(Severity::Warning, said)],
    }
}

const PROFILE_REMEDY: &str =
    "check out with `fetch-depth: 2`, or keep CI's profile outside the checkout and pass --profiles-dir";

/// What is worth a word about whose profile counts.
enum ProfileWords {
    /// The base commit's count, and the checkout has others.
    Base(Vec<String>),
    /// The pull request's own does.
    PullRequest(String),
}

fn profile_in_words(target: &Target) -> ProfileWords {
    let own = |what: &str, why: &str| {
        ProfileWords::PullRequest(format!(
            "{what}, so the pull request can say which warehouse and database are checked: {why}"
        ))
    };
    match (&target.source, &target.chosen_by) {
        (ProfileSource::PullRequest { why }, _) => own("the profile is the pull request's own", why),
        // The job's file, from which the pull request picks.
        (_, ProfileSource::PullRequest { why }) if target.has_others => {
            own("`profile` comes from the pull request's own dbt_project.yml", why)
        }
        (source, chosen_by) => {
            let unlike = |source: &ProfileSource, what: &str| match source {
                ProfileSource::Base { commit, differs: true } => {
                    Some(format!("{what} is not that of commit {commit}, which applies"))
                }
                ProfileSource::Base { .. } | ProfileSource::Own | ProfileSource::PullRequest { .. } => None,
            };
            let said = [
                unlike(source, "profiles.yml in the checkout"),
                unlike(chosen_by, "`profile` of dbt_project.yml in the checkout"),
            ];
            ProfileWords::Base(said.into_iter().flatten().collect())
        }
    }
}

/// The same for a terminal.
pub(in crate::commands) fn profile_lines(target: &Target) -> Vec<String> {
    match profile_in_words(target) {
        ProfileWords::Base(said) => said,
        ProfileWords::PullRequest(said) => vec![format!("{said}; {PROFILE_REMEDY}")],
    }
}

/// What dbt_project.yml says of how dbt judges and builds, and no manifest shows.
fn of_dbt_project(settings: &Settings, project: &str) -> Option<Finding> {
    let changed = settings.dbt_behaviors.changed();
    let changed: Vec<&str> = changed.iter().map(String::as_str).take(NAMED).collect();
    if changed.is_empty() {
        return None;
    }
    let message = format!(
        "the pull request changes {} in dbt_project.yml: dbt may judge tests or build relations in another way than this check",
        listed(&changed)
    );
    let location = Location::file("dbt_project.yml");
    let finding =
        Finding::about(Severity::Warning, rules::GATE_CHANGED, project, message).with_location(Some(location));
    Some(finding.with_remedy("review what it changes in production"))
}

/// `--selector` is the job's word, and what it stands for the pull request's: selectors.yml.
pub(super) fn of_selector(name: Option<&str>, before: &Manifest<'_>, pr: &Manifest<'_>) -> Option<Finding> {
    let name = name?;
    let (old, new) = (definitions(name, before), definitions(name, pr));
    let message = match (old.is_empty(), old == new) {
        (_, true) => return None,
        (true, false) => format!("selector `{name}` is the pull request's own, and says what is checked"),
        (false, false) => format!("the pull request changes selector `{name}`, which says what is checked"),
    };
    let project = pr.metadata.project_name.as_deref().unwrap_or("project");
    let remedy = "use --select in the job, or merge the selector first";
    Some(Finding::about(Severity::Warning, rules::GATE_CHANGED, project, message).with_remedy(remedy))
}

/// The selector, and all that it names, as selectors.yml has them.
fn definitions(name: &str, manifest: &Manifest<'_>) -> BTreeMap<String, Value> {
    let (mut found, mut wanted) = (BTreeMap::new(), vec![name.to_owned()]);
    while let Some(name) = wanted.pop() {
        let raw = manifest.selectors.get(name.as_str());
        if found.contains_key(&name) {
            continue;
        }
        let Some(raw) = raw else { continue };
        // Deeper than a reader goes, it is compared as text.
        let definition = serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::String(raw.get().to_owned()));
        named_selectors(&definition, &mut wanted);
        found.insert(name, definition);
    }
    found
}

fn named_selectors(definition: &Value, names: &mut Vec<String>) {
    match definition {
        Value::Object(map) => {
            if map.get("method").and_then(Value::as_str) == Some("selector") {
                names.extend(map.get("value").and_then(Value::as_str).map(str::to_owned));
            }
            map.values().for_each(|value| named_selectors(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| named_selectors(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn of_sqlfluff(settings: &Settings, ci: &Ci, project: &str) -> Vec<Finding> {
    let commit = match &settings.style_files {
        ToolFiles::Own => return Vec::new(),
        ToolFiles::PullRequest { why, .. } => {
            let said = pull_request_s_own(&settings.style_files).then(|| {
                let message = format!("sqlfluff's settings are the pull request's own: {why}");
                let remedy = "check out with `fetch-depth: 2`";
                Finding::about(Severity::Warning, rules::GATE_CHANGED, project, message).with_remedy(remedy)
            });
            return said.into_iter().collect();
        }
        ToolFiles::Base(base) => &base.commit,
    };
    let Checkout::PullRequest { bases, .. } = ci.checkout(None) else { return Vec::new() };
    let folder = &settings.project_dir;
    let changed = |patterns: &[&str]| bases.iter().find_map(|base| git::changed_files(folder, base, patterns));
    let Some(mut files) = changed(&OF_SQLFLUFF) else { return Vec::new() };
    let root = git::root(folder);
    let mentions = |name: &String| root.as_ref().is_none_or(|root| mentions_sqlfluff(&root.join(name)));
    files.extend(changed(&ALSO_OF_SQLFLUFF).unwrap_or_default().into_iter().filter(mentions));
    let said = files.iter().map(|name| {
        let message = format!(
            "the pull request changes sqlfluff's settings in `{name}`; those of commit {commit} apply until it is merged"
        );
        let inside = root.as_ref().and_then(|root| below(folder, &root.join(name)));
        match inside {
            Some(path) => Finding::at(Severity::Notice, rules::GATE_CHANGED, Location::file(path), message),
            None => Finding::about(Severity::Notice, rules::GATE_CHANGED, project, message),
        }
    });
    shortened(said.collect(), project, "changed files of sqlfluff's settings")
}

/// Whether the pull request can have configured sqlfluff, and its configuration counts.
fn pull_request_s_own(files: &ToolFiles) -> bool {
    match files {
        ToolFiles::Own | ToolFiles::Base(_) => false,
        ToolFiles::PullRequest { files: None, .. } => true,
        ToolFiles::PullRequest { files: Some(files), .. } => {
            let named =
                |file: &Path| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".sqlfluff"));
            files.iter().any(|file| named(file) || mentions_sqlfluff(file))
        }
    }
}

/// The same for a terminal.
pub(in crate::commands) fn style_files_in_words(files: &ToolFiles) -> Option<String> {
    match files {
        ToolFiles::Own | ToolFiles::Base(_) => None,
        ToolFiles::PullRequest { why, .. } => {
            pull_request_s_own(files).then(|| format!("sqlfluff's settings are the pull request's own: {why}"))
        }
    }
}

/// What is gone may have held it.
fn mentions_sqlfluff(file: &Path) -> bool {
    read_regular_text(file).map_or(true, |text| text.contains("sqlfluff"))
}

fn below(folder: &Path, file: &Path) -> Option<String> {
    let folder = fs_err::canonicalize(folder).ok()?;
    let parent = fs_err::canonicalize(file.parent()?).ok()?;
    let below = parent.strip_prefix(folder).ok()?.join(file.file_name()?);
    Some(below.to_string_lossy().into_owned())
}

/// Comments that switch lint rules off for the rest of a file, which the file did not have before.
fn silenced(before: &Manifest<'_>, pr: &Manifest<'_>, project: &str) -> Vec<Finding> {
    let own = |node: &&Node<'_>| pr.metadata.project_name.as_deref() == Some(node.package_name.as_ref());
    let mut found = Vec::new();
    for node in pr.nodes.values().filter(own).filter(|node| !node.is_python()) {
        let text = node.raw_code.get();
        if !text.contains("noqa") && !text.contains("sqlfluff:") && !text.contains("NOQA") {
            continue;
        }
        let old = before.nodes.get(node.unique_id.as_ref()).map(|node| node.raw_code.get()).unwrap_or_default();
        let mut known: HashMap<Comment, usize> = HashMap::new();
        comments(&old).into_iter().for_each(|(_, comment)| *known.entry(comment).or_default() += 1);
        for (line, comment) in comments(&text) {
            match known.get_mut(&comment) {
                Some(left) if *left > 0 => *left -= 1,
                _ => found.push((node, line, comment)),
            }
        }
    }
    let said = found.into_iter().map(|(node, line, comment)| {
        let message = match comment {
            Comment::Disables(rules) => {
                format!("a comment turns lint off for the rest of the file: `noqa: disable={rules}`")
            }
            Comment::Sets(setting) => format!("a comment sets sqlfluff for this file: `-- sqlfluff:{setting}`"),
        };
        let place = Location::line(node.original_file_path.as_ref(), line);
        Finding::at(Severity::Warning, rules::GATE_CHANGED, place, message).with_node(node.unique_id.as_ref())
    });
    shortened(said.collect(), project, "comments that change lint for a file")
}

/// A comment that changes lint for more than its own line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Comment {
    /// `noqa: disable=…`, which no `enable` follows.
    Disables(String),
    /// `-- sqlfluff:exclude_rules:…`
    Sets(String),
}

fn comments(text: &str) -> Vec<(u32, Comment)> {
    let disables = disabling(text).into_iter().map(|(line, rules)| (line, Comment::Disables(rules)));
    // As sqlfluff reads it: at the beginning of a line.
    let sets = (1..).zip(text.lines()).filter_map(|(line, text)| {
        let setting = text.trim_start().strip_prefix("--")?.trim_start().strip_prefix("sqlfluff:")?;
        Some((line, Comment::Sets(escape::cut(setting.trim(), 80))))
    });
    disables.chain(sets).collect()
}

/// Lines of `noqa: disable=…` that no `enable` follows, and what they disable.
fn disabling(text: &str) -> Vec<(u32, String)> {
    static NOQA: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?i)\bnoqa\s*:\s*(disable|enable)\s*=\s*([a-z0-9_.*]+(?:\s*,\s*[a-z0-9_.*]+)*)").ok()
    });
    let Some(noqa) = NOQA.as_ref() else { return Vec::new() };
    let mut open: Vec<(u32, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for captures in noqa.captures_iter(line) {
            let part = |at: usize| captures.get(at).map(|part| part.as_str().trim().to_lowercase()).unwrap_or_default();
            let rules = part(2);
            if part(1) == "disable" {
                open.push((number, rules));
            } else if rules == "all" {
                open.clear();
            } else {
                open.retain(|(_, other)| *other != rules);
            }
        }
    }
    open
}

fn shortened(mut findings: Vec<Finding>, project: &str, what: &str) -> Vec<Finding> {
    let more = findings.len().saturating_sub(NAMED);
    if more > 0 {
        findings.truncate(NAMED);
        let message = format!("and {more} more {what}");
        let severity = findings.first().map_or(Severity::Warning, Finding::severity);
        findings.push(Finding::about(severity, rules::GATE_CHANGED, project, message));
    }
    findings
}

fn listed(keys: &[&str]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    if keys.is_empty() { "no key".to_owned() } else { and_list(&keys.iter().map(String::as_str).collect::<Vec<_>>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_that_is_taken_back_silences_no_file() {
        let text =
            "-- noqa: disable=LT01\nselect a\n-- noqa: enable=LT01\n-- NOQA:disable = all\nselect b -- noqa: LT02\n";
        assert_eq!(disabling(text), [(4, "all".to_owned())]);
        assert_eq!(disabling("-- noqa: disable=LT01, LT02\n/* noqa: enable=all */"), []);
        assert_eq!(disabling("{# noqa: disable=all #}"), [(1, "all".to_owned())]);
    }

    #[test]
    fn settings_in_a_file_are_seen() {
        let text = "-- sqlfluff:exclude_rules:LT01\n--sqlfluff:dialect:ansi\nselect '-- sqlfluff:x' -- sqlfluff: no\n";
        let found: Vec<_> = comments(text);
        let sets = |text: &str| Comment::Sets(text.to_owned());
        assert_eq!(found, [(1, sets("exclude_rules:LT01")), (2, sets("dialect:ansi"))]);
    }

    #[test]
    fn keys_read_as_a_list() {
        assert_eq!(listed(&["lint"]), "`lint`");
        assert_eq!(listed(&["schema", "row_counts", "lint"]), "`schema`, `row_counts` and `lint`");
    }

    #[test]
    fn a_gate_of_its_own_is_a_warning_and_an_unread_base_a_notice() {
        let of = |gate: Gate| of_premerge(&gate, "shop").map(|finding| finding.severity());
        assert_eq!(of(Gate::Own), None);
        assert_eq!(of(Gate::Trusted { source: "x".into(), differs: vec![] }), None);
        assert_eq!(of(Gate::Trusted { source: "x".into(), differs: vec!["lint"] }), Some(Severity::Notice));
        assert_eq!(of(Gate::PullRequest { why: "y".into(), sets: vec!["lint"] }), Some(Severity::Warning));
        assert_eq!(of(Gate::PullRequest { why: "y".into(), sets: vec![] }), Some(Severity::Notice));
    }
}
