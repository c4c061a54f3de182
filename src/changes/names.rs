//! The relation names of two manifests, and what they say of texts that name them.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::RandomState;

use super::schemas::Schemas;
use super::shared::Shared;
use super::texts::Texts;
use super::written::{Written, written};
use crate::artifacts::{Manifest, Node, both};
use crate::sql::{
    Dialect, OneSided, RelationName, Relocation, Spelling, add_by_unique_id, by_unique_id, equal_but_names,
    identifiers, normalize,
};

/// So many texts are read with maps of the names that they hold; from then on, all names are read once. Taking the
/// names of a text apart takes a thousandth of the time that those of a large project take.
const FEW_TEXTS: usize = 1_000;

/// With more names than this that any text may hold, a map for each text does not help.
const FEW_NAMES: usize = 100;

/// Both manifests' relation names. They are taken apart only when a text cannot be settled without: for every name of
/// a large project this takes longer than all that is left to do.
pub(super) struct Names<'m> {
    state: &'m Manifest<'m>,
    pr: &'m Manifest<'m>,
    dialect: Dialect,
    maps: OnceLock<Maps>,
    written: OnceLock<[Written<'m>; 2]>,
    texts: AtomicUsize,
    agree: OnceLock<bool>,
    coarse: OnceLock<[Coarse<'m>; 2]>,
    shared: OnceLock<Shared<'m>>,
    schemas: OnceLock<Schemas>,
    one_sided: OnceLock<Option<OneSided>>,
}

struct Maps {
    state: Relocation,
    pr: Relocation,
}

impl Maps {
    fn new(dialect: Dialect, state: Vec<(&str, RelationName)>, pr: Vec<(&str, RelationName)>) -> Self {
        let mut maps = Self { state: by_unique_id(dialect, state.iter().cloned()), pr: by_unique_id(dialect, pr) };
        // With `--defer`, production's names stand in the pull request's text.
        add_by_unique_id(&mut maps.pr, state);
        maps
    }
}

/// unique_id and name of models, seeds, snapshots, functions and sources.
fn relations<'m>(manifest: &'m Manifest<'m>, dialect: Dialect) -> impl Iterator<Item = (&'m str, RelationName)> {
    let parsed = written(manifest).filter_map(move |(id, _)| Some((id, manifest.relation(id, dialect)?.clone())));
    parsed.chain(functions(manifest, dialect))
}

/// unique_id and name of functions.
fn functions<'m>(manifest: &'m Manifest<'m>, dialect: Dialect) -> impl Iterator<Item = (&'m str, RelationName)> {
    manifest.functions.iter().filter_map(move |(id, function)| Some((id.as_ref(), function.relation(dialect)?.clone())))
}

/// The names of one manifest, compared without quotes and case: coarser than any warehouse does, and fast.
struct Coarse<'m> {
    /// The first that has a name, and how it stands there.
    first: HashMap<String, (&'m str, &'m str), RandomState>,
    /// Two that have the same name, each with how it stands there.
    twice: Vec<[(&'m str, &'m str); 2]>,
}

impl<'m> Coarse<'m> {
    fn new(manifest: &'m Manifest<'m>) -> Self {
        let mut found = Self { first: HashMap::default(), twice: Vec::new() };
        for (id, name) in written(manifest) {
            let first = *found.first.entry(RelationName::coarse(name)).or_insert((id, name));
            if first.0 != id {
                found.twice.push([first, (id, name)]);
            }
        }
        found
    }

    /// Whether two that are written in different ways might be one or two.
    fn is_ambiguous(&self) -> bool {
        self.twice.iter().any(|[(_, first), (_, second)]| first != second)
    }
}

impl<'m> Names<'m> {
    pub(super) fn new(state: &'m Manifest<'m>, pr: &'m Manifest<'m>, dialect: Dialect) -> Self {
        Self {
            state,
            pr,
            dialect,
            maps: OnceLock::new(),
            written: OnceLock::new(),
            texts: AtomicUsize::new(0),
            agree: OnceLock::new(),
            coarse: OnceLock::new(),
            shared: OnceLock::new(),
            schemas: OnceLock::new(),
            one_sided: OnceLock::new(),
        }
    }

    /// The maps of all names.
    fn maps(&self) -> &Maps {
        self.maps.get_or_init(|| {
            let shared = self.shared();
            let names = |manifest: &'m Manifest<'m>| {
                relations(manifest, self.dialect).map(|(id, name)| (shared.first(id), name)).collect::<Vec<_>>()
            };
            let (state, pr) = both(|| names(self.state), || names(self.pr));
            Maps::new(self.dialect, state, pr)
        })
    }

    /// What `read` makes of two texts, production's and the pull request's, with maps that hold the names in them.
    fn with_maps<T>(&self, texts: [&str; 2], read: impl FnOnce(&Maps) -> T) -> T {
        match self.maps_of(texts) {
            Some(maps) => read(&maps),
            None => read(self.maps()),
        }
    }

