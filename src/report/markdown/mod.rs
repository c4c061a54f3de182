//! The pull request's comment in GitHub's Markdown, laid out for a reviewer who has ten seconds.
//!
//! First the verdict, what to do, the scoreboard and the changed models; everything else is folded. A
//! comment that would be too large is shrunk one rung at a time, and every cut says how much is hidden.

mod folds;
mod open;
mod page;

use std::io::{self, Write};

use super::draft::Report;
use page::{Page, Rung};

pub use page::{is_repository, marker};

/// What differs between the code hosts that show a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flavour {
    /// Longest comment, in bytes.
    pub cap: usize,
    /// Between a repository and a commit in the address of a file.
    files: &'static str,
    /// Whether a repository's name has more than two parts.
    nested: bool,
}

impl Flavour {
    /// GitHub. Its own limit is 65,536 characters; under it in bytes is safe by either count.
    pub const GITHUB: Self = Self { cap: GITHUB_CAP, files: "blob", nested: false };
    /// GitLab. Its own limit is a million characters.
    pub const GITLAB: Self = Self { cap: GITHUB_CAP, files: "-/blob", nested: true };
}

/// The cap on GitHub, in bytes.
pub const GITHUB_CAP: usize = 60_000;

/// No comment is shrunk below this: the marker, the verdict and the pointer to the rest always fit.
pub const SMALLEST_CAP: usize = 1_000;

/// Writes the comment of at most `cap` bytes.
///
/// # Errors
/// When `out` fails.
pub fn write(report: &Report, cap: usize, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(body(report, cap).as_bytes())
}

/// The comment as text of at most `cap` bytes (never asked to be smaller than [`SMALLEST_CAP`]).
#[must_use]
pub fn body(report: &Report, cap: usize) -> String {
    body_in(report, Flavour::GITHUB, cap)
}

/// The same for another code host.
#[must_use]
pub fn body_in(report: &Report, flavour: Flavour, cap: usize) -> String {
    let cap = cap.max(SMALLEST_CAP);
    let mut text = String::new();
    for rung in Rung::LADDER {
        text = at(report, flavour, rung);
        if text.len() <= cap {
            break;
        }
    }
    text
}

/// The comment on one rung of the ladder, whatever its size.
fn at(report: &Report, flavour: Flavour, rung: Rung) -> String {
    let page = Page::new(report, flavour, rung);
    let mut parts = vec![open::verdict_line(&page)];
    if rung == Rung::VerdictOnly {
        parts.push(open::everything_else(&page));
    } else {
        parts.push(open::to_do(&page));
        parts.push(open::scoreboard(&page));
        parts.push(open::changed_models(&page));
        parts.push(if rung < Rung::NoFolds { folds::all(&page) } else { open::everything_else(&page) });
        parts.push(open::footer(&page));
    }
    parts.retain(|part| !part.is_empty());
    format!("{}\n{}\n", marker(report), parts.join("\n\n"))
}
