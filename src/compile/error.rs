//! Why dbt gave nothing.

use std::time::Duration;

/// Why dbt gave nothing. What dbt itself said is apart, because it is for the terminal only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CompileError {
    /// What is wrong, in premerge's words.
    pub message: String,
    /// dbt's own words, which may hold values and secrets.
    pub said: Option<String>,
    /// What to do.
    pub remedy: String,
    /// Whether a time limit was over.
    pub timed_out: bool,
}

impl CompileError {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), said: None, remedy: remedy.into(), timed_out: false }
    }

    pub(super) fn saying(self, said: impl Into<String>) -> Self {
        let said = said.into();
        Self { said: (!said.trim().is_empty()).then_some(said), ..self }
    }

    pub(super) fn too_slow(what: &str, limit: Duration) -> Self {
        let message = format!("dbt did not {what} within {} s", limit.as_secs());
        let remedy = "raise --compile-timeout-seconds, or see what dbt waits for with -v".to_owned();
        Self { timed_out: true, ..Self::new(message, remedy) }
    }
}
