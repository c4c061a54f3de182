//! Every rule on every model, with the team's severities and exceptions, against production.

use std::collections::HashMap;

use super::model::{Model, Project};
use super::{ALL, Hit, Rule};
use crate::artifacts::{Manifest, Node};
use crate::config::{LintConfig, LintScope, LintSeverity, Where};
use crate::lint::finding::{Outcome, Severity, Violation};

/// Runs the project rules over the project's own models.
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
) -> Result<Outcome, String> {
    for code in config.rules.keys() {
        if !ALL.iter().any(|rule| rule.code == code) {
            return Err(format!("`lint.rules` names `{code}`, which is no rule; docs/rules.md lists them"));
        }
    }
    let mut found = findings(pr, config);
    let mut outcome = Outcome::default();
    if let Some(state) = state.filter(|_| scope != LintScope::All) {
        let mut known: HashMap<(String, Option<String>, String), u64> = HashMap::new();
        for finding in findings(state, config) {
            *known.entry(key(&finding)).or_default() += 1;
        }
        found.retain(|finding| match known.get_mut(&key(finding)) {
            Some(count) if *count > 0 => {
                *count -= 1;
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

fn findings(manifest: &Manifest<'_>, config: &LintConfig) -> Vec<Violation> {
    let project = Project::new(manifest, config.layers.as_deref());
    let mut found = Vec::new();
    for node in project.models() {
        let rules: Vec<(&Rule, Severity)> =
            ALL.iter().filter_map(|rule| Some((rule, severity(rule, node, config)?))).collect();
        if rules.is_empty() {
            continue;
        }
        let model = Model::new(&project, node);
        for (rule, severity) in rules {
            found.extend((rule.check)(&model).into_iter().map(|hit| violation(rule, severity, node, hit)));
        }
    }
    found
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
fn severity(rule: &Rule, node: &Node<'_>, config: &LintConfig) -> Option<Severity> {
    let Some(configured) = config.rules.get(rule.code) else { return Some(rule.severity) };
    if fits(&configured.except, node) {
        return None;
    }
    let special = configured.overrides.iter().rev().find(|special| fits(&special.models, node));
    match special.map(|special| special.severity).or(configured.severity) {
        None => Some(rule.severity),
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
