//! What lint says.

use schemars::JsonSchema;
use serde::Serialize;

/// How much a lint finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Shuts the gate.
    Error,
    /// Someone should review it.
    Warning,
    /// A note.
    Notice,
}

/// One finding, on the author's line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Violation {
    /// Path below the project, with `/`.
    pub path: String,
    /// From 1; `None` for a finding about the whole model.
    pub line: Option<u32>,
    /// In characters, from 1.
    pub column: Option<u32>,
    /// sqlfluff's code (`LT01`) or one of ours (`PM001`).
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// How much it weighs.
    pub severity: Severity,
    /// The node, where a manifest is there.
    pub unique_id: Option<String>,
    /// Whether `premerge lint --fix` can fix it.
    pub fixable: bool,
}

/// A file that should have been linted and was not, or not with every rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct NotLinted {
    /// Path below the project, with `/`.
    pub path: String,
    /// The node, where a manifest is there.
    pub unique_id: Option<String>,
    /// Why, for people.
    pub reason: String,
    /// The team's own configuration leaves it out, so nothing is missing.
    pub on_purpose: bool,
}

/// A file that `--fix` changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedFile {
    /// Path below the project, with `/`.
    pub path: String,
    /// Its text as it was linted: only a file that still has it may be written.
    pub source: String,
    /// Its text with the fixes, with `\n` line ends.
    pub text: String,
}

/// What lint came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LintResults {
    /// The findings to show, by path and line.
    pub violations: Vec<Violation>,
    /// How many findings production has too; hidden.
    pub known: u64,
    /// How many of production's findings are gone.
    pub fixed: u64,
    /// Files that style rules checked.
    pub files: u64,
    /// Files that they should have looked at.
    pub total: u64,
    /// What was not linted.
    pub not_linted: Vec<NotLinted>,
    /// What is worth saying once: unsupported settings, text that was not rendered.
    pub notes: Vec<String>,
    /// Why the style rules did not run at all.
    pub style_off: Option<String>,
}

impl LintResults {
    /// Adds another part's result.
    pub fn add(&mut self, other: Self) {
        self.violations.extend(other.violations);
        self.violations.sort();
        self.known += other.known;
        self.fixed += other.fixed;
        self.files += other.files;
        self.total += other.total;
        self.not_linted.extend(other.not_linted);
        self.notes.extend(other.notes);
        self.style_off = self.style_off.take().or(other.style_off);
    }

    /// Takes back what was said about a file, which is not linted after all.
    pub fn withdraw(&mut self, path: &str, reason: String) {
        let unique_id = self.violations.iter().find(|violation| violation.path == path);
        let unique_id = unique_id.and_then(|violation| violation.unique_id.clone());
        self.violations.retain(|violation| violation.path != path);
        self.files = self.files.saturating_sub(1);
        self.not_linted.push(NotLinted { path: path.to_owned(), unique_id, reason, on_purpose: false });
    }

    /// How many findings weigh this much.
    #[must_use]
    pub fn count(&self, severity: Severity) -> u64 {
        self.violations.iter().filter(|violation| violation.severity == severity).fold(0, |sum, _| sum + 1)
    }
}

/// What `premerge lint --format json` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LintDocument {
    schema_version: u32,
    #[serde(flatten)]
    outcome: LintResults,
}

impl LintDocument {
    /// The document of an outcome.
    #[must_use]
    pub fn new(outcome: LintResults) -> Self {
        Self { schema_version: 1, outcome }
    }
}
