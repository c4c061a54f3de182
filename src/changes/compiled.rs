//! The compiled SQL decides.
//!
//! dbt compares raw text. Where both manifests hold compiled SQL, the truth is nearer: a comment, a
//! refactored macro or a moved file that leaves the SQL as it was changes nothing, and a variable that dbt
//! does not compare changes much.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::compile_context::{CompileContext, depends_on_context, reaches_context};
use super::macro_use::Sql;
use super::names::Names;
use super::naming_macros::{NamingMacros, Place};
use super::parts::{in_parts, members};
use super::rendered::{Moved, moved_source, unseen_keys};
use super::{Change, ChangeKind, Changes, Reason, Undecided};
use crate::artifacts::{Manifest, Node, ResourceType, UniqueId};
use crate::sql::Dialect;
use crate::sql::jinja::{Piece, pieces, words};

/// What the compiled SQL of two manifests says against dbt's comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompiledVerdicts {
    /// dbt says modified; compiled SQL and build configuration are equal.
    pub cosmetic: BTreeSet<UniqueId>,
    /// dbt says unmodified; what is built is another, for this reason.
    pub unseen: BTreeMap<UniqueId, Reason>,
    /// dbt says unmodified and the compiled SQL differs, but in nothing that must come from more than when or where it
    /// was compiled, so the difference proves nothing. dbt's word stands.
    pub undecided: BTreeMap<UniqueId, Undecided>,
    /// Of the nodes that reach a changed macro those whose texts can be compared, and what they say.
    sql: BTreeMap<UniqueId, Sql>,
}

impl CompiledVerdicts {
    /// Changes `changes` accordingly: cosmetic ones no longer count, unseen ones do. dbt's answers to
    /// `state:` selectors stay dbt's.
    pub fn apply(&self, changes: &mut Changes) {
        for unique_id in &self.cosmetic {
            if let Some(change) = changes.nodes.remove(unique_id) {
                changes.cosmetic.insert(unique_id.clone(), change);
            }
        }
        for (unique_id, reason) in &self.unseen {
            let change = Change { kind: ChangeKind::Modified, reasons: vec![reason.clone()] };
            changes.nodes.entry(unique_id.clone()).or_insert(change);
        }
        changes.undecided.clone_from(&self.undecided);
        changes.count_macros(&self.sql);
    }
}

/// Compares the compiled SQL of every SQL model, snapshot, data test and function that both manifests have compiled.
///
/// Only models and snapshots can be *cosmetic*; a data test that dbt calls modified is run.
///
/// A change is *cosmetic* only when all of these are certain; else dbt's word stands:
/// - both texts mean the same ([`normalize`]) after relation names are replaced by unique_ids;
/// - the rendered configuration is equal, but for keys that no build reads (tags, meta, docs, group, access, …)
///   and for names (schema, database, alias), and so are contract, constraints and columns under contract;
/// - dbt's reasons are among body, configs, macros, persisted descriptions and moved file;
/// - it has no hooks if a macro changed, as hooks are not in the compiled SQL;
/// - if its raw text changed, neither it nor what it was has a word that makes it depend on when or where it is
///   compiled (`is_incremental`, `target.`, …), whose other branch cannot be seen; if a macro changed, or what stands in
///   its tags (a macro's arguments may act in such a branch only), neither do the macros that it reaches;
/// - no macro changed that builds relations, nor one that gave its relation another place or name.
///
/// A difference that dbt does not see is *unseen* unless
/// - it is only the name of a schema or a database that is another for this target, in a text that may have it from
///   the target, or the name of a relation within a string;
/// - it comes from an ephemeral parent that is changed itself;
/// - the text depends on the moment of compiling, and that may explain all of the difference.
///
/// Unseen is also: another rendered configuration or another place of a source because of a variable, and another
/// place or name of a relation because of a macro that names relations (`generate_schema_name`).
///
/// Nothing is found when the manifests are not for one warehouse.
#[must_use]
pub fn compare_compiled(state: &Manifest<'_>, pr: &Manifest<'_>, changes: &Changes) -> CompiledVerdicts {
    let old = state.metadata.adapter_type.as_deref().unwrap_or_default();
    let new = pr.metadata.adapter_type.as_deref().unwrap_or_default();
    let (dialect, other) = (Dialect::of_adapter(new), Dialect::of_adapter(old));
    if dialect == other && (dialect != Dialect::Generic || old == new) {
        Comparison::new(state, pr, changes, dialect).verdicts()
    } else {
        CompiledVerdicts::default()
    }
}

