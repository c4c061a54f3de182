//! One thing wrong or worth saying.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Shuts the gate.
    Error,
    /// Wants a person's look.
    Warning,
    /// Worth knowing; changes no verdict.
    Notice,
}

/// The stable code of the rule that a finding comes from, such as `build-failed`.
///
/// Codes are public API: users name them in configuration and search for them in the documentation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct RuleId(Cow<'static, str>);

impl RuleId {
    /// A rule of premerge's own, known when premerge is compiled.
    #[must_use]
    pub const fn known(code: &'static str) -> Self {
        Self(Cow::Borrowed(code))
    }

    /// A rule of another tool (a linter's code), refused unless it is short and harmless in every output.
    ///
    /// # Errors
    /// When `code` is empty, longer than 64 characters, or has a character other than an ASCII letter,
    /// a digit, `-`, `_`, `.` or `/`.
    pub fn foreign(code: impl Into<String>) -> Result<Self, InvalidFinding> {
        let code = code.into();
        let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        if code.is_empty() || code.len() > 64 || !code.chars().all(harmless) {
            return Err(InvalidFinding::Rule);
        }
        Ok(Self(Cow::Owned(code)))
    }

    /// Whether it is a linter's code: those are capitals and digits (`LT01`, `PM001`, `PRS`), premerge's own
    /// are words in small letters.
    #[must_use]
    pub fn is_lint(&self) -> bool {
        self.0.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RuleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for RuleId {
    type Error = InvalidFinding;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::foreign(code)
    }
}

impl From<RuleId> for String {
    fn from(rule: RuleId) -> Self {
        rule.0.into_owned()
    }
}

/// The codes of premerge's own rules.
pub mod rules {
    use super::RuleId;

    /// The warehouse refused to build a node.
    pub const BUILD_FAILED: RuleId = RuleId::known("build-failed");
    /// A data test found more failures than it allows.
    pub const TEST_FAILED: RuleId = RuleId::known("test-failed");
    /// A data test found failures, and its severity is `warn`.
    pub const TEST_WARNED: RuleId = RuleId::known("test-warned");
    /// A data test could not be run: the warehouse refused its SQL.
    pub const TEST_ERROR: RuleId = RuleId::known("test-error");
    /// What a built relation has differs from the contract that its model declares.
    pub const CONTRACT_BROKEN: RuleId = RuleId::known("contract-broken");
    /// A model's contract changes in a way that can break who relies on it. dbt calls that an error for a version of
    /// a model, a warning otherwise.
    pub const CONTRACT_BREAKING_CHANGE: RuleId = RuleId::known("contract-breaking-change");
    /// dbt could not tell whether a seed changed.
    pub const SEED_NOT_COMPARED: RuleId = RuleId::known("seed-not-compared");
    /// A manifest lacks something that a check needs, such as compiled SQL.
    pub const MANIFEST_PARTIAL: RuleId = RuleId::known("manifest-partial");
    /// The production manifest, or the commit it was made of, is older than the configured age.
    pub const STATE_OLD: RuleId = RuleId::known("state-old");
    /// The pull request changes what decides whether it passes: premerge.yml, sqlfluff's settings, a `noqa` of a whole file.
    pub const GATE_CHANGED: RuleId = RuleId::known("gate-changed");
    /// A node that others changed, and that the pull request's change reads, cannot be built.
    pub const NOT_YOURS_FAILED: RuleId = RuleId::known("not-yours-failed");
    /// The engine or the profile lacks something that the project may use.
    pub const WAREHOUSE_LIMIT: RuleId = RuleId::known("warehouse-limit");
    /// A statement came through only when it was sent again after a fault of the warehouse.
    pub const STATEMENT_REPEATED: RuleId = RuleId::known("statement-repeated");
    /// The usual name of the temporary schema is another project's, so the run has one of its own.
    pub const OWN_SCHEMA: RuleId = RuleId::known("own-schema");
    /// Something in the temporary schema that was to be dropped is still there.
    pub const LEFT_BEHIND: RuleId = RuleId::known("left-behind");
    /// A node was removed or renamed, and something still refers to it.
    pub const REMOVED_IN_USE: RuleId = RuleId::known("removed-in-use");
}

/// A place in the project: a file, and a line where one is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Path below the project folder, with `/`.
    pub path: String,
    /// Line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

impl Place {
    /// A whole file.
    #[must_use]
    pub fn file(path: impl Into<String>) -> Self {
        Self { path: path.into().replace('\\', "/"), line: None }
    }

    /// A line of a file.
    #[must_use]
    pub fn line(path: impl Into<String>, line: u32) -> Self {
        Self { line: Some(line), ..Self::file(path) }
    }

    /// Whether the path stays below the folder it is relative to. Only then is it made a link or an annotation.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        let drive = self.path.chars().nth(1) == Some(':');
        !self.path.is_empty() && !self.path.starts_with('/') && !drive && self.path.split('/').all(|part| part != "..")
    }
}

