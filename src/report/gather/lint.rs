//! What lint found.

use crate::lint::{LintResults, NotLinted, Severity as Weight, Violation};
use crate::report::{Check, Draft, Finding, LeftOut, LintFacts, Location, NotChecked, RuleId, Severity};
use crate::text::words::count_of;

/// Most files that are named for one reason.
const NAMED: usize = 5;

impl Draft {
    /// Adds what lint found, and what it did not look at.
    pub fn add_lint(&mut self, outcome: LintResults) {
        self.checks.lint = check(&outcome);
        for Unlinted { subject, reason, on_purpose } in unlinted(&outcome.not_linted) {
            if on_purpose {
                self.left_out.push(LeftOut { subject, unique_id: None, kind: None, count: None, reason });
            } else {
                self.not_checked.push(NotChecked { subject, unique_id: None, reason });
            }
        }
        self.notes.extend(outcome.style_off.map(|reason| format!("style rules did not run: {reason}")));
        self.lint = Some(LintFacts {
            new: outcome.violations.len() as u64,
            fixed: outcome.fixed,
            known: outcome.known,
            files: outcome.files,
            notes: outcome.notes,
        });
        self.findings.extend(outcome.violations.into_iter().map(lint_finding));
    }
}

/// What the report says of files that were not linted.
struct Unlinted {
    /// One file, or how many.
    subject: String,
    reason: String,
    /// The team leaves them out; otherwise they should have been linted.
    on_purpose: bool,
}

/// Files of one reason are counted where naming each would fill the report.
fn unlinted(files: &[NotLinted]) -> Vec<Unlinted> {
    let mut reasons: Vec<(&str, bool)> = files.iter().map(|file| (file.reason.as_str(), file.on_purpose)).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let mut said = Vec::new();
    for (reason, on_purpose) in reasons {
        let of_reason: Vec<_> =
            files.iter().filter(|file| file.reason == reason && file.on_purpose == on_purpose).collect();
        let subjects = if of_reason.len() > NAMED {
            vec![format!("lint of {}", count_of(of_reason.len(), "file"))]
        } else {
            of_reason.iter().map(|file| format!("lint of {}", file.path)).collect()
        };
        said.extend(subjects.into_iter().map(|subject| Unlinted { subject, reason: reason.to_owned(), on_purpose }));
    }
    said
}

/// How lint ended. A file that could not be linted is named under `not checked`.
fn check(outcome: &LintResults) -> Check {
    if outcome.total > 0 && outcome.files == 0 {
        let first = outcome.not_linted.iter().find(|file| !file.on_purpose);
        let reason = first.map(|file| file.reason.clone()).or(outcome.style_off.clone());
        return Check::not_checked(reason.unwrap_or_else(|| "no file could be linted".to_owned())).optional();
    }

    let (failed, warned) = (outcome.count(Weight::Error), outcome.count(Weight::Warning));
    let summary = match (outcome.violations.len(), outcome.fixed) {
        (0, 0) => "nothing new".to_owned(),
        (0, fixed) => format!("{fixed} fixed"),
        (new, 0) => format!("{new} new"),
        (new, fixed) => format!("{new} new, {fixed} fixed"),
    };
    Check::ran(outcome.files, outcome.files, failed, warned).optional().with_summary(summary)
}

/// One finding model for all: what lint calls a violation.
pub(in crate::report) fn lint_finding(violation: Violation) -> Finding {
    let severity = match violation.severity {
        Weight::Error => Severity::Error,
        Weight::Warning => Severity::Warning,
        Weight::Notice => Severity::Notice,
    };
    let location = Location { line: violation.line, column: violation.column, ..Location::file(violation.path) };
    let finding = Finding::at(severity, RuleId::lint(&violation.code), location, violation.message);
    let finding = finding.fixable(violation.fixable);
    match violation.unique_id {
        Some(unique_id) => finding.with_node(unique_id),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{NodeOutcome, NodeStatus, Report, TestOutcome, TestStatus, Verdict};

    fn verdict(outcome: LintResults) -> (Verdict, Draft) {
        let mut draft = Draft {
            nodes: vec![NodeOutcome::new("model.a.b", "b", NodeStatus::Built)],
            tests: vec![TestOutcome::new("test.a.c", "c", TestStatus::Pass)],
            ..Draft::default()
        };
        draft.tally();
        draft.add_lint(outcome);
        (Report::conclude(draft.clone()).verdict(), draft)
    }

    fn not_linted(paths: &[&str], on_purpose: bool) -> Vec<NotLinted> {
        let file = |path: &&str| NotLinted {
            path: (*path).to_owned(),
            unique_id: None,
            reason: "it took longer than 30 s".to_owned(),
            on_purpose,
        };
        paths.iter().map(file).collect()
    }

    #[test]
    fn files_that_could_not_be_linted_keep_a_check_from_being_green() {
        let paths = ["a", "b", "c", "d", "e", "f"];
        let outcome = LintResults { total: 6, not_linted: not_linted(&paths, false), ..LintResults::default() };
        let (verdict, draft) = verdict(outcome);
        assert_eq!(verdict, Verdict::Warned);
        let subjects: Vec<_> = draft.not_checked.iter().map(|entry| entry.subject.as_str()).collect();
        assert_eq!(subjects, ["lint of 6 files"]);
    }

    #[test]
    fn what_the_team_leaves_out_is_named_and_does_not_warn() {
        let outcome = LintResults { not_linted: not_linted(&["a"], true), ..LintResults::default() };
        let (left_out, draft) = verdict(outcome);
        assert_eq!(left_out, Verdict::Passed);
        assert_eq!(draft.left_out.len(), 1);
        let off = LintResults {
            style_off: Some("`lint.style` in premerge.yml is `never`".to_owned()),
            ..LintResults::default()
        };
        assert_eq!(verdict(off).0, Verdict::Passed);
    }

    /// `ok()?` once dropped a finding whose code is not one of ours, and with it the shut gate.
    #[test]
    fn a_finding_of_any_code_is_kept() {
        let violation = |code: &str| Violation {
            path: "models/a.sql".into(),
            line: Some(1),
            column: None,
            code: code.into(),
            message: "wrong".into(),
            severity: Weight::Error,
            unique_id: None,
            fixable: false,
        };
        let outcome = LintResults {
            total: 1,
            files: 1,
            violations: vec![violation("a rule of ours"), violation("my_L001")],
            ..LintResults::default()
        };
        let (verdict, draft) = verdict(outcome);
        assert_eq!(verdict, Verdict::Failed);
        let rules: Vec<_> = draft.findings.iter().map(|finding| finding.rule().to_string()).collect();
        assert_eq!(rules, ["a_rule_of_ours", "my_L001"]);
        assert!(draft.findings.iter().all(|finding| matches!(finding.rule(), RuleId::Lint(_))));
    }
}