/// Keys of the rendered configuration that have no say in what is built, and those that only name it.
const NOT_BUILT: &[&str] = &[
    "access",
    "alias",
    "database",
    "docs",
    "enabled",
    "freshness",
    "group",
    "meta",
    "packages",
    "persist_docs",
    "schema",
    "static_analysis",
    "tags",
];

/// What is known of a node's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Settled {
    Same,
    Undecided,
    Changed,
}

struct Comparison<'m> {
    state: &'m Manifest<'m>,
    pr: &'m Manifest<'m>,
    changes: &'m Changes,
    names: Names<'m>,
    naming_macros: NamingMacros<'m>,
}

/// What the comparison of one node comes to; equal ones come to nothing.
enum Finding<'m> {
    /// dbt says modified, and it is not.
    Cosmetic,
    /// dbt says modified, and it is.
    Differs,
    /// dbt says unmodified, and the text differs.
    DiffersUnseen(&'m Node<'m>),
    /// dbt says unmodified, and what builds it is another: its macros, its rendered configuration.
    BuiltOtherwise(Reason),
    /// dbt says unmodified, and it lies elsewhere, perhaps because of the macro of this name.
    PlacedPerhaps(&'static str),
}

impl<'m> Comparison<'m> {
    fn new(state: &'m Manifest<'m>, pr: &'m Manifest<'m>, changes: &'m Changes, dialect: Dialect) -> Self {
        let names = Names::new(state, pr, dialect);
        let naming_macros = NamingMacros::new(state, pr);
        Self { state, pr, changes, names, naming_macros }
    }

    fn verdicts(&self) -> CompiledVerdicts {
        let parts = in_parts(self.pr.nodes.len(), |range| {
            let nodes = members(&self.pr.nodes, range);
            nodes.filter_map(|(id, node)| Some((id, self.finding(id, node)?))).collect::<Vec<_>>()
        });
        let sql = in_parts(self.pr.nodes.len(), |range| {
            let nodes = members(&self.pr.nodes, range);
            nodes.filter_map(|(id, node)| Some((UniqueId::from(id), self.sql(id, node)?))).collect::<Vec<_>>()
        });
        let mut verdicts = CompiledVerdicts { sql: sql.into_iter().flatten().collect(), ..CompiledVerdicts::default() };
        let mut settled: HashMap<&str, Settled> = HashMap::new();
        let mut unseen: BTreeMap<&str, &Node<'_>> = BTreeMap::new();
        let functions = self.pr.functions.iter().filter_map(|(id, function)| {
            let id: &str = id;
            Some((id, self.finding(id, function)?))
        });
        for (id, finding) in parts.into_iter().flatten().chain(functions) {
            match finding {
                Finding::Cosmetic => drop(verdicts.cosmetic.insert(id.into())),
                Finding::Differs => drop(settled.insert(id, Settled::Changed)),
                Finding::PlacedPerhaps(because) => {
                    verdicts.undecided.insert(id.into(), Undecided { because });
                }
                Finding::DiffersUnseen(node) => drop(unseen.insert(id, node)),
                Finding::BuiltOtherwise(reason) => {
                    verdicts.unseen.insert(id.into(), reason);
                    settled.insert(id, Settled::Changed);
                }
            }
        }
        for id in unseen.keys() {
            self.settle(id, &unseen, &mut settled, &mut verdicts);
        }
        self.sources(&mut verdicts);
        verdicts
    }

    /// Sources that dbt calls unmodified and that lie elsewhere, and those that it calls modified for what no SQL
    /// reads.
    fn sources(&self, verdicts: &mut CompiledVerdicts) {
        let batches = std::cell::LazyCell::new(|| self.pr.nodes.values().any(Node::is_microbatch));
        let changed = self.changes.nodes.iter().filter(|(id, change)| {
            id.kind() == ResourceType::Source
                && change.kind == ChangeKind::Modified
                && is_beside_the_data(change)
                && !(names_event_time(change) && *batches)
        });
        verdicts.cosmetic.extend(changed.map(|(id, _)| id.clone()));
        for (id, new) in &self.pr.sources {
            let id: &str = id;
            let Some(old) = self.state.sources.get(id).filter(|_| !self.changes.nodes.contains_key(id)) else {
                continue;
            };
            match moved_source(old, new) {
                Some(Moved::ByVariable(keys)) => {
                    verdicts.unseen.insert(id.into(), Reason::RenderedConfigs { keys });
                }
                Some(Moved::ByEnvironment) => {
                    verdicts.undecided.insert(id.into(), Undecided { because: "env_var" });
                }
                None => {}
            }
        }
    }

    /// A node of production's, or a function.
    fn old(&self, id: &str) -> Option<&'m Node<'m>> {
        self.state.nodes.get(id).or_else(|| self.state.functions.get(id))
    }

