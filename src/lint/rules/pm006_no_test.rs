//! PM006: nothing tests a model.

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM006", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    if model.is_model() && !model.node.is_ephemeral() && model.tests().is_empty() && !model.is_unit_tested() {
        return vec![Hit::model("no test reads the model")];
    }
    Vec::new()
}
