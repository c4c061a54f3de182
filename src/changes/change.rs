//! What a comparison comes to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::build_macros::BuildMacros;
use super::notice::Notice;
use super::reason::Reason;
use super::state_checks::StateChecks;
use crate::artifacts::UniqueId;
use crate::config::PackageOverrides;

/// All differences between state and the pull request.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Changes {
    /// By unique_id, in its order. Unchanged nodes are absent.
    ///
    /// New sources, exposures, metrics, semantic models and saved queries are here as [`ChangeKind::Added`],
    /// though dbt's `state:modified` leaves them out; [`Changes::is_modified`] is dbt's answer.
    pub nodes: BTreeMap<UniqueId, Change>,
    /// Changes to dbt that say nothing new: equal compiled SQL and equal build configuration. Moved here from
    /// `nodes` by [`CompiledVerdicts::apply`].
    pub cosmetic: BTreeMap<UniqueId, Change>,
    /// What differs from state and not from the merge base, so that others changed it. Moved here from `nodes` by
    /// [`Changes::set_apart`], and empty without a merge base.
    pub not_yours: BTreeMap<UniqueId, Change>,
    /// What the pull request changes of the merge base and state has just so: nothing of it is new to production.
    #[serde(skip)]
    pub as_in_state: BTreeSet<UniqueId>,
    /// Nodes whose compiled SQL differs where dbt sees no change, which proves nothing.
    #[serde(skip)]
    pub undecided: BTreeMap<UniqueId, Undecided>,
    /// Changed macros that something reaches. With a merge base: those that differ from it.
    pub macros: BTreeMap<UniqueId, MacroUse>,
    /// The changed macros that build relations. With a merge base: those that differ from it.
    #[serde(skip)]
    pub build_macros: BuildMacros,
    /// Whether packages replace dbt's materializations in the pull request.
    #[serde(skip)]
    pub package_overrides: PackageOverrides,
    /// What dbt warns of, or fails on, while it compares.
    pub notices: Vec<Notice>,
    /// dbt's answers for every node whose answers are not simply "old and unmodified".
    #[serde(skip)]
    pub(super) checks: BTreeMap<UniqueId, StateChecks>,
}

/// One node that differs from state, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// In which way it differs.
    pub kind: ChangeKind,
    /// Why it counts as changed: dbt's sub-checks first, then premerge's own. Never empty.
    pub reasons: Vec<Reason>,
}

/// In which way a node differs from state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ChangeKind {
    /// State does not have it.
    Added,
    /// Both have it, and it differs.
    Modified,
    /// Only state has it.
    Removed,
    /// State has it; the pull request disables it.
    Disabled,
    /// State has the same text under another name. To dbt, and for building, this is [`ChangeKind::Added`].
    Renamed {
        /// The unique_id in state, which is itself recorded as [`ChangeKind::Removed`].
        from: UniqueId,
    },
}

/// Why a difference of compiled SQL proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The word that the model, or a macro that it calls, uses: `is_incremental`, `target.`, …; for a source the one
    /// in its place.
    pub because: &'static str,
}

/// What reaches a changed macro, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MacroUse {
    /// Models whose text calls it, themselves or through other macros.
    pub models: usize,
    /// Of those: models whose compiled SQL changed, for whichever reason.
    pub sql_changed: usize,
    /// Of those: models whose SQL cannot be compared: new, not compiled, or dependent on when it is compiled.
    pub sql_unknown: usize,
    /// Tests that call it.
    pub tests: usize,
    /// Nodes that are built by it: it is a materialization, or a macro that one calls.
    pub builds: usize,
    /// Everything else that calls it.
    pub others: usize,
}
