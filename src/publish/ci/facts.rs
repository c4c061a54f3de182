//! What CI says about a run, whichever system it is.

use std::path::PathBuf;

use crate::config::{Checkout, Env};
use crate::publish::ForgeKind;
use crate::report::{Facts, RunFacts};

/// A CI system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// GitHub Actions.
    GitHubActions,
    /// GitLab CI.
    GitLab,
    /// CircleCI.
    CircleCi,
    /// Azure Pipelines.
    Azure,
    /// Another one, which sets `CI`.
    Other,
}

impl System {
    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHubActions => "GitHub Actions",
            Self::GitLab => "GitLab CI",
            Self::CircleCi => "CircleCI",
            Self::Azure => "Azure Pipelines",
            Self::Other => "an unknown CI system",
        }
    }
}

/// What a line of the job's log can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogDialect {
    /// Nothing.
    #[default]
    Plain,
    /// Command GitHub's runner, also to annotate a line of a file.
    Actions,
    /// Command Azure's agent.
    Azure,
}

impl LogDialect {
    /// Whether text that is not ours must be disarmed.
    #[must_use]
    pub fn obeys(self) -> bool {
        match self {
            Self::Plain => false,
            Self::Actions | Self::Azure => true,
        }
    }
}

/// What CI says about the run. Empty on a laptop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ci {
    /// The system; `None` where none runs this.
    pub system: Option<System>,
    /// Where the repository lies, if premerge knows that code host.
    pub forge: Option<ForgeKind>,
    /// The event that started the run, by the system's own name, such as `pull_request`.
    pub event: Option<String>,
    /// Whether a comment is tried without a token too, so that its absence is said in the log.
    pub comments_by_default: bool,
    /// The repository by the forge's own name, such as `owner/name`.
    pub repository: Option<String>,
    /// Number of the pull request.
    pub pull_request: Option<u64>,
    /// Head commit of the pull request.
    pub head: Option<String>,
    /// The commit it is to be merged into.
    pub base: Option<String>,
    /// Where the pull request left the target branch.
    pub merge_base: Option<String>,
    /// The commit that merges the head into the target branch, made by the forge: its first parent is the target's.
    pub merge: Option<String>,
    /// Whether the head is in another repository, so that there is no secret and the token cannot write.
    pub from_fork: bool,
    /// The forge's API.
    pub api_url: Option<String>,
    /// The forge's pages.
    pub server_url: Option<String>,
    /// Its id and log, to link from the comment.
    pub run: Option<RunFacts>,
    /// The job's page.
    pub job: Option<String>,
    /// The checked-out repository.
    pub workspace: Option<PathBuf>,
    /// File that takes the step's summary.
    pub step_summary: Option<PathBuf>,
    /// File that takes the step's outputs.
    pub outputs: Option<PathBuf>,
    /// What a line of the log can do.
    pub log: LogDialect,
}

/// A system that is known by a variable.
pub(super) struct Known {
    /// Set by this system and no other.
    pub(super) variable: &'static str,
    pub(super) log: LogDialect,
    pub(super) read: fn(&Env) -> Result<Ci, DetectError>,
}

/// Why CI's own description could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The event that hands secrets to untrusted code.
    #[error(
        "premerge does not run on `pull_request_target`: it would give your secrets to the code of any fork. \
         Use `pull_request`; docs/github.md shows how pull requests from forks get their comment"
    )]
    PullRequestTarget,
    /// The event file is missing, too large or no event.
    #[error("could not read the event that started this run ({path}): {reason}")]
    Event {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What a variable says, if anything: systems write "nothing" in several ways.
pub(super) fn value<'e>(env: &'e Env, name: &str) -> Option<&'e str> {
    let value = env.get(name)?.trim();
    let nothing = matches!(value, "" | "false" | "<nil>" | "null")
        || (value.starts_with("$(") && value.ends_with(')'))
        || (value.len() == 40 && value.chars().all(|c| c == '0'));
    (!nothing).then_some(value)
}

pub(super) fn text(env: &Env, name: &str) -> Option<String> {
    value(env, name).map(str::to_owned)
}

pub(super) fn number(env: &Env, name: &str) -> Option<u64> {
    value(env, name)?.parse().ok()
}

impl Ci {
    /// Whose text the project's folder holds; `pull_request`: the number that the command was given or found.
    #[must_use]
    pub fn checkout(&self, pull_request: Option<u64>) -> Checkout {
        let number = pull_request.or(self.pull_request);
        if self.system.is_none() || (number.is_none() && self.base.is_none()) {
            return Checkout::Own;
        }
        // A checkout of the merge commit has its first parent, and no other commit of the target branch.
        let merge = self.merge.iter().map(|merge| format!("{merge}^1"));
        let bases = merge.chain(self.base.clone()).chain(self.merge_base.clone()).collect();
        Checkout::PullRequest { root: self.workspace.clone(), bases }
    }

    /// Fills what the report does not know yet.
    pub fn fill(&self, facts: &mut Facts) {
        let fill = |place: &mut Option<String>, value: &Option<String>| {
            if place.is_none() {
                place.clone_from(value);
            }
        };
        fill(&mut facts.repository, &self.repository);
        fill(&mut facts.commit, &self.head);
        fill(&mut facts.server_url, &self.server_url);
        facts.pull_request = facts.pull_request.or(self.pull_request);
        if facts.run.is_none() {
            facts.run.clone_from(&self.run);
        }
    }
}
