//! What differs between the code hosts that show a comment.

/// What differs between the code hosts that show a comment. Each host's stands in its own file of `publish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flavour {
    /// Longest comment, in bytes.
    pub cap: usize,
    /// Between a repository and a commit in the address of a file.
    pub files: &'static str,
    /// Whether a repository's name may have more than two parts.
    pub nested: bool,
}

impl Flavour {
    /// Whether this is `owner/name` and nothing else; with more parts where a host has groups in groups.
    #[must_use]
    pub fn is_repository(self, text: &str) -> bool {
        let part = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        };
        let parts = text.split('/').count();
        (parts == 2 || (self.nested && (2..=20).contains(&parts))) && text.split('/').all(part)
    }
}
