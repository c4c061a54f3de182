//! How old production's manifest is, and what made it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::words;

/// The production manifest that the pull request was compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StateFacts {
    /// When dbt wrote it (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated_at: Option<String>,
    /// Its age when the run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// The commit it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// That commit's age when the run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_age_seconds: Option<u64>,
    /// How many commits have been made since on the branch that the pull request is to be merged into; where CI does
    /// not name it, on the checked-out one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits_behind: Option<u64>,
    /// Version of the dbt that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dbt_version: Option<String>,
}

impl StateFacts {
    /// How old it is and its commit, in phrases; none where nothing is known.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if let Some(age) = self.age_seconds {
            facts.push(format!("production's manifest is {} old", hours_in_words(age)));
        }
        if let Some(commit) = &self.commit {
            let short: String = commit.chars().take(7).collect();
            let age = self.commit_age_seconds.map(|age| format!(" is {} old", hours_in_words(age)));
            let behind = self.commits_behind.map(|commits| format!(" {} behind", words::count(commits, "commit")));
            let and = if age.is_some() && behind.is_some() { " and" } else { "" };
            let rest = format!("{}{and}{}", age.unwrap_or_default(), behind.unwrap_or_default());
            facts.push(format!("commit {short}{}", if rest.is_empty() { " (not in this checkout)" } else { &rest }));
        }
        facts
    }
}

fn hours_in_words(seconds: u64) -> String {
    match seconds / 3600 {
        hours @ 0..48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}
