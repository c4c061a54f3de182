//! Where in the project's text a node of the parsed statement stands.

use serde_json::Value;

use super::Refusal;

/// The last place seen while a tree is walked.
pub(super) struct Place {
    /// Where the text begins in the statement, in bytes.
    before: usize,
    /// The ends of its lines, in bytes.
    ends: Vec<usize>,
    /// From 1; 0 before the first.
    pub(super) line: usize,
}

impl Place {
    /// Before the first node of `text`, which stands behind `before` bytes of ours.
    pub(super) fn new(before: usize, text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Self { before, ends, line: 0 }
    }

    /// Remembers where a node stands: `location` is its offset in the statement, in bytes. What has none, or stands in
    /// our part of the statement, changes nothing.
    pub(super) fn see(&mut self, location: Option<&Value>) {
        let at = location.and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
        if let Some(at) = at.and_then(|at| at.checked_sub(self.before)) {
            self.line = self.ends.partition_point(|end| *end < at) + 1;
        }
    }

    /// The refusal of what stands there.
    pub(super) fn refuse<T>(&self, rule: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal::new(rule, self.line))
    }
}
