//! The plan's names: what moves where, and what must not be named.

use super::document::Plan;
use crate::artifacts::{Manifest, Node};
use crate::sql::{Dialect, RelationName, Relocation, Territory};

fn name_of(node: &Node<'_>, dialect: Dialect) -> Option<RelationName> {
    RelationName::parse(node.relation_name.as_deref()?, dialect)
}

/// A function's name; the manifest has its parts only.
fn function_name(node: &Node<'_>, dialect: Dialect) -> RelationName {
    let identifier = node.alias.as_deref().unwrap_or(&node.name);
    RelationName::from_parts(node.database.as_deref(), node.schema.as_deref(), identifier, dialect)
}

impl Plan {
    /// The dialect of the plan's warehouse.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        Dialect::from_adapter(&self.adapter)
    }

    /// The place of a built or proxied node in the temporary schema.
    #[must_use]
    pub fn place(&self, relation: &str, temp_database: Option<&str>) -> RelationName {
        RelationName {
            database: temp_database.map(str::to_owned),
            schema: Some(self.schema.clone()),
            identifier: relation.to_owned(),
        }
    }

    /// unique_id and identifier of everything that lies in the temporary schema.
    pub fn relations(&self) -> impl Iterator<Item = (&str, &str)> {
        let built = self.nodes.iter().map(|node| (node.unique_id.as_str(), node.relation.as_str()));
        built.chain(self.proxies.iter().map(|proxy| (proxy.unique_id.as_str(), proxy.relation.as_str())))
    }

    /// From every name of a built or proxied node to its place: the pull request's spelling first, then
    /// production's, because `dbt compile --defer` can leave either in the text. Where the pull request
    /// was compiled into the temporary schema, its names stay as they are.
    ///
    /// Functions are not created: the pull request's name of one becomes production's.
    #[must_use]
    pub fn relocation(
        &self,
        state: &Manifest<'_>,
        pr: &Manifest<'_>,
        dialect: Dialect,
        temp_database: Option<&str>,
    ) -> Relocation {
        let mut relocation = Relocation::new(dialect);
        for manifest in [pr, state] {
            for (unique_id, relation) in self.relations() {
                if let Some(name) = manifest.nodes.get(unique_id).and_then(|node| name_of(node, dialect)) {
                    relocation.insert(&name, unique_id, &self.place(relation, temp_database));
                }
            }
        }
        for (unique_id, function) in &pr.functions {
            if let Some(production) = state.functions.get(unique_id) {
                let production = function_name(production, dialect);
                relocation.insert(&function_name(function, dialect), unique_id, &production);
            }
        }
        relocation
    }

    /// What no statement may name after relocation: any relation or schema of either manifest's models,
    /// seeds and snapshots, sources excepted.
    #[must_use]
    pub fn territory(
        &self,
        state: &Manifest<'_>,
        pr: &Manifest<'_>,
        dialect: Dialect,
        temp_database: Option<&str>,
    ) -> Territory {
        let mut territory = Territory::new(dialect, Some(self.place("", temp_database)));
        for manifest in [pr, state] {
            for (unique_id, node) in &manifest.nodes {
                if let Some(name) = name_of(node, dialect).filter(|_| node.resource_type.is_relation()) {
                    territory.forbid(&name, unique_id);
                }
            }
            for source in manifest.sources.values() {
                if let Some(name) = source.relation_name.as_deref().and_then(|name| RelationName::parse(name, dialect))
                {
                    territory.allow(&name);
                }
                // On DuckDB a source may be a file: `'data/x.csv'`.
                source.relation_name.iter().for_each(|name| territory.allow_files(name));
            }
        }
        territory
    }
}