impl std::fmt::Display for Place {
    /// `path:line`, raw: escape it for the target.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// One thing wrong or worth saying: what it is about is part of every finding.
///
/// It can only be made from a place or a node ([`Finding::at`], [`Finding::about`]), so every output may
/// rely on having something to point to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Unchecked")]
pub struct Finding {
    severity: Severity,
    rule: RuleId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unique_id: Option<String>,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// The warehouse's own words. They quote SQL and data, so they reach the terminal and no document.
    #[serde(skip)]
    #[schemars(skip)]
    detail: Option<String>,
}

impl Finding {
    /// A finding at a place in the project.
    ///
    /// `message` says what is wrong in names and counts; never in the warehouse's words (see [`Finding::detail`]).
    #[must_use]
    pub fn at(severity: Severity, rule: RuleId, place: Place, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { severity, rule, place: Some(place), unique_id: None, message, remedy: None, detail: None }
    }

    /// A finding about a node.
    #[must_use]
    pub fn about(severity: Severity, rule: RuleId, unique_id: impl Into<String>, message: impl Into<String>) -> Self {
        let (unique_id, message) = (unique_id.into(), message.into());
        Self { severity, rule, place: None, unique_id: Some(unique_id), message, remedy: None, detail: None }
    }

    /// Adds the place.
    #[must_use]
    pub fn with_place(mut self, place: Option<Place>) -> Self {
        self.place = place.or(self.place);
        self
    }

    /// Adds the node.
    #[must_use]
    pub fn with_node(mut self, unique_id: impl Into<String>) -> Self {
        self.unique_id = Some(unique_id.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds the warehouse's own words, for the terminal only.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// How much it weighs.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The rule it comes from.
    #[must_use]
    pub fn rule(&self) -> &RuleId {
        &self.rule
    }

    /// Where it is, if it has a place.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The node it is about, if it is about one.
    #[must_use]
    pub fn unique_id(&self) -> Option<&str> {
        self.unique_id.as_deref()
    }

    /// What is wrong, in names and counts.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref()
    }

    /// The warehouse's own words. Only the terminal may show them.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// What it points to: the place if there is one, the unique_id otherwise.
    #[must_use]
    pub fn subject(&self) -> String {
        match (&self.place, &self.unique_id) {
            (Some(place), _) => place.to_string(),
            (None, Some(unique_id)) => unique_id.clone(),
            (None, None) => unreachable!("a finding has a place or a unique_id: both constructors set one"),
        }
    }
}

/// A finding as it stands in a document, before it is known to point to something.
#[derive(Deserialize, JsonSchema)]
struct Unchecked {
    severity: Severity,
    rule: RuleId,
    place: Option<Place>,
    unique_id: Option<String>,
    message: String,
    remedy: Option<String>,
}

/// Why a document's finding was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFinding {
    /// It points to nothing.
    #[error("a finding needs a place or a unique_id")]
    Nowhere,
    /// Its rule is no rule code.
    #[error("a rule code has 1 to 64 ASCII letters, digits and - _ . /")]
    Rule,
}

impl TryFrom<Unchecked> for Finding {
    type Error = InvalidFinding;

    fn try_from(read: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { severity, rule, place, unique_id, message, remedy } = read;
        if place.is_none() && unique_id.is_none() {
            return Err(InvalidFinding::Nowhere);
        }
        Ok(Self { severity, rule, place, unique_id, message, remedy, detail: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_cannot_smuggle_in_a_finding_that_points_to_nothing() {
        let text = r#"{"severity":"error","rule":"build-failed","message":"x"}"#;
        let error = serde_json::from_str::<Finding>(text).unwrap_err().to_string();
        assert!(error.contains("a finding needs a place or a unique_id"), "{error}");
    }

    #[test]
    fn a_rule_code_from_a_document_is_harmless() {
        for bad in ["", "a b", "a|b", "<b>", "x\u{202e}", &"a".repeat(65)] {
            assert!(RuleId::foreign(bad).is_err(), "{bad}");
        }
        assert_eq!(RuleId::foreign("AM04").unwrap().as_str(), "AM04");
    }

    #[test]
    fn the_warehouse_s_words_are_in_no_document() {
        let finding = Finding::about(Severity::Error, rules::BUILD_FAILED, "model.a.b", "refused")
            .with_detail("Key (email)=(jane@example.com) already exists");
        assert!(!serde_json::to_string(&finding).unwrap().contains("jane"));
    }

    #[test]
    fn a_place_outside_the_project_is_seen() {
        for outside in ["/etc/passwd", "../x.sql", "models/../../x", "C:/x", r"..\x", ""] {
            assert!(!Place::file(outside).is_inside(), "{outside}");
        }
        assert!(Place::line("models/a.sql", 3).is_inside());
    }
}
