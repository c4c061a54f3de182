//! What CI says about itself: which pull request, which commit, where results go.
//!
//! The commit is the pull request's head from the event, never `GITHUB_SHA`, which is the merge commit in a
//! `pull_request` run. Everything read here is trusted as far as the forge wrote it; branch names and titles
//! are the author's and are not used.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::Checkout;
use crate::report::{Facts, RunFacts};

/// Largest event file that is read; GitHub caps payloads at 25 MB.
const EVENT_LIMIT: u64 = 32 * 1024 * 1024;

/// How values of the environment are looked up, so that tests need not touch the process's own.
pub type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What CI says about itself. Empty on a laptop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ci {
    /// The event that started the run, such as `pull_request`.
    pub event: Option<String>,
    /// `owner/name`.
    pub repository: Option<String>,
    /// Number of the pull request.
    pub pull_request: Option<u64>,
    /// Head commit of the pull request.
    pub head: Option<String>,
    /// The commit it is to be merged into.
    pub base: Option<String>,
    /// The commit that merges the head into the target branch, made by the forge: its first parent is the target's.
    pub merge: Option<String>,
    /// Whether a CI system runs this, known or not.
    pub in_ci: bool,
    /// Whether the head is in another repository, so that there is no secret and the token cannot write.
    pub from_fork: bool,
    /// The forge's API, such as the value of `GITHUB_API_URL`.
    pub api_url: Option<String>,
    /// The forge's pages, such as the value of `GITHUB_SERVER_URL`.
    pub server_url: Option<String>,
    /// The run.
    pub run: Option<RunFacts>,
    /// The checked-out repository.
    pub workspace: Option<PathBuf>,
    /// File that takes the step's summary.
    pub step_summary: Option<PathBuf>,
    /// File that takes the step's outputs.
    pub outputs: Option<PathBuf>,
    /// Whether the log takes annotations.
    pub annotations: bool,
}

