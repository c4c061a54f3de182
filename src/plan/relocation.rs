//! The plan's names: what moves where, and what must not be named.

use super::document::Plan;
use crate::artifacts::Manifest;
use crate::sql::{Dialect, RelationName, Relocation, Territory};

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
                let name = manifest.nodes.get(unique_id).and_then(|node| node.relation_name.as_deref());
                if let Some(name) = name.and_then(|name| RelationName::parse(name, dialect)) {
                    relocation.insert(&name, unique_id, &self.place(relation, temp_database));
                }
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
                let name = node.relation_name.as_deref().filter(|_| node.resource_type.is_relation());
                if let Some(name) = name.and_then(|name| RelationName::parse(name, dialect)) {
                    territory.forbid(&name, unique_id);
                }
            }
            for source in manifest.sources.values() {
                if let Some(name) = source.relation_name.as_deref().and_then(|name| RelationName::parse(name, dialect))
                {
                    territory.allow(&name);
                }
            }
        }
        territory
    }
}
