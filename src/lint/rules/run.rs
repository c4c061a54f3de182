//! Every rule on every model, with the team's severities and exceptions, against production.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use super::model::{Model, Project};
use super::{ALL, Hit, Rule, default_severity};
use crate::artifacts::{Manifest, Node};
use crate::config::{LintConfig, LintScope, LintSeverity, Where, read_inside};
use crate::lint::finding::{LintResults, Severity, Violation};
use crate::sql::Dialect;
use crate::text::words::count_of;

/// The configuration names a project rule that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`lint.rules` names the unknown rule `{code}`; docs/rules.md lists all rules")]
pub struct UnknownRule {
    /// As it is written there.
    pub code: String,
}

/// Runs the project rules over the project's own models, or over those of `only` these files (paths below the
/// project).
///
/// Production's findings are known: the same rule, model and message. A rule code in the configuration that
/// is none is an error that the caller shows.
///
/// # Errors
/// When the configuration names a rule that does not exist.
pub fn project(
    pr: &Manifest<'_>,
    state: Option<&Manifest<'_>>,
    config: &LintConfig,
    scope: LintScope,
    project_dir: &Path,
    only: Option<&BTreeSet<String>>,
) -> Result<LintResults, UnknownRule> {
    for code in config.rules.keys() {
        if !ALL.iter().any(|rule| rule.code == code) {
            return Err(UnknownRule { code: code.clone() });
        }
    }
    let mut outcome = LintResults::default();
    let state = state.filter(|_| scope != LintScope::All);
    let mut unread = Unread::default();
    let mut found = findings(pr, config, only, Some(project_dir), |model| {
        let before = state.and_then(|state| state.nodes.get(model.node.unique_id.as_ref()));
        if before.is_none_or(|before| before.raw_code != model.node.raw_code) {
            unread.look_at(model);
        }
    });
    outcome.notes = unread.notes();
    if let Some(state) = state {
        let mut known: HashMap<(String, Option<String>, String), u64> = HashMap::new();
        for finding in findings(state, config, only, None, |_| {}) {
            *known.entry(key(&finding)).or_default() += 1;
        }
        // A model that production's last run did not come to has no SQL there, and its file is what it was.
        let is_unseen = |id: &Option<String>| {
            let node = |manifest: &'_ Manifest<'_>| -> Option<(String, Option<String>, bool)> {
                let node = manifest.nodes.get(id.as_deref()?)?;
                let config = node.raw_config.map(|config| config.get().to_owned());
                let is_compiled = node.compiled_code.as_ref().is_some_and(|code| !code.is_empty());
                Some((node.raw_code.get().into_owned(), config, is_compiled))
            };
            match (node(state), node(pr)) {
                (Some((old, old_config, false)), Some((new, new_config, true))) => {
                    old == new && old_config == new_config
                }
                _ => false,
            }
        };
        found.retain(|finding| match known.get_mut(&key(finding)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                outcome.known += 1;
                false
            }
            _ if is_unseen(&finding.unique_id) => {
                outcome.known += 1;
                false
            }
            _ => true,
        });
        // What went with its model is not fixed.
        let still = |id: &Option<String>| id.as_deref().is_some_and(|id| pr.nodes.contains_key(id));
        outcome.fixed = known.iter().filter(|((_, id, _), _)| still(id)).map(|(_, count)| count).sum();
    }
    found.sort();
    outcome.violations = found;
    Ok(outcome)
}

fn key(finding: &Violation) -> (String, Option<String>, String) {
    (finding.code.clone(), finding.unique_id.clone(), finding.message.clone())
}

