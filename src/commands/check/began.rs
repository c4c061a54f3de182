//! When the run began.

use std::time::Instant;

use jiff::Timestamp;

/// When the run began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Began {
    pub(super) instant: Instant,
    pub(super) at: Timestamp,
}
