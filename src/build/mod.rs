//! The plan carried out: proxies, seeds, models, snapshots, data tests.
//!
//! In: a plan, the pull request's manifest, a warehouse. Out: an [`Outcome`]; while it runs, [`Event`]s.

pub mod contract;
pub mod data_test;
mod event;
mod job;
mod outcome;
mod schedule;
pub mod seed;
pub mod snapshot;
mod work;

pub use event::{Event, Observer, Unobserved};
pub use job::{Job, Select, TypedTable, Work};
pub use outcome::{Failure, JobResult, JobStatus, Outcome, RowCount, Stop};
