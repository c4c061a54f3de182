//! What happens while a build runs, for whoever shows progress.

use std::time::Duration;

use super::result::{NodeStatus, TestStatus};

/// One step. Observers only look; they cannot change what the build does.
#[derive(Debug)]
pub enum Event<'a> {
    /// The build begins.
    Begin {
        /// Nodes and tests in all.
        tasks: usize,
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
    /// A node or test was sent.
    Started {
        /// What people call it.
        name: &'a str,
    },
    /// A node was built, or was not.
    Node {
        /// What became of it.
        status: &'a NodeStatus,
        /// Its name, its position among all, and how long it took.
        ended: Ended<'a>,
    },
    /// A test ended, or was skipped.
    Test {
        /// What it found.
        status: &'a TestStatus,
        /// Its name, its position among all, and how long it took.
        ended: Ended<'a>,
    },
}

/// Which node or test has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// What people call it.
    pub name: &'a str,
    /// How long it took.
    pub duration: Duration,
    /// Nodes and tests that have ended so far.
    pub done: usize,
    /// Nodes and tests in all.
    pub of: usize,
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
