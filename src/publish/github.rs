//! The comment on GitHub and GitHub Enterprise Server.

use async_trait::async_trait;
use serde::Deserialize;

use super::ci::Ci;
use super::sticky::{Comment, Host};
use super::transport::{Answer, Method, Transport};
use super::{PublishError, Token};
use crate::report::markdown::{self, Flavour};
use crate::report::{Facts, Report};

/// How GitHub shows a comment. Its own limit is 65,536 characters; under it in bytes is safe by either count.
pub const FLAVOUR: Flavour = Flavour { cap: 60_000, files: "blob", nested: false };

/// Caps that are tried one after the other, should GitHub find a comment too long in spite of its own limit.
const CAPS: [usize; 4] = [FLAVOUR.cap, 30_000, 10_000, 3_000];

/// GitHub's API, where nothing else is said.
const API: &str = "https://api.github.com";

/// Whose comments `GITHUB_TOKEN` writes. The token may not ask who it is.
const ACTIONS_BOT: &str = "github-actions[bot]";

/// Where and as whom to comment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The API, with its path on GitHub Enterprise Server (`https://host/api/v3`).
    pub api_url: String,
    /// `owner/name`.
    pub repository: String,
    /// Number of the pull request.
    pub pull_request: u64,
    /// The commit that the report is about. Where it is known, a pull request that has moved on gets no comment.
    pub head: Option<String>,
    /// Login of the token's identity, where the token may not ask for it itself and is not `GITHUB_TOKEN`.
    pub author: Option<String>,
    /// Never shown.
    pub token: Token,
    /// Times to wait.
    pub patience: Patience,
}

pub use super::transport::Patience;

impl Settings {
    /// What CI and the report's facts say.
    ///
    /// # Errors
    /// When the repository or the pull request is not known.
    pub fn new(ci: &Ci, facts: &Facts, token: Token) -> Result<Self, PublishError> {
        let missing = |what: &str| PublishError::Settings(format!("no {what} to comment on: pass it, or run in CI"));
        let repository =
            facts.repository.clone().or_else(|| ci.repository.clone()).ok_or_else(|| missing("repository"))?;
        let pull_request = facts.pull_request.or(ci.pull_request).ok_or_else(|| missing("pull request"))?;
        // A merge queue builds a commit of its own, which never is the pull request's head.
        let queued = ci.event.as_deref() == Some("merge_group");
        let head = if queued { None } else { ci.head.clone().or_else(|| facts.commit.clone()) };
        let api_url = ci.api_url.clone().unwrap_or_else(|| API.to_owned());
        Ok(Self { api_url, repository, pull_request, head, author: None, token, patience: Patience::default() })
    }
}

/// A pull request on GitHub, as a place for one comment.
pub struct GitHub {
    transport: Transport,
    /// `/repos/owner/name`.
    root: String,
    pull_request: u64,
    head: Option<String>,
    author: Option<String>,
}

impl GitHub {
    /// Opens the door; no request is made yet. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the repository is not an `owner/name` or the API's address is malformed.
    pub fn new(settings: &Settings) -> Result<Self, PublishError> {
        let wrong = |what: &str| PublishError::Settings(what.to_owned());
        let (owner, name) =
            settings.repository.split_once('/').ok_or_else(|| wrong("the repository is not of the form owner/name"))?;
        let part = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && part.chars().all(plain) && part.chars().any(|c| c != '.')
        };
        if !part(owner) || !part(name) {
            return Err(wrong("the repository is not of the form owner/name"));
        }
        Ok(Self {
            transport: Transport::new(&settings.api_url, &settings.token, settings.patience)?,
            root: format!("/repos/{owner}/{name}"),
            pull_request: settings.pull_request,
            head: settings.head.clone(),
            author: settings.author.clone(),
        })
    }
}

#[async_trait]
impl Host for GitHub {
    fn transport(&self) -> &Transport {
        &self.transport
    }

    fn pull_request(&self) -> String {
        format!("pull request {}", self.pull_request)
    }

    fn head(&self) -> Option<&str> {
        self.head.as_deref()
    }

    async fn current_head(&self) -> Result<String, PublishError> {
        let what = Host::pull_request(self);
        let route = format!("{}/pulls/{}", self.root, self.pull_request);
        let answer = self.transport.repeated(Method::Get, &route, None, &what).await?;
        let pull: PullRequest = answer.successful(&what)?.json(&what)?;
        Ok(pull.head.sha)
    }

    async fn identity(&self) -> Result<String, PublishError> {
        if let Some(author) = &self.author {
            return Ok(author.clone());
        }
        let what = "the token's identity";
        let answer = self.transport.repeated(Method::Get, "/user", None, what).await?;
        if answer.status == 403 {
            return Ok(ACTIONS_BOT.to_owned());
        }
        let user: User = answer.successful(what)?.json(what)?;
        Ok(user.login)
    }

    // GitHub locks a pull request at 2,500 comments.
    fn comments(&self, page: Option<u32>) -> String {
        let query = page.map(|page| format!("?per_page=100&page={page}")).unwrap_or_default();
        format!("{}/issues/{}/comments{query}", self.root, self.pull_request)
    }

    fn comment(&self, id: u64) -> String {
        format!("{}/issues/comments/{id}", self.root)
    }

    fn edit(&self) -> Method {
        Method::Patch
    }

    fn read(&self, answer: &Answer, what: &str) -> Result<Comment, PublishError> {
        answer.json::<IssueComment>(what).map(Comment::from)
    }

    fn read_page(&self, answer: &Answer, what: &str) -> Result<Vec<Comment>, PublishError> {
        Ok(answer.json::<Vec<IssueComment>>(what)?.into_iter().map(Comment::from).collect())
    }

    fn body(&self, report: &Report, cap: usize) -> String {
        markdown::body(report, FLAVOUR, cap)
    }

    fn caps(&self) -> &'static [usize] {
        &CAPS
    }

    fn needed(&self) -> Option<&'static str> {
        None
    }
}

#[derive(Debug, Deserialize)]
struct User {
    login: String,
}

#[derive(Debug, Deserialize)]
struct PullRequest {
    head: Head,
}

#[derive(Debug, Deserialize)]
struct Head {
    sha: String,
}

#[derive(Debug, Deserialize)]
struct IssueComment {
    id: u64,
    #[serde(default)]
    html_url: String,
    #[serde(default)]
    body: String,
    /// `null` when the account was deleted.
    user: Option<User>,
}

impl From<IssueComment> for Comment {
    fn from(IssueComment { id, html_url, body, user }: IssueComment) -> Self {
        Self { id, url: html_url, body, author: user.map(|user| user.login) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_repository_cannot_lead_to_another_route() {
        let ci = Ci::default();
        for bad in ["acme", "acme/x/y", "../x", "acme/..", "acme/x?y", "a b/c", "/x", "acme/"] {
            let facts = Facts { repository: Some(bad.into()), pull_request: Some(1), ..Facts::default() };
            let settings = Settings::new(&ci, &facts, Token::new("t").unwrap()).unwrap();
            assert!(GitHub::new(&settings).is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_name_what_is_missing() {
        let error = Settings::new(&Ci::default(), &Facts::default(), Token::new("t").unwrap()).unwrap_err();
        assert!(error.to_string().contains("no repository to comment on"), "{error}");
    }
}
