//! PM018: a model reads a private model of another group.

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM018", severity: Severity::Error, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let private = |id: &str| {
        let parent = model.project.manifest.nodes.get(id)?;
        let other = parent.access.as_deref() == Some("private") && parent.group != model.node.group;
        other.then(|| {
            let group = parent.group.as_deref().unwrap_or("no group");
            Hit::model(format!("`{}` is private to group `{group}`", parent.name))
        })
    };
    model.parents("model").into_iter().filter_map(private).collect()
}
