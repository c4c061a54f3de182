//! A column as the project declares it.

use serde::Deserialize;

use super::tolerant::{lenient, opt_flag};

/// One column of the YAML.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Column {
    /// As written in the YAML.
    #[serde(deserialize_with = "lenient")]
    pub name: String,
    /// As written in the YAML.
    #[serde(deserialize_with = "lenient")]
    pub data_type: Option<String>,
    /// Prose.
    #[serde(deserialize_with = "lenient")]
    pub description: String,
    /// Whether dbt quotes the name.
    #[serde(deserialize_with = "opt_flag")]
    pub quote: Option<bool>,
    /// `[{type, expression, …}]`.
    #[serde(deserialize_with = "lenient")]
    pub constraints: Vec<serde_json::Value>,
}
