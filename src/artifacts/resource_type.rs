//! dbt's kinds of resources.

use serde::{Deserialize, Deserializer};

use super::tolerant::text;

/// dbt's resource types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    /// A model, SQL or Python.
    Model,
    /// A CSV file.
    Seed,
    /// A slowly-changing-dimension table.
    Snapshot,
    /// A data test, generic or singular.
    Test,
    /// A query that is compiled and never run.
    Analysis,
    /// `on-run-start` and `on-run-end`.
    Operation,
    /// A table that dbt reads and does not make.
    Source,
    /// Something outside dbt that reads models.
    Exposure,
    /// A metric.
    Metric,
    /// A semantic model.
    SemanticModel,
    /// A saved query.
    SavedQuery,
    /// A unit test.
    UnitTest,
    /// A user-defined function (dbt 1.11).
    Function,
    /// Anything a later dbt may add.
    Other,
}

impl ResourceType {
    /// Every type that premerge knows.
    pub const ALL: [Self; 13] = [
        Self::Model,
        Self::Seed,
        Self::Snapshot,
        Self::Test,
        Self::Analysis,
        Self::Operation,
        Self::Source,
        Self::Exposure,
        Self::Metric,
        Self::SemanticModel,
        Self::SavedQuery,
        Self::UnitTest,
        Self::Function,
    ];

    /// dbt's own name of the type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Seed => "seed",
            Self::Snapshot => "snapshot",
            Self::Test => "test",
            Self::Analysis => "analysis",
            Self::Operation => "operation",
            Self::Source => "source",
            Self::Exposure => "exposure",
            Self::Metric => "metric",
            Self::SemanticModel => "semantic_model",
            Self::SavedQuery => "saved_query",
            Self::UnitTest => "unit_test",
            Self::Function => "function",
            Self::Other => "other",
        }
    }

    /// The type that dbt calls `name`; [`ResourceType::Other`] when unknown.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "model" => Self::Model,
            "seed" => Self::Seed,
            "snapshot" => Self::Snapshot,
            "test" => Self::Test,
            "analysis" => Self::Analysis,
            "operation" => Self::Operation,
            "source" => Self::Source,
            "exposure" => Self::Exposure,
            "metric" => Self::Metric,
            "semantic_model" => Self::SemanticModel,
            "saved_query" => Self::SavedQuery,
            "unit_test" => Self::UnitTest,
            "function" => Self::Function,
            _ => Self::Other,
        }
    }

    /// Whether dbt makes a relation of it (ephemeral models excepted).
    #[must_use]
    pub fn is_relation(self) -> bool {
        matches!(self, Self::Model | Self::Seed | Self::Snapshot)
    }
}

impl<'de> Deserialize<'de> for ResourceType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_name(&text(deserializer)?))
    }
}
