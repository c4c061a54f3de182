//! Exposures and groups.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::node::DependsOn;
use super::text::Text;
use super::tolerant::{lenient, object, opt, strings, text};

/// What uses models outside dbt, such as a dashboard.
#[derive(Debug, Clone, Deserialize)]
pub struct Exposure<'a> {
    /// `exposure.<package>.<name>`.
    #[serde(borrow, default, deserialize_with = "text")]
    pub unique_id: Cow<'a, str>,
    /// As its YAML declares it.
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// What people call it.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub label: Option<Cow<'a, str>>,
    /// `dashboard`, `notebook`, `application`, …
    #[serde(borrow, default, rename = "type", deserialize_with = "opt")]
    pub kind: Option<Cow<'a, str>>,
    /// `high`, `medium` or `low`.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub maturity: Option<Cow<'a, str>>,
    /// Where it is.
    #[serde(borrow, default, deserialize_with = "opt")]
    pub url: Option<Cow<'a, str>>,
    /// Prose.
    #[serde(borrow, default)]
    pub description: Text<'a>,
    /// `name`, `email` and whatever else the project keeps.
    #[serde(default, deserialize_with = "lenient")]
    pub owner: Option<serde_json::Value>,
    /// Its parents.
    #[serde(borrow, default, deserialize_with = "object")]
    pub depends_on: DependsOn<'a>,
    /// `[package, folder…, name]`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub fqn: Vec<Cow<'a, str>>,
    /// Path of the YAML file.
    #[serde(borrow, default, deserialize_with = "text")]
    pub original_file_path: Cow<'a, str>,
    /// The project or package that defines it.
    #[serde(borrow, default, deserialize_with = "text")]
    pub package_name: Cow<'a, str>,
    /// For the selector `tag:`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub tags: Vec<Cow<'a, str>>,
    /// The rendered configuration, as it stands in the file.
    #[serde(borrow, default, rename = "config")]
    pub raw_config: Option<&'a RawValue>,
    /// The configuration before rendering: what dbt compares.
    #[serde(borrow, default)]
    pub unrendered_config: Option<&'a RawValue>,
}

/// Models with one owner; only its members may use its private models.
#[derive(Debug, Clone, Deserialize)]
pub struct Group<'a> {
    /// What a node's `group` names.
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// `name`, `email` and whatever else the project keeps.
    #[serde(default, deserialize_with = "lenient")]
    pub owner: Option<serde_json::Value>,
}