    /// Maps of the names in two texts; `None` when those of all names serve better.
    fn maps_of(&self, texts: [&str; 2]) -> Option<Maps> {
        if self.maps.get().is_some() || self.texts.fetch_add(1, Ordering::Relaxed) >= FEW_TEXTS {
            return None;
        }
        let [state, pr] = self.written.get_or_init(|| {
            let (state, pr) = both(|| Written::new(self.state), || Written::new(self.pr));
            [state, pr]
        });
        let everywhere = [state.odd(), pr.odd(), self.state.functions.len(), self.pr.functions.len()];
        if everywhere.into_iter().sum::<usize>() > FEW_NAMES {
            return None;
        }
        let mut words = HashSet::new();
        for text in texts {
            words.extend(identifiers(text, self.dialect).ok()?);
        }
        let names = |written: &Written<'m>, manifest: &'m Manifest<'m>| {
            let called = written.called(&words);
            let parsed = called.filter_map(|(id, _)| Some((id, manifest.relation(id, self.dialect)?.clone())));
            let all = parsed.chain(functions(manifest, self.dialect));
            all.map(|(id, name)| (self.shared().first(id), name)).collect::<Vec<_>>()
        };
        Some(Maps::new(self.dialect, names(state, self.state), names(pr, self.pr)))
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
        let [state, pr] = self.coarse();
        let same = |a: &'m str, b: &'m str| self.shared().first(a) == self.shared().first(b);
        !state.is_ambiguous()
            && !pr.is_ambiguous()
            && state.first.iter().all(|(name, (id, _))| pr.first.get(name).is_none_or(|(other, _)| same(id, other)))
    }

    fn coarse(&self) -> &[Coarse<'m>; 2] {
        self.coarse.get_or_init(|| {
            let (state, pr) = both(|| Coarse::new(self.state), || Coarse::new(self.pr));
            [state, pr]
        })
    }

    /// The nodes and sources that share a relation.
    fn shared(&self) -> &Shared<'m> {
        self.shared.get_or_init(|| {
            let of = |manifest: &'m Manifest<'m>, coarse: &Coarse<'m>| {
                let key = |id| Some(manifest.relation(id, self.dialect)?.key(self.dialect));
                let twice = coarse.twice.iter().map(|[(a, _), (b, _)]| (*a, *b));
                twice.filter(|(a, b)| key(a).is_some_and(|a| key(b) == Some(a))).collect::<Vec<_>>()
            };
            let [state, pr] = self.coarse();
            Shared::new(of(self.state, state).into_iter().chain(of(self.pr, pr)))
        })
    }

    /// Where the nodes of both manifests lie.
    pub(super) fn schemas(&self) -> &Schemas {
        self.schemas.get_or_init(|| Schemas::new(self.state, self.pr))
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
        if !self.shared().same_parents(old, new) {
            return false;
        }
        let (a, b) = (a.get(), b.get());
        let proved = |one_sided| equal_but_names(&a, &b, &self.spellings(new), one_sided, self.dialect);
        if self.one_sided.get().is_none() || self.agree.get().is_none() {
            both(|| self.agree(), || self.one_sided().is_some());
        }
        if self.agree() && self.one_sided().is_some_and(proved) {
            return true;
        }
        self.with_maps(
            [&a, &b],
            |maps| matches!((normalize(&a, &maps.state), normalize(&b, &maps.pr)), (Ok(a), Ok(b)) if a == b),
        )
    }

    /// Both compiled texts with unique_ids for relations; `None` when either cannot be read.
    pub(super) fn texts(&self, old: &Node<'_>, new: &Node<'_>) -> Option<Texts> {
        let (a, b) = (old.compiled_code?.get(), new.compiled_code?.get());
        let (a, b) =
            self.with_maps([&a, &b], |maps| Some((normalize(&a, &maps.state).ok()?, normalize(&b, &maps.pr).ok()?)))?;
        let spelled: Vec<(&str, &str)> = self.spellings(new).iter().map(Spelling::pair).collect();
        Some(Texts::new(a.tokens(), b.tokens(), &spelled, self.schemas()))
    }

    /// How both manifests spell the relations that a node's text may name: its parents, the parents of those
    /// that have no relation and whose text is therefore in its own, and itself.
    fn spellings<'s>(&'s self, node: &'s Node<'_>) -> Vec<Spelling<'s>> {
        let mut found = Vec::new();
        let mut open: Vec<&str> = vec![&node.unique_id];
        open.extend(node.depends_on.nodes.iter().map(AsRef::as_ref));
        let mut index = 0;
        while let Some(id) = open.get(index).copied() {
            index += 1;
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::artifacts::ManifestFile;

    /// Of every text as it is, and with names that are nobody's, in another case and without quotes.
    #[test]
    fn the_names_of_a_text_say_of_it_what_all_names_say() {
        let file = |name: &str| ManifestFile::read(&Path::new("fixtures/ferry").join(name)).unwrap();
        let (state, pr) = (file("production.manifest.json.gz"), file("prs/changed_filter/pr.manifest.json.gz"));
        let (state, pr) = (state.parse().unwrap(), pr.parse().unwrap());
        let names = Names::new(&state, &pr, Dialect::DuckDb);
        // Names that were all read once serve for every text from then on.
        let all = Names::new(&state, &pr, Dialect::DuckDb);
        let mut moved = 0;
        for node in pr.nodes.values() {
            let code = node.compiled_code.map(|code| code.get().into_owned()).unwrap_or_default();
            let loose = code.replace('"', "").to_ascii_uppercase();
            for text in [&code, &loose, &code.replace("main", "other")] {
                let read = |maps: &Maps| (normalize(text, &maps.state).ok(), normalize(text, &maps.pr).ok());
                let own = names.maps_of([text, text]).expect("all plain names");
                assert_eq!(read(&own), read(all.maps()), "{text}");
                moved += usize::from(
                    normalize(text, &own.pr)
                        .is_ok_and(|text| text.tokens().iter().any(|token| token.contains("model."))),
                );
            }
        }
        assert!(moved > 20, "{moved}");
    }
}
