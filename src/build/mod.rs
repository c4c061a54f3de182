//! The plan carried out: proxies, seeds, models, snapshots, data tests.
//!
//! In: a plan, the pull request's manifest, a warehouse. Out: an [`Outcome`]; while it runs, [`Event`]s.

pub mod contract;
pub mod data_test;
mod event;
mod job;
mod meeting;
mod outcome;
mod prepare;
mod refusal;
mod run;
mod schedule;
pub mod seed;
pub mod snapshot;
mod work;

pub use event::{Event, Observer, Unobserved};
pub use job::{Job, Prepared, Proxy, Select, TypedTable, Work};
pub use meeting::{Meeting, MeetingKind, Misfit};
pub use outcome::{Failure, JobResult, JobStatus, Outcome, RowCount, Stop};
pub use prepare::{Inputs, left_out_of_contract, prepare};
pub use run::{Count, RunOptions, run};
