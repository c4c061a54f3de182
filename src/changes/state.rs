//! dbt's `state:` answers for one node.

use crate::project::{StateAnswers, StateCheck};

use super::Changes;

/// What dbt's sub-checks say of one node. The default is what they say of a node that did not change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StateChecks {
    pub(super) new: bool,
    pub(super) modified: bool,
    pub(super) body: bool,
    pub(super) configs: bool,
    pub(super) persisted_descriptions: bool,
    pub(super) relation: bool,
    pub(super) macros: bool,
    pub(super) contract: bool,
}

impl StateChecks {
    fn answer(self, check: StateCheck) -> bool {
        match check {
            StateCheck::New => self.new,
            StateCheck::Old => !self.new,
            StateCheck::Modified => self.modified,
            StateCheck::Unmodified => !self.modified,
            StateCheck::Body => self.body,
            StateCheck::Configs => self.configs,
            StateCheck::PersistedDescriptions => self.persisted_descriptions,
            StateCheck::Relation => self.relation,
            StateCheck::Macros => self.macros,
            StateCheck::Contract => self.contract,
        }
    }
}

impl Changes {
    /// Whether dbt's `state:modified` selects the node called `unique_id`.
    #[must_use]
    pub fn is_modified(&self, unique_id: &str) -> bool {
        self.answer(StateCheck::Modified, unique_id)
    }
}

impl StateAnswers for Changes {
    fn answer(&self, check: StateCheck, unique_id: &str) -> bool {
        self.checks.get(unique_id).copied().unwrap_or_default().answer(check)
    }

    fn refusal(&self, check: StateCheck) -> Option<String> {
        let notice = self.notices.iter().find(|notice| notice.kind.is_error() && notice.kind.arises_in(check))?;
        Some(notice.message.clone())
    }
}