impl Ci {
    /// Whose text the project's folder holds; `pull_request`: the number that the command was given or found.
    #[must_use]
    pub fn checkout(&self, pull_request: Option<u64>) -> Checkout {
        let number = pull_request.or(self.pull_request);
        if !self.in_ci || (number.is_none() && self.base.is_none()) {
            return Checkout::Own;
        }
        // A checkout of the merge commit has its first parent, and no other commit of the target branch.
        let merge = self.merge.iter().map(|merge| format!("{merge}^1"));
        Checkout::PullRequest { root: self.workspace.clone(), bases: merge.chain(self.base.clone()).collect() }
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

/// Why CI's own description could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The event that hands secrets to foreign code.
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

/// Reads the environment, and the event file that it points to.
///
/// # Errors
/// On `pull_request_target`, and when the event file cannot be read.
pub fn detect(env: Env<'_>) -> Result<Ci, DetectError> {
    let env = |name: &str| env(name).filter(|value| !value.trim().is_empty());
    if env("GITHUB_ACTIONS").as_deref() != Some("true") {
        return Ok(Ci { in_ci: env("CI").is_some(), ..Ci::default() });
    }
    let event = env("GITHUB_EVENT_NAME");
    if event.as_deref() == Some("pull_request_target") {
        return Err(DetectError::PullRequestTarget);
    }
    let server_url = env("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
    let repository = env("GITHUB_REPOSITORY");
    let mut ci = Ci {
        api_url: Some(env("GITHUB_API_URL").unwrap_or_else(|| github_api().to_owned())),
        run: run(&env, &server_url, repository.as_deref()),
        workspace: env("GITHUB_WORKSPACE").map(PathBuf::from),
        step_summary: env("GITHUB_STEP_SUMMARY").map(PathBuf::from),
        outputs: env("GITHUB_OUTPUT").map(PathBuf::from),
        annotations: true,
        in_ci: true,
        merge: env("GITHUB_SHA").filter(|_| event.as_deref() == Some("pull_request")),
        server_url: Some(server_url),
        repository,
        event,
        ..Ci::default()
    };
    if let Some(path) = env("GITHUB_EVENT_PATH") {
        let event = read_event(&path)?;
        ci.read(event);
    }
    Ok(ci)
}

/// GitHub's API where nothing else is said.
#[must_use]
pub fn github_api() -> &'static str {
    "https://api.github.com"
}

fn run(env: &dyn Fn(&str) -> Option<String>, server_url: &str, repository: Option<&str>) -> Option<RunFacts> {
    let id = env("GITHUB_RUN_ID").filter(|id| id.chars().all(|c| c.is_ascii_digit()))?;
    let attempt = env("GITHUB_RUN_ATTEMPT").and_then(|attempt| attempt.parse().ok());
    let server_url = server_url.trim_end_matches('/');
    let url = repository.map(|repository| format!("{server_url}/{repository}/actions/runs/{id}"));
    Some(RunFacts { id: Some(id), attempt, url })
}

fn read_event(path: &str) -> Result<Event, DetectError> {
    let wrong = |reason: String| DetectError::Event { path: path.to_owned(), reason };
    let size = fs_err::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if size > EVENT_LIMIT {
        return Err(wrong(format!("it has {size} bytes")));
    }
    let bytes = fs_err::read(path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
}

/// The parts of an event that say which pull request a run is about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    pull_request: Option<PullRequest>,
    merge_group: Option<MergeGroup>,
    workflow_run: Option<WorkflowRun>,
}

#[derive(Debug, Deserialize)]
struct PullRequest {
    number: u64,
    head: Option<Side>,
    base: Option<Side>,
}

#[derive(Debug, Deserialize)]
struct Side {
    sha: Option<String>,
    /// `null` when the fork was deleted.
    repo: Option<Repository>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    id: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct MergeGroup {
    head_sha: Option<String>,
    head_ref: Option<String>,
    base_sha: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WorkflowRun {
    head_sha: Option<String>,
    /// Empty for forks: the number must then come with the report and be checked against the head.
    #[serde(default)]
    pull_requests: Vec<PullRequest>,
    head_repository: Option<Repository>,
    repository: Option<Repository>,
}

impl Ci {
    fn read(&mut self, event: Event) {
        if let Some(pull_request) = event.pull_request {
            self.pull_request = Some(pull_request.number);
            let id = |side: &Option<Side>| side.as_ref().and_then(|side| side.repo.as_ref()).and_then(|repo| repo.id);
            self.from_fork = id(&pull_request.head).is_none() || id(&pull_request.head) != id(&pull_request.base);
            self.head = pull_request.head.and_then(|side| side.sha);
            self.base = pull_request.base.and_then(|side| side.sha);
        } else if let Some(group) = event.merge_group {
            self.pull_request = group.head_ref.as_deref().and_then(number_of_queue_branch);
            self.head = group.head_sha;
            self.base = group.base_sha;
        } else if let Some(run) = event.workflow_run {
            // More than one pull request can share a head; then none is known.
            if let [only] = run.pull_requests.as_slice() {
                self.pull_request = Some(only.number);
            }
            let id = |repository: &Option<Repository>| repository.as_ref().and_then(|repository| repository.id);
            self.from_fork = id(&run.head_repository) != id(&run.repository);
            self.head = run.head_sha;
        }
    }
}

/// A merge queue's branch is `refs/heads/gh-readonly-queue/<base>/pr-<number>-<sha>`; the base may hold slashes.
fn number_of_queue_branch(branch: &str) -> Option<u64> {
    let last =
        branch.strip_prefix("refs/heads/").unwrap_or(branch).strip_prefix("gh-readonly-queue/")?.rsplit('/').next()?;
    let (number, _sha) = last.strip_prefix("pr-")?.split_once('-')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(event: &str, payload: &str) -> Result<Ci, DetectError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        fs_err::write(&path, payload).unwrap();
        let path = path.display().to_string();
        detect(&|name| {
            let value = match name {
                "GITHUB_ACTIONS" => "true",
                "GITHUB_EVENT_NAME" => event,
                "GITHUB_EVENT_PATH" => path.as_str(),
                "GITHUB_REPOSITORY" => "acme/analytics",
                "GITHUB_RUN_ID" => "9913",
                "GITHUB_RUN_ATTEMPT" => "2",
                "GITHUB_SHA" => "the merge commit",
                "GITHUB_STEP_SUMMARY" => "",
                _ => return None,
            };
            Some(value.to_owned())
        })
    }

    #[test]
    fn a_pull_request_is_known_by_its_head_and_not_by_the_merge_commit() {
        let payload = r#"{"pull_request": {"number": 7, "head": {"sha": "abc", "repo": {"id": 1}}, "base": {"sha": "def", "repo": {"id": 1}}}}"#;
        let ci = detected("pull_request", payload).unwrap();
        assert_eq!((ci.pull_request, ci.head.as_deref(), ci.base.as_deref()), (Some(7), Some("abc"), Some("def")));
        assert!(!ci.from_fork && ci.annotations && ci.step_summary.is_none());
        let run = ci.run.clone().unwrap();
        assert_eq!(run.url.as_deref(), Some("https://github.com/acme/analytics/actions/runs/9913"));
        let mut facts = Facts { repository: Some("said/otherwise".into()), ..Facts::default() };
        ci.fill(&mut facts);
        assert_eq!((facts.repository.as_deref(), facts.pull_request), (Some("said/otherwise"), Some(7)));
    }

    #[test]
    fn a_fork_is_seen_also_when_it_was_deleted() {
        for head in [r#"{"sha": "abc", "repo": {"id": 2}}"#, r#"{"sha": "abc", "repo": null}"#] {
            let payload = format!(
                r#"{{"pull_request": {{"number": 7, "head": {head}, "base": {{"sha": "d", "repo": {{"id": 1}}}}}}}}"#
            );
            assert!(detected("pull_request", &payload).unwrap().from_fork, "{head}");
        }
    }

    #[test]
    fn a_merge_queue_names_its_pull_request_in_the_branch() {
        let payload = r#"{"merge_group": {"head_sha": "abc", "base_sha": "def",
            "head_ref": "refs/heads/gh-readonly-queue/release/1.0/pr-104-0fe"}}"#;
        let ci = detected("merge_group", payload).unwrap();
        assert_eq!((ci.pull_request, ci.head.as_deref()), (Some(104), Some("abc")));
        for other in ["refs/heads/main", "refs/heads/gh-readonly-queue/main/pr-x-1", "gh-readonly-queue/main"] {
            assert_eq!(number_of_queue_branch(other), None, "{other}");
        }
    }

    #[test]
    fn a_second_stage_knows_the_head_and_sometimes_the_number() {
        let payload = r#"{"workflow_run": {"head_sha": "abc", "pull_requests": [{"number": 7}],
            "head_repository": {"id": 1}, "repository": {"id": 1}}}"#;
        let ci = detected("workflow_run", payload).unwrap();
        assert_eq!((ci.pull_request, ci.head.as_deref(), ci.from_fork), (Some(7), Some("abc"), false));
        let fork = r#"{"workflow_run": {"head_sha": "abc", "head_repository": {"id": 2}, "repository": {"id": 1}}}"#;
        let ci = detected("workflow_run", fork).unwrap();
        assert_eq!((ci.pull_request, ci.from_fork), (None, true));
    }

    #[test]
    fn pull_request_target_is_refused() {
        let error = detected("pull_request_target", "{}").unwrap_err().to_string();
        assert!(error.contains("pull_request_target") && error.contains("docs/github.md"), "{error}");
    }

    #[test]
    fn a_broken_event_is_named() {
        let error = detected("pull_request", "{").unwrap_err().to_string();
        assert!(error.contains("event.json") && error.contains("line 1"), "{error}");
    }

    #[test]
    fn a_laptop_is_no_ci() {
        assert_eq!(detect(&|_| None).unwrap(), Ci::default());
    }
}
