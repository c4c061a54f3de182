//! All members of a manifest that the graph holds, seen alike.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::exposure::Exposure;
use super::manifest::Manifest;
use super::node::{DependsOn, Node};
use super::resource_type::ResourceType;
use super::semantic::{Metric, SavedQuery, SemanticModel};
use super::source::Source;
use super::unit_test::UnitTest;

/// A member of the graph: anything that dbt's selectors can select.
#[derive(Debug, Clone, Copy)]
pub enum Resource<'m, 'a> {
    /// A model, seed, snapshot, data test, analysis or operation; also a function.
    Node(&'m Node<'a>),
    /// A source.
    Source(&'m Source<'a>),
    /// An exposure.
    Exposure(&'m Exposure<'a>),
    /// A metric.
    Metric(&'m Metric<'a>),
    /// A unit test.
    UnitTest(&'m UnitTest<'a>),
    /// A semantic model.
    SemanticModel(&'m SemanticModel<'a>),
    /// A saved query.
    SavedQuery(&'m SavedQuery<'a>),
}

impl<'a> Manifest<'a> {
    /// Every member of the graph with its unique_id, in dbt's order.
    pub fn resources<'m>(&'m self) -> impl Iterator<Item = (&'m str, Resource<'m, 'a>)> {
        let nodes = self.nodes.iter().map(|(id, node)| (id.as_ref(), Resource::Node(node)));
        let sources = self.sources.iter().map(|(id, source)| (id.as_ref(), Resource::Source(source)));
        let exposures = self.exposures.iter().map(|(id, exposure)| (id.as_ref(), Resource::Exposure(exposure)));
        let metrics = self.metrics.iter().map(|(id, metric)| (id.as_ref(), Resource::Metric(metric)));
        let unit_tests = self.unit_tests.iter().map(|(id, test)| (id.as_ref(), Resource::UnitTest(test)));
        let models = self.semantic_models.iter().map(|(id, model)| (id.as_ref(), Resource::SemanticModel(model)));
        let queries = self.saved_queries.iter().map(|(id, query)| (id.as_ref(), Resource::SavedQuery(query)));
        let functions = self.functions.iter().map(|(id, node)| (id.as_ref(), Resource::Node(node)));
        nodes
            .chain(sources)
            .chain(exposures)
            .chain(metrics)
            .chain(unit_tests)
            .chain(models)
            .chain(queries)
            .chain(functions)
    }

    /// The member of the graph called `unique_id`.
    #[must_use]
    pub fn resource<'m>(&'m self, unique_id: &str) -> Option<Resource<'m, 'a>> {
        let node = || self.nodes.get(unique_id).map(Resource::Node);
        let source = || self.sources.get(unique_id).map(Resource::Source);
        let exposure = || self.exposures.get(unique_id).map(Resource::Exposure);
        let metric = || self.metrics.get(unique_id).map(Resource::Metric);
        let model = || self.semantic_models.get(unique_id).map(Resource::SemanticModel);
        let unit_test = || self.unit_tests.get(unique_id).map(Resource::UnitTest);
        let query = || self.saved_queries.get(unique_id).map(Resource::SavedQuery);
        let function = || self.functions.get(unique_id).map(Resource::Node);
        node()
            .or_else(source)
            .or_else(exposure)
            .or_else(metric)
            .or_else(model)
            .or_else(unit_test)
            .or_else(query)
            .or_else(function)
    }
}

/// `$self.$field`, whichever resource it is.
macro_rules! each {
    ($self:ident, $it:ident => $value:expr) => {
        match $self {
            Resource::Node($it) => $value,
            Resource::Source($it) => $value,
            Resource::Exposure($it) => $value,
            Resource::Metric($it) => $value,
            Resource::UnitTest($it) => $value,
            Resource::SemanticModel($it) => $value,
            Resource::SavedQuery($it) => $value,
        }
    };
}

