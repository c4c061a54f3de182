//! What `premerge lint` writes: pure functions of an outcome and a writer.

use std::io::{self, Write};

use super::args::LintFormat;
use crate::commands::Io;
use crate::lint::{LintDocument, LintResults, NotLinted, Severity, Violation};
use crate::report::{FindingList, annotations, sarif};
use crate::text::{escape, words};

impl LintFormat {
    /// Writes the outcome; what a forge reads has paths from the repository's root, where the project is in `folder`.
    pub(super) fn write(self, outcome: &LintResults, folder: &str, io: &mut Io<'_>) -> io::Result<()> {
        match self {
            Self::Text => text(outcome, io.out),
            Self::Json => document(&LintDocument::new(outcome.clone()), io.out),
            Self::Sarif => sarif::write(&FindingList::of_lint(outcome, folder), io.out),
            // Workflow commands go to the runner itself. They are the whole answer, so none is left out.
            Self::Annotations => annotations::write(&FindingList::of_lint(outcome, folder), None, io.log),
        }
    }
}

fn document(value: &impl serde::Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Notice => "notice",
    }
}

fn text(outcome: &LintResults, out: &mut dyn Write) -> io::Result<()> {
    for violation in &outcome.violations {
        let Violation { path, code, message, .. } = violation;
        let line = violation.line.map(|line| format!(":{line}")).unwrap_or_default();
        let column = violation.column.map(|column| format!(":{column}")).unwrap_or_default();
        let shown = format!("{path}{line}{column}: {} {code} {message}", word(violation.severity));
        writeln!(out, "{}", escape::terminal(&shown, false))?;
    }
    for NotLinted { path, reason, .. } in &outcome.not_linted {
        writeln!(out, "{}", escape::terminal(&format!("{path}: not linted: {reason}"), false))?;
    }
    for note in &outcome.notes {
        writeln!(out, "{}", escape::terminal(&format!("note: {note}"), false))?;
    }
    if let Some(reason) = &outcome.style_off {
        writeln!(out, "note: style rules did not run: {reason}")?;
    }
    writeln!(
        out,
        "{} in {}; {} known and hidden, {} fixed",
        words::count_of(outcome.violations.len(), "finding"),
        words::count(outcome.files, "file"),
        outcome.known,
        outcome.fixed
    )
}
