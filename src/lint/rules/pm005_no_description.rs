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

#[cfg(test)]
mod tests {
    use super::super::rule::tests::{hits, hits_in};
    use super::RULE;

    #[test]
    fn a_description_is_what_counts() {
        assert_eq!(hits(&RULE, "select 1 as a"), [(None, "the model has no description".to_owned())]);
        assert_eq!(hits_in(&RULE, &serde_json::json!({"description": "what it is"})), []);
    }
}
