//! The plan carried out: proxies, seeds, models, snapshots, data tests.
//!
//! In: a plan, the pull request's manifest, a warehouse. Out: an [`Outcome`]; while it runs, [`Event`]s.

pub mod contract;
pub mod data_test;
pub mod seed;
pub mod snapshot;
