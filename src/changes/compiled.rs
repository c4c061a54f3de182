//! The compiled SQL decides.
//!
//! dbt compares raw text. Where both manifests hold compiled SQL, the truth is nearer: a comment, a
//! refactored macro or a moved file that leaves the SQL as it was changes nothing, and a variable that dbt
//! does not compare changes much.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::build_macros::{BuildMacros, is_dbts_own};
use super::names::Names;
use super::parts::{in_parts, members};
use super::{Change, ChangeKind, Changes, Reason};
use crate::artifacts::{Manifest, Node, ResourceType};
use crate::sql::Dialect;

/// What the compiled SQL of two manifests says against dbt's comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompiledVerdicts {
    /// dbt says modified; compiled SQL and build configuration are equal.
    pub cosmetic: BTreeSet<String>,
    /// dbt says unmodified; what is built is another, for this reason.
    pub unseen: BTreeMap<String, Reason>,
    /// dbt says unmodified and the compiled SQL differs, but it depends on when or where it was compiled, so
    /// the difference proves nothing. dbt's word stands.
    pub undecided: BTreeMap<String, Undecided>,
}

/// Why a difference of compiled SQL proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The word that the model, or a macro that it calls, uses: `is_incremental`, `target.`, …
    pub because: &'static str,
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
    }
}

/// Compares the compiled SQL of every SQL model and snapshot that both manifests have compiled.
///
/// A change is *cosmetic* only when all of these are certain; else dbt's word stands:
/// - both texts mean the same ([`normalize`]) after relation names are replaced by unique_ids;
/// - the rendered configuration is equal, but for keys that no build reads (tags, meta, docs, group, access, …)
///   and for names (schema, database, alias), and so are contract, constraints and columns under contract;
/// - dbt's reasons are among body, configs, macros, persisted descriptions and moved file;
/// - it has no hooks if a macro changed, as hooks are not in the compiled SQL;
/// - its raw text, if that changed, has no `is_incremental`, whose other branch cannot be seen;
/// - no macro changed that builds relations.
///
/// A difference that dbt does not see is *unseen* unless it is only the name of the target's schema or
/// database, or comes from an ephemeral parent, or the text depends on the moment of compiling.
///
/// Nothing is found when the manifests are not for one known warehouse.
#[must_use]
pub fn compare_compiled(state: &Manifest<'_>, pr: &Manifest<'_>, changes: &Changes) -> CompiledVerdicts {
    let adapter = |manifest: &Manifest<'_>| manifest.metadata.adapter_type.as_deref().and_then(Dialect::from_adapter);
    match (adapter(state), adapter(pr)) {
        (Some(dialect), Some(other)) if dialect == other => Comparison::new(state, pr, changes, dialect).verdicts(),
        _ => CompiledVerdicts::default(),
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

/// Words that make a text depend on when or where it is compiled.
const MOMENTARY: &[&str] = &[
    "is_incremental",
    "run_started_at",
    "invocation_id",
    "modules.datetime",
    "run_query",
    "call statement",
    "load_result",
    "get_column_values",
    "adapter.",
    "target.",
    "target[",
    "flags.",
];

struct Comparison<'m> {
    state: &'m Manifest<'m>,
    pr: &'m Manifest<'m>,
    changes: &'m Changes,
    names: Names<'m>,
    build_macros: BuildMacros,
}

/// What the comparison of one node comes to; equal ones come to nothing.
enum Finding<'m> {
    /// dbt says modified, and it is not.
    Cosmetic,
    /// dbt says modified, and it is.
    Differs,
    /// dbt says unmodified, and the text differs.
    DiffersUnseen(&'m Node<'m>),
    /// dbt says unmodified, and these macros that build it differ.
    BuiltByOther(Vec<String>),
}

impl<'m> Comparison<'m> {
    fn new(state: &'m Manifest<'m>, pr: &'m Manifest<'m>, changes: &'m Changes, dialect: Dialect) -> Self {
        let names = Names::new(state, pr, dialect);
        Self { state, pr, changes, names, build_macros: BuildMacros::new(state, pr) }
    }

