//! The plan carried out: proxies, seeds, models, snapshots, data tests.
//!
//! In: a plan, the pull request's manifest, a warehouse. Out: an [`Outcome`]; while it runs, [`Event`]s.

pub mod contract;
mod count;
pub mod data_test;
mod event;
mod hooks;
mod kept_rows;
mod keys;
mod existing_table;
mod changed;
mod compared;
mod moving;
mod prepare;
mod refusal;
mod result;
mod run;
mod schedule;
pub mod seed;
pub mod snapshot;
mod task;
mod work;

pub use changed::{Changed, Disturbance};
pub use compared::Compared;
pub use count::{Count, RowCount};
pub use event::{Ended, Event, Observer, Unobserved};
pub use existing_table::{ExistingTable, ExistingTableKind, LaterText, Misfit, ReadParent};
pub use kept_rows::KeptRows;
pub use keys::{KeyCheck, RepeatedKeys};
pub use prepare::{Inputs, left_out_of_contract, prepare};
pub use result::{FailedProxy, Failure, NodeResult, NodeStatus, Outcome, Stop, TestResult, TestStatus};
pub use run::{RunOptions, run};
pub use task::{Build, Prepared, Proxy, Select, Task, Test, TypedTable, Work};
