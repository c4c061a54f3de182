//! Who makes a temporary schema.

/// Who makes a temporary schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `owner/name` of the repository, or the dbt project's name outside CI.
    pub repository: String,
    /// The dbt project.
    pub project: String,
    /// The pull request's number; `None` on a laptop.
    pub pull_request: Option<u64>,
    /// The commit checked.
    pub commit: Option<String>,
    /// This run; unlike that of any other.
    pub run: String,
    /// Whose run it is, for people: the CI job, or the user and machine.
    pub who: String,
    /// When it started, RFC 3339 in UTC with fractions of a second: the later of two runs is the newer.
    pub started_at: String,
    /// From when on clean-up may drop the schema, RFC 3339. Moves on while the run lives.
    pub expires_at: String,
}

impl Owner {
    pub(super) fn pull_request_text(&self) -> String {
        self.pull_request.map(|number| number.to_string()).unwrap_or_default()
    }
}