    fn verdicts(&self) -> CompiledVerdicts {
        let parts = in_parts(self.pr.nodes.len(), |range| {
            let nodes = members(&self.pr.nodes, range);
            nodes.filter_map(|(id, node)| Some((id.as_ref(), self.finding(id, node)?))).collect::<Vec<_>>()
        });
        let mut verdicts = CompiledVerdicts::default();
        let mut differing: HashSet<&str> = HashSet::new();
        let mut unseen = Vec::new();
        for (id, finding) in parts.into_iter().flatten() {
            match finding {
                Finding::Cosmetic => drop(verdicts.cosmetic.insert(id.to_owned())),
                Finding::Differs => drop(differing.insert(id)),
                Finding::DiffersUnseen(node) => {
                    differing.insert(id);
                    unseen.push((id, node));
                }
                Finding::BuiltByOther(macros) => {
                    verdicts.unseen.insert(id.to_owned(), Reason::BuildMacros { macros });
                }
            }
        }
        for (id, node) in unseen {
            // The text of an ephemeral parent is in its own; it is downstream, and that is said already.
            let inlined = node.depends_on.nodes.iter().any(|parent| {
                differing.contains(parent.as_ref())
                    && self.pr.nodes.get(parent).is_some_and(|parent| parent.is_ephemeral())
            });
            if inlined {
                continue;
            }
            match self.momentary(node) {
                Some(because) => drop(verdicts.undecided.insert(id.to_owned(), Undecided { because })),
                None => drop(verdicts.unseen.insert(id.to_owned(), Reason::CompiledSql)),
            }
        }
        verdicts
    }

    fn finding(&self, id: &str, new: &'m Node<'m>) -> Option<Finding<'m>> {
        let old = self.state.nodes.get(id)?;
        let built_by_other = || self.build_macros.concern(new).map(Finding::BuiltByOther);
        match (new.resource_type, self.changes.nodes.get(id)) {
            (ResourceType::Seed, None) => built_by_other(),
            (ResourceType::Model | ResourceType::Snapshot, change) if !new.is_python() && !old.is_python() => {
                match change {
                    Some(change) if self.is_cosmetic(old, new, change) => Some(Finding::Cosmetic),
                    Some(_) => Some(Finding::Differs),
                    None => built_by_other()
                        .or_else(|| self.differs_unseen(old, new).then_some(Finding::DiffersUnseen(new))),
                }
            }
            _ => None,
        }
    }

    fn is_cosmetic(&self, old: &Node<'_>, new: &Node<'_>, change: &Change) -> bool {
        let reasons_allow = change.kind == ChangeKind::Modified
            && change.reasons.iter().all(|reason| match reason {
                Reason::Body | Reason::Configs { .. } | Reason::Fqn | Reason::PersistedDescriptions => true,
                Reason::Macros { .. } => !has_hooks(old) && !has_hooks(new),
                _ => false,
            });
        reasons_allow
            && self.build_macros.concern(new).is_none()
            && same_build_configuration(old, new)
            && (old.raw_code == new.raw_code || !new.raw_code.get().contains("is_incremental"))
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
        self.names.same_but_targets(old, new) == Some(false)
    }

    /// The first momentary word in a node's raw text or in the project's macros that it reaches.
    fn momentary(&self, node: &Node<'_>) -> Option<&'static str> {
        let found = |text: &str| MOMENTARY.iter().find(|word| text.contains(**word)).copied();
        if let Some(word) = found(&node.raw_code.get()) {
            return Some(word);
        }
        let mut open: Vec<&str> = node.depends_on.macros.iter().map(AsRef::as_ref).collect();
        let mut seen = HashSet::new();
        while let Some(id) = open.pop() {
            let Some(macro_) = self.pr.macros.get(id).filter(|_| seen.insert(id) && !is_dbts_own(id)) else {
                continue;
            };
            if let Some(word) = found(&macro_.macro_sql.get()) {
                return Some(word);
            }
            open.extend(macro_.depends_on.macros.iter().map(AsRef::as_ref));
        }
        None
    }
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
