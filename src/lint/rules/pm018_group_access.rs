//! PM018: a model reads a private model of another group.

use super::{Hit, Model, Rule};
use crate::artifacts::ResourceType;
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM018", severity: Severity::Error, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let private = |id: &str| {
        let parent = model.project.manifest.nodes.get(id)?;
        // Without a group nothing is private (dbt's `is_invalid_private_ref`).
        let group = parent.group.as_deref().filter(|_| parent.access.as_deref() == Some("private"))?;
        (model.node.group.as_deref() != Some(group))
            .then(|| Hit::model(format!("`{}` is private to group `{group}`", parent.name)))
    };
    model.parents(ResourceType::Model).into_iter().filter_map(private).collect()
}
