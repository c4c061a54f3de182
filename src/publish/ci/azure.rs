//! Azure Pipelines, from its predefined variables. A name with dots has underscores in the environment.

use std::path::PathBuf;

use super::{Ci, DetectError, Known, LogDialect, System, number, text, value};
use crate::config::Env;
use crate::publish::ForgeKind;
use crate::report::RunFacts;

pub(super) const KNOWN: Known = Known { variable: "TF_BUILD", log: LogDialect::Azure, read };

#[expect(clippy::unnecessary_wraps, reason = "other systems have files to read")]
fn read(env: &Env) -> Result<Ci, DetectError> {
    let on_github = value(env, "BUILD_REPOSITORY_PROVIDER").is_some_and(|name| name.eq_ignore_ascii_case("GitHub"));
    // On GitHub the id is GitHub's own and the number is apart.
    let number_of = if on_github { "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER" } else { "SYSTEM_PULLREQUEST_PULLREQUESTID" };
    let pull_request = number(env, number_of);
    Ok(Ci {
        system: Some(System::Azure),
        forge: on_github.then_some(ForgeKind::GitHub),
        event: text(env, "BUILD_REASON"),
        repository: text(env, "BUILD_REPOSITORY_NAME"),
        pull_request,
        head: text(env, "SYSTEM_PULLREQUEST_SOURCECOMMITID"),
        // The build's own commit merges the head into the target.
        merge: text(env, "BUILD_SOURCEVERSION").filter(|_| pull_request.is_some()),
        from_fork: value(env, "SYSTEM_PULLREQUEST_ISFORK").is_some_and(|text| text.eq_ignore_ascii_case("true")),
        server_url: on_github.then(|| ForgeKind::GITHUB_PAGES.to_owned()),
        run: value(env, "BUILD_BUILDID").map(|id| RunFacts { id: Some(id.to_owned()), attempt: None, url: page(env) }),
        job: page(env),
        workspace: value(env, "BUILD_SOURCESDIRECTORY").map(PathBuf::from),
        log: LogDialect::Azure,
        ..Ci::default()
    })
}

/// The build's page.
fn page(env: &Env) -> Option<String> {
    let collection = value(env, "SYSTEM_COLLECTIONURI")?.trim_end_matches('/');
    let (project, build) = (value(env, "SYSTEM_TEAMPROJECTID")?, value(env, "BUILD_BUILDID")?);
    Some(format!("{collection}/{project}/_build/results?buildId={build}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn a_pull_request_on_azure_s_own_host_is_known_by_its_id() {
        let ci = found(&[
            ("TF_BUILD", "True"),
            ("BUILD_REPOSITORY_PROVIDER", "TfsGit"),
            ("BUILD_REPOSITORY_NAME", "shop"),
            ("SYSTEM_PULLREQUEST_PULLREQUESTID", "17"),
            ("SYSTEM_PULLREQUEST_SOURCECOMMITID", "beef123"),
            ("BUILD_SOURCEVERSION", "c0ffee1"),
            ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/acme/"),
            ("SYSTEM_TEAMPROJECTID", "a-b-c"),
            ("BUILD_BUILDID", "99"),
        ]);
        assert_eq!((ci.forge, ci.pull_request, ci.head.as_deref()), (None, Some(17), Some("beef123")));
        assert_eq!(ci.job.as_deref(), Some("https://dev.azure.com/acme/a-b-c/_build/results?buildId=99"));
        let crate::config::Checkout::PullRequest { bases, .. } = ci.checkout(None) else { unreachable!() };
        assert_eq!(bases, ["c0ffee1^1"]);
    }

    #[test]
    fn a_pull_request_on_github_is_known_by_its_number() {
        let of = |fork: &str| {
            found(&[
                ("TF_BUILD", "True"),
                ("BUILD_REPOSITORY_PROVIDER", "GitHub"),
                ("BUILD_REPOSITORY_NAME", "acme/shop"),
                ("SYSTEM_PULLREQUEST_PULLREQUESTID", "123456789"),
                ("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "42"),
                ("SYSTEM_PULLREQUEST_ISFORK", fork),
            ])
        };
        let ci = of("True");
        assert_eq!((ci.forge, ci.pull_request, ci.from_fork), (Some(ForgeKind::GitHub), Some(42), true));
        assert!(!of("False").from_fork);
    }

    #[test]
    fn a_variable_that_was_not_replaced_says_nothing() {
        let number = ("SYSTEM_PULLREQUEST_PULLREQUESTID", "$(System.PullRequest.PullRequestId)");
        let ci = found(&[("TF_BUILD", "True"), number, ("BUILD_SOURCEVERSION", "c0ffee1")]);
        assert_eq!((ci.pull_request, ci.merge), (None, None));
    }
}
