//! The report: the one value that holds a run's result, and its renderings.
//!
//! In: what the earlier stages found, gathered in a [`Draft`]. Out: a [`Report`], whose verdict is
//! computed here and nowhere else. A rendering is a pure function of a report and a writer: no
//! network, no clock, no environment. Text from the pull request or the warehouse is data; each
//! rendering escapes it for its target.

pub mod annotations; // commands to GitHub's runner
mod check;
pub mod codequality; // for GitLab's code quality
mod concluded;
mod draft;
mod facts;
mod finding;
mod finding_list;
mod gather; // what each stage found, made part of the report
mod impact;
mod lint;
pub mod json; // the document `report.json`, version 1
pub mod junit; // for the test reports of CI systems
pub mod markdown; // the pull request's comment
mod not_yours;
mod outcome;
mod problems;
pub mod sarif; // for code scanning
pub mod terminal; // what `premerge check` prints
mod verdict;
mod words;

pub use crate::artifacts::StateFacts;
pub use check::{Check, CheckName, CheckState, Scoreboard};
pub use concluded::{Report, SCHEMA_VERSION};
pub use draft::Draft;
pub use facts::{Facts, Interruption, LeftOut, NotChecked, RunFacts, TemporarySchema, Timings};
pub use finding::{Finding, InvalidFinding, LintCode, Location, OwnRule, RuleId, Severity, rules};
pub use finding_list::{FindingList, Missing};
pub use gather::{Address, Planned, SchemaEnd, WantedSchema};
pub use impact::{CosmeticChange, DownstreamModel, ExposedUse, Impact, OtherChange, OtherFate, RemovedNode};
pub use lint::LintFacts;
pub use not_yours::{NotYours, NotYoursFate};
pub use outcome::{NodeOutcome, NodeStatus, TestKind, TestOutcome, TestStatus, Why};
pub use verdict::Verdict;
