//! The comparison of two manifests.

use crate::artifacts::Manifest;

use super::macros::ChangedMacros;
use super::node::{compare_node, new_node};
use super::reason::Reason;
use super::state::StateChecks;
use super::{Change, ChangeKind, Changes};

/// How to compare.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// dbt's project flag `state_modified_compare_more_unrendered_values`, which no manifest records.
    /// `None`: guessed from the manifests.
    pub more_unrendered_values: Option<bool>,
    /// Today; a contracted model whose `deprecation_date` is past may go. `None`: no date is past.
    pub now: Option<jiff::Timestamp>,
}

/// What the pull request changes, by dbt's rules.
#[must_use]
pub fn compare(state: &Manifest<'_>, pr: &Manifest<'_>, options: &CompareOptions) -> Changes {
    let _ = options;
    let mut changes = Changes::default();
    let macros = ChangedMacros::new(state, pr, |_| false);
    let adapter = pr.metadata.adapter_type.as_deref().unwrap_or_default();

    for (id, node) in pr.nodes.iter().chain(&pr.functions) {
        let old = state.nodes.get(id).or_else(|| state.functions.get(id));
        let (mut checks, mut reasons) = match old {
            None => (new_node(), vec![Reason::New]),
            Some(old) => compare_node(old, node, adapter, &mut changes.notices),
        };
        let reached = macros.reached(&node.depends_on.macros);
        if !reached.is_empty() {
            checks.macros = true;
            checks.modified = true;
            reasons.push(Reason::Macros { macros: reached });
        }
        changes.record(id, checks, reasons);
    }
    for id in state.nodes.keys().chain(state.functions.keys()) {
        if pr.nodes.contains_key(id) || pr.functions.contains_key(id) {
            continue;
        }
        let kind = if pr.disabled.contains_key(id) { ChangeKind::Disabled } else { ChangeKind::Removed };
        changes.nodes.insert(id.to_string(), Change { kind, reasons: vec![Reason::Removed] });
    }
    changes
}

impl Changes {
    fn record(&mut self, unique_id: &str, checks: StateChecks, mut reasons: Vec<Reason>) {
        if !reasons.is_empty() {
            reasons.sort_unstable();
            let kind = if checks.new { ChangeKind::Added } else { ChangeKind::Modified };
            self.nodes.insert(unique_id.to_owned(), Change { kind, reasons });
        }
        if checks != StateChecks::default() {
            self.checks.insert(unique_id.to_owned(), checks);
        }
    }
}
