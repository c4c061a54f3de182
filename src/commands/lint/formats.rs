//! What `premerge lint` writes: pure functions of an outcome and a writer.

use std::io::{self, Write};

use serde_json::json;

use super::args::LintFormat;
use crate::commands::Io;
use crate::lint::{LintDocument, NotLinted, Outcome, Severity, Violation, rules};
use crate::text::{escape, words};

/// Longest message of an annotation, in characters.
const ANNOTATION: usize = 2_000;

impl LintFormat {
    /// Writes the outcome; what a forge reads has paths from the repository's root, where the project is in `folder`.
    pub(super) fn write(self, outcome: &Outcome, folder: &str, io: &mut Io<'_>) -> io::Result<()> {
        match self {
            Self::Text => text(outcome, io.out),
            Self::Json => document(&LintDocument::new(outcome.clone()), io.out),
            Self::Sarif => document(&sarif(outcome, folder), io.out),
            // Workflow commands go to the runner itself.
            Self::Annotations => annotations(outcome, folder, io.log),
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

fn text(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
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

/// SARIF 2.1.0 with the members that GitHub's code scanning reads.
fn sarif(outcome: &Outcome, folder: &str) -> serde_json::Value {
    let level = |severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Notice => "note",
    };
    let mut codes: Vec<&str> = outcome.violations.iter().map(|violation| violation.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    let rule = |code: &&str| match rules::help_uri(code) {
        Some(uri) => json!({"id": code, "helpUri": uri}),
        None => json!({"id": code}),
    };
    let rules: Vec<_> = codes.iter().map(rule).collect();
    let results: Vec<_> = outcome
        .violations
        .iter()
        .map(|violation| {
            let region =
                json!({"startLine": violation.line.unwrap_or(1), "startColumn": violation.column.unwrap_or(1)});
            json!({
                "ruleId": violation.code,
                "level": level(violation.severity),
                "message": {"text": violation.message},
                "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(&below(folder, &violation.path))}, "region": region}}],
            })
        })
        .collect();
    let missing: Vec<_> = outcome
        .not_linted
        .iter()
        .filter(|file| !file.on_purpose)
        .map(|file| {
            json!({
                "level": "warning",
                "message": {"text": format!("not linted: {}", file.reason)},
                "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(&below(folder, &file.path))}}}],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "premerge", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": results,
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": missing.is_empty(), "toolExecutionNotifications": missing}],
        }],
    })
}

/// A path below the project as one below the repository.
fn below(folder: &str, path: &str) -> String {
    if folder.is_empty() || path.starts_with('/') { path.to_owned() } else { format!("{folder}/{path}") }
}

/// A path as a relative URI reference (RFC 3986): what is not allowed in a path is escaped.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

fn annotations(outcome: &Outcome, folder: &str, out: &mut dyn Write) -> io::Result<()> {
    for violation in &outcome.violations {
        let line = violation.line.map(|line| format!(",line={line}")).unwrap_or_default();
        let path = escape::command_property(&below(folder, &violation.path));
        let code = escape::command_property(&violation.code);
        let message = escape::command_data(&escape::cut(&violation.message, ANNOTATION));
        writeln!(out, "::{} file={path}{line},title={code}::{message}", word(violation.severity))?;
    }
    for NotLinted { path, reason, .. } in outcome.not_linted.iter().filter(|file| !file.on_purpose) {
        let text = escape::cut(&format!("{path}: not linted: {reason}"), ANNOTATION);
        writeln!(out, "::warning::{}", escape::command_data(&text))?;
    }
    Ok(())
}
