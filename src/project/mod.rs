//! The project as a graph: nodes, edges, and dbt's selector grammar over them.
//!
//! In: a [`Manifest`](crate::artifacts::Manifest). Out: a [`Graph`], and sets of unique_ids.

mod graph;
mod made_sources;
mod selector;
mod traverse;

pub use graph::{Graph, NodeId};
pub use selector::{
    IndirectSelection, SelectError, Selected, Selection, SelectionContext, StateAnswers, StateCheck, select,
};
pub use traverse::Cycle;
