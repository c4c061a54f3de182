//! PM003: a source is read outside the staging layer.

use super::{Hit, Model, Rule};
use crate::artifacts::{ResourceType, UniqueIdRef};
use crate::config::LayerRole;
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM003", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    // Only in a project that has a staging layer, and not for snapshots, which record sources.
    let has_staging = model.project.layers.iter().any(|layer| layer.role == LayerRole::Staging);
    if !has_staging || !model.is_model() || !matches!(model.role(), Some(LayerRole::Intermediate | LayerRole::Marts)) {
        return Vec::new();
    }
    let message = |id: &str| {
        let name = UniqueIdRef::new(id).name();
        Hit::model(format!("source `{name}` is read outside staging"))
    };
    model.parents(ResourceType::Source).into_iter().map(message).collect()
}
