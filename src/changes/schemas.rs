//! The schemas and databases of two manifests.

use std::collections::{BTreeSet, HashSet};

use crate::artifacts::{Manifest, ResourceType};

/// Where the nodes that two manifests have in common lie in each.
#[derive(Debug)]
pub(super) struct Schemas {
    /// Production's name of a schema or a database and the pull request's name of the same node's, where they differ;
    /// also in capitals and in small letters.
    moved: Vec<(String, String)>,
    /// All schemas and databases.
    names: HashSet<String>,
    /// Whether any node was compared.
    known: bool,
}

impl Schemas {
    pub(super) fn new(state: &Manifest<'_>, pr: &Manifest<'_>) -> Self {
        let mut moved: BTreeSet<(&str, &str)> = BTreeSet::new();
        let mut names: HashSet<&str> = HashSet::new();
        let mut known = false;
        let nodes = pr.nodes.iter().filter(|(_, node)| node.resource_type.is_relation());
        for (id, new) in nodes.chain(&pr.functions) {
            let Some(old) = state.nodes.get(id).or_else(|| state.functions.get(id)) else { continue };
            known = true;
            for (old, new) in [(&old.schema, &new.schema), (&old.database, &new.database)] {
                names.extend([old, new].into_iter().flatten().map(AsRef::as_ref));
                if let (Some(old), Some(new)) = (old, new)
                    && old != new
                {
                    moved.insert((old.as_ref(), new.as_ref()));
                }
            }
        }
        let spelled = |(old, new): (&str, &str)| {
            [
                (old.to_owned(), new.to_owned()),
                (old.to_lowercase(), new.to_lowercase()),
                (old.to_uppercase(), new.to_uppercase()),
            ]
        };
        let moved: BTreeSet<(String, String)> = moved.into_iter().flat_map(spelled).collect();
        Self { moved: moved.into_iter().collect(), names: names.into_iter().map(str::to_owned).collect(), known }
    }

    /// Names that say the same in both, production's first.
    pub(super) fn moved(&self) -> impl Iterator<Item = (&str, &str)> {
        self.moved.iter().map(|(old, new)| (old.as_str(), new.as_str()))
    }

    /// The name of every schema and database.
    pub(super) fn names(&self) -> &HashSet<String> {
        &self.names
    }

    /// Whether the manifests may have been compiled for two targets. No manifest names its target, so two that share
    /// schema and database are taken for one.
    pub(super) fn are_elsewhere(&self) -> bool {
        !self.known || !self.moved.is_empty()
    }
}

/// The place of a model that asks for none: the target's schema and database.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DefaultSchema<'m> {
    pub(super) schema: Option<&'m str>,
    pub(super) database: Option<&'m str>,
}

impl<'m> DefaultSchema<'m> {
    pub(super) fn of(manifest: &'m Manifest<'m>) -> Self {
        let mut models = manifest.nodes.values().filter(|node| node.resource_type == ResourceType::Model);
        let plain = models.find(|node| {
            let config = node.config();
            ["schema", "database"].iter().all(|key| config.extra.get(*key).is_none_or(serde_json::Value::is_null))
        });
        plain.map_or_else(Self::default, |node| Self {
            schema: node.schema.as_deref(),
            database: node.database.as_deref(),
        })
    }
}
