//! Code quality, as GitLab reads it (docs.gitlab.com, "Code Quality", "Code Quality report format").

use std::collections::HashMap;
use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::finding::{Finding, RuleId, Severity};
use super::finding_list::FindingList;
use crate::text::escape;

/// Longest description, in characters.
const DESCRIPTION: usize = 1_000;

/// Where what has no file of its own is shown: GitLab drops an entry without a path, and every project has this file.
const PROJECT_FILE: &str = "dbt_project.yml";

/// One entry. GitLab demands all of these.
#[derive(Debug, Serialize)]
struct Entry {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Place,
}

#[derive(Debug, Serialize)]
struct Place {
    path: String,
    lines: Lines,
}

#[derive(Debug, Serialize)]
struct Lines {
    begin: u32,
}

/// Writes the findings, and what was not checked, as a JSON array.
///
/// # Errors
/// When `out` fails.
pub fn write(list: &FindingList, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &entries(list))?;
    writeln!(out)
}

fn entries(list: &FindingList) -> Vec<Entry> {
    let mut seen = HashMap::new();
    let findings = list.findings.iter().map(|finding| {
        let path = finding.location().and_then(|location| list.path(location));
        let line = finding.location().filter(|_| path.is_some()).and_then(|location| location.line);
        let node = finding.unique_id().map(|id| id.as_str());
        let subject = match (finding.rule(), node) {
            (RuleId::Own(_), Some(id)) => format!("{id}: "),
            (RuleId::Own(_) | RuleId::Lint(_), _) => String::new(),
        };
        let severity = match finding.severity() {
            Severity::Error => "blocker",
            Severity::Warning => "major",
            Severity::Notice => "info",
        };
        (finding.rule().as_str(), path, line, severity, format!("{subject}{}", finding.message()), identity(finding))
    });
    let missing = list.missing.iter().map(|missing| {
        let path = missing.location.as_ref().and_then(|location| list.path(location));
        ("not-checked", path, None, "major", missing.message.clone(), missing.message.clone())
    });
    let mut entry =
        |(rule, path, line, severity, message, identity): (&str, Option<String>, Option<u32>, _, String, String)| {
            let path = path.unwrap_or_else(|| project_file(list));
            Entry {
                fingerprint: fingerprint([rule, &path, &identity], &mut seen),
                // GitLab demands one.
                description: if message.trim().is_empty() { rule.to_owned() } else { description(&message) },
                check_name: rule.to_owned(),
                severity,
                location: Place { path, lines: Lines { begin: line.unwrap_or(1).max(1) } },
            }
        };
    findings.map(&mut entry).collect::<Vec<_>>().into_iter().chain(missing.map(entry)).collect()
}

fn description(message: &str) -> String {
    escape::cut(&escape::visible(message), DESCRIPTION)
}

fn project_file(list: &FindingList) -> String {
    let in_project = super::finding::Location::file(PROJECT_FILE);
    list.path(&in_project).unwrap_or_else(|| PROJECT_FILE.to_owned())
}

/// What of a finding stays the same from run to run: not its line, and of a node's not the counts in its message.
fn identity(finding: &Finding) -> String {
    match (finding.rule(), finding.unique_id()) {
        (RuleId::Own(_), Some(id)) => id.as_str().to_owned(),
        (RuleId::Own(_) | RuleId::Lint(_), _) => finding.message().to_owned(),
    }
}

/// GitLab drops the second of two entries with one fingerprint, so what is alike is numbered.
fn fingerprint(parts: [&str; 3], seen: &mut HashMap<String, usize>) -> String {
    let of = |text: &str| {
        Sha256::digest(text.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let first = of(&parts.join("\0"));
    let number = seen.entry(first.clone()).or_default();
    *number += 1;
    if *number == 1 { first } else { of(&format!("{first}\0{number}")) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::{Location, Missing, rules};

    fn of(findings: Vec<Finding>, missing: Vec<Missing>) -> Value {
        let mut out = Vec::new();
        write(&FindingList { findings, missing, folder: "dbt".to_owned() }, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    fn lint(line: u32, message: &str) -> Finding {
        Finding::at(Severity::Warning, RuleId::lint("LT01"), Location::line("models/a.sql", line), message)
    }

    #[test]
    fn a_finding_keeps_its_fingerprint_when_its_line_or_its_count_changes() {
        let failed = |count: &str| Finding::about(Severity::Error, rules::TEST_FAILED, "test.shop.t", count);
        let (before, after) =
            (of(vec![lint(3, "x"), failed("1 failure")], vec![]), of(vec![lint(9, "x"), failed("7 failures")], vec![]));
        for number in [0, 1] {
            assert_eq!(before[number]["fingerprint"], after[number]["fingerprint"]);
        }
        assert_ne!(before[0]["fingerprint"], of(vec![lint(3, "y")], vec![])[0]["fingerprint"]);
        assert_eq!(before[0]["location"], json!({"path": "dbt/models/a.sql", "lines": {"begin": 3}}));
        assert_eq!(before[1]["description"], "test.shop.t: 1 failure");
        assert_eq!(before[1]["severity"], "blocker");
    }

    #[test]
    fn what_is_alike_is_told_apart_and_nothing_lacks_a_path() {
        let outside = Finding::at(Severity::Notice, rules::STATE_OLD, Location::line("../../etc/passwd", 4), "x");
        let missing = Missing { location: None, message: "model b was not checked: Python".to_owned() };
        let all = of(vec![lint(3, "x"), lint(5, "x"), outside], vec![missing]);
        let all = all.as_array().unwrap();
        let prints: std::collections::BTreeSet<_> = all.iter().map(|entry| entry["fingerprint"].to_string()).collect();
        assert_eq!(prints.len(), 4, "{all:?}");
        for entry in &all[2..] {
            assert_eq!(entry["location"], json!({"path": "dbt/dbt_project.yml", "lines": {"begin": 1}}));
        }
        assert_eq!((&all[2]["severity"], &all[3]["check_name"]), (&json!("info"), &json!("not-checked")));
    }
}
