//! The report when it is done.

use std::ops::Deref;

use schemars::JsonSchema;
use serde::Serialize;

use super::draft::Draft;
use super::verdict::{Verdict, conclude};

/// Version of the JSON document. A reader that knows it can read every document that carries it.
pub const SCHEMA_VERSION: u32 = 1;

/// The one value that holds a run's result: a [`Draft`] and its verdict.
///
/// It reads like its draft (`report.nodes`) and cannot be changed, so that the verdict always fits the rest.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// Version of this document.
    schema_version: u32,
    /// May this pull request be merged?
    verdict: Verdict,
    #[serde(flatten)]
    draft: Draft,
}

impl Report {
    /// The report of a run that is over.
    #[must_use]
    pub fn conclude(draft: Draft) -> Self {
        Self { schema_version: SCHEMA_VERSION, verdict: conclude(&draft), draft }
    }

    /// The report of a run that is not over, for the comment while it runs.
    #[must_use]
    pub fn running(draft: Draft) -> Self {
        Self { schema_version: SCHEMA_VERSION, verdict: Verdict::Running, draft }
    }

    /// May this pull request be merged?
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The draft back, to change it and conclude again.
    #[must_use]
    pub fn into_draft(self) -> Draft {
        self.draft
    }
}

impl Deref for Report {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.draft
    }
}
