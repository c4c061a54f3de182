//! The `state:` method, as a question to whoever compared the manifests.

/// What `state:` can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateCheck {
    /// `state:new`.
    New,
    /// `state:old`.
    Old,
    /// `state:modified`.
    Modified,
    /// `state:unmodified`.
    Unmodified,
    /// `state:modified.body`.
    Body,
    /// `state:modified.configs`.
    Configs,
    /// `state:modified.persisted_descriptions`.
    PersistedDescriptions,
    /// `state:modified.relation`.
    Relation,
    /// `state:modified.macros`.
    Macros,
    /// `state:modified.contract`.
    Contract,
}

impl StateCheck {
    /// All of them, in the order in which dbt lists them.
    pub const ALL: [Self; 10] = [
        Self::New,
        Self::Old,
        Self::Modified,
        Self::Unmodified,
        Self::Body,
        Self::Configs,
        Self::PersistedDescriptions,
        Self::Relation,
        Self::Macros,
        Self::Contract,
    ];

    /// What stands after `state:`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Old => "old",
            Self::Modified => "modified",
            Self::Unmodified => "unmodified",
            Self::Body => "modified.body",
            Self::Configs => "modified.configs",
            Self::PersistedDescriptions => "modified.persisted_descriptions",
            Self::Relation => "modified.relation",
            Self::Macros => "modified.macros",
            Self::Contract => "modified.contract",
        }
    }

    /// The check that `state:<name>` asks for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.as_str() == name)
    }
}

/// Somebody who compared the manifest with state.
pub trait StateAnswers {
    /// Whether the node called `unique_id` of the pull request's manifest is selected by `state:<check>`.
    fn answer(&self, check: StateCheck, unique_id: &str) -> bool;

    /// The error that dbt raises instead of answering, if any: a breaking change to a versioned contract.
    fn refusal(&self, check: StateCheck) -> Option<String>;
}
