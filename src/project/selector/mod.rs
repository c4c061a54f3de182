//! dbt's node selection: `--select`, `--exclude`, `--selector`, `--indirect-selection`, `--resource-type`.
//!
//! In: a manifest, its graph, and what the selectors ask about it. Out: the set of selected nodes, and the
//! warnings that dbt would give. Equal to dbt 1.11, including its oddities; each is named where it is kept.

mod state;

use std::collections::BTreeSet;

use crate::artifacts::{Manifest, ResourceType};

use super::graph::{Graph, NodeId};

pub use state::{StateAnswers, StateCheck};

/// Which tests come along with the nodes that they test (dbt's `--indirect-selection`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IndirectSelection {
    /// Every test with at least one selected parent: dbt's default.
    #[default]
    Eager,
    /// Only tests all of whose parents are selected.
    Cautious,
    /// Tests whose parents are selected, or upstream of the selected, or sources.
    Buildable,
    /// None.
    Empty,
}

/// What selectors are asked about.
#[derive(Clone, Copy)]
pub struct SelectionContext<'c> {
    /// The pull request's manifest.
    pub manifest: &'c Manifest<'c>,
    /// Its graph.
    pub graph: &'c Graph<'c>,
    /// Answers to `state:`; without them such a selector is an error.
    pub state: Option<&'c dyn StateAnswers>,
}

/// What the user asked for. Empty `select` and no `selector` means dbt's default: everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// `--select`; each may hold several, separated by spaces.
    pub select: Vec<String>,
    /// `--exclude`.
    pub exclude: Vec<String>,
    /// `--selector`: a name of selectors.yml.
    pub selector: Option<String>,
    /// `--indirect-selection`.
    pub indirect: IndirectSelection,
    /// `--resource-type`; empty means dbt's default for `ls`: all but analyses and operations.
    pub resource_types: Vec<ResourceType>,
    /// `--exclude-resource-type`.
    pub exclude_resource_types: Vec<ResourceType>,
}

/// What was selected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// The nodes, in the order of their unique_ids.
    pub nodes: BTreeSet<NodeId>,
    /// dbt's warnings: a criterion that matches nothing, nothing selected at all.
    pub warnings: Vec<String>,
}

/// Why a selection has no answer, in dbt's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// A selector that dbt refuses.
    #[error("{0}")]
    Invalid(String),
}

/// The nodes that `selection` means.
///
/// # Errors
/// When dbt refuses a selector, or `state:` is asked and no state was given.
pub fn select(context: SelectionContext<'_>, selection: &Selection) -> Result<Selected, SelectError> {
    let _ = (context, selection);
    Err(SelectError::Invalid("selectors are not implemented yet".to_owned()))
}
