//! The whole manifest.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::exposure::{Exposure, Group};
use super::members::Members;
use super::metadata::Metadata;
use super::node::{Contract, DependsOn, Node};
use super::resource_type::ResourceType;
use super::semantic::{Metric, SavedQuery, SemanticModel};
use super::source::Source;
use super::text::Text;
use super::tolerant::{map, map_of_lists, object, opt, raw_map, text};
use super::unique_id::UniqueIdRef;
use super::unit_test::UnitTest;
use crate::sql::{Dialect, RelationName};

/// A dbt manifest, borrowed from the bytes of its file. Maps keep the file's order.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Manifest<'a> {
    /// Who wrote it, when, for which warehouse.
    #[serde(borrow, deserialize_with = "object")]
    pub metadata: Metadata<'a>,
    /// Models, seeds, snapshots, tests, analyses, operations.
    #[serde(borrow, deserialize_with = "map")]
    pub nodes: Members<'a, Node<'a>>,
    /// Relations that dbt reads and does not make, by unique_id.
    #[serde(borrow, deserialize_with = "map")]
    pub sources: Members<'a, Source<'a>>,
    /// Macros; bodies are not decoded.
    #[serde(borrow, deserialize_with = "map")]
    pub macros: Members<'a, Macro<'a>>,
    /// Dashboards, notebooks and the like that read nodes.
    #[serde(borrow, deserialize_with = "map")]
    pub exposures: Members<'a, Exposure<'a>>,
    /// Owners of models.
    #[serde(borrow, deserialize_with = "map")]
    pub groups: Members<'a, Group<'a>>,
    /// Unit tests (v12).
    #[serde(borrow, deserialize_with = "map")]
    pub unit_tests: Members<'a, UnitTest<'a>>,
    /// User-defined functions (dbt 1.11).
    #[serde(borrow, deserialize_with = "map")]
    pub functions: Members<'a, Node<'a>>,
    /// Measures of semantic models, and what is computed from them.
    #[serde(borrow, deserialize_with = "map")]
    pub metrics: Members<'a, Metric<'a>>,
    /// What MetricFlow knows of a model: entities, dimensions, measures.
    #[serde(borrow, deserialize_with = "map")]
    pub semantic_models: Members<'a, SemanticModel<'a>>,
    /// Queries of metrics that the project keeps.
    #[serde(borrow, deserialize_with = "map")]
    pub saved_queries: Members<'a, SavedQuery<'a>>,
    /// Selectors of selectors.yml by name, as they stand in the file.
    #[serde(borrow, deserialize_with = "raw_map")]
    pub selectors: Members<'a, &'a RawValue>,
    /// Disabled resources: unique_id → the definitions that share it.
    #[serde(borrow, deserialize_with = "map_of_lists")]
    pub disabled: Members<'a, Vec<Disabled<'a>>>,
}

/// A macro of the project, of a package or of dbt itself; tests' and materializations' too.
#[derive(Debug, Clone, Deserialize)]
pub struct Macro<'a> {
    /// The whole block, from `{% macro … %}` to its end.
    #[serde(borrow, default)]
    pub macro_sql: Text<'a>,
    /// The package it comes from.
    #[serde(borrow, default, deserialize_with = "text")]
    pub package_name: Cow<'a, str>,
    /// Without its package, as a call has it.
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// Macros that it calls.
    #[serde(borrow, default, deserialize_with = "object")]
    pub depends_on: DependsOn<'a>,
    /// Path below the package's root.
    #[serde(borrow, default, deserialize_with = "text")]
    pub original_file_path: Cow<'a, str>,
}

/// One disabled definition.
#[derive(Debug, Clone, Deserialize)]
pub struct Disabled<'a> {
    /// `model`, `test`, …
    #[serde(borrow, default, deserialize_with = "text")]
    pub resource_type: Cow<'a, str>,
    /// As its definition has it.
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// Path below the package's root.
    #[serde(borrow, default, deserialize_with = "text")]
    pub original_file_path: Cow<'a, str>,
    /// The contract that it would keep.
    #[serde(borrow, default, deserialize_with = "object")]
    pub contract: Contract<'a>,
    /// The version: a JSON number or string.
    #[serde(borrow, default)]
    pub version: Option<&'a RawValue>,
    /// After this date the model may go.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub deprecation_date: Option<Cow<'a, str>>,
}

impl Manifest<'_> {
    /// What dbt itself changes in a manifest of an older schema before it compares, and the ids and types
    /// that a member may leave to its key.
    pub(super) fn upgrade(&mut self) {
        if self.metadata.schema_number().is_some_and(|number| number <= 9) {
            // The metrics of dbt 1.5 and before have nothing in common with those of today.
            self.metrics.clear();
            for definitions in self.disabled.values_mut() {
                definitions.retain(|definition| definition.resource_type != "metric");
            }
            self.disabled.retain(|_, definitions| !definitions.is_empty());
        }
        let old = self.metadata.schema_number().is_some_and(|number| number < 12);
        for (id, node) in self.nodes.iter_mut().chain(&mut self.functions) {
            if node.unique_id.is_empty() {
                node.unique_id = id.clone();
            }
            if node.resource_type == ResourceType::Other {
                node.resource_type = UniqueIdRef::new(id).kind();
            }
            if old && node.resource_type == ResourceType::Seed {
                // Seeds had parents and compiled text up to dbt 1.3, both always empty.
                node.depends_on.nodes.clear();
                node.compiled_code = None;
            }
        }
    }

    /// The name of the relation of a node, source or function.
    #[must_use]
    pub fn relation(&self, unique_id: &str, dialect: Dialect) -> Option<&RelationName> {
        let node = self.nodes.get(unique_id).or_else(|| self.functions.get(unique_id));
        match node {
            Some(node) => node.relation(dialect),
            None => self.sources.get(unique_id)?.relation(dialect),
        }
    }
}
