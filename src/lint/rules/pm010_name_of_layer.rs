//! PM010: a model's name does not begin as those of its layer do.

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM010", severity: Severity::Notice, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let Some(layer) = model.project.layer(model.node).filter(|_| model.is_model()) else { return Vec::new() };
    let fits = layer.prefixes.is_empty() || layer.prefixes.iter().any(|prefix| model.node.name.starts_with(prefix));
    if fits {
        return Vec::new();
    }
    vec![Hit::model(format!("names in this layer begin with `{}`", layer.prefixes.join("`, `")))]
}
