//! The relation names of two manifests, and what they say of texts that name them.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::artifacts::{Manifest, Node, ResourceType, both};
use crate::sql::{
    Dialect, Normalized, OneSided, RelationName, Relocation, Spelling, add_by_unique_id, by_unique_id, equal_but_names,
    normalize, normalize_for,
};

/// Both manifests' relation names. The maps are made only when a text cannot be settled without them: reading
/// every name of a large project takes longer than all that is left to do.
pub(super) struct Names<'m> {
    state: &'m Manifest<'m>,
    pr: &'m Manifest<'m>,
    dialect: Dialect,
    maps: OnceLock<Maps>,
    agree: OnceLock<bool>,
    targets: OnceLock<[Vec<&'m str>; 2]>,
    one_sided: OnceLock<Option<OneSided>>,
}

struct Maps {
    state: Relocation,
    pr: Relocation,
}

/// Which manifest a text is from.
#[derive(Clone, Copy)]
enum Side {
    State,
    PullRequest,
}

/// unique_id and name, as it stands in the manifest, of models, seeds, snapshots and sources.
fn written<'m>(manifest: &'m Manifest<'m>) -> impl Iterator<Item = (&'m str, &'m str)> {
    let nodes = manifest.nodes.iter().filter(|(_, node)| node.resource_type.is_relation());
    let nodes = nodes.map(|(id, node)| (id.as_ref(), node.relation_name.as_deref()));
    let sources = manifest.sources.iter().map(|(id, source)| (id.as_ref(), source.relation_name.as_deref()));
    nodes.chain(sources).filter_map(|(id, name)| Some((id, name?)))
}

/// unique_id and name of models, seeds, snapshots, functions and sources.
fn relations<'m>(manifest: &'m Manifest<'m>, dialect: Dialect) -> impl Iterator<Item = (&'m str, RelationName)> {
    let parsed = written(manifest).filter_map(move |(id, name)| Some((id, RelationName::parse(name, dialect)?)));
    parsed.chain(functions(manifest, dialect))
}

/// unique_id and name of functions.
fn functions<'m>(manifest: &'m Manifest<'m>, dialect: Dialect) -> impl Iterator<Item = (&'m str, RelationName)> {
    manifest.functions.iter().map(move |(id, function)| {
        let (database, schema) = (function.database.as_deref(), function.schema.as_deref());
        let identifier = function.alias.as_deref().unwrap_or(&function.name);
        (id.as_ref(), RelationName::from_parts(database, schema, identifier, dialect))
    })
}

/// Schema and database of the target: those of a model that asks for no other.
fn target<'m>(manifest: &'m Manifest<'m>) -> Vec<&'m str> {
    let plain = manifest.nodes.values().filter(|node| node.resource_type == ResourceType::Model).find(|node| {
        let config = node.config();
        ["schema", "database"].iter().all(|key| config.extra.get(*key).is_none_or(serde_json::Value::is_null))
    });
    plain
        .map(|node| [&node.schema, &node.database].into_iter().flatten().map(AsRef::as_ref).collect())
        .unwrap_or_default()
}

/// For each name, without quotes and case, the first that has it and how it stands there; `None` when two that
/// are written in different ways might be one or two.
fn first_of_each<'m>(manifest: &'m Manifest<'m>) -> Option<HashMap<String, (&'m str, &'m str)>> {
    let mut found: HashMap<String, (&str, &str)> = HashMap::with_capacity(manifest.nodes.len());
    for (id, name) in written(manifest) {
        let mut coarse: String = name.chars().filter(|c| !matches!(c, '"' | '`') && !c.is_whitespace()).collect();
        coarse.make_ascii_lowercase();
        if found.entry(coarse).or_insert((id, name)).1 != name {
            return None;
        }
    }
    Some(found)
}

