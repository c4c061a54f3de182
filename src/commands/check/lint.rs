//! The lint part of the job: rules run, results filled into the draft.

use super::settings::Settings;
use crate::artifacts::Manifest;
use crate::commands::lint::{options, project_rules};
use crate::commands::{CommandError, Io};
use crate::config::StyleSwitch;
use crate::lint::{NotLinted, Outcome, Severity as Weight, StyleOptions, Violation, gather, style};
use crate::report::{Check, Draft, Finding, LeftOut, LintFacts, NotChecked, Place, RuleId, Severity};
use crate::text::words::count_of;

/// Most files that are named for one reason.
const NAMED: usize = 5;

/// Lints what the pull request changes and fills the draft.
pub(super) fn lint(
    draft: &mut Draft,
    settings: &Settings,
    state: &Manifest<'_>,
    pr: &Manifest<'_>,
    io: &Io<'_>,
) -> Result<(), CommandError> {
    let config = &settings.lint;
    let scope = config.scope.unwrap_or_default();
    let mut outcome = Outcome::default();
    if config.style == StyleSwitch::Never {
        outcome.style_off = Some("`lint.style` of premerge.yml says never".to_owned());
    } else {
        let gathered = gather(pr, Some(state), &settings.project_dir, scope);
        outcome.not_linted.extend(gathered.not_linted);
        outcome.notes.extend(gathered.notes);
        let options = StyleOptions {
            adapter: pr.metadata.adapter_type.as_deref().map(str::to_owned),
            ..options(config, &settings.project_dir, io)
        };
        outcome.add(style(gathered.files, &options).0);
    }
    outcome.add(project_rules(pr, Some(state), config, scope, &settings.project_dir, None)?);
    fill(draft, outcome);
    Ok(())
}

fn fill(draft: &mut Draft, outcome: Outcome) {
    draft.checks.lint = check(&outcome);
    for (subject, reason, on_purpose) in not_linted(&outcome.not_linted) {
        if on_purpose {
            draft.left_out.push(LeftOut { subject, unique_id: None, reason });
        } else {
            draft.not_checked.push(NotChecked { subject, unique_id: None, reason });
        }
    }
    let mut notes = outcome.notes;
    notes.extend(outcome.style_off.map(|reason| format!("style rules did not run: {reason}")));
    draft.lint = Some(LintFacts {
        new: outcome.violations.len() as u64,
        fixed: outcome.fixed,
        known: outcome.known,
        files: outcome.files,
        notes,
    });
    draft.findings.extend(outcome.violations.into_iter().filter_map(finding));
}

/// Files of one reason are counted where naming each would fill the report: (subject, reason, on purpose).
fn not_linted(files: &[NotLinted]) -> Vec<(String, String, bool)> {
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
        said.extend(subjects.into_iter().map(|subject| (subject, reason.to_owned(), on_purpose)));
    }
    said
}

/// How lint ended. A file that could not be linted is named under `not checked`.
fn check(outcome: &Outcome) -> Check {
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

fn finding(violation: Violation) -> Option<Finding> {
    let severity = match violation.severity {
        Weight::Error => Severity::Error,
        Weight::Warning => Severity::Warning,
        Weight::Notice => Severity::Notice,
    };
    let rule = RuleId::foreign(violation.code).ok()?;
    let place = match violation.line {
        Some(line) => Place::line(violation.path, line),
        None => Place::file(violation.path),
    };
    let finding = Finding::at(severity, rule, place, violation.message);
    Some(match violation.unique_id {
        Some(unique_id) => finding.with_node(unique_id),
        None => finding,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{NodeOutcome, NodeStatus, Report, TestOutcome, TestStatus, Verdict};

    fn verdict(outcome: Outcome) -> (Verdict, Draft) {
        let mut draft = Draft {
            nodes: vec![NodeOutcome::new("model.a.b", "b", NodeStatus::Built)],
            tests: vec![TestOutcome::new("test.a.c", "c", TestStatus::Pass)],
            ..Draft::default()
        };
        draft.tally();
        fill(&mut draft, outcome);
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
        let outcome = Outcome { total: 6, not_linted: not_linted(&paths, false), ..Outcome::default() };
        let (verdict, draft) = verdict(outcome);
        assert_eq!(verdict, Verdict::Warned);
        let subjects: Vec<_> = draft.not_checked.iter().map(|entry| entry.subject.as_str()).collect();
        assert_eq!(subjects, ["lint of 6 files"]);
    }

    #[test]
    fn what_the_team_leaves_out_is_named_and_does_not_warn() {
        let outcome = Outcome { not_linted: not_linted(&["a"], true), ..Outcome::default() };
        let (left_out, draft) = verdict(outcome);
        assert_eq!(left_out, Verdict::Passed);
        assert_eq!(draft.left_out.len(), 1);
        let off =
            Outcome { style_off: Some("`lint.style` of premerge.yml says never".to_owned()), ..Outcome::default() };
        assert_eq!(verdict(off).0, Verdict::Passed);
    }
}
