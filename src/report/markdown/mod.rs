//! The pull request's comment in Markdown, laid out for a reviewer who has ten seconds.
//!
//! First the verdict, what to do, the scoreboard and the changed models; everything else is folded. A
//! comment that would be too large is shrunk one rung at a time, and every cut says how much is hidden.

mod flavour;
mod folds;
mod open;
mod page;

use std::io::{self, Write};

use super::concluded::Report;
use page::{Page, Rung};

pub use flavour::Flavour;
pub use page::marker;

/// No comment is shrunk below this: the marker, the verdict and the pointer to the rest always fit.
pub const SMALLEST_CAP: usize = 1_000;

/// Writes the comment as a code host shows it.
///
/// # Errors
/// When `out` fails.
pub fn write(report: &Report, flavour: Flavour, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(body(report, flavour, flavour.cap).as_bytes())
}

/// The comment as text of at most `cap` bytes (never asked to be smaller than [`SMALLEST_CAP`]).
#[must_use]
pub fn body(report: &Report, flavour: Flavour, cap: usize) -> String {
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
