//! The plan's names: what moves where, and what must not be named.

use super::document::Plan;
use crate::artifacts::{Manifest, UniqueId};
use crate::sql::{Dialect, RelationName, Relocation, SchemaName, Territory};

impl Plan {
    /// The dialect of the plan's warehouse.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        Dialect::of_adapter(&self.adapter)
    }

    /// unique_id and identifier of everything that lies in the temporary schema.
    pub fn relations(&self) -> impl Iterator<Item = (&str, &str)> {
        let built = self.nodes.iter().map(|node| (node.unique_id.as_str(), node.identifier.as_str()));
        built.chain(self.proxies.iter().map(|proxy| (proxy.unique_id.as_str(), proxy.identifier.as_str())))
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
        temporary: &SchemaName,
    ) -> Relocation {
        let moved = self.relations().map(|(unique_id, identifier)| (unique_id, temporary.relation(identifier)));
        moving(moved.collect(), state, pr, dialect)
    }

    /// The same where no proxy views are made: what is not built is production's relation.
    #[must_use]
    pub fn relocation_onto_production(
        &self,
        state: &Manifest<'_>,
        pr: &Manifest<'_>,
        dialect: Dialect,
        temporary: &SchemaName,
    ) -> Relocation {
        let built = self.nodes.iter();
        let built = built.map(|node| (node.unique_id.as_str(), temporary.relation(node.identifier.as_str())));
        let moved = built.chain(self.read_of_production(state, dialect).map(|(id, name)| (id.as_str(), name.clone())));
        moving(moved.collect(), state, pr, dialect)
    }

    /// The nodes that are read and not built, with their relations in production.
    pub fn read_of_production<'a>(
        &'a self,
        state: &'a Manifest<'_>,
        dialect: Dialect,
    ) -> impl Iterator<Item = (&'a UniqueId, &'a RelationName)> {
        self.proxies.iter().filter_map(move |proxy| {
            Some((&proxy.unique_id, state.nodes.get(proxy.unique_id.as_str())?.relation(dialect)?))
        })
    }

    /// What no statement may name after relocation: any relation or schema of either manifest's models,
    /// seeds and snapshots, sources excepted.
    #[must_use]
    pub fn territory(
        &self,
        state: &Manifest<'_>,
        pr: &Manifest<'_>,
        dialect: Dialect,
        temporary: &SchemaName,
    ) -> Territory {
        let mut territory = Territory::new(dialect, Some(temporary.clone()));
        for manifest in [pr, state] {
            for (unique_id, node) in &manifest.nodes {
                if let Some(name) = node.relation(dialect).filter(|_| node.resource_type.is_relation()) {
                    territory.forbid(name, unique_id);
                }
            }
            for source in manifest.sources.values() {
                if let Some(name) = source.relation(dialect) {
                    territory.allow(name);
                }
                // On DuckDB a source may be a file: `'data/x.csv'`.
                source.relation_name.iter().for_each(|name| territory.allow_files(name));
            }
        }
        territory
    }
}

/// From the names that both manifests give a node to its place.
fn moving(moved: Vec<(&str, RelationName)>, state: &Manifest<'_>, pr: &Manifest<'_>, dialect: Dialect) -> Relocation {
    let mut relocation = Relocation::new(dialect);
    for manifest in [pr, state] {
        for (unique_id, place) in &moved {
            if let Some(name) = manifest.nodes.get(*unique_id).and_then(|node| node.relation(dialect)) {
                relocation.insert(name, unique_id, place);
            }
        }
    }
    for (unique_id, function) in &pr.functions {
        let production = state.functions.get(unique_id).and_then(|function| function.relation(dialect));
        if let (Some(name), Some(production)) = (function.relation(dialect), production) {
            relocation.insert(name, unique_id, production);
        }
    }
    relocation
}
