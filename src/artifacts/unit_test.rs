//! A unit test. The manifest holds its definition and no SQL.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::node::DependsOn;
use super::tolerant::{object, opt, strings, text};

/// A model's SQL on given rows, with the rows that are expected.
#[derive(Debug, Clone, Deserialize)]
pub struct UnitTest<'a> {
    /// `unit_test.<package>.<model>.<name>`.
    #[serde(borrow, default, deserialize_with = "text")]
    pub unique_id: Cow<'a, str>,
    /// Without the model's, which the unique_id also has.
    #[serde(borrow, default, deserialize_with = "text")]
    pub name: Cow<'a, str>,
    /// The tested model's name.
    #[serde(borrow, default, deserialize_with = "text")]
    pub model: Cow<'a, str>,
    /// The tested model.
    #[serde(borrow, default, deserialize_with = "object")]
    pub depends_on: DependsOn<'a>,
    /// `[package, folder…, model, name]`.
    #[serde(borrow, default, deserialize_with = "strings")]
    pub fqn: Vec<Cow<'a, str>>,
    /// Path of the YAML file.
    #[serde(borrow, default, deserialize_with = "text")]
    pub original_file_path: Cow<'a, str>,
    /// The project or package that defines it.
    #[serde(borrow, default, deserialize_with = "text")]
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
    /// The versions that the YAML asks for, as they stand in the file.
    #[serde(borrow, default)]
    pub versions: Option<&'a RawValue>,
    /// The rendered configuration, as it stands in the file.
    #[serde(borrow, default, rename = "config")]
    pub raw_config: Option<&'a RawValue>,
}
