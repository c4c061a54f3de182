//! The semantic layer: metrics, semantic models, saved queries. premerge builds none of them; it compares
//! and selects them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::node::DependsOn;
use super::text::Text;
use super::tolerant::{object, opt, strings, text};

/// A number that the semantic layer computes.
#[derive(Debug, Clone, Deserialize)]
pub struct Metric<'a> {
    /// `metric.<package>.<name>`.
    #[serde(borrow, default, deserialize_with = "text")]
    pub unique_id: Cow<'a, str>,
    /// What `metric:` selects.
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// The project or package that defines it.
    #[serde(borrow, default, deserialize_with = "text")]
    pub package_name: Cow<'a, str>,
    /// Path of the YAML file.
    #[serde(borrow, default, deserialize_with = "text")]
    pub original_file_path: Cow<'a, str>,
    /// `[package, folder…, name]`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub fqn: Vec<Cow<'a, str>>,
    /// For the selector `tag:`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub tags: Vec<Cow<'a, str>>,
    /// `simple`, `ratio`, `derived`, …
    #[serde(borrow, default, rename = "type", deserialize_with = "opt")]
    pub kind: Option<Cow<'a, str>>,
    /// Prose.
    #[serde(borrow, default)]
    pub description: Text<'a>,
    /// What people call it.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub label: Option<Cow<'a, str>>,
    /// Its parents.
    #[serde(borrow, default, deserialize_with = "object")]
    pub depends_on: DependsOn<'a>,
    /// The rendered configuration, as it stands in the file.
    #[serde(borrow, default, rename = "config")]
    pub raw_config: Option<&'a RawValue>,
    /// The configuration before rendering: what dbt compares.
    #[serde(borrow, default)]
    pub unrendered_config: Option<&'a RawValue>,
}

/// Entities, dimensions and measures on top of one model.
#[derive(Debug, Clone, Deserialize)]
pub struct SemanticModel<'a> {
    /// `semantic_model.<package>.<name>`.
    #[serde(borrow, default, deserialize_with = "text")]
    pub unique_id: Cow<'a, str>,
    /// What `semantic_model:` selects.
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// The project or package that defines it.
    #[serde(borrow, default, deserialize_with = "text")]
    pub package_name: Cow<'a, str>,
    /// Path of the YAML file.
    #[serde(borrow, default, deserialize_with = "text")]
    pub original_file_path: Cow<'a, str>,
    /// `[package, folder…, name]`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub fqn: Vec<Cow<'a, str>>,
    /// The `ref` of its model.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub model: Option<Cow<'a, str>>,
    /// Prose.
    #[serde(borrow, default)]
    pub description: Text<'a>,
    /// As it stands in the file.
    #[serde(borrow, default)]
    pub defaults: Option<&'a RawValue>,
    /// As they stand in the file.
    #[serde(borrow, default)]
    pub entities: Option<&'a RawValue>,
    /// As they stand in the file.
    #[serde(borrow, default)]
    pub dimensions: Option<&'a RawValue>,
    /// As they stand in the file.
    #[serde(borrow, default)]
    pub measures: Option<&'a RawValue>,
    /// The entity that identifies a row, when no `entities` member does.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub primary_entity: Option<Cow<'a, str>>,
    /// The group's name.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub group: Option<Cow<'a, str>>,
    /// Its parents.
    #[serde(borrow, default, deserialize_with = "object")]
    pub depends_on: DependsOn<'a>,
    /// The rendered configuration, as it stands in the file.
    #[serde(borrow, default, rename = "config")]
    pub raw_config: Option<&'a RawValue>,
}

/// A query of the semantic layer, with its exports.
#[derive(Debug, Clone, Deserialize)]
pub struct SavedQuery<'a> {
    /// `saved_query.<package>.<name>`.
    #[serde(borrow, default, deserialize_with = "text")]
    pub unique_id: Cow<'a, str>,
    /// What `saved_query:` selects.
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// The project or package that defines it.
    #[serde(borrow, default, deserialize_with = "text")]
    pub package_name: Cow<'a, str>,
    /// Path of the YAML file.
    #[serde(borrow, default, deserialize_with = "text")]
    pub original_file_path: Cow<'a, str>,
    /// `[package, folder…, name]`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub fqn: Vec<Cow<'a, str>>,
    /// For the selector `tag:`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub tags: Vec<Cow<'a, str>>,
    /// Prose.
    #[serde(borrow, default)]
    pub description: Text<'a>,
    /// What people call it.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub label: Option<Cow<'a, str>>,
    /// Metrics, dimensions and filters, as they stand in the file.
    #[serde(borrow, default)]
    pub query_params: Option<&'a RawValue>,
    /// What is written where, as it stands in the file.
    #[serde(borrow, default)]
    pub exports: Option<&'a RawValue>,
    /// The group's name.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub group: Option<Cow<'a, str>>,
    /// Its parents.
    #[serde(borrow, default, deserialize_with = "object")]
    pub depends_on: DependsOn<'a>,
    /// The rendered configuration, as it stands in the file.
    #[serde(borrow, default, rename = "config")]
    pub raw_config: Option<&'a RawValue>,
}
