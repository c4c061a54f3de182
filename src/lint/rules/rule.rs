//! A rule, and what it says.

use super::model::Model;
use crate::lint::finding::Severity;

/// Something that a rule says about a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Hit {
    /// In the author's file, from 1; `None` for the model as a whole.
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

impl Hit {
    pub(super) fn model(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }

    pub(super) fn at(line: Option<usize>, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// One rule.
pub(super) struct Rule {
    /// Stable: users name it in configuration.
    pub(super) code: &'static str,
    /// What a finding weighs unless configured.
    pub(super) severity: Severity,
    pub(super) check: fn(&Model<'_>) -> Vec<Hit>,
}

#[cfg(test)]
pub(super) mod tests {
    //! For the test beside a rule: the rule tried on one model.

    use super::super::model::{Model, Project};
    use super::Rule;
    use crate::artifacts::Manifest;

    /// What `rule` finds in a model `m` of DuckDB whose file and compiled SQL are `sql`: the line and the message of each.
    pub(in crate::lint::rules) fn hits(rule: &Rule, sql: &str) -> Vec<(Option<usize>, String)> {
        hits_in(rule, &serde_json::json!({"raw_code": sql, "compiled_code": sql}))
    }

    /// The same for a model with these members in the manifest.
    pub(in crate::lint::rules) fn hits_in(rule: &Rule, members: &serde_json::Value) -> Vec<(Option<usize>, String)> {
        let mut node = serde_json::json!({
            "unique_id": "model.p.m",
            "resource_type": "model",
            "package_name": "p",
            "name": "m",
            "fqn": ["p", "m"],
            "original_file_path": "models/m.sql",
        });
        if let (Some(node), Some(members)) = (node.as_object_mut(), members.as_object()) {
            node.extend(members.clone());
        }
        let manifest = serde_json::json!({
            "metadata": {"adapter_type": "duckdb", "project_name": "p"},
            "nodes": {"model.p.m": node},
        });
        let text = manifest.to_string();
        let manifest: Manifest<'_> = serde_json::from_str(&text).expect("a manifest of one model");
        let project = Project::new(&manifest, None);
        let node = project.models().next().expect("the model is the project's");
        (rule.check)(&Model::new(&project, node)).into_iter().map(|hit| (hit.line, hit.message)).collect()
    }
}
