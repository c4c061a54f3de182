//! Findings as a list for other tools: what every command's SARIF and annotations are made of.

use super::concluded::Report;
use super::finding::{Finding, Location, RuleId};
use super::gather::lint_finding;
use crate::lint::LintResults;

/// What a command found, and what it could not look at.
#[derive(Debug, Clone, Default)]
pub struct FindingList {
    /// What is wrong or worth saying.
    pub findings: Vec<Finding>,
    /// What should have been checked but was not.
    pub missing: Vec<Missing>,
    /// The project's folder in the repository, with `/`; empty at the top. Tools read paths from the repository's root.
    pub folder: String,
}

/// Something that should have been checked and was not.
#[derive(Debug, Clone)]
pub struct Missing {
    /// Where it is, if it is a file.
    pub location: Option<Location>,
    /// What and why.
    pub message: String,
}

impl FindingList {
    /// A report's problems, worst first.
    #[must_use]
    pub fn of_report(report: &Report) -> Self {
        let missing = report.not_checked.iter().map(|item| Missing {
            location: None,
            message: format!("{} was not checked: {}", item.subject, item.reason),
        });
        Self {
            findings: report.problems(),
            missing: missing.collect(),
            folder: report.facts.project_folder.clone().unwrap_or_default(),
        }
    }

    /// What lint found, by path and line, in the project at `folder`.
    #[must_use]
    pub fn of_lint(outcome: &LintResults, folder: &str) -> Self {
        let missing = outcome.not_linted.iter().filter(|file| !file.on_purpose);
        let missing = missing.map(|file| Missing {
            location: Some(Location::file(&file.path)),
            message: format!("not linted: {}", file.reason),
        });
        Self {
            findings: outcome.violations.iter().cloned().map(lint_finding).collect(),
            missing: missing.collect(),
            folder: folder.to_owned(),
        }
    }

    /// The path of a place from the repository's root; `None` where it leads out of it.
    pub(super) fn path(&self, location: &Location) -> Option<String> {
        if !location.is_inside() {
            return None;
        }
        let folder = self.folder.trim_matches('/');
        let path = if folder.is_empty() || folder == "." {
            location.path.clone()
        } else {
            format!("{folder}/{}", location.path)
        };
        Location::file(&path).is_inside().then_some(path)
    }
}

/// What a tool shows as a finding's rule: a linter's code stands for itself.
pub(super) fn title(rule: &RuleId) -> String {
    match rule {
        RuleId::Own(_) => format!("premerge {rule}"),
        RuleId::Lint(_) => rule.to_string(),
    }
}
