//! What CI says about a run: which pull request, which commit, where results go. CI's variables are read here and nowhere
//! else.
//!
//! One file a system; to add one is to write the file and name it in [`SYSTEMS`]. What a system leaves open is not guessed:
//! it is asked for by `--pr` and `--repository`.

mod azure;
mod circleci;
mod github;
mod gitlab;
mod other;

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
            Self::Other => "a CI system that premerge does not know",
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
    /// The run.
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
struct Known {
    /// Set by this system and no other.
    variable: &'static str,
    log: LogDialect,
    read: fn(&Env) -> Result<Ci, DetectError>,
}

/// Every system that premerge knows, the most particular first.
const SYSTEMS: [Known; 4] = [github::KNOWN, gitlab::KNOWN, circleci::KNOWN, azure::KNOWN];

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

/// Reads the environment, and the files that it points to.
///
/// # Errors
/// On an event that gives secrets to untrusted code, and when an event file cannot be read.
pub fn detect(env: &Env) -> Result<Ci, DetectError> {
    match system(env) {
        Some(known) => (known.read)(env),
        None => Ok(other::read(env)),
    }
}

/// What a line of the log can do, known before anything else is.
#[must_use]
pub fn log_dialect(env: &Env) -> LogDialect {
    system(env).map(|known| known.log).unwrap_or_default()
}

fn system(env: &Env) -> Option<&'static Known> {
    SYSTEMS.iter().find(|known| value(env, known.variable).is_some_and(|value| value.eq_ignore_ascii_case("true")))
}

/// What a variable says, if anything: systems write "nothing" in several ways.
fn value<'e>(env: &'e Env, name: &str) -> Option<&'e str> {
    let value = env.get(name)?.trim();
    let nothing = matches!(value, "" | "false" | "<nil>" | "null")
        || (value.starts_with("$(") && value.ends_with(')'))
        || (value.len() == 40 && value.chars().all(|c| c == '0'));
    (!nothing).then_some(value)
}

fn text(env: &Env, name: &str) -> Option<String> {
    value(env, name).map(str::to_owned)
}

fn number(env: &Env, name: &str) -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in these variables.
    pub(super) fn found(vars: &[(&str, &str)]) -> Ci {
        detect(&Env::new(vars.iter().copied(), PathBuf::from("/"))).unwrap()
    }

    #[test]
    fn a_laptop_is_no_ci() {
        let ci = found(&[]);
        assert_eq!(ci, Ci::default());
        assert_eq!(ci.checkout(Some(7)), Checkout::Own);
    }

    #[test]
    fn an_unknown_ci_holds_a_pull_request_s_checkout_where_it_is_told_which() {
        let ci = found(&[("CI", "true"), ("BUILD_URL", "https://ci.example/7"), ("HOSTNAME", "x")]);
        assert_eq!((ci.system, ci.job.as_deref()), (Some(System::Other), Some("https://ci.example/7")));
        assert_eq!(ci.checkout(None), Checkout::Own);
        assert_eq!(ci.checkout(Some(7)), Checkout::PullRequest { root: None, bases: Vec::new() });
    }

    #[test]
    fn nothing_is_said_in_several_ways() {
        let zeros = "0".repeat(40);
        for nothing in ["", " ", "false", "<nil>", "$(System.AccessToken)", zeros.as_str()] {
            let env = Env::new([("X", nothing)], PathBuf::from("/"));
            assert_eq!(value(&env, "X"), None, "{nothing:?}");
        }
        assert_eq!(value(&Env::new([("X", " 7 ")], PathBuf::from("/")), "X"), Some("7"));
    }

    #[test]
    fn the_log_s_dialect_is_known_without_the_event() {
        let of = |name: &str, value: &str| log_dialect(&Env::new([(name, value)], PathBuf::from("/")));
        assert_eq!(of("GITHUB_ACTIONS", "true"), LogDialect::Actions);
        assert_eq!(of("TF_BUILD", "True"), LogDialect::Azure);
        assert_eq!((of("GITLAB_CI", "true"), of("CI", "true")), (LogDialect::Plain, LogDialect::Plain));
        assert!(LogDialect::Azure.obeys() && !LogDialect::Plain.obeys());
    }
}
