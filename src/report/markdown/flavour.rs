//! What differs between the code hosts that show a comment.

/// What differs between the code hosts that show a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flavour {
    /// Longest comment, in bytes.
    pub cap: usize,
    /// Between a repository and a commit in the address of a file.
    pub(super) files: &'static str,
    /// Whether a repository's name has more than two parts.
    pub(super) nested: bool,
}

impl Flavour {
    /// GitHub. Its own limit is 65,536 characters; under it in bytes is safe by either count.
    pub const GITHUB: Self = Self { cap: GITHUB_CAP, files: "blob", nested: false };
    /// GitLab. Its own limit is a million characters.
    pub const GITLAB: Self = Self { cap: GITHUB_CAP, files: "-/blob", nested: true };
}

/// The cap on GitHub, in bytes.
pub const GITHUB_CAP: usize = 60_000;