impl<'m, 'a> Resource<'m, 'a> {
    /// Its type, as dbt names it.
    #[must_use]
    pub fn resource_type(self) -> ResourceType {
        match self {
            Resource::Node(node) => node.resource_type,
            Resource::Source(_) => ResourceType::Source,
            Resource::Exposure(_) => ResourceType::Exposure,
            Resource::Metric(_) => ResourceType::Metric,
            Resource::UnitTest(_) => ResourceType::UnitTest,
            Resource::SemanticModel(_) => ResourceType::SemanticModel,
            Resource::SavedQuery(_) => ResourceType::SavedQuery,
        }
    }

    /// Its name; of a source, the table's.
    #[must_use]
    pub fn name(self) -> &'m str {
        each!(self, it => &it.name)
    }

    /// The package that it belongs to.
    #[must_use]
    pub fn package_name(self) -> &'m str {
        each!(self, it => &it.package_name)
    }

    /// `[package, folder…, name]`.
    #[must_use]
    pub fn fqn(self) -> &'m [Cow<'a, str>] {
        each!(self, it => &it.fqn)
    }

    /// Path of its file below the package's root.
    #[must_use]
    pub fn original_file_path(self) -> &'m str {
        each!(self, it => &it.original_file_path)
    }

    /// Its rendered configuration, as it stands in the file.
    #[must_use]
    pub fn raw_config(self) -> Option<&'a RawValue> {
        each!(self, it => it.raw_config)
    }

    /// Whether it takes part. dbt keeps most disabled resources apart, in `disabled`, but leaves a data test that
    /// is disabled where it is used among the nodes; neither its graph nor its selectors hold that one. Of exposures
    /// dbt never asks.
    #[must_use]
    pub fn is_enabled(self) -> bool {
        #[derive(Deserialize)]
        struct Only {
            enabled: Option<bool>,
        }
        if matches!(self, Resource::Exposure(_)) {
            return true;
        }
        let Some(raw) = self.raw_config().map(RawValue::get) else { return true };
        // Mostly the first key and true, which takes no parser to see.
        let Some((_, rest)) = raw.split_once("\"enabled\"") else { return true };
        let says_true = rest.trim_start().strip_prefix(':').is_some_and(|value| value.trim_start().starts_with("true"));
        let first = raw.trim_start_matches(['{', ' ', '\n', '\r', '\t']).starts_with("\"enabled\"");
        (says_true && first) || !serde_json::from_str::<Only>(raw).is_ok_and(|config| config.enabled == Some(false))
    }

    /// `package://file.yml` of its properties, where they stand in another file.
    #[must_use]
    pub fn patch_path(self) -> Option<&'m str> {
        match self {
            Resource::Node(node) => node.patch_path.as_deref(),
            Resource::Source(source) => source.patch_path.as_deref(),
            _ => None,
        }
    }

    /// Its tags. Semantic models have none; a unit test's are in its configuration.
    #[must_use]
    pub fn tags(self) -> &'m [Cow<'a, str>] {
        match self {
            Resource::Node(node) => &node.tags,
            Resource::Source(source) => &source.tags,
            Resource::Exposure(exposure) => &exposure.tags,
            Resource::Metric(metric) => &metric.tags,
            Resource::SavedQuery(query) => &query.tags,
            Resource::UnitTest(_) | Resource::SemanticModel(_) => &[],
        }
    }

    /// Its parents and macros; a source has none.
    #[must_use]
    pub fn depends_on(self) -> Option<&'m DependsOn<'a>> {
        match self {
            Resource::Node(node) => Some(&node.depends_on),
            Resource::Source(_) => None,
            Resource::Exposure(exposure) => Some(&exposure.depends_on),
            Resource::Metric(metric) => Some(&metric.depends_on),
            Resource::UnitTest(test) => Some(&test.depends_on),
            Resource::SemanticModel(model) => Some(&model.depends_on),
            Resource::SavedQuery(query) => Some(&query.depends_on),
        }
    }
}