impl<'m> Names<'m> {
    pub(super) fn new(state: &'m Manifest<'m>, pr: &'m Manifest<'m>, dialect: Dialect) -> Self {
        let (maps, agree, targets, one_sided) = (OnceLock::new(), OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { state, pr, dialect, maps, agree, targets, one_sided }
    }

    fn maps(&self) -> &Maps {
        self.maps.get_or_init(|| {
            let names = |manifest: &'m Manifest<'m>| relations(manifest, self.dialect).collect::<Vec<_>>();
            let ((state, in_state), mut pr) = both(
                || {
                    let names = names(self.state);
                    (by_unique_id(self.dialect, names.iter().cloned()), names)
                },
                || by_unique_id(self.dialect, names(self.pr)),
            );
            // With `--defer`, production's names stand in the pull request's text.
            add_by_unique_id(&mut pr, in_state);
            Maps { state, pr }
        })
    }

    /// Whether every relation of production's is the same node's in the pull request.
    fn agree(&self) -> bool {
        *self.agree.get_or_init(|| {
            self.surely_agree() || {
                let Maps { state, pr } = self.maps();
                relations(self.state, self.dialect).all(|(_, name)| pr.unique_id(&name) == state.unique_id(&name))
            }
        })
    }

    /// The same by a coarser comparison of names, without reading them: true is certain.
    fn surely_agree(&self) -> bool {
        if !self.state.functions.is_empty() || !self.pr.functions.is_empty() {
            return false;
        }
        let (state, pr) = both(|| first_of_each(self.state), || first_of_each(self.pr));
        let (Some(state), Some(pr)) = (state, pr) else { return false };
        state.iter().all(|(name, (id, _))| pr.get(name).is_none_or(|(other, _)| other == id))
    }

    fn targets(&self) -> &[Vec<&'m str>; 2] {
        self.targets.get_or_init(|| [target(self.state), target(self.pr)])
    }

    /// The names that only one manifest has.
    fn one_sided(&self) -> Option<&OneSided> {
        let find = || {
            let functions = |manifest: &'m Manifest<'m>| {
                let names = functions(manifest, self.dialect).map(|(_, name)| name.quoted(self.dialect));
                names.collect::<Vec<_>>()
            };
            let (of_state, of_pr) = (functions(self.state), functions(self.pr));
            OneSided::new(
                written(self.state).map(|(_, name)| name).chain(of_state.iter().map(String::as_str)),
                written(self.pr).map(|(_, name)| name).chain(of_pr.iter().map(String::as_str)),
            )
        };
        self.one_sided.get_or_init(find).as_ref()
    }

    /// Whether the compiled texts of a node say the same. Equal bytes do, unless a name in them is another node's
    /// now, or is a relation of one manifest only.
    pub(super) fn same_text(&self, old: &Node<'_>, new: &Node<'_>) -> bool {
        let (Some(a), Some(b)) = (old.compiled_code, new.compiled_code) else { return false };
        let (a, b) = (a.get(), b.get());
        let proved = |one_sided| equal_but_names(&a, &b, &self.spellings(new), one_sided, self.dialect);
        if self.agree() && self.one_sided().is_some_and(proved) {
            return true;
        }
        let text = |code: &str, side| self.text(code, side);
        text(&a, Side::State).is_some_and(|a| text(&b, Side::PullRequest) == Some(a))
    }

    /// Whether they say the same but for the names of their targets' schemas and databases; `None` when either
    /// cannot be read.
    pub(super) fn same_but_targets(&self, old: &Node<'_>, new: &Node<'_>) -> Option<bool> {
        self.but_targets(old, new).map(|(old, new)| old == new)
    }

    /// Both compiled texts but for the names of their targets' schemas and databases.
    pub(super) fn but_targets(&self, old: &Node<'_>, new: &Node<'_>) -> Option<(Normalized, Normalized)> {
        let maps = self.maps();
        let [state, pr] = self.targets();
        let old = normalize_for(&old.compiled_code?.get(), &maps.state, state).ok()?;
        let new = normalize_for(&new.compiled_code?.get(), &maps.pr, pr).ok()?;
        Some((old, new))
    }

    fn text(&self, code: &str, side: Side) -> Option<Normalized> {
        let maps = self.maps();
        let map = match side {
            Side::State => &maps.state,
            Side::PullRequest => &maps.pr,
        };
        normalize(code, map).ok()
    }

    /// How both manifests spell the relations that a node's text may name: its parents, the parents of those
    /// that have no relation and whose text is therefore in its own, and itself.
    fn spellings<'s>(&'s self, node: &'s Node<'_>) -> Vec<Spelling<'s>> {
        let mut found = Vec::new();
        let mut open: Vec<&str> = vec![&node.unique_id];
        open.extend(node.depends_on.nodes.iter().map(AsRef::as_ref));
        let mut place = 0;
        while let Some(id) = open.get(place).copied() {
            place += 1;
            let name = |manifest: &'s Manifest<'s>| match manifest.nodes.get(id) {
                Some(node) => node.relation_name.as_deref(),
                None => manifest.sources.get(id)?.relation_name.as_deref(),
            };
            if let (Some(old), Some(new)) = (name(self.state), name(self.pr)) {
                found.extend(Spelling::new(old, new));
            } else if let Some(parent) = self.pr.nodes.get(id).filter(|parent| parent.relation_name.is_none()) {
                for grandparent in &parent.depends_on.nodes {
                    if !open.contains(&grandparent.as_ref()) {
                        open.push(grandparent);
                    }
                }
            }
        }
        found
    }
}
