//! The whole manifest.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::metadata::Metadata;
use super::node::{DependsOn, Node, Source};
use super::text::Text;

/// A dbt manifest, borrowed from the bytes of its file. Maps keep the file's order.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Manifest<'a> {
    /// Who wrote it, when, for which warehouse.
    #[serde(borrow)]
    pub metadata: Metadata<'a>,
    /// Models, seeds, snapshots, tests, analyses, operations.
    #[serde(borrow)]
    pub nodes: IndexMap<Cow<'a, str>, Node<'a>>,
    /// Sources.
    #[serde(borrow)]
    pub sources: IndexMap<Cow<'a, str>, Source<'a>>,
    /// Macros; bodies are not decoded.
    #[serde(borrow)]
    pub macros: IndexMap<Cow<'a, str>, Macro<'a>>,
    /// Exposures.
    #[serde(borrow)]
    pub exposures: IndexMap<Cow<'a, str>, Exposure<'a>>,
    /// Groups.
    #[serde(borrow)]
    pub groups: IndexMap<Cow<'a, str>, Group<'a>>,
    /// Unit tests (v12).
    #[serde(borrow)]
    pub unit_tests: IndexMap<Cow<'a, str>, UnitTest<'a>>,
    /// User-defined functions (dbt 1.11).
    #[serde(borrow)]
    pub functions: IndexMap<Cow<'a, str>, Node<'a>>,
    /// Metrics, as they stand in the file.
    #[serde(borrow)]
    pub metrics: IndexMap<Cow<'a, str>, &'a RawValue>,
    /// Semantic models, as they stand in the file.
    #[serde(borrow)]
    pub semantic_models: IndexMap<Cow<'a, str>, &'a RawValue>,
    /// Saved queries, as they stand in the file.
    #[serde(borrow)]
    pub saved_queries: IndexMap<Cow<'a, str>, &'a RawValue>,
    /// Selectors of selectors.yml by name, as they stand in the file.
    #[serde(borrow)]
    pub selectors: IndexMap<Cow<'a, str>, &'a RawValue>,
    /// Disabled resources: unique_id → the definitions that share it.
    #[serde(borrow)]
    pub disabled: IndexMap<Cow<'a, str>, Vec<Disabled<'a>>>,
}

/// A macro.
#[derive(Debug, Clone, Deserialize)]
pub struct Macro<'a> {
    /// Its text.
    #[serde(borrow, default)]
    pub macro_sql: Text<'a>,
    /// The package it comes from.
    #[serde(borrow, default)]
    pub package_name: Cow<'a, str>,
    /// Its name.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// Macros that it calls.
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub depends_on: DependsOn<'a>,
    /// Path below the package's root.
    #[serde(borrow, default)]
    pub original_file_path: Cow<'a, str>,
}

/// An exposure.
#[derive(Debug, Clone, Deserialize)]
pub struct Exposure<'a> {
    /// `exposure.<package>.<name>`.
    #[serde(borrow, default)]
    pub unique_id: Cow<'a, str>,
    /// Its name.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// What people call it.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub label: Option<Cow<'a, str>>,
    /// `dashboard`, `notebook`, `application`, …
    #[serde(borrow, default, rename = "type", deserialize_with = "opt")]
    pub kind: Option<Cow<'a, str>>,
    /// Where it is.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub url: Option<Cow<'a, str>>,
    /// Whose it is.
    #[serde(default)]
    pub owner: Option<serde_json::Value>,
    /// Its parents.
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub depends_on: DependsOn<'a>,
    /// `[package, folder…, name]`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub fqn: Vec<Cow<'a, str>>,
    /// Path of the YAML file.
    #[serde(borrow, default)]
    pub original_file_path: Cow<'a, str>,
    /// The package.
    #[serde(borrow, default)]
    pub package_name: Cow<'a, str>,
    /// Tags.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub tags: Vec<Cow<'a, str>>,
}

/// A group.
#[derive(Debug, Clone, Deserialize)]
pub struct Group<'a> {
    /// Its name.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// Whose it is.
    #[serde(default)]
    pub owner: Option<serde_json::Value>,
}

/// A unit test.
#[derive(Debug, Clone, Deserialize)]
pub struct UnitTest<'a> {
    /// `unit_test.<package>.<model>.<name>`.
    #[serde(borrow, default)]
    pub unique_id: Cow<'a, str>,
    /// Its name.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// The tested model's name.
    #[serde(borrow, default)]
    pub model: Cow<'a, str>,
    /// The tested model.
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub depends_on: DependsOn<'a>,
    /// `[package, folder…, model, name]`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub fqn: Vec<Cow<'a, str>>,
    /// Path of the YAML file.
    #[serde(borrow, default)]
    pub original_file_path: Cow<'a, str>,
    /// The package.
    #[serde(borrow, default)]
    pub package_name: Cow<'a, str>,
    /// dbt's checksum of the definition.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub checksum: Option<Cow<'a, str>>,
    /// Inputs, as they stand in the file.
    #[serde(borrow, default)]
    pub given: Option<&'a RawValue>,
    /// Expected output, as it stands in the file.
    #[serde(borrow, default)]
    pub expect: Option<&'a RawValue>,
    /// Overridden macros, vars and environment variables, as they stand in the file.
    #[serde(borrow, default)]
    pub overrides: Option<&'a RawValue>,
    /// The model's version, a JSON number or string.
    #[serde(borrow, default)]
    pub version: Option<&'a RawValue>,
}

/// One disabled definition.
#[derive(Debug, Clone, Deserialize)]
pub struct Disabled<'a> {
    /// `model`, `test`, …
    #[serde(borrow, default)]
    pub resource_type: Cow<'a, str>,
    /// Path below the package's root.
    #[serde(borrow, default)]
    pub original_file_path: Cow<'a, str>,
}

/// An optional string that borrows when it can; null is absent. (serde borrows `Cow` only when told so,
/// and not inside `Option`.)
pub(super) fn opt<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Borrowed<'b>(#[serde(borrow)] Cow<'b, str>);
    Ok(Option::<Borrowed<'a>>::deserialize(deserializer)?.map(|b| b.0))
}

/// A list of strings that borrow when they can; null is empty.
pub(super) fn strings<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Cow<'a, str>>, D::Error> {
    #[derive(Deserialize)]
    struct Borrowed<'b>(#[serde(borrow)] Cow<'b, str>);
    let list = Option::<Vec<Borrowed<'a>>>::deserialize(deserializer)?;
    Ok(list.unwrap_or_default().into_iter().map(|b| b.0).collect())
}

/// Null means the default.
pub(super) fn lenient<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}