    fn finding(&self, id: &str, new: &'m Node<'m>) -> Option<Finding<'m>> {
        let old = self.old(id)?;
        let builds = matches!(new.resource_type, ResourceType::Model | ResourceType::Snapshot);
        let is_sql = (builds || matches!(new.resource_type, ResourceType::Test | ResourceType::Function))
            && !new.is_python()
            && !old.is_python();
        match self.changes.nodes.get(id) {
            Some(change) if is_sql && builds && self.is_cosmetic(old, new, change) => Some(Finding::Cosmetic),
            Some(_) => new.resource_type.is_relation().then_some(Finding::Differs),
            None => self
                .built_otherwise(old, new)
                .map(Finding::BuiltOtherwise)
                .or_else(|| (is_sql && self.differs_unseen(old, new)).then_some(Finding::DiffersUnseen(new)))
                .or_else(|| match self.naming_macros.of(old, new).filter(|_| new.resource_type.is_relation())? {
                    Place::Perhaps(naming) => Some(Finding::PlacedPerhaps(naming)),
                    Place::Moved(_) => None,
                }),
        }
    }

    /// What the texts of a node say that reaches a changed macro; nothing where they depend on their moment.
    fn sql(&self, id: &str, new: &Node<'_>) -> Option<Sql> {
        let change = self.changes.nodes.get(id)?;
        let old = self.state.nodes.get(id)?;
        if !change.reasons.iter().any(|reason| matches!(reason, Reason::Macros { .. })) {
            return None;
        }
        if self.names.same_text(old, new) {
            return Some(Sql::Same);
        }
        let moment = CompileContext::of(self.pr, new);
        if self.names.texts(old, new)?.are_same(|| moment.names_places()) {
            return Some(Sql::Same);
        }
        self.unproved(id, new).is_none().then_some(Sql::Changed)
    }

    /// Whether what builds an unchanged node is another: its macros, its rendered configuration.
    fn built_otherwise(&self, old: &Node<'_>, new: &Node<'_>) -> Option<Reason> {
        if !new.resource_type.is_relation() {
            return None;
        }
        if let Some(macros) = self.changes.build_macros.concern(new) {
            return Some(Reason::BuildMacros { macros });
        }
        if let Some(Place::Moved(macros)) = self.naming_macros.of(old, new) {
            return Some(Reason::BuildMacros { macros: ids(macros) });
        }
        let keys = unseen_keys(old, new, NOT_BUILT);
        (!keys.is_empty()).then_some(Reason::RenderedConfigs { keys })
    }

    /// What the text of a node that dbt calls unmodified says. That of an ephemeral parent is part of it.
    fn settle<'n>(
        &self,
        id: &'n str,
        unseen: &BTreeMap<&'n str, &'n Node<'n>>,
        settled: &mut HashMap<&'n str, Settled>,
        verdicts: &mut CompiledVerdicts,
    ) -> Settled {
        if let Some(settled) = settled.get(id) {
            return *settled;
        }
        // Also against a manifest whose nodes depend on themselves.
        settled.insert(id, Settled::Same);
        let Some(new) = unseen.get(id) else { return Settled::Same };
        let mut inlined = Settled::Same;
        for parent in &new.depends_on.nodes {
            if self.pr.nodes.get(parent).is_some_and(|node| node.is_ephemeral()) {
                inlined = inlined.max(self.settle(parent, unseen, settled, verdicts));
            }
        }
        // It is downstream, and that is said already.
        if inlined == Settled::Changed {
            settled.insert(id, Settled::Changed);
            return Settled::Changed;
        }
        let because = self.unproved(id, new);
        let answer = match because {
            Some(because) => {
                verdicts.undecided.insert(id.into(), Undecided { because });
                Settled::Undecided
            }
            None => {
                verdicts.unseen.insert(id.into(), Reason::CompiledSql);
                Settled::Changed
            }
        };
        settled.insert(id, answer);
        answer
    }

    /// The word for which a difference of two texts proves nothing.
    fn unproved(&self, id: &str, new: &Node<'_>) -> Option<&'static str> {
        let moment = CompileContext::of(self.pr, new);
        let texts = self.names.texts(self.old(id)?, new)?;
        let (old, new) = texts.tokens(moment.names_places());
        let places = self.names.schemas();
        moment.explains(old, new, places.names(), places.are_elsewhere())
    }

    fn is_cosmetic(&self, old: &Node<'_>, new: &Node<'_>, change: &Change) -> bool {
        let reasons_allow = change.kind == ChangeKind::Modified
            && change.reasons.iter().all(|reason| match reason {
                Reason::Body | Reason::Configs { .. } | Reason::Fqn | Reason::PersistedDescriptions => true,
                // Hooks are not in the compiled SQL, nor is the branch that was not taken.
                Reason::Macros { .. } => {
                    !has_hooks(old)
                        && !has_hooks(new)
                        && !reaches_context(self.pr, new)
                        && !reaches_context(self.state, old)
                }
                _ => false,
            });
        reasons_allow
            && self.changes.build_macros.concern(new).is_none()
            && self.naming_macros.of(old, new).is_none()
            && same_build_configuration(old, new)
            && (old.raw_code == new.raw_code || (!depends_on_context(old) && !depends_on_context(new)))
            && (same_code(old, new) || (!reaches_context(self.pr, new) && !reaches_context(self.state, old)))
            && self.names.same_text(old, new)
    }

    /// Whether both are compiled and say different things, other than their targets' names.
    fn differs_unseen(&self, old: &Node<'_>, new: &Node<'_>) -> bool {
        match (&old.compiled_code, &new.compiled_code) {
            (Some(a), Some(b)) if a.is_empty() || b.is_empty() || self.names.same_text(old, new) => return false,
            (Some(_), Some(_)) => {}
            _ => return false,
        }
        // Text that cannot be read proves nothing; building it will say so.
        let texts = self.names.texts(old, new);
        texts.is_some_and(|texts| !texts.are_same(|| CompileContext::of(self.pr, new).names_places()))
    }
}

