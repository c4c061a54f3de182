//! What is asked for, of what, and what comes of it.

use std::collections::BTreeSet;

use super::state::StateAnswers;
use crate::artifacts::{Manifest, ResourceType, RunResults};
use crate::project::graph::{Graph, NodeId};

/// Which tests come along with the nodes that they test (dbt's `--indirect-selection`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
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

impl IndirectSelection {
    /// dbt's name of the mode.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Cautious => "cautious",
            Self::Buildable => "buildable",
            Self::Empty => "empty",
        }
    }

    /// The mode that dbt calls `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn parse(name: &str) -> Result<Self, SelectError> {
        match name {
            "eager" => Ok(Self::Eager),
            "cautious" => Ok(Self::Cautious),
            "buildable" => Ok(Self::Buildable),
            "empty" => Ok(Self::Empty),
            _ => Err(SelectError::Invalid(format!("'{name}' is not a valid IndirectSelection"))),
        }
    }
}

/// What selectors are asked about.
#[derive(Clone, Copy)]
pub struct SelectionContext<'c> {
    /// The pull request's manifest.
    pub manifest: &'c Manifest<'c>,
    /// The graph of `manifest`, which selectors walk.
    pub graph: &'c Graph<'c>,
    /// Answers to `state:`; without them such a selector is an error.
    pub state: Option<&'c dyn StateAnswers>,
    /// Answers to `result:`: state's run_results.json.
    pub results: Option<&'c RunResults<'c>>,
    /// Answers to `source_status:`: state's sources.json.
    pub source_freshness_state: Option<&'c RunResults<'c>>,
    /// Answers to `source_status:`: the pull request's sources.json.
    pub source_freshness: Option<&'c RunResults<'c>>,
}

impl<'c> SelectionContext<'c> {
    /// A context that can answer everything but `state:`, `result:` and `source_status:`.
    #[must_use]
    pub fn new(manifest: &'c Manifest<'c>, graph: &'c Graph<'c>) -> Self {
        Self { manifest, graph, state: None, results: None, source_freshness_state: None, source_freshness: None }
    }
}

/// What the user asked for. Empty `select` and no `selector` means dbt's default: everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// `--select`; each may hold several, separated by spaces.
    pub select: Vec<String>,
    /// `--exclude`: what is taken out of the selection; written as in `select`.
    pub exclude: Vec<String>,
    /// `--selector`: a name of selectors.yml.
    pub selector: Option<String>,
    /// `--indirect-selection`: which tests of selected nodes come along.
    pub indirect: IndirectSelection,
    /// `--resource-type`; empty means dbt's default for `ls`: all but analyses and operations.
    pub resource_types: Vec<ResourceType>,
    /// `--exclude-resource-type`; taken from `resource_types`.
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

impl Selection {
    pub(super) fn includes(&self, resource_type: ResourceType) -> bool {
        let included = match self.resource_types.as_slice() {
            [] => !matches!(resource_type, ResourceType::Analysis | ResourceType::Operation | ResourceType::Other),
            types => types.contains(&resource_type),
        };
        included && !self.exclude_resource_types.contains(&resource_type)
    }
}
