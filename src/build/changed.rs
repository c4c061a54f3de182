//! Relations of production that were changed while the run read them.

use crate::artifacts::UniqueId;

/// How a relation of production was changed under the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disturbance {
    /// There is none of that name.
    Missing,
    /// Another relation has the name, or its rows were all replaced.
    Replaced,
    /// Rows were written or deleted in a table that dbt builds: its own, or one below it.
    Written,
    /// Rows were written or deleted in a table that others load: a source, or one below a view.
    Loaded,
}

/// A relation of production that was changed while the run read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The node or source.
    pub unique_id: UniqueId,
    /// How.
    pub change: Disturbance,
}
