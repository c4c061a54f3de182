//! What all parts of one comment share: the report, its names and links, and how far it must shrink.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::Flavour;
use crate::artifacts::{UniqueId, UniqueIdRef};
use crate::report::concluded::Report;
use crate::report::finding::{Finding, Location};
use crate::report::words;
use crate::text::escape;

/// How far a comment is shrunk: the ladder's rungs, in the order they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rung {
    /// Everything.
    Full,
    /// Downstream names become counts.
    ImpactCounted,
    /// Failing tests and builds are named without their messages.
    NamesOnly,
    /// What was removed, left out or not checked becomes counts.
    NotesCounted,
    /// No folds.
    NoFolds,
    /// The marker, the verdict and where the rest is.
    VerdictOnly,
}

impl Rung {
    pub(super) const LADDER: [Self; 6] =
        [Self::Full, Self::ImpactCounted, Self::NamesOnly, Self::NotesCounted, Self::NoFolds, Self::VerdictOnly];
}

/// One comment being written.
pub(super) struct Page<'a> {
    pub(super) report: &'a Report,
    pub(super) rung: Rung,
    /// Everything wrong or worth saying, worst first.
    pub(super) problems: Vec<Finding>,
    names: HashMap<&'a str, String>,
    /// `https://forge/owner/name/blob/commit/folder/`, if all of it is known and harmless.
    files: Option<String>,
}

impl<'a> Page<'a> {
    pub(super) fn new(report: &'a Report, flavour: Flavour, rung: Rung) -> Self {
        Self { report, rung, problems: report.problems(), names: names(report), files: files(report, flavour) }
    }

    /// The name of a node or test as code; its unique_id without the prefix if it is not in the report.
    pub(super) fn name(&self, unique_id: &str) -> String {
        escape::code(self.plain_name(unique_id))
    }

    /// The same as it is, to be escaped.
    pub(super) fn plain_name<'s>(&'s self, unique_id: &'s str) -> &'s str {
        self.names.get(unique_id).map_or_else(|| UniqueIdRef::new(unique_id).name(), String::as_str)
    }

    /// What a finding is about, as code: a name if it has one, its place otherwise.
    pub(super) fn subject(&self, finding: &Finding) -> String {
        match finding.unique_id() {
            Some(unique_id) => self.name(unique_id),
            None => escape::code(&finding.subject()),
        }
    }

    /// `text`, linked to a place in the forge if the forge is known.
    pub(super) fn linked(&self, text: &str, location: Option<&Location>) -> String {
        match (location, &self.files) {
            (Some(location), Some(files)) if location.is_inside() => {
                let line = location.line.map(|line| format!("#L{line}")).unwrap_or_default();
                escape::link(text, &format!("{files}{}{line}", escape::address_path(&location.path)))
            }
            _ => text.to_owned(),
        }
    }

    /// A place as code, linked.
    pub(super) fn location(&self, location: &Location) -> String {
        self.linked(&escape::code(&location.to_string()), Some(location))
    }
}

/// What each node and test is called; two of one name are told apart by their package.
fn names(report: &Report) -> HashMap<&str, String> {
    let nodes = report.nodes.iter().map(|node| (&node.unique_id, &node.name));
    let tests = report.tests.iter().map(|test| (&test.unique_id, &test.name));
    let others = report.other_changes.iter().map(|change| (&change.unique_id, &change.name));
    let all: Vec<_> = nodes.chain(tests).chain(others).collect();
    let mut packages: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (id, name) in &all {
        packages.entry(name.as_str()).or_default().insert(id.package());
    }
    let is_shared = |name: &str| packages.get(name).is_some_and(|packages| packages.len() > 1);
    let called = |id: &UniqueId, name: &str| {
        if is_shared(name) { format!("{}.{name}", id.package()) } else { name.to_owned() }
    };
    all.into_iter().map(|(id, name)| (id.as_str(), called(id, name))).collect()
}

fn files(report: &Report, flavour: Flavour) -> Option<String> {
    let facts = &report.facts;
    let server = facts.server_url.as_deref()?.trim_end_matches('/');
    let repository = facts.repository.as_deref().filter(|name| flavour.is_repository(name))?;
    let commit = facts.commit.as_deref().filter(|commit| words::short_commit(commit).is_some())?;
    let folder = Location::file(facts.project_folder.as_deref().unwrap_or_default().trim_matches('/'));
    let folder = match folder.path.as_str() {
        "" | "." => String::new(),
        _ if folder.is_inside() => format!("{}/", escape::address_path(&folder.path)),
        _ => return None,
    };
    // Twelve digits name a commit for certain in any repository, and keep a table of links readable.
    let commit: String = commit.chars().take(12).collect();
    Some(format!("{server}/{repository}/{}/{commit}/{folder}", flavour.files))
}

/// The first line of our comment: how a later run knows it again.
///
/// Two projects in one repository have a comment each. Values are kept to an alphabet that cannot end an HTML
/// comment, and to a length that leaves the verdict in the first 200 characters; what does not fit is hashed.
#[must_use]
pub fn marker(report: &Report) -> String {
    let facts = &report.facts;
    let pull_request = facts.pull_request.map_or_else(|| "none".to_owned(), |number| number.to_string());
    let repository = key(facts.repository.as_deref().unwrap_or("none"));
    let project = key(facts.project.as_deref().unwrap_or("none"));
    format!("<!-- premerge:pr-comment v1 repo={repository} pr={pull_request} project={project} -->")
}

fn key(value: &str) -> String {
    const LONGEST: usize = 40;
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '-');
    if !value.is_empty() && value.len() <= LONGEST && value.chars().all(harmless) {
        return value.to_owned();
    }
    let mut out: String = value.chars().map(|c| if harmless(c) { c } else { '_' }).take(LONGEST - 9).collect();
    out.push('.');
    for byte in Sha256::digest(value.as_bytes()).iter().take(4) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::draft::Draft;

    fn of(repository: &str, project: &str) -> String {
        let mut draft = Draft::default();
        draft.facts.repository = Some(repository.into());
        draft.facts.project = Some(project.into());
        draft.facts.pull_request = Some(u64::MAX);
        marker(&Report::conclude(draft))
    }

    #[test]
    fn the_marker_stays_a_comment_of_one_line_whatever_the_names_are() {
        for hostile in ["--><b>", "a\nb", "", "\u{202e}", &"x".repeat(5_000), "a b"] {
            let marker = of(hostile, hostile);
            assert!(marker.starts_with("<!-- premerge:pr-comment v1 ") && marker.ends_with(" -->"), "{marker}");
            assert_eq!(marker.matches("-->").count(), 1, "{marker}");
            assert!(marker.is_ascii() && !marker.contains('\n') && marker.len() <= 160, "{marker}");
        }
    }

    #[test]
    fn different_projects_have_different_markers() {
        assert_ne!(of("acme/x", "a b"), of("acme/x", "a_b"));
        assert_ne!(of("acme/x", &"y".repeat(80)), of("acme/x", &"y".repeat(81)));
        assert!(of("acme/analytics", "shop").contains("repo=acme/analytics pr=18446744073709551615 project=shop "));
    }
}
