//! `-- noqa`, as sqlfluff reads it (its `core/rules/noqa.py`).
//!
//! The library's own reading knows no old codes, and its `disable=` at the end of a line does not cover
//! that line; so its reading is switched off and this one is used.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::references::References;

/// What one comment asks for.
#[derive(Debug)]
struct Directive {
    line: usize,
    column: usize,
    /// `None`: every rule.
    codes: Option<BTreeSet<String>>,
    action: Action,
    /// The comment from `noqa` on.
    text: String,
    /// It silenced something, or ended what did.
    used: AtomicBool,
}

impl Directive {
    fn mark(&self) {
        self.used.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// This line.
    Line,
    Disable,
    Enable,
}

/// All comments of a file.
#[derive(Debug, Default)]
pub(super) struct Noqa {
    directives: Vec<Directive>,
    /// Lines with a comment that looks like one but is malformed; sqlfluff reports these as `PRS`.
    pub(super) malformed: Vec<usize>,
}

impl Noqa {
    /// Reads comments, each with its line and column. `only` limits which codes may be silenced.
    pub(super) fn read<'c>(
        comments: impl IntoIterator<Item = ((usize, usize), &'c str)>,
        references: &References,
        only: Option<&BTreeSet<String>>,
    ) -> Self {
        let mut noqa = Self::default();
        for ((line, column), comment) in comments {
            let text = comment.trim();
            let text = text.strip_suffix("*/").unwrap_or(text).trim_end();
            let text = text.strip_prefix("/*").unwrap_or(text).trim_start();
            // The last one counts: `-- text -- noqa: LT05`.
            let text = text.rsplit("--").next().unwrap_or(text).trim();
            let text = text.strip_prefix('#').map_or(text, str::trim);
            let Some(rest) = text.strip_prefix("noqa") else { continue };
            match directive(rest, references) {
                Some((action, mut codes)) => {
                    if let Some(only) = only {
                        let named = codes.unwrap_or_else(|| only.clone());
                        codes = Some(named.intersection(only).cloned().collect());
                    }
                    let (text, used) = (text.to_owned(), AtomicBool::new(false));
                    noqa.directives.push(Directive { line, column, codes, action, text, used });
                }
                None => noqa.malformed.push(line),
            }
        }
        noqa.directives.sort_by_key(|directive| directive.line);
        noqa
    }

    /// Whether a finding of `code` in `line` is silenced; notes which comment did it, as sqlfluff does.
    pub(super) fn silences(&self, line: usize, code: &str) -> bool {
        let concerns = |directive: &&Directive| directive.codes.as_ref().is_none_or(|codes| codes.contains(code));
        let of_line = |directive: &&Directive| directive.action == Action::Line && directive.line == line;
        if let Some(directive) = self.directives.iter().filter(concerns).find(of_line) {
            directive.mark();
            return true;
        }
        let mut open: Option<&Directive> = None;
        for directive in self.directives.iter().filter(concerns) {
            match directive.action {
                Action::Line => {}
                // The end of the range that the finding is in is of use too.
                Action::Enable if directive.line > line => {
                    directive.mark();
                    break;
                }
                Action::Disable if directive.line > line => break,
                Action::Disable => open = Some(directive),
                Action::Enable => {
                    if open.take().is_some() {
                        directive.mark();
                    }
                }
            }
        }
        open.inspect(|directive| directive.mark()).is_some()
    }

    /// The comments that silenced nothing: line, column, text.
    pub(super) fn unused(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        let unused = self.directives.iter().filter(|directive| !directive.used.load(Ordering::Relaxed));
        unused.map(|directive| (directive.line, directive.column, directive.text.as_str()))
    }
}

/// What follows `noqa`; `None` when it makes no sense.
fn directive(rest: &str, references: &References) -> Option<(Action, Option<BTreeSet<String>>)> {
    if rest.is_empty() {
        return Some((Action::Line, None));
    }
    let rest = rest.strip_prefix(':')?.trim();
    if rest.is_empty() {
        return Some((Action::Line, None));
    }
    let (action, list) = match rest.split_once('=') {
        Some(("disable", list)) => (Action::Disable, list),
        Some(("enable", list)) => (Action::Enable, list),
        Some(_) => return None,
        None if rest == "disable" || rest == "enable" => return None,
        None => (Action::Line, rest),
    };
    if list == "all" {
        return Some((action, None));
    }
    let codes = list
        .split(',')
        .map(str::trim)
        .flat_map(|reference| {
            let codes = references.one(reference);
            if codes.is_empty() { BTreeSet::from([reference.to_owned()]) } else { codes }
        })
        .collect();
    Some((action, Some(codes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silences(comments: &[(usize, &str)], line: usize, code: &str) -> bool {
        let comments = comments.iter().map(|(line, text)| ((*line, 1), *text));
        Noqa::read(comments, &References::new(), None).silences(line, code)
    }

    #[test]
    fn a_line_is_silenced_for_all_or_for_some_rules() {
        assert!(silences(&[(2, "-- noqa")], 2, "LT01"));
        assert!(!silences(&[(2, "-- noqa")], 3, "LT01"));
        assert!(silences(&[(2, "-- noqa: LT01,CP01")], 2, "CP01"));
        assert!(silences(&[(2, "-- text -- noqa: L039")], 2, "LT01"));
        assert!(silences(&[(2, "-- noqa: layout.*")], 2, "LT05"));
        assert!(silences(&[(2, "-- noqa: PRS")], 2, "PRS"));
        assert!(!silences(&[(2, "-- noqa: CP01")], 2, "LT01"));
    }

    #[test]
    fn a_range_begins_in_its_own_line_and_ends_in_the_one_that_enables() {
        let range = [(2, "-- noqa: disable=LT01"), (5, "/* noqa: enable=all */")];
        let lines: Vec<_> = (1..7).filter(|line| silences(&range, *line, "LT01")).collect();
        assert_eq!(lines, [2, 3, 4]);
    }

    #[test]
    fn nonsense_is_told_apart_from_no_directive() {
        let comments = [((1, 1), "-- noqa LT01"), ((2, 1), "-- nothing"), ((3, 1), "-- noqa:off=LT01")];
        let read = Noqa::read(comments, &References::new(), None);
        assert_eq!(read.malformed, [1, 3]);
    }

    #[test]
    fn only_some_codes_may_be_silenced_when_the_team_says_so() {
        let only = BTreeSet::from(["CP01".to_owned()]);
        let read = Noqa::read([((1, 1), "-- noqa")], &References::new(), Some(&only));
        assert!(read.silences(1, "CP01") && !read.silences(1, "LT01"));
    }

    #[test]
    fn a_comment_that_silences_nothing_is_named() {
        let comments = [((1, 9), "-- noqa: LT01"), ((2, 9), "-- noqa: CP01"), ((3, 1), "-- noqa: disable=LT02")];
        let read = Noqa::read(comments, &References::new(), None);
        assert!(read.silences(1, "LT01") && read.silences(4, "LT02") && !read.silences(2, "LT01"));
        assert_eq!(read.unused().collect::<Vec<_>>(), [(2, 9, "noqa: CP01")]);
    }
}
