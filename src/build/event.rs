//! What happens while a build runs, for whoever shows progress.

use std::time::Duration;

use super::outcome::JobStatus;

/// One step. Observers only look; they cannot change what the build does.
#[derive(Debug)]
pub enum Event<'a> {
    /// The build begins.
    Begin {
        /// Jobs in all.
        jobs: usize,
        /// Proxy views to make first.
        proxies: usize,
    },
    /// The proxies are there.
    Proxies {
        /// How many.
        made: usize,
        /// How long it took.
        duration: Duration,
    },
    /// A job was sent.
    Started {
        /// What people call it.
        name: &'a str,
        /// Whether it is a test.
        test: bool,
    },
    /// A job ended, or was skipped.
    Finished {
        /// What people call it.
        name: &'a str,
        /// Whether it is a test.
        test: bool,
        /// How.
        status: &'a JobStatus,
        /// Rows written.
        rows: Option<u64>,
        /// How long it took.
        duration: Duration,
        /// Jobs that have ended so far.
        done: usize,
        /// Jobs in all.
        jobs: usize,
    },
}

/// Somebody who watches a build.
pub trait Observer: Send + Sync {
    /// Called for each event, in order.
    fn on(&self, event: &Event<'_>);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn on(&self, _: &Event<'_>) {}
}
