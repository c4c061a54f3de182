//! SARIF 2.1.0, with the members that GitHub's code scanning reads.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::finding::{Finding, Location, Severity};
use super::finding_list::FindingList;
use crate::lint::rules;
use crate::text::escape;

/// Most results: code scanning refuses a file with more (docs.github.com, "SARIF results file is too large").
const RESULTS: usize = 25_000;

/// Longest message, in characters.
const MESSAGE: usize = 1_000;

/// Writes the findings, and what was not checked as notifications of the tool.
///
/// # Errors
/// When `out` fails.
pub fn write(list: &FindingList, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &document(list))?;
    writeln!(out)
}

fn document(list: &FindingList) -> Value {
    let mut codes: Vec<&str> = list.findings.iter().map(|finding| finding.rule().as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    let rule = |code: &&str| match rules::help_uri(code) {
        Some(uri) => json!({"id": code, "helpUri": uri}),
        None => json!({"id": code}),
    };
    let mut notifications: Vec<Value> = list
        .missing
        .iter()
        .map(|missing| {
            let mut notification = json!({"level": "warning", "message": {"text": message(&missing.message)}});
            let file = missing.location.as_ref().and_then(|location| list.path(location));
            add(&mut notification, "locations", file.map(|path| json!([artifact(&path, None)])));
            notification
        })
        .collect();
    let cut = list.findings.len().saturating_sub(RESULTS);
    if cut > 0 {
        let text = format!("{cut} more findings are left out: code scanning accepts {RESULTS}");
        notifications.push(json!({"level": "warning", "message": {"text": text}}));
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "premerge",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": codes.iter().map(rule).collect::<Vec<_>>(),
            }},
            "results": list.findings.iter().take(RESULTS).map(|finding| result(list, finding)).collect::<Vec<_>>(),
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": list.missing.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
        }],
    })
}

fn result(list: &FindingList, finding: &Finding) -> Value {
    let level = match finding.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Notice => "note",
    };
    let mut result = json!({
        "ruleId": finding.rule().as_str(),
        "level": level,
        "message": {"text": message(finding.message())},
    });
    let file = finding.location().and_then(|location| Some((location, list.path(location)?)));
    let mut location = file.map(|(location, path)| artifact(&path, Some(location))).unwrap_or_else(|| json!({}));
    let node = finding.unique_id().map(|id| json!([{"fullyQualifiedName": escape::visible(id.as_str())}]));
    add(&mut location, "logicalLocations", node);
    add(&mut result, "locations", Some(json!([location])));
    add(&mut result, "properties", finding.is_fixable().then(|| json!({"fixable": true})));
    result
}

/// A file, and the place in it; without one the file as a whole.
fn artifact(path: &str, location: Option<&Location>) -> Value {
    let mut physical = json!({"artifactLocation": {"uri": uri(path)}});
    let region = location
        .map(|location| json!({"startLine": location.line.unwrap_or(1), "startColumn": location.column.unwrap_or(1)}));
    add(&mut physical, "region", region);
    json!({"physicalLocation": physical})
}

fn add(object: &mut Value, key: &str, value: Option<Value>) {
    if let (Some(map), Some(value)) = (object.as_object_mut(), value) {
        map.insert(key.to_owned(), value);
    }
}

/// A message as plain text: square brackets would be a link (SARIF 2.1.0, section 3.11.6).
fn message(text: &str) -> String {
    escape::cut(&escape::visible(text), MESSAGE).replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::rules as own;

    fn of(findings: Vec<Finding>) -> Value {
        let mut out = Vec::new();
        write(&FindingList { findings, folder: "dbt".to_owned(), ..FindingList::default() }, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_finding_about_a_node_has_its_name_and_one_at_a_place_its_line() {
        let location = Location { column: Some(7), ..Location::line("models/a.sql", 3) };
        let sarif = of(vec![
            Finding::at(Severity::Error, own::MANIFEST_PARTIAL, location, "x").fixable(true),
            Finding::about(Severity::Notice, own::STATE_OLD, "model.shop.a", "y"),
        ]);
        let results = &sarif["runs"][0]["results"];
        let physical = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(physical["artifactLocation"]["uri"], "dbt/models/a.sql");
        assert_eq!(physical["region"], json!({"startLine": 3, "startColumn": 7}));
        assert_eq!(results[0]["properties"]["fixable"], true);
        assert_eq!(results[1]["level"], "note");
        assert_eq!(results[1]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "model.shop.a");
    }

    #[test]
    fn a_message_is_no_link_and_a_path_leads_nowhere_else() {
        let hostile = "[click](https://evil.example) \u{202e}\n";
        let location = Location::line("../../etc/passwd", 1);
        let sarif = of(vec![Finding::at(Severity::Error, own::MANIFEST_PARTIAL, location, hostile)]);
        let result = &sarif["runs"][0]["results"][0];
        assert_eq!(result["message"]["text"], "\\[click\\](https://evil.example) \u{fffd} ");
        assert!(!result.to_string().contains("passwd"), "{result}");
    }
}
