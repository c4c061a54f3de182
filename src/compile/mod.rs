//! The user's own dbt as a living process: the project parsed, and the text of a node at its turn.
//!
//! In: how dbt is started, and which nodes' texts are wanted. Out: a manifest, and SQL. The process has no connection
//! to the warehouse: what macros ask while a text is made comes here, is judged like all texts of the project, and is
//! read through premerge's own [`Session`](crate::warehouse::Session), which cannot write.

mod at_turn;
mod catalogue;
mod dbt;
mod error;
mod interpreter;
mod process;
mod protocol;

pub use at_turn::{Askers, AtTurn, Given, NoText, Texts};
pub use catalogue::{Catalogue, Listed};
pub use dbt::{Dbt, Made, Options, Times};
pub use error::CompileError;
pub use interpreter::python_of;
pub use protocol::Place;
