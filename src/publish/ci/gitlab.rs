//! GitLab CI, from its predefined variables.
//!
//! `CI_COMMIT_SHA` is the head in a detached pipeline, and an internal merge commit in a merged-results pipeline or a
//! merge train; the variables that tell head and target apart are empty in a detached one. A pipeline of a fork runs in
//! the fork, while the merge request lies in the parent.

use std::path::PathBuf;

use super::{Ci, DetectError, Known, LogDialect, System, number, text, value};
use crate::config::Env;
use crate::publish::ForgeKind;
use crate::report::RunFacts;

pub(super) const KNOWN: Known = Known { variable: "GITLAB_CI", log: LogDialect::Plain, read };

#[expect(clippy::unnecessary_wraps, reason = "other systems have files to read")]
fn read(env: &Env) -> Result<Ci, DetectError> {
    let ci = Ci {
        system: Some(System::GitLab),
        event: text(env, "CI_PIPELINE_SOURCE"),
        run: value(env, "CI_PIPELINE_ID").map(|id| RunFacts {
            id: Some(id.to_owned()),
            attempt: None,
            url: text(env, "CI_PIPELINE_URL"),
        }),
        job: text(env, "CI_JOB_URL"),
        workspace: value(env, "CI_PROJECT_DIR").map(PathBuf::from),
        ..Ci::default()
    };
    // A mirror of a repository on GitHub: the pull request is there.
    if let Some(pull_request) = number(env, "CI_EXTERNAL_PULL_REQUEST_IID") {
        let (source, target) = (
            text(env, "CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY"),
            text(env, "CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY"),
        );
        return Ok(Ci {
            forge: Some(ForgeKind::GitHub),
            pull_request: Some(pull_request),
            comments_by_default: true,
            head: text(env, "CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_SHA"),
            base: text(env, "CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_SHA"),
            from_fork: source != target,
            repository: target,
            server_url: Some(ForgeKind::GITHUB_PAGES.to_owned()),
            ..ci
        });
    }
    let pull_request = number(env, "CI_MERGE_REQUEST_IID");
    let projects = ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "CI_MERGE_REQUEST_PROJECT_ID");
    Ok(Ci {
        forge: Some(ForgeKind::GitLab),
        // A merge request without a comment looks like one that was not checked.
        comments_by_default: pull_request.is_some(),
        pull_request,
        head: text(env, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").or_else(|| text(env, "CI_COMMIT_SHA")),
        // Empty in a detached pipeline.
        base: text(env, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA"),
        merge_base: text(env, "CI_MERGE_REQUEST_DIFF_BASE_SHA"),
        from_fork: pull_request.is_some() && value(env, projects.0) != value(env, projects.1),
        repository: text(env, "CI_MERGE_REQUEST_PROJECT_PATH").or_else(|| text(env, "CI_PROJECT_PATH")),
        api_url: text(env, "CI_API_V4_URL"),
        server_url: text(env, "CI_SERVER_URL"),
        ..ci
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;
    use crate::config::Checkout;

    const DETACHED: [(&str, &str); 10] = [
        ("GITLAB_CI", "true"),
        ("CI_PIPELINE_SOURCE", "merge_request_event"),
        ("CI_MERGE_REQUEST_IID", "7"),
        ("CI_MERGE_REQUEST_ID", "90210"),
        ("CI_MERGE_REQUEST_PROJECT_ID", "5"),
        ("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "5"),
        ("CI_MERGE_REQUEST_PROJECT_PATH", "acme/data/shop"),
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", "0a1b2c3"),
        ("CI_COMMIT_SHA", "c0ffee1"),
        ("CI_PROJECT_DIR", "/builds/acme/data/shop"),
    ];

    #[test]
    fn a_detached_pipeline_has_the_head_as_its_commit() {
        let ci = found(&DETACHED);
        assert_eq!((ci.forge, ci.pull_request, ci.from_fork), (Some(ForgeKind::GitLab), Some(7), false));
        assert_eq!((ci.head.as_deref(), ci.base.as_deref()), (Some("c0ffee1"), None));
        let Checkout::PullRequest { bases, .. } = ci.checkout(None) else { unreachable!() };
        assert_eq!(bases, ["0a1b2c3"]);
        assert_eq!(ci.repository.as_deref(), Some("acme/data/shop"));
    }

    #[test]
    fn merged_results_tell_head_and_target_apart() {
        let more = [
            ("CI_MERGE_REQUEST_EVENT_TYPE", "merged_result"),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", "abc1234"),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "def5678"),
        ];
        let ci = found(&[&DETACHED[..], &more[..]].concat());
        assert_eq!((ci.head.as_deref(), ci.base.as_deref()), (Some("abc1234"), Some("def5678")));
        let Checkout::PullRequest { bases, .. } = ci.checkout(None) else { unreachable!() };
        assert_eq!(bases, ["def5678", "0a1b2c3"]);
    }

    #[test]
    fn a_fork_runs_elsewhere_than_its_merge_request_lies() {
        let more = [("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "81"), ("CI_PROJECT_PATH", "eve/shop")];
        let ci = found(&[&DETACHED[..], &more[..]].concat());
        assert!(ci.from_fork);
        assert_eq!(ci.repository.as_deref(), Some("acme/data/shop"));
    }

    #[test]
    fn a_branch_pipeline_has_no_merge_request() {
        let ci = found(&[("GITLAB_CI", "true"), ("CI_COMMIT_SHA", "c0ffee1"), ("CI_PROJECT_PATH", "acme/shop")]);
        assert_eq!((ci.pull_request, ci.base, ci.from_fork), (None, None, false));
        assert_eq!(ci.repository.as_deref(), Some("acme/shop"));
    }

    #[test]
    fn a_mirrored_repository_s_pull_request_is_on_github() {
        let ci = found(&[
            ("GITLAB_CI", "true"),
            ("CI_EXTERNAL_PULL_REQUEST_IID", "12"),
            ("CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY", "eve/shop"),
            ("CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY", "acme/shop"),
            ("CI_EXTERNAL_PULL_REQUEST_SOURCE_BRANCH_SHA", "abc1234"),
            ("CI_EXTERNAL_PULL_REQUEST_TARGET_BRANCH_SHA", "def5678"),
        ]);
        assert_eq!((ci.forge, ci.pull_request, ci.from_fork), (Some(ForgeKind::GitHub), Some(12), true));
        assert_eq!(ci.repository.as_deref(), Some("acme/shop"));
    }
}
