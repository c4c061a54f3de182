//! JUnit XML, as GitLab, CircleCI, Jenkins and Azure Pipelines read it (the XSD of Jenkins' xunit plugin).
//!
//! One suite a check, one case a node, a test or a finding. A case's name is its unique_id, or rule and file, so that
//! the same case has the same name in every run. What is wrong is a failure, what could not be run is an error, and
//! what did not run is skipped with its reason.

use std::collections::HashMap;
use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::check::{Check, CheckName, CheckState};
use super::concluded::Report;
use super::finding::{Finding, RuleId, Severity, rules};
use super::outcome::{NodeOutcome, NodeStatus, TestOutcome, TestStatus};
use super::verdict::Verdict;
use super::words;
use crate::text::escape;

/// Longest message, in characters.
const MESSAGE: usize = 2_000;

/// Writes the report.
///
/// # Errors
/// When `out` fails.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let suites = suites(report);
    let mut writer = Writer::new_with_indent(out, b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let total = |count: fn(&Suite) -> usize| suites.iter().map(count).sum::<usize>().to_string();
    let mut root = writer.create_element("testsuites").with_attributes([
        ("name", "premerge"),
        ("tests", &total(|suite| suite.cases.len())),
        ("failures", &total(Suite::failures)),
        ("errors", &total(Suite::errors)),
    ]);
    if let Some(total) = report.timings.total_ms {
        root = root.with_attribute(("time", seconds(total).as_str()));
    }
    root.write_inner_content(|writer| suites.iter().try_for_each(|suite| suite.write(writer)))?;
    writeln!(writer.get_mut())
}

/// What became of a case.
enum Outcome {
    Passed,
    /// It passed, and someone should read this.
    Said(String),
    /// `kind`: the code of a rule.
    Failure {
        kind: String,
        message: String,
    },
    Error {
        kind: String,
        message: String,
    },
    Skipped(String),
}

impl Outcome {
    fn is_bad(&self) -> bool {
        match self {
            Self::Failure { .. } | Self::Error { .. } => true,
            Self::Passed | Self::Said(_) | Self::Skipped(_) => false,
        }
    }

    fn of_check(name: CheckName, check: &Check) -> Self {
        let said = check.reason.as_deref().or(check.summary.as_deref());
        match check.state {
            CheckState::Failed => Self::Failure {
                kind: name.to_string().to_lowercase(),
                message: said.unwrap_or("the check failed").to_owned(),
            },
            _ if !check.is_complete() => Self::Skipped(said.unwrap_or("not checked").to_owned()),
            CheckState::Warned => Self::Said(said.unwrap_or("someone should review it").to_owned()),
            CheckState::Passed | CheckState::NotChecked | CheckState::Absent => {
                check.summary.clone().map_or(Self::Passed, Self::Said)
            }
        }
    }

    fn of_finding(finding: &Finding) -> Self {
        let mut message = finding.message().to_owned();
        if let Some(remedy) = finding.remedy() {
            message = format!("{message}: {remedy}");
        }
        if let Some(location) = finding.location().filter(|location| location.is_inside()) {
            message = format!("{location}: {message}");
        }
        match finding.severity() {
            Severity::Error => Self::Failure { kind: finding.rule().as_str().to_owned(), message },
            Severity::Warning => Self::Said(format!("warning: {message}")),
            Severity::Notice => Self::Said(format!("notice: {message}")),
        }
    }

    fn of_node(node: &NodeOutcome) -> Self {
        let said = |otherwise: &str| node.message.clone().unwrap_or_else(|| otherwise.to_owned());
        match node.status {
            NodeStatus::Built if node.is_unproved() => {
                let unbuilt: Vec<&str> = node.reads_unbuilt.iter().map(|id| id.as_str()).collect();
                Self::Skipped(format!("built on production's data: {} was not built", unbuilt.join(", ")))
            }
            NodeStatus::Built => Self::Passed,
            NodeStatus::Failed => {
                let kind = rules::BUILD_FAILED.as_str().to_owned();
                Self::Failure { kind, message: said("it could not be built") }
            }
            NodeStatus::Skipped => Self::Skipped(said("something it needs failed")),
            NodeStatus::NotChecked => Self::Skipped(said("not built")),
        }
    }

