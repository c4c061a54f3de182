//! The guard that every statement of a run is sent under.

/// The condition under which a run may go on, as a query that fails when it may not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard(pub(super) String);

impl Guard {
    /// The query. Its failure names `premerge-superseded`: an aggregate cannot be computed beforehand, so the
    /// cast is tried only when the run is not found.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.0
    }
}
