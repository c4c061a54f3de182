//! What a style rule finds.

/// One finding of a style rule, on a line of the author's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) struct StyleFinding {
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    pub(crate) code: String,
    pub(crate) message: String,
    /// The team configured that it only warns.
    pub(crate) warning: bool,
    pub(crate) fixable: bool,
}
