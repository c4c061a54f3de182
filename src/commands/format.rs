//! The formats of a report.

use std::io::{self, Write};

use clap::ValueEnum;

use crate::publish::github;
use crate::report::{FindingList, Report, annotations, codequality, json, junit, markdown, sarif, terminal};

/// A rendering of the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for a terminal
    #[default]
    Text,
    /// The pull request's comment
    Markdown,
    /// The whole report, version 1
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for the test reports of CI systems
    Junit,
    /// GitLab's code quality
    GitlabCodequality,
    /// Workflow commands of GitHub Actions
    Annotations,
}

impl Format {
    /// Whether it is written past what disarms commands: it is commands to the runner.
    #[must_use]
    pub fn commands_the_runner(self) -> bool {
        self == Self::Annotations
    }

    /// Writes a report in this format; `colours` only matter to text.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write(self, report: &Report, colours: bool, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Text => terminal::write(report, colours, out),
            Self::Markdown => markdown::write(report, github::FLAVOUR, out),
            Self::Json => json::write(report, out),
            Self::Sarif => sarif::write(&FindingList::of_report(report), out),
            Self::Junit => junit::write(report, out),
            Self::GitlabCodequality => codequality::write(&FindingList::of_report(report), out),
            Self::Annotations => annotations::write(&FindingList::of_report(report), None, out),
        }
    }
}
