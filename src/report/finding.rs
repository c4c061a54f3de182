//! One finding.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifacts::UniqueId;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Shuts the gate.
    Error,
    /// Someone should review it.
    Warning,
    /// A note; does not change the verdict.
    Notice,
}

impl Severity {
    /// Whether the pull request may not be merged for it.
    #[must_use]
    pub fn shuts_gate(self) -> bool {
        match self {
            Self::Error => true,
            Self::Warning | Self::Notice => false,
        }
    }
}

/// The rule that a finding comes from.
///
/// Codes are public API: users name them in configuration and search for them in the documentation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RuleId {
    /// A rule of the gate, one of [`rules`].
    Own(OwnRule),
    /// A rule of lint (`LT01`, `PM001`, `PRS`), one of sqlfluff's or a project rule.
    Lint(LintCode),
}

/// The code of one of [`rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnRule(&'static str);

/// A linter's code: 1 to 64 ASCII letters, digits and `-`, `_`, `.`, `/`, so that it is harmless in every output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LintCode(String);

/// Longest linter's code.
const LONGEST_CODE: usize = 64;

fn is_harmless(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')
}

impl RuleId {
    /// A linter's rule. No finding is lost for its code: what could do harm in some output becomes `_`.
    #[must_use]
    pub fn lint(code: &str) -> Self {
        let harmless = |c| if is_harmless(c) { c } else { '_' };
        let code: String = code.chars().take(LONGEST_CODE).map(harmless).collect();
        Self::Lint(LintCode(if code.is_empty() { "_".to_owned() } else { code }))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Own(OwnRule(code)) => code,
            Self::Lint(LintCode(code)) => code,
        }
    }
}

impl JsonSchema for RuleId {
    fn schema_name() -> Cow<'static, str> {
        "RuleId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The stable code of the rule that a finding comes from, such as `build-failed`.\n\nCodes are \
                            public API: users name them in configuration and search for them in the documentation.",
            "type": "string"
        })
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
        if let Some(own) = rules::ALL.iter().find(|own| own.as_str() == code) {
            return Ok(own.clone());
        }
        if code.is_empty() || code.len() > LONGEST_CODE || !code.chars().all(is_harmless) {
            return Err(InvalidFinding::Rule);
        }
        Ok(Self::Lint(LintCode(code)))
    }
}

impl From<RuleId> for String {
    fn from(rule: RuleId) -> Self {
        rule.as_str().to_owned()
    }
}

