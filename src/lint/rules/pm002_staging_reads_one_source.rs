//! PM002: a staging model reads something else than one source.
//!
//! A staging model is the one place where a source table is cleaned. It may also read `base_` models of its
//! own layer, which dbt's guide puts before it where tables are joined first. A seed is a source that the project
//! brings itself.

use super::{Hit, Model, Rule};
use crate::artifacts::{Node, ResourceType};
use crate::config::LayerRole;
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM002", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    if model.role() != Some(LayerRole::Staging) || !model.is_model() {
        return Vec::new();
    }
    let inputs = model.parents(ResourceType::Source).len() + model.parents(ResourceType::Seed).len();
    let base = |node: &&Node<'_>| {
        let layer = model.project.layer(node).map(|layer| layer.role);
        layer == Some(LayerRole::Staging) && node.name.starts_with("base_")
    };
    let others: Vec<&str> = [ResourceType::Model, ResourceType::Snapshot]
        .iter()
        .flat_map(|kind| model.parents(*kind))
        .filter_map(|id| model.project.manifest.nodes.get(id))
        .filter(|node| !base(node))
        .map(|node| node.name.as_ref())
        .collect();
    if !others.is_empty() {
        return vec![Hit::model(format!(
            "a staging model reads one source, and this one reads `{}`",
            others.join("`, `")
        ))];
    }
    if inputs < 2 {
        return Vec::new();
    }
    vec![Hit::model(format!("a staging model reads one source, and this one reads {inputs} sources and seeds"))]
}
