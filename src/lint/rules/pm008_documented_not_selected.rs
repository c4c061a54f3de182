//! PM008: the YAML documents a column that the model does not select.

use super::columns::bare;
use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM008", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let selected = model.columns();
    if selected.more || !model.is_model() {
        return Vec::new();
    }
    let missing = |name: &String| !selected.names.iter().any(|given| given.key.eq_ignore_ascii_case(bare(name)));
    let documented = model.node.columns();
    let names = documented.into_values().map(|column| column.name).filter(missing);
    names.map(|name| Hit::model(format!("column `{name}` is documented but not selected"))).collect()
}
