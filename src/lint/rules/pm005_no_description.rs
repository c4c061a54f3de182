//! PM005: a model has no description.

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM005", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    if model.is_model() && model.node.description.get().trim().is_empty() {
        return vec![Hit::model("the model has no description")];
    }
    Vec::new()
}