/// Declares the rules, and [`rules::ALL`] from the same list.
macro_rules! own_rules {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// premerge's own rules.
        pub mod rules {
            use super::{OwnRule, RuleId};

            $($(#[doc = $doc])+ pub const $name: RuleId = RuleId::Own(OwnRule($code));)+

            /// All of them.
            pub const ALL: &[RuleId] = &[$($name),+];
        }
    };
}

own_rules! {
    /// The warehouse refused to build a node.
    BUILD_FAILED = "build-failed",
    /// A data test found more failures than it allows.
    TEST_FAILED = "test-failed",
    /// A data test found failures, and its severity is `warn`.
    TEST_WARNED = "test-warned",
    /// A data test could not be run: the warehouse refused its SQL.
    TEST_ERROR = "test-error",
    /// What a built relation has differs from the contract that its model declares.
    CONTRACT_BROKEN = "contract-broken",
    /// A model's contract changes in a way that can break who relies on it. dbt calls that an error for a version of
    /// a model, a warning otherwise.
    CONTRACT_BREAKING_CHANGE = "contract-breaking-change",
    /// dbt could not tell whether a seed changed.
    SEED_NOT_COMPARED = "seed-not-compared",
    /// The pull request adds, changes or removes macros that decide whether a data test fails (`get_test_sql`,
    /// materialization `test`).
    TEST_MACROS_CHANGED = "test-macros-changed",
    /// The pull request removes or disables tests, or makes them find less.
    TESTS_WEAKENED = "tests-weakened",
    /// The pull request changes the SQL, the arguments or the `fail_calc` of a test that was there.
    TESTS_CHANGED = "tests-changed",
    /// A relation has far more or far fewer rows than in production.
    ROW_COUNT = "row-count",
    /// A snapshot's `unique_key` is not unique.
    SNAPSHOT_KEYS = "snapshot-keys",
    /// The rows of a relation could not be counted.
    ROWS_NOT_COUNTED = "rows-not-counted",
    /// A node is built in another way than dbt builds it in production.
    BUILT_DIFFERENTLY = "built-differently",
    /// A node that changed is not built, so its readers read production's relation.
    READS_PRODUCTION = "reads-production",
    /// A manifest lacks something that a check needs, such as compiled SQL.
    MANIFEST_PARTIAL = "manifest-partial",
    /// The production manifest, or the commit it was made of, is older than the configured age.
    STATE_OLD = "state-old",
    /// The pull request changes what decides whether it passes: premerge.yml, sqlfluff's settings, a `noqa` of a whole
    /// file.
    GATE_CHANGED = "gate-changed",
    /// A relation is called as premerge's own are.
    RESERVED_NAME = "reserved-name",
    /// A node that others changed, and that the pull request's change reads, cannot be built.
    NOT_YOURS_FAILED = "not-yours-failed",
    /// The engine or the profile lacks something that the project may use.
    WAREHOUSE_LIMIT = "warehouse-limit",
    /// A statement came through only when it was sent again after a fault of the warehouse.
    STATEMENT_REPEATED = "statement-repeated",
    /// The usual name of the temporary schema is another project's, so the run has one of its own.
    OWN_SCHEMA = "own-schema",
    /// Views were dropped at the end of the run, because production could not have changed what they read.
    VIEWS_DROPPED = "views-dropped",
    /// Relations of production were changed while the check read them.
    PRODUCTION_CHANGED = "production-changed",
    /// Something in the temporary schema that was to be dropped is still there.
    LEFT_BEHIND = "left-behind",
    /// A node was removed or renamed, and something still refers to it.
    REMOVED_IN_USE = "removed-in-use",
}

/// Where in the project: a file, and a line where one is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Location {
    /// Path below the project folder, with `/`.
    pub path: String,
    /// Line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

impl Location {
    /// A whole file.
    #[must_use]
    pub fn file(path: impl Into<String>) -> Self {
        Self { path: path.into().replace('\\', "/"), line: None, column: None }
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

impl std::fmt::Display for Location {
    /// `path:line`, raw: escape it for the target.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// One finding: what it is about is part of every finding.
///
/// It can only be made from a place or a node ([`Finding::at`], [`Finding::about`]), so every output may
/// rely on having something to point to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Unchecked")]
pub struct Finding {
    severity: Severity,
    rule: RuleId,
    #[serde(default, rename = "place", skip_serializing_if = "Option::is_none")]
    location: Option<Location>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unique_id: Option<UniqueId>,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    /// Whether `premerge lint --fix` can fix it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fixable: bool,
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
    pub fn at(severity: Severity, rule: RuleId, location: Location, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            severity,
            rule,
            location: Some(location),
            unique_id: None,
            message,
            remedy: None,
            fixable: false,
            detail: None,
        }
    }

    /// A finding about a node.
    #[must_use]
    pub fn about(severity: Severity, rule: RuleId, unique_id: impl Into<UniqueId>, message: impl Into<String>) -> Self {
        let (unique_id, message) = (unique_id.into(), message.into());
        Self {
            severity,
            rule,
            location: None,
            unique_id: Some(unique_id),
            message,
            remedy: None,
            fixable: false,
            detail: None,
        }
    }

    /// Adds the place.
    #[must_use]
    pub fn with_location(mut self, location: Option<Location>) -> Self {
        self.location = location.or(self.location);
        self
    }

    /// Adds the node.
    #[must_use]
    pub fn with_node(mut self, unique_id: impl Into<UniqueId>) -> Self {
        self.unique_id = Some(unique_id.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Says whether `premerge lint --fix` can fix it.
    #[must_use]
    pub fn fixable(mut self, fixable: bool) -> Self {
        self.fixable = fixable;
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
    pub fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }

    /// The node it is about, if it is about one.
    #[must_use]
    pub fn unique_id(&self) -> Option<&UniqueId> {
        self.unique_id.as_ref()
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

    /// Whether `premerge lint --fix` can fix it.
    #[must_use]
    pub fn is_fixable(&self) -> bool {
        self.fixable
    }

    /// The warehouse's own words. Only the terminal may show them.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// What it points to: the place if there is one, the unique_id otherwise.
    #[must_use]
    pub fn subject(&self) -> String {
        match (&self.location, &self.unique_id) {
            (Some(location), _) => location.to_string(),
            (None, Some(unique_id)) => unique_id.to_string(),
            (None, None) => unreachable!("a finding has a location or a unique_id: both constructors set one"),
        }
    }
}

/// A finding as it stands in a document, before it is known to point to something.
#[derive(Deserialize, JsonSchema)]
struct Unchecked {
    severity: Severity,
    rule: RuleId,
    #[serde(rename = "place")]
    location: Option<Location>,
    unique_id: Option<UniqueId>,
    message: String,
    remedy: Option<String>,
    #[serde(default)]
    fixable: bool,
}

/// Why a document's finding was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFinding {
    /// It points to nothing.
    #[error("a finding needs a location or a unique_id")]
    Nowhere,
    /// Its rule is not a rule code.
    #[error("a rule code has 1 to 64 ASCII letters, digits and - _ . /")]
    Rule,
}

impl TryFrom<Unchecked> for Finding {
    type Error = InvalidFinding;

    fn try_from(read: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { severity, rule, location, unique_id, message, remedy, fixable } = read;
        if location.is_none() && unique_id.is_none() {
            return Err(InvalidFinding::Nowhere);
        }
        Ok(Self { severity, rule, location, unique_id, message, remedy, fixable, detail: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_cannot_smuggle_in_a_finding_that_points_to_nothing() {
        let text = r#"{"severity":"error","rule":"build-failed","message":"x"}"#;
        let error = serde_json::from_str::<Finding>(text).unwrap_err().to_string();
        assert!(error.contains("a finding needs a location or a unique_id"), "{error}");
    }

    #[test]
    fn a_rule_code_from_a_document_is_harmless() {
        for bad in ["", "a b", "a|b", "<b>", "x\u{202e}", &"a".repeat(65)] {
            assert!(RuleId::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert_eq!(RuleId::try_from("AM04".to_owned()), Ok(RuleId::lint("AM04")));
        assert_eq!(RuleId::try_from("build-failed".to_owned()), Ok(rules::BUILD_FAILED));
    }

    #[test]
    fn no_linter_s_code_is_refused() {
        let codes = [("LT01", "LT01"), ("custom_L001", "custom_L001"), ("my rule|1", "my_rule_1"), ("", "_")];
        for (code, kept) in codes {
            assert_eq!(RuleId::lint(code).as_str(), kept);
            assert!(matches!(RuleId::lint(code), RuleId::Lint(_)));
        }
        assert_eq!(RuleId::lint(&"x".repeat(100)).as_str().len(), LONGEST_CODE);
        let codes: std::collections::BTreeSet<_> = rules::ALL.iter().map(RuleId::as_str).collect();
        assert_eq!(codes.len(), rules::ALL.len(), "every rule has a code of its own");
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
            assert!(!Location::file(outside).is_inside(), "{outside}");
        }
        assert!(Location::line("models/a.sql", 3).is_inside());
    }
}
