//! dbt's `state:` answers for one node.

use crate::project::StateCheck;

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
    pub(super) fn answer(self, check: StateCheck) -> bool {
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
