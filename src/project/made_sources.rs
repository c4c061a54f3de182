//! Sources that name what the project itself makes.
//!
//! A source may lie where a seed or a model of the same project lies: teaching projects declare `sources: schema: raw`
//! over `seeds: +schema: raw`, and so do most packages' own test projects. dbt sees no edge between the two. Once the
//! pull request is merged, production's seed is the rebuilt one and the source's readers read it, so that is what the
//! name means here: a source depends on what makes its relation. (`dbt build --defer` reads production's relation of
//! before the merge instead, and its tests of such readers pass on rows that are about to go.)

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{Graph, NodeId};
use crate::artifacts::Manifest;
use crate::sql::{Dialect, RelationName};

impl<'m> Graph<'m> {
    /// This graph with an edge from each node that makes a source's relation, in production or in the pull request, to
    /// that source. Where the edge would close a cycle the project feeds itself, and the name stays production's
    /// relation of the run before.
    #[must_use]
    pub fn with_made_sources(self, state: &Manifest<'_>, pr: &Manifest<'_>, dialect: Dialect) -> Self {
        let pairs = self.made(state, pr, dialect);
        let mut graph = self;
        for (maker, source) in pairs {
            if !graph.descendants([source]).contains(&maker) {
                graph.add_edge(maker, source);
            }
        }
        graph
    }

    /// Nodes and the sources that name their relations, in id order.
    fn made(&self, state: &Manifest<'_>, pr: &Manifest<'_>, dialect: Dialect) -> Vec<(NodeId, NodeId)> {
        let mut sources: HashMap<String, Vec<&str>, RandomState> = HashMap::default();
        for (id, source) in &pr.sources {
            if let Some(name) = source.relation_name.as_deref() {
                sources.entry(RelationName::coarse(name)).or_default().push(id);
            }
        }
        if sources.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for manifest in [state, pr] {
            let made = manifest.nodes.iter().filter(|(_, node)| node.resource_type.is_relation());
            for (id, node) in made {
                let name = node.relation_name.as_deref().map(RelationName::coarse);
                let Some(named) = name.and_then(|name| sources.get(&name)) else { continue };
                let key = |name: Option<&RelationName>| name.map(|name| name.key(dialect));
                let same = |source: &&&str| key(pr.relation(source, dialect)) == key(node.relation(dialect));
                let ids = named.iter().filter(same).filter_map(|source| self.id(source));
                found.extend(self.id(id).into_iter().flat_map(|maker| ids.clone().map(move |source| (maker, source))));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}
