//! `state:modified.macros`: which nodes reach a changed macro.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::artifacts::{Macro, Manifest, UniqueIdRef};

use super::context::Context;
use super::drift::{Drift, normal_text};

/// The macros that differ between two manifests, and everything that calls them.
pub(super) struct ChangedMacros<'m> {
    changed: HashSet<&'m str>,
    /// Macros of the pull request that reach a changed one, the changed ones included.
    tainted: HashSet<&'m str>,
    calls: HashMap<&'m str, Vec<&'m str>>,
}

impl<'m> ChangedMacros<'m> {
    /// A macro counts as changed when its text differs, white space and comments included, or when only one
    /// manifest has it. After an upgrade, dbt's own macros do not count; between dbt 1 and dbt 2 neither do
    /// those that only one of them has, nor white space around the text.
    pub(super) fn new(state: &'m Manifest<'_>, pr: &'m Manifest<'_>, context: Context<'_>) -> Self {
        let same = |old: &Macro<'_>, new: &Macro<'_>| {
            old.macro_sql == new.macro_sql
                || (context.drift == Drift::Major
                    && normal_text(&old.macro_sql.get()) == normal_text(&new.macro_sql.get()))
        };
        let mut changed = HashSet::new();
        for (id, macro_) in &pr.macros {
            match state.macros.get(id) {
                Some(old) if same(old, macro_) => {}
                None if context.drift == Drift::Major => {}
                _ => {
                    changed.insert(id.as_ref());
                }
            }
        }
        if context.drift < Drift::Major {
            changed.extend(state.macros.keys().map(AsRef::as_ref).filter(|id| !pr.macros.contains_key(*id)));
        }
        changed.retain(|id| !context.drift.ignores_macros_of(UniqueIdRef::new(id).package(), context.adapter));

        let calls: HashMap<&str, Vec<&str>> = if changed.is_empty() {
            HashMap::new()
        } else {
            pr.macros
                .iter()
                .map(|(id, macro_)| (id.as_ref(), macro_.depends_on.macros.iter().map(AsRef::as_ref).collect()))
                .collect()
        };
        let mut callers: HashMap<&str, Vec<&str>> = HashMap::new();
        for (caller, callees) in &calls {
            for callee in callees {
                callers.entry(callee).or_default().push(caller);
            }
        }
        let mut tainted = changed.clone();
        let mut open: Vec<&str> = changed.iter().copied().collect();
        while let Some(id) = open.pop() {
            for caller in callers.get(id).into_iter().flatten() {
                if tainted.insert(caller) {
                    open.push(caller);
                }
            }
        }
        Self { changed, tainted, calls }
    }

    /// The changed macros that `direct` calls reach, sorted; empty means that dbt sees no change.
    pub(super) fn reached<S: AsRef<str>>(&self, direct: &[S]) -> Vec<String> {
        if !direct.iter().any(|id| self.tainted.contains(id.as_ref())) {
            return Vec::new();
        }
        let mut found = BTreeSet::new();
        let mut seen = HashSet::new();
        let mut open: Vec<&str> = direct.iter().map(AsRef::as_ref).collect();
        while let Some(id) = open.pop() {
            if !self.tainted.contains(id) || !seen.insert(id) {
                continue;
            }
            if self.changed.contains(id) {
                found.insert(id.to_owned());
            }
            open.extend(self.calls.get(id).into_iter().flatten().copied());
        }
        found.into_iter().collect()
    }
}
