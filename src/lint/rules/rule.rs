//! A rule, and what it says.

use super::model::Model;
use crate::lint::finding::Severity;

/// Something that a rule says about a model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Hit {
    /// In the author's file, from 1; `None` for the model as a whole.
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

impl Hit {
    pub(super) fn model(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }

    pub(super) fn at(line: Option<usize>, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// One rule.
pub(super) struct Rule {
    /// Stable: users name it in configuration.
    pub(super) code: &'static str,
    /// What a finding weighs unless configured.
    pub(super) severity: Severity,
    pub(super) check: fn(&Model<'_>) -> Vec<Hit>,
}
