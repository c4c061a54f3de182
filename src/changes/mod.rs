//! What the pull request changes.
//!
//! In: production's manifest and the pull request's. Out: [`Changes`], each with its reasons, and the
//! answers to dbt's `state:` selectors. Equal to dbt 1.11 (`tests/state_corpus.rs` proves it).

mod asks;
mod base;
mod build_macros;
mod change;
mod compare;
mod compile_context;
mod compiled;
mod config;
mod context;
mod contract;
mod counterpart;
mod definition;
mod drift;
mod elsewhere;
mod json;
mod macro_calls;
mod macro_use;
mod macros;
mod node;
mod needed;
mod names;
mod naming_macros;
mod notice;
mod parts;
mod reason;
mod removed;
mod rendered;
mod schemas;
mod seed_files;
mod shared;
mod state;
mod state_checks;
mod test_macros;
mod texts;
mod written;

pub use asks::{Asks, asks, looks_at_command};
pub use base::Base;
pub use build_macros::BuildMacros;
pub(crate) use build_macros::is_dbts_own;
pub use change::{Change, ChangeKind, Changes, MacroUse, Undecided};
pub use compare::compare;
pub use compiled::{CompiledVerdicts, compare_compiled};
pub use context::CompareOptions;
pub use elsewhere::{TestElsewhere, tests_elsewhere};
pub(crate) use macro_calls::{callable_names, with_callers};
pub use needed::{affected, has_text, may_differ_unseen};
pub use notice::{Notice, NoticeKind};
pub use reason::Reason;
pub(crate) use test_macros::may_replace;
pub use test_macros::{ChangedTestMacros, JudgedBy, changed_test_macros};
