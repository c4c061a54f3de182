//! PM008: the YAML documents a column that the model does not select.

use super::columns::columns;
use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM008", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let Some(selected) = model.tree.as_ref().filter(|_| model.is_model()).and_then(|tree| columns(&tree.query)) else {
        return Vec::new();
    };
    let missing = |name: &String| !selected.contains(&name.to_lowercase());
    let documented = model.node.columns();
    let names = documented.into_values().map(|column| column.name).filter(missing);
    names.map(|name| Hit::model(format!("column `{name}` is documented and not selected"))).collect()
}