    fn of_test(test: &TestOutcome) -> Self {
        let said = |otherwise: &str| match (&test.message, test.failures) {
            (Some(message), _) => message.clone(),
            (None, Some(failures)) => words::count(failures, "failure"),
            (None, None) => otherwise.to_owned(),
        };
        match test.status {
            TestStatus::Pass => Self::Passed,
            TestStatus::Warn => Self::Said(format!("warning: {}", said("it warns"))),
            TestStatus::Fail => {
                Self::Failure { kind: rules::TEST_FAILED.as_str().to_owned(), message: said("it fails") }
            }
            TestStatus::Error => {
                Self::Error { kind: rules::TEST_ERROR.as_str().to_owned(), message: said("it could not run") }
            }
            TestStatus::Skipped => Self::Skipped(said("something it needs failed")),
            TestStatus::NotRun => Self::Skipped(said("not run")),
        }
    }
}

struct Case {
    name: String,
    duration_ms: Option<u64>,
    outcome: Outcome,
}

impl Case {
    fn new(name: impl Into<String>, outcome: Outcome) -> Self {
        Self { name: text(&name.into()), duration_ms: None, outcome }
    }
}

struct Suite {
    name: String,
    cases: Vec<Case>,
}

/// One suite for each check that this configuration has, and one each for findings, for what was not checked and for
/// the run itself.
fn suites(report: &Report) -> Vec<Suite> {
    let own = report.own_findings();
    let findings = |of_lint: bool| {
        let wanted = own.iter().filter(move |finding| matches!(finding.rule(), RuleId::Lint(_)) == of_lint);
        wanted.map(|finding| Case::new(name_of(finding), Outcome::of_finding(finding))).collect::<Vec<_>>()
    };
    let mut suites = Vec::new();
    for (name, check) in report.checks.all() {
        let cases = match name {
            CheckName::Build => report
                .nodes
                .iter()
                .map(|node| Case {
                    duration_ms: node.duration_ms,
                    ..Case::new(node.unique_id.as_str(), Outcome::of_node(node))
                })
                .collect(),
            CheckName::Tests => report
                .tests
                .iter()
                .map(|test| Case {
                    duration_ms: test.duration_ms,
                    ..Case::new(test.unique_id.as_str(), Outcome::of_test(test))
                })
                .collect(),
            CheckName::Lint => findings(true),
            CheckName::Schema | CheckName::Data | CheckName::Impact => Vec::new(),
        };
        if check.state != CheckState::Absent || !cases.is_empty() {
            suites.push(Suite { name: name.to_string().to_lowercase(), cases }.with_check(name, check));
        }
    }
    suites.push(Suite { name: "findings".to_owned(), cases: findings(false) });
    let unchecked = report.other_not_checked();
    let unchecked = unchecked.iter().map(|item| Case::new(&item.subject, Outcome::Skipped(item.reason.clone())));
    suites.push(Suite { name: "not-checked".to_owned(), cases: unchecked.collect() });
    suites.retain(|suite| !suite.cases.is_empty());
    let run = Case { duration_ms: report.timings.total_ms, ..Case::new("run", of_run(report, &suites)) };
    suites.push(Suite { name: "run".to_owned(), cases: vec![run] });
    suites.iter_mut().for_each(Suite::number_repeated);
    suites
}

/// Whether the run came to its end; and what the verdict says where no other case does, so that no reader of the file
/// is shown better news.
fn of_run(report: &Report, suites: &[Suite]) -> Outcome {
    let verdict = report.verdict();
    let any =
        |holds: fn(&Outcome) -> bool| suites.iter().flat_map(|suite| &suite.cases).any(|case| holds(&case.outcome));
    let unfinished = |message: &str| Outcome::Error { kind: verdict.as_str().to_owned(), message: message.to_owned() };
    match (&report.interruption, verdict) {
        (Some(interruption), _) => unfinished(interruption.reason()),
        (None, Verdict::Failed) if !any(Outcome::is_bad) => Outcome::Failure {
            kind: verdict.as_str().to_owned(),
            message: format!("{}: {}", verdict.words(), words::headline(report)),
        },
        (None, Verdict::Incomplete) if !any(|outcome| matches!(outcome, Outcome::Skipped(_))) => {
            unfinished(&format!("{}: {}", verdict.words(), words::headline(report)))
        }
        (None, Verdict::Running) => unfinished("the run is not over"),
        (None, Verdict::Failed | Verdict::Incomplete | Verdict::Passed | Verdict::Warned) => Outcome::Passed,
    }
}

