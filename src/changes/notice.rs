//! What dbt says while it compares, apart from its answer.

use serde::Serialize;

use crate::artifacts::UniqueId;
use crate::project::StateCheck;

/// A warning, or the error that dbt would stop with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What dbt warns of or stops with.
    pub kind: NoticeKind,
    /// The node it is about.
    pub unique_id: UniqueId,
    /// The node's name.
    pub name: String,
    /// The whole message.
    pub message: String,
    /// For contracts: what breaks, a phrase each.
    pub details: Vec<String>,
}

/// The kinds of [`Notice`], by the names of dbt's events where dbt has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum NoticeKind {
    /// A seed above 1 MiB on both sides: its content was not compared.
    SeedExceedsLimitSamePath,
    /// A seed that grew above 1 MiB.
    SeedIncreased,
    /// A seed above 1 MiB that moved.
    SeedExceedsLimitAndPathChanged,
    /// A breaking change to the contract of a model without versions.
    UnversionedBreakingChange,
    /// A breaking change to the contract of a version of a model. dbt refuses to go on.
    ContractBreakingChangeError,
}

impl NoticeKind {
    /// dbt's name of the event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SeedExceedsLimitSamePath => "SeedExceedsLimitSamePath",
            Self::SeedIncreased => "SeedIncreased",
            Self::SeedExceedsLimitAndPathChanged => "SeedExceedsLimitAndPathChanged",
            Self::UnversionedBreakingChange => "UnversionedBreakingChange",
            Self::ContractBreakingChangeError => "ContractBreakingChangeError",
        }
    }

    /// What it says of the node: the end of a sentence that begins with the node's name.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::SeedExceedsLimitSamePath => "is above 1 MiB, so dbt did not compare its content",
            Self::SeedIncreased => "is now above 1 MiB, so dbt no longer sees edits",
            Self::SeedExceedsLimitAndPathChanged => "is above 1 MiB and moved, so it counts as changed",
            Self::UnversionedBreakingChange => "breaks its contract",
            Self::ContractBreakingChangeError => "breaks the contract of a version, which dbt refuses",
        }
    }

    /// Whether it is about a contract, and not about a seed.
    #[must_use]
    pub fn is_of_contract(self) -> bool {
        matches!(self, Self::UnversionedBreakingChange | Self::ContractBreakingChangeError)
    }

    /// Whether dbt stops with it.
    #[must_use]
    pub fn is_error(self) -> bool {
        self == Self::ContractBreakingChangeError
    }

    /// Whether it comes up when dbt makes `check`.
    #[must_use]
    pub fn arises_in(self, check: StateCheck) -> bool {
        let own = if self.is_of_contract() { StateCheck::Contract } else { StateCheck::Body };
        check == own || matches!(check, StateCheck::Modified | StateCheck::Unmodified)
    }
}
