//! GitHub Actions: the job summary, the step's outputs, and annotations in the log.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::path::Path;

use crate::report::{Finding, Location, Report, Severity};
use crate::text::escape;

/// Largest summary of one step, in bytes. The runner drops the *whole* summary above 1,024 KiB
/// (actions/runner, `FileCommandManager.cs`), so we stay well below.
pub const SUMMARY_CAP: usize = 900 * 1024;

/// Annotations of one level that the runner shows for a step (`_maxCountPerIssueType`, actions/runner).
const ANNOTATIONS: usize = 10;

/// Appends Markdown to the step's summary, counting what earlier commands of the step wrote into it.
///
/// What does not fit is left out as a whole, since half a table shows as garbage; a short note stands in its place.
///
/// # Errors
/// When the file cannot be written.
pub fn append_summary(path: &Path, markdown: &str) -> io::Result<()> {
    let used = fs_err::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
    let note = "premerge's report does not fit into this summary: see `report.json`.";
    let left = SUMMARY_CAP.saturating_sub(used);
    let text = if markdown.len() < left { markdown } else { note };
    let mut file = fs_err::OpenOptions::new().append(true).create(true).open(path)?;
    if text.len() < left { writeln!(file, "{text}") } else { Ok(()) }
}

/// Appends the step's outputs.
///
/// Each value stands between two lines of a delimiter that nobody can guess, so that no value can end early
/// and set another output.
///
/// # Errors
/// When the file cannot be written.
pub fn append_outputs(path: &Path, outputs: &[(&str, &str)]) -> io::Result<()> {
    let mut text = String::new();
    for (name, value) in outputs {
        let value = escape::visible(value);
        let delimiter = delimiter();
        text.push_str(&format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
    }
    let mut file = fs_err::OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// 128 bits from the operating system's random source, through the keys of the standard library's hash maps.
fn delimiter() -> String {
    let random = || HashMap::<(), ()>::new().hasher().build_hasher().finish();
    format!("premerge_{:016x}{:016x}", random(), random())
}

/// Writes the worst problems as annotations, at most ten of a level, and how many more there are.
///
/// # Errors
/// When `log` fails.
pub fn annotate(report: &Report, log: &mut dyn Write) -> io::Result<()> {
    let folder = report.facts.project_folder.as_deref().unwrap_or_default().trim_matches('/');
    let problems = report.problems();
    for (severity, command) in
        [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Notice, "notice")]
    {
        let of_level: Vec<_> = problems.iter().filter(|problem| problem.severity() == severity).collect();
        for problem in of_level.iter().take(ANNOTATIONS) {
            writeln!(log, "{}", annotation(command, folder, problem))?;
        }
        if of_level.len() > ANNOTATIONS {
            writeln!(log, "and {} more of level {command}: see the report", of_level.len() - ANNOTATIONS)?;
        }
    }
    Ok(())
}

fn annotation(command: &str, folder: &str, problem: &Finding) -> String {
    let mut properties = Vec::new();
    if let Some(place) = problem.place().filter(|place| place.is_inside()) {
        let path =
            if folder.is_empty() || folder == "." { place.path.clone() } else { format!("{folder}/{}", place.path) };
        if Location::file(&path).is_inside() {
            properties.push(format!("file={}", escape::command_property(&path)));
            properties.extend(place.line.map(|line| format!("line={line}")));
        }
    }
    properties.push(format!("title={}", escape::command_property(&format!("premerge {}", problem.rule()))));
    let subject = problem.unique_id().map(|id| format!("{id}: ")).unwrap_or_default();
    let data = escape::command_data(&escape::cut(&format!("{subject}{}", problem.message()), 2_000));
    format!("::{command} {}::{data}", properties.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Draft, rules};

    fn lines_of(draft: Draft) -> Vec<String> {
        let mut out = Vec::new();
        annotate(&Report::conclude(draft), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    fn finding(path: &str, message: &str) -> Finding {
        Finding::at(Severity::Error, rules::MANIFEST_PARTIAL, Location::line(path, 3), message)
    }

    #[test]
    fn an_annotation_points_into_the_repository() {
        let mut draft = Draft { findings: vec![finding("models/a.sql", "wrong: 50%")], ..Draft::default() };
        draft.facts.project_folder = Some("dbt/shop".into());
        assert_eq!(
            lines_of(draft),
            ["::error file=dbt/shop/models/a.sql,line=3,title=premerge manifest-partial::wrong: 50%25"]
        );
    }

    #[test]
    fn data_can_neither_end_an_annotation_nor_begin_another() {
        let hostile = "a,line=9::x\r\n::warning::y ##[error]z";
        let lines = lines_of(Draft { findings: vec![finding(hostile, hostile)], ..Draft::default() });
        assert_eq!(lines.len(), 1, "{lines:?}");
        let (head, data) = lines[0].split_once("::x").map_or(("", ""), |parts| parts);
        assert!(head.starts_with("::error file=a%2Cline=9%3A%3A") || !data.is_empty(), "{lines:?}");
        assert!(!lines[0].contains("##["), "{lines:?}");
        assert!(lines[0].starts_with("::error file=a%2Cline=9%3A%3Ax%0D%0A%3A%3Awarning"), "{lines:?}");
    }

    #[test]
    fn a_path_outside_the_repository_is_not_named() {
        let lines = lines_of(Draft { findings: vec![finding("../../etc/passwd", "x")], ..Draft::default() });
        assert_eq!(lines, ["::error title=premerge manifest-partial::x"]);
    }

    #[test]
    fn ten_of_a_level_are_shown_and_the_rest_counted() {
        let findings = (0..23).map(|number| finding(&format!("m{number}.sql"), "x")).collect();
        let lines = lines_of(Draft { findings, ..Draft::default() });
        assert_eq!(lines.len(), 11);
        assert_eq!(lines[10], "and 13 more of level error: see the report");
    }

    #[test]
    fn a_summary_is_appended_as_long_as_the_runner_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary");
        append_summary(&path, "one").unwrap();
        append_summary(&path, "two").unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "one\ntwo\n");
        append_summary(&path, &"x".repeat(SUMMARY_CAP)).unwrap();
        assert!(fs_err::read_to_string(&path).unwrap().ends_with("see `report.json`.\n"));
        fs_err::write(&path, "x".repeat(SUMMARY_CAP)).unwrap();
        append_summary(&path, "three").unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().len(), u64::try_from(SUMMARY_CAP).unwrap());
    }

    #[test]
    fn an_output_cannot_set_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outputs");
        append_outputs(&path, &[("schema", "x\nverdict=passed\nEOF"), ("verdict", "failed")]).unwrap();
        let text = fs_err::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert_eq!((lines[1], lines[4]), ("x verdict=passed EOF", "failed"));
        assert_eq!(lines[0], format!("schema<<{}", lines[2]));
        assert_ne!(lines[2], lines[5]);
    }
}
