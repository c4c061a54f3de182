//! The project as a graph: nodes, edges, and dbt's selector grammar over them.
//!
//! In: a [`Manifest`](crate::artifacts::Manifest). Out: a [`Graph`], and sets of unique_ids.

mod graph;

pub use graph::{Graph, NodeId};