/// Whether what changed of a source says nothing of its rows and of where they are: how fresh they must be, what is
/// written about them.
fn is_beside_the_data(change: &Change) -> bool {
    const BESIDE: [&str; 8] =
        ["description", "event_time", "freshness", "loaded_at_field", "loaded_at_query", "loader", "meta", "tags"];
    change.reasons.iter().all(|reason| match reason {
        Reason::Field { field } => BESIDE.contains(&field.as_str()),
        Reason::Configs { keys } => keys.iter().all(|key| BESIDE.contains(&key.as_str())),
        Reason::Fqn | Reason::PersistedDescriptions => true,
        Reason::New
        | Reason::Body
        | Reason::Relation
        | Reason::Macros { .. }
        | Reason::Contract { .. }
        | Reason::CompiledSql
        | Reason::BuildMacros { .. }
        | Reason::RenderedConfigs { .. }
        | Reason::Removed
        | Reason::RenamedTo { .. } => false,
    })
}

/// Whether the column is another by which models of the strategy `microbatch` take a batch's rows.
fn names_event_time(change: &Change) -> bool {
    change.reasons.iter().any(|reason| match reason {
        Reason::Field { field } => field == "event_time",
        Reason::Configs { keys } => keys.iter().any(|key| key == "event_time"),
        _ => false,
    })
}

fn ids(ids: Vec<String>) -> Vec<UniqueId> {
    ids.into_iter().map(Into::into).collect()
}

/// Whether the tags of both raw texts say the same: what stands outside of them is in the compiled text as it is.
fn same_code(old: &Node<'_>, new: &Node<'_>) -> bool {
    let (old, new) = (old.raw_code.get(), new.raw_code.get());
    let code = |text| -> Vec<String> {
        let tags = pieces(text).into_iter().filter_map(|piece| match piece {
            Piece::Code(code) => Some(format!("{:?}", words(code.trim_matches(['-', '+'])))),
            Piece::Text(_) => None,
        });
        tags.collect()
    };
    old == new || code(&old) == code(&new)
}

fn has_hooks(node: &Node<'_>) -> bool {
    let config = node.config();
    !config.pre_hook.is_empty() || !config.post_hook.is_empty()
}

fn same_build_configuration(old: &Node<'_>, new: &Node<'_>) -> bool {
    let config = |node: &Node<'_>| -> Option<BTreeMap<String, serde_json::Value>> {
        let all: BTreeMap<String, serde_json::Value> = serde_json::from_str(node.raw_config?.get()).ok()?;
        Some(all.into_iter().filter(|(key, _)| !NOT_BUILT.contains(&key.as_str())).collect())
    };
    let contract = |node: &Node<'_>| (node.contract.enforced, node.contract.checksum.as_deref().map(str::to_owned));
    let constraints = |node: &Node<'_>| node.constraints.map(|raw| raw.get().to_owned());
    let columns = |node: &Node<'_>| -> Vec<_> {
        let columns = node.columns().into_values();
        columns.map(|column| (column.name, column.data_type, column.quote, column.constraints)).collect()
    };
    config(old).is_some_and(|old| config(new) == Some(old))
        && contract(old) == contract(new)
        && constraints(old) == constraints(new)
        && (!new.contract.enforced || columns(old) == columns(new))
}
