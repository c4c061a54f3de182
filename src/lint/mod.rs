//! Lint: style rules through the lint library, project rules of our own, and only what is new.
//!
//! In: the pull request's manifest and production's, and the files of the project where they are there.
//! Out: an [`LintResults`]: findings on the lines of the author's files, those that production has too counted
//! apart. No warehouse, no network, no dbt.

#[cfg_attr(not(feature = "lint"), allow(dead_code, reason = "only style rules read texts"))]
mod align;
#[cfg_attr(not(feature = "lint"), allow(dead_code, reason = "only style rules compare texts"))]
mod baseline;
#[cfg_attr(not(feature = "lint"), allow(dead_code, reason = "only style rules read texts"))]
mod ephemeral;
mod finding;
mod gather;
#[cfg_attr(not(feature = "lint"), allow(dead_code, reason = "only style rules read texts"))]
mod pieces;
#[cfg_attr(not(feature = "lint"), allow(dead_code, reason = "only style rules fix texts"))]
mod on_disk;
mod options;
#[cfg_attr(not(feature = "lint"), allow(dead_code, reason = "only style rules read texts"))]
mod pool;
pub mod rules;
#[cfg(feature = "lint")]
mod style;
#[cfg_attr(not(feature = "lint"), allow(dead_code, reason = "only style rules read texts"))]
mod text;
#[cfg(not(feature = "lint"))]
mod without;

pub use finding::{FixedFile, LintDocument, LintResults, NotLinted, Severity, Violation};
pub use gather::{Freshness, Gathered, gather};
pub use on_disk::{OnDisk, without_mark};
pub use options::{LintFile, Scope, StyleOptions};
pub use pieces::defines_only_macros;
pub use text::Basis;

/// Runs sqlfluff's style rules over files. Returns the outcome, and each file that `options.fix` changes.
#[cfg(feature = "lint")]
#[must_use]
pub fn style(files: Vec<LintFile>, options: &StyleOptions) -> (LintResults, Vec<FixedFile>) {
    style::run(files, options)
}

/// This build has no style rules: where they would have run, each file is named as not linted.
#[cfg(not(feature = "lint"))]
#[must_use]
pub fn style(files: Vec<LintFile>, options: &StyleOptions) -> (LintResults, Vec<FixedFile>) {
    (without::run(files, options), Vec::new())
}

/// What is wrong with the name of a dialect, which is sqlfluff's.
#[cfg(feature = "lint")]
#[must_use]
pub fn unknown_dialect(name: &str) -> Option<String> {
    style::unknown_dialect(name)
}

/// Without style rules no dialect is looked at.
#[cfg(not(feature = "lint"))]
#[must_use]
pub fn unknown_dialect(_: &str) -> Option<String> {
    None
}
