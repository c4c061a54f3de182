//! GitHub Actions: the event file and the runner's variables.
//!
//! The commit is the pull request's head from the event, never `GITHUB_SHA`, which is the merge commit in a
//! `pull_request` run. Everything read here is trusted as far as the forge wrote it; branch names and titles
//! are the author's and are not used.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Ci, DetectError, Known, LogDialect, System, text, value};
use crate::config::Env;
use crate::publish::ForgeKind;
use crate::report::RunFacts;

/// Largest event file that is read; GitHub caps payloads at 25 MB.
const EVENT_LIMIT: u64 = 32 * 1024 * 1024;

pub(super) const KNOWN: Known = Known { variable: "GITHUB_ACTIONS", log: LogDialect::Actions, read };

fn read(env: &Env) -> Result<Ci, DetectError> {
    let event = text(env, "GITHUB_EVENT_NAME");
    if event.as_deref() == Some("pull_request_target") {
        return Err(DetectError::PullRequestTarget);
    }
    let server_url = value(env, "GITHUB_SERVER_URL").unwrap_or(ForgeKind::GITHUB_PAGES).to_owned();
    let repository = text(env, "GITHUB_REPOSITORY");
    let run = run(env, &server_url, repository.as_deref());
    let mut ci = Ci {
        system: Some(System::GitHubActions),
        forge: Some(ForgeKind::GitHub),
        // A token is always at hand; one that is not passed on is worth a word.
        comments_by_default: true,
        api_url: text(env, "GITHUB_API_URL"),
        job: run.as_ref().and_then(|run| run.url.clone()),
        run,
        workspace: value(env, "GITHUB_WORKSPACE").map(PathBuf::from),
        step_summary: value(env, "GITHUB_STEP_SUMMARY").map(PathBuf::from),
        outputs: value(env, "GITHUB_OUTPUT").map(PathBuf::from),
        log: LogDialect::Actions,
        merge: text(env, "GITHUB_SHA").filter(|_| event.as_deref() == Some("pull_request")),
        server_url: Some(server_url),
        repository,
        event,
        ..Ci::default()
    };
    if let Some(path) = value(env, "GITHUB_EVENT_PATH") {
        let event = read_event(path)?;
        ci.read(event);
    }
    Ok(ci)
}

fn run(env: &Env, server_url: &str, repository: Option<&str>) -> Option<RunFacts> {
    let id = text(env, "GITHUB_RUN_ID").filter(|id| id.chars().all(|c| c.is_ascii_digit()))?;
    let attempt = value(env, "GITHUB_RUN_ATTEMPT").and_then(|attempt| attempt.parse().ok());
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
    use super::super::detect;
    use super::*;
    use crate::report::Facts;

    fn detected(event: &str, payload: &str) -> Result<Ci, DetectError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("event.json");
        fs_err::write(&path, payload).unwrap();
        let path = path.display().to_string();
        let vars = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_EVENT_NAME", event),
            ("GITHUB_EVENT_PATH", path.as_str()),
            ("GITHUB_REPOSITORY", "acme/analytics"),
            ("GITHUB_RUN_ID", "9913"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_SHA", "the merge commit"),
            ("GITHUB_STEP_SUMMARY", ""),
        ];
        detect(&Env::new(vars, PathBuf::from("/")))
    }

    #[test]
    fn a_pull_request_is_known_by_its_head_and_not_by_the_merge_commit() {
        let payload = r#"{"pull_request": {"number": 7, "head": {"sha": "abc", "repo": {"id": 1}}, "base": {"sha": "def", "repo": {"id": 1}}}}"#;
        let ci = detected("pull_request", payload).unwrap();
        assert_eq!((ci.pull_request, ci.head.as_deref(), ci.base.as_deref()), (Some(7), Some("abc"), Some("def")));
        assert!(!ci.from_fork && ci.log == LogDialect::Actions && ci.step_summary.is_none());
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
}
