//! CircleCI, from its built-in variables.
//!
//! The pull request is known by its address only, and CircleCI picks one at random where a branch has several: then
//! none is taken, and `--pr` says which. No variable names the target branch or its commit.

use std::path::PathBuf;

use super::{Ci, DetectError, Known, LogDialect, System, text, value};
use crate::config::Env;
use crate::publish::ForgeKind;
use crate::report::RunFacts;

pub(super) const KNOWN: Known = Known { variable: "CIRCLECI", log: LogDialect::Plain, read };

#[expect(clippy::unnecessary_wraps, reason = "other systems have files to read")]
fn read(env: &Env) -> Result<Ci, DetectError> {
    let address = value(env, "CIRCLE_PULL_REQUEST");
    let several = value(env, "CIRCLE_PULL_REQUESTS").is_some_and(|list| list.contains(','));
    let on_github = [address, value(env, "CIRCLE_REPOSITORY_URL")].into_iter().flatten().any(is_on_github);
    let number = address.filter(|_| !several).and_then(|address| address.rsplit('/').next()?.parse().ok());
    let name = value(env, "CIRCLE_PROJECT_USERNAME").zip(value(env, "CIRCLE_PROJECT_REPONAME"));
    let home = env.get("HOME").unwrap_or_default();
    Ok(Ci {
        system: Some(System::CircleCi),
        forge: on_github.then_some(ForgeKind::GitHub),
        repository: name.map(|(owner, name)| format!("{owner}/{name}")),
        pull_request: number,
        head: text(env, "CIRCLE_SHA1"),
        from_fork: value(env, "CIRCLE_PR_USERNAME").is_some(),
        server_url: on_github.then(|| ForgeKind::GITHUB_PAGES.to_owned()),
        run: value(env, "CIRCLE_WORKFLOW_ID").map(|id| RunFacts {
            id: Some(id.to_owned()),
            attempt: None,
            url: text(env, "CIRCLE_BUILD_URL"),
        }),
        job: text(env, "CIRCLE_BUILD_URL"),
        // `~/project`, written so.
        workspace: value(env, "CIRCLE_WORKING_DIRECTORY").map(|folder| match folder.strip_prefix('~') {
            Some(below) => PathBuf::from(format!("{home}{below}")),
            None => PathBuf::from(folder),
        }),
        ..Ci::default()
    })
}

/// `https://github.com/…` and `git@github.com:…`.
fn is_on_github(address: &str) -> bool {
    address.starts_with("https://github.com/") || address.starts_with("git@github.com:")
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    const BRANCH: [(&str, &str); 7] = [
        ("CIRCLECI", "true"),
        ("CIRCLE_SHA1", "abc1234"),
        ("CIRCLE_PROJECT_USERNAME", "acme"),
        ("CIRCLE_PROJECT_REPONAME", "shop"),
        ("CIRCLE_REPOSITORY_URL", "git@github.com:acme/shop.git"),
        ("CIRCLE_WORKING_DIRECTORY", "~/project"),
        ("HOME", "/home/circleci"),
    ];

    fn with(more: &[(&str, &str)]) -> Ci {
        found(&[&BRANCH[..], more].concat())
    }

    #[test]
    fn a_pull_request_is_known_by_its_address() {
        let ci = with(&[("CIRCLE_PULL_REQUEST", "https://github.com/acme/shop/pull/12")]);
        assert_eq!((ci.forge, ci.pull_request, ci.from_fork), (Some(ForgeKind::GitHub), Some(12), false));
        assert_eq!((ci.repository.as_deref(), ci.head.as_deref()), (Some("acme/shop"), Some("abc1234")));
        assert_eq!(ci.workspace, Some(PathBuf::from("/home/circleci/project")));
    }

    #[test]
    fn of_several_pull_requests_none_is_taken() {
        let list = "https://github.com/acme/shop/pull/12,https://github.com/acme/shop/pull/13";
        let one = ("CIRCLE_PULL_REQUEST", "https://github.com/acme/shop/pull/13");
        assert_eq!(with(&[one, ("CIRCLE_PULL_REQUESTS", list)]).pull_request, None);
        assert_eq!(with(&[one, ("CIRCLE_PULL_REQUESTS", one.1)]).pull_request, Some(13));
    }

    #[test]
    fn a_fork_is_told_by_its_owner() {
        let ci = with(&[
            ("CIRCLE_PULL_REQUEST", "https://github.com/acme/shop/pull/12"),
            ("CIRCLE_PR_USERNAME", "eve"),
            ("CIRCLE_PR_NUMBER", "12"),
        ]);
        assert!(ci.from_fork);
    }

    #[test]
    fn a_branch_without_a_pull_request_has_none() {
        assert_eq!(with(&[]).pull_request, None);
        assert_eq!(with(&[("CIRCLE_PULL_REQUEST", "")]).pull_request, None);
    }

    #[test]
    fn a_project_on_another_host_has_no_forge_that_premerge_knows() {
        let url = ("CIRCLE_REPOSITORY_URL", "git@bitbucket.org:acme/shop.git");
        let pull_request = ("CIRCLE_PULL_REQUEST", "https://bitbucket.org/acme/shop/pull-requests/12");
        let ci = with(&[url, pull_request]);
        assert_eq!((ci.forge, ci.pull_request), (None, Some(12)));
    }
}
