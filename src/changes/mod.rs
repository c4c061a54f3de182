//! What the pull request changes.
//!
//! In: production's manifest and the pull request's. Out: [`Changes`], each with its reasons.

use std::collections::BTreeMap;

use serde::Serialize;

/// All differences between state and the pull request.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Changes {
    /// By unique_id, in its order. Unchanged nodes are absent.
    pub nodes: BTreeMap<String, Change>,
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
}

/// Why a node counts as changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// State does not have the node.
    New,
    /// `state:modified.body`: the file's text, a seed's checksum.
    Body,
    /// `state:modified.configs`: these keys of the unrendered configuration.
    Configs {
        /// The keys, sorted.
        keys: Vec<String>,
    },
    /// `state:modified.relation`: database, schema or alias.
    Relation,
    /// `state:modified.persisted_descriptions`.
    PersistedDescriptions,
    /// `state:modified.macros`: these macros differ and the node reaches them.
    Macros {
        /// unique_ids, sorted.
        macros: Vec<String>,
    },
    /// `state:modified.contract`.
    Contract {
        /// Whether dbt calls the difference breaking.
        breaking: bool,
    },
    /// The folder or the name below it.
    Fqn,
    /// `access`, `latest_version`, `deprecation_date`, and the fields that only other resource types have.
    Field {
        /// The manifest's name of the field.
        field: String,
    },
    /// State has the node and the pull request does not.
    Removed,
}
