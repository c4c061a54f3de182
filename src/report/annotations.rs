//! Annotations: workflow commands of GitHub Actions, which the runner shows at the lines of a pull request's files.

use std::io::{self, Write};

use super::finding::{Finding, RuleId, Severity};
use super::finding_list::{FindingList, title};
use crate::text::escape;

/// Annotations of one level that the runner shows for a step (`_maxCountPerIssueType`, actions/runner).
pub const SHOWN: usize = 10;

/// Longest message, in characters.
const MESSAGE: usize = 2_000;

/// Writes each finding as one line, and what was not checked as warnings. `most`: of each level so many, and how many
/// more there are.
///
/// # Errors
/// When `log` fails. It must be the runner's own log, past any [`LogWriter`](crate::publish::LogWriter).
pub fn write(list: &FindingList, most: Option<usize>, log: &mut dyn Write) -> io::Result<()> {
    let levels = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Notice, "notice")];
    for (severity, command) in levels {
        let findings = list.findings.iter().filter(|finding| finding.severity() == severity);
        let mut lines: Vec<String> = findings.map(|finding| of_finding(command, list, finding)).collect();
        if severity == Severity::Warning {
            lines.extend(list.missing.iter().map(|missing| {
                let location = missing.location.as_ref().map(|location| format!("{location}: ")).unwrap_or_default();
                format!("::warning::{}", data(&format!("{location}{}", missing.message)))
            }));
        }
        let shown = most.unwrap_or(lines.len()).min(lines.len());
        for line in lines.iter().take(shown) {
            writeln!(log, "{line}")?;
        }
        if lines.len() > shown {
            writeln!(log, "and {} more of level {command}: see the report", lines.len() - shown)?;
        }
    }
    Ok(())
}

fn of_finding(command: &str, list: &FindingList, finding: &Finding) -> String {
    let mut properties = Vec::new();
    if let Some((location, path)) = finding.location().and_then(|location| Some((location, list.path(location)?))) {
        properties.push(format!("file={}", escape::command_property(&path)));
        properties.extend(location.line.map(|line| format!("line={line}")));
    }
    properties.push(format!("title={}", escape::command_property(&title(finding.rule()))));
    let subject = match finding.rule() {
        RuleId::Own(_) => finding.unique_id().map(|id| format!("{id}: ")).unwrap_or_default(),
        RuleId::Lint(_) => String::new(),
    };
    format!("::{command} {}::{}", properties.join(","), data(&format!("{subject}{}", finding.message())))
}

fn data(text: &str) -> String {
    escape::command_data(&escape::cut(text, MESSAGE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Location, rules};

    fn lines_of(findings: Vec<Finding>, folder: &str) -> Vec<String> {
        let mut out = Vec::new();
        let list = FindingList { findings, folder: folder.to_owned(), ..FindingList::default() };
        write(&list, Some(SHOWN), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    fn finding(path: &str, message: &str) -> Finding {
        Finding::at(Severity::Error, rules::MANIFEST_PARTIAL, Location::line(path, 3), message)
    }

    #[test]
    fn an_annotation_points_into_the_repository() {
        assert_eq!(
            lines_of(vec![finding("models/a.sql", "wrong: 50%")], "dbt/shop"),
            ["::error file=dbt/shop/models/a.sql,line=3,title=premerge manifest-partial::wrong: 50%25"]
        );
    }

    #[test]
    fn data_can_neither_end_an_annotation_nor_begin_another() {
        let hostile = "a,line=9::x\r\n::warning::y ##[error]z";
        let lines = lines_of(vec![finding(hostile, hostile)], "");
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(!lines[0].contains("##["), "{lines:?}");
        assert!(lines[0].starts_with("::error file=a%2Cline=9%3A%3Ax%0D%0A%3A%3Awarning"), "{lines:?}");
    }

    #[test]
    fn a_path_outside_the_repository_is_not_named() {
        let lines = lines_of(vec![finding("../../etc/passwd", "x")], "");
        assert_eq!(lines, ["::error title=premerge manifest-partial::x"]);
    }

    #[test]
    fn ten_of_a_level_are_shown_and_the_rest_counted() {
        let lines = lines_of((0..23).map(|number| finding(&format!("m{number}.sql"), "x")).collect(), "");
        assert_eq!(lines.len(), 11);
        assert_eq!(lines[10], "and 13 more of level error: see the report");
    }
}
