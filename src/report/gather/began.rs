//! The run itself, the manifests that it compares, and its end.

use std::time::Duration;

use jiff::Timestamp;

use crate::artifacts::{IssueSeverity, ManifestIssue, StateFacts};
use crate::report::{Draft, Facts, Finding, Interruption, RunFacts, Severity, rules};

/// Where a report goes, as the job that publishes it knows it. The job that wrote the report ran untrusted code, so what
/// it says of commit, server and run is dropped even where this job knows nothing.
#[derive(Debug, Default)]
pub struct Address {
    /// The pull request's number; the report's own where this is not known.
    pub pull_request: Option<u64>,
    /// `owner/name`; the report's own where this is not known.
    pub repository: Option<String>,
    /// The pull request's head.
    pub commit: Option<String>,
    /// The forge's address.
    pub server_url: Option<String>,
    /// This job's run.
    pub run: Option<RunFacts>,
}

impl Draft {
    /// A run that began at that time.
    #[must_use]
    pub fn began(facts: Facts, at: Timestamp) -> Self {
        let mut draft = Self { facts, ..Self::default() };
        draft.timings.started_at = Some(at.to_string());
        draft
    }

    /// Replaces everything that says where the report goes.
    pub fn readdress(&mut self, to: Address) {
        let Address { pull_request, repository, commit, server_url, run } = to;
        let facts = &mut self.facts;
        facts.pull_request = pull_request.or(facts.pull_request);
        facts.repository = repository.or_else(|| facts.repository.take());
        (facts.commit, facts.server_url, facts.run) = (commit, server_url, run);
    }

    /// Adds production's manifest and the merge base's. `old`: what is to be said of production's age.
    pub fn add_manifests(&mut self, state: StateFacts, base: Option<StateFacts>, old: Option<Finding>) {
        (self.state, self.base) = (Some(state), base);
        self.findings.extend(old);
    }

    /// Adds what a check of the manifests has to say. `project`: what is meant where no node is.
    pub fn add_issues(&mut self, issues: &[ManifestIssue], project: &str) {
        self.findings.extend(issues.iter().map(|issue| {
            let severity = match issue.severity {
                IssueSeverity::Warning => Severity::Warning,
                IssueSeverity::Error => Severity::Error,
            };
            let about = issue.unique_id.as_deref().unwrap_or(project);
            let finding = Finding::about(severity, rules::MANIFEST_PARTIAL, about, &issue.message);
            finding.with_remedy(&issue.remedy)
        }));
    }

    /// Adds what is found beside any stage: what the pull request changes in its own gate.
    pub fn add_findings(&mut self, findings: Vec<Finding>) {
        self.findings.extend(findings);
    }

    /// Adds how long all of it took.
    pub fn ended(&mut self, after: Duration) {
        self.timings.total_ms = Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    }

    /// Adds that the run ended early. What was not reached by then was not checked.
    pub fn interrupt(&mut self, interruption: Interruption) {
        self.interruption = Some(interruption);
        self.tally();
    }

    /// The report that stands when the process does not live to write its own: it was killed, or an engine within it
    /// ended it.
    #[must_use]
    pub fn cut_off(&self) -> Self {
        let reason = "the process ended before the run did: it was killed, or the engine in it crashed".to_owned();
        Self { interruption: Some(Interruption::Broken { reason }), ..self.clone() }
    }
}