/// Every finding; lines are those of the files in `project_dir`, where they are there.
fn findings(
    manifest: &Manifest<'_>,
    config: &LintConfig,
    only: Option<&BTreeSet<String>>,
    project_dir: Option<&Path>,
    mut seen: impl FnMut(&Model<'_>),
) -> Vec<Violation> {
    let project = Project::new(manifest, config.layers.as_deref());
    let dialect = manifest.metadata.adapter_type.as_deref().and_then(Dialect::from_adapter);
    let mut found = Vec::new();
    let asked = |node: &&Node<'_>| only.is_none_or(|only| only.contains(&node.original_file_path.replace('\\', "/")));
    for node in project.models().filter(asked) {
        let rules: Vec<(&Rule, Severity)> =
            ALL.iter().filter_map(|rule| Some((rule, severity(rule, node, config, dialect)?))).collect();
        if rules.is_empty() {
            continue;
        }
        let model = Model::new(&project, node);
        seen(&model);
        let mut above = None;
        for (rule, severity) in rules {
            let mut hits = (rule.check)(&model);
            // A loop writes one line of the author's many times.
            let mut said = HashSet::new();
            hits.retain(|hit| said.insert(hit.clone()));
            for mut hit in hits {
                if let (Some(line), Some(dir)) = (&mut hit.line, project_dir) {
                    *line += *above.get_or_insert_with(|| lines_above(node, dir));
                }
                found.push(violation(rule, severity, node, hit));
            }
        }
    }
    found
}

/// How many lines of the author's file stand above what dbt keeps of it: blank ones, and in a file of snapshots
/// all that is outside the block.
fn lines_above(node: &Node<'_>, project_dir: &Path) -> usize {
    let path = project_dir.join(node.original_file_path.replace('\\', "/"));
    let Some(file) = read_inside(project_dir, &path).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return 0;
    };
    let lines = |text: &str| text.matches('\n').count();
    let (file, kept) = (file.replace("\r\n", "\n"), node.raw_code.get().replace("\r\n", "\n"));
    let before = file.find(kept.trim()).and_then(|at| file.get(..at)).unwrap_or_default();
    let own = kept.get(..kept.len() - kept.trim_start().len()).unwrap_or_default();
    lines(before).saturating_sub(lines(own))
}

/// How many models a note names.
const SHOWN: usize = 5;

/// Models whose SQL the rules could not read.
#[derive(Default)]
struct Unread {
    not_compiled: usize,
    not_parsed: Vec<String>,
}

impl Unread {
    fn look_at(&mut self, model: &Model<'_>) {
        if model.node.is_python() {
            return;
        }
        match model.node.compiled_code {
            None => self.not_compiled += 1,
            Some(_) if model.tree.is_none() => self.not_parsed.push(model.node.name.to_string()),
            Some(_) => {}
        }
    }

    fn notes(self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.not_compiled > 0 {
            notes.push(format!(
                "{} without compiled SQL, skipped by project rules that read SQL; run `dbt compile`",
                count_of(self.not_compiled, "model")
            ));
        }
        if !self.not_parsed.is_empty() {
            let names: Vec<&str> = self.not_parsed.iter().map(String::as_str).take(SHOWN).collect();
            notes.push(format!(
                "{} whose SQL could not be parsed, so not every project rule was applied: `{}`{}",
                count_of(self.not_parsed.len(), "model"),
                names.join("`, `"),
                if self.not_parsed.len() > SHOWN { ", …" } else { "" }
            ));
        }
        notes
    }
}

fn violation(rule: &Rule, severity: Severity, node: &Node<'_>, hit: Hit) -> Violation {
    Violation {
        path: node.original_file_path.replace('\\', "/"),
        line: hit.line.and_then(|line| u32::try_from(line).ok()),
        column: None,
        code: rule.code.to_owned(),
        message: hit.message,
        severity,
        unique_id: Some(node.unique_id.to_string()),
        fixable: false,
    }
}

/// What a finding of the rule about the node weighs; `None` where it does not run.
fn severity(rule: &Rule, node: &Node<'_>, config: &LintConfig, dialect: Option<Dialect>) -> Option<Severity> {
    let Some(configured) = config.rules.get(rule.code) else { return Some(default_severity(rule, dialect)) };
    if fits(&configured.except, node) {
        return None;
    }
    let special = configured.overrides.iter().rev().find(|special| fits(&special.models, node));
    match special.map(|special| special.severity).or(configured.severity) {
        None => Some(default_severity(rule, dialect)),
        Some(LintSeverity::Error) => Some(Severity::Error),
        Some(LintSeverity::Warn) => Some(Severity::Warning),
        Some(LintSeverity::Notice) => Some(Severity::Notice),
        Some(LintSeverity::Off) => None,
    }
}

/// Whether a node is among some models: by folder, tag or name.
fn fits(some: &Where, node: &Node<'_>) -> bool {
    let path = node.original_file_path.replace('\\', "/");
    let glob = |pattern: &str, text: &str| glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(text));
    let in_folder = |folder: &String| {
        let folder = folder.trim_end_matches('/');
        path.starts_with(&format!("{folder}/")) || glob(&format!("{folder}/*"), &path)
    };
    some.folders.iter().any(in_folder)
        || some.tags.iter().any(|tag| node.tags.iter().any(|own| own == tag))
        || some.names.iter().any(|name| glob(name, &node.name))
}