/// Rule, and node or file: without the line, which moves.
fn name_of(finding: &Finding) -> String {
    let place = match (finding.unique_id(), finding.location()) {
        (Some(id), _) => id.as_str(),
        (None, Some(location)) => &location.path,
        (None, None) => "",
    };
    format!("{} {place}", finding.rule())
}

impl Suite {
    /// Adds the check as a case of its own where the others do not say how it ended.
    fn with_check(mut self, name: CheckName, check: &Check) -> Self {
        let skipped = self.cases.iter().any(|case| matches!(case.outcome, Outcome::Skipped(_)));
        let unsaid = match check.state {
            CheckState::Failed => self.errors() + self.failures() == 0,
            CheckState::Passed | CheckState::Warned | CheckState::NotChecked => !check.is_complete() && !skipped,
            CheckState::Absent => false,
        };
        if unsaid || self.cases.is_empty() {
            self.cases.push(Case::new(self.name.clone(), Outcome::of_check(name, check)));
        }
        self
    }

    /// No two cases of a suite have one name: readers would keep the last.
    fn number_repeated(&mut self) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for case in &mut self.cases {
            let number = seen.entry(case.name.clone()).or_default();
            *number += 1;
            if *number > 1 {
                case.name = format!("{} ({number})", case.name);
            }
        }
    }

    fn count(&self, holds: impl Fn(&Outcome) -> bool) -> usize {
        self.cases.iter().filter(|case| holds(&case.outcome)).count()
    }

    fn failures(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failure { .. }))
    }

    fn errors(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Error { .. }))
    }

    fn write(&self, writer: &mut Writer<&mut dyn Write>) -> io::Result<()> {
        let skipped = self.count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        let time: u64 = self.cases.iter().filter_map(|case| case.duration_ms).fold(0, u64::saturating_add);
        let element = writer.create_element("testsuite").with_attributes([
            ("name", self.name.as_str()),
            ("tests", &self.cases.len().to_string()),
            ("failures", &self.failures().to_string()),
            ("errors", &self.errors().to_string()),
            ("skipped", &skipped.to_string()),
            ("time", &seconds(time)),
        ]);
        element.write_inner_content(|writer| {
            self.cases.iter().try_for_each(|case| case.write(&format!("premerge.{}", self.name), writer))
        })?;
        Ok(())
    }
}

impl Case {
    fn write(&self, class: &str, writer: &mut Writer<&mut dyn Write>) -> io::Result<()> {
        let time = seconds(self.duration_ms.unwrap_or_default());
        let element = writer.create_element("testcase").with_attributes([
            ("classname", class),
            ("name", self.name.as_str()),
            ("time", time.as_str()),
        ]);
        let (tag, kind, message) = match &self.outcome {
            Outcome::Passed => return element.write_empty().map(|_| ()),
            Outcome::Said(message) => {
                return element
                    .write_inner_content(|writer| {
                        writer.create_element("system-out").write_text_content(BytesText::new(&text(message)))?;
                        Ok(())
                    })
                    .map(|_| ());
            }
            Outcome::Failure { kind, message } => ("failure", Some(kind), message),
            Outcome::Error { kind, message } => ("error", Some(kind), message),
            Outcome::Skipped(message) => ("skipped", None, message),
        };
        let message = text(message);
        element.write_inner_content(|writer| {
            let mut end = writer.create_element(tag).with_attribute(("message", message.as_str()));
            if let Some(kind) = kind {
                end = end.with_attribute(("type", kind.as_str()));
            }
            // GitLab shows the text, others the attribute.
            end.write_text_content(BytesText::new(&message))?;
            Ok(())
        })?;
        Ok(())
    }
}

/// Text that XML 1.0 allows: it has no control characters, and not the last two of the plane.
fn text(text: &str) -> String {
    escape::cut(&escape::visible(text), MESSAGE).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000)
}
