//! dbt's `state:` answers.

use crate::project::{StateAnswers, StateCheck};

use super::Changes;

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
