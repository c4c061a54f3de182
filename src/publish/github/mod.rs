//! The comment on GitHub and GitHub Enterprise Server.
//!
//! Ours is the comment whose author is the token's identity and whose first line is our marker; a comment
//! that merely holds the marker is somebody else's and is left alone. Of several that are ours, the one with
//! the lowest number stays: jobs that raced each other all agree on it without talking.

mod transport;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;

use super::ci::Ci;
use super::{Forge, Posted, PublishError, Token};
use crate::report::{Facts, Interruption, Report, markdown};
use transport::{Answer, Method, Transport};

/// Caps that are tried one after the other, should GitHub find a comment too long in spite of its own limit.
const CAPS: [usize; 4] = [markdown::GITHUB_CAP, 30_000, 10_000, 3_000];

/// GitHub's API, where nothing else is said.
const API: &str = "https://api.github.com";

/// Whose comments `GITHUB_TOKEN` writes. The token may not ask who it is.
const ACTIONS_BOT: &str = "github-actions[bot]";

/// Most pages of comments that are read, of 100 each. GitHub locks a pull request at 2,500 comments.
const PAGES: u32 = 50;

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
    /// The token.
    pub token: Token,
    /// Times to wait.
    pub patience: Patience,
}

pub use transport::Patience;

impl Settings {
    /// What CI and the report's facts say.
    ///
    /// # Errors
    /// When the repository or the pull request is not known.
    pub fn new(ci: &Ci, facts: &Facts, token: Token) -> Result<Self, PublishError> {
        let missing =
            |what: &str| PublishError::Settings(format!("there is no {what} to comment on: name it or run in CI"));
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
    /// When the repository is no `owner/name` or the API's address is none.
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

    /// The pull request's head commit now.
    ///
    /// # Errors
    /// When GitHub cannot be reached or does not show the pull request.
    pub async fn current_head(&self) -> Result<String, PublishError> {
        let what = format!("pull request {}", self.pull_request);
        let route = format!("{}/pulls/{}", self.root, self.pull_request);
        let answer = self.transport.repeated(Method::Get, &route, None, &what).await?;
        let pull: PullRequest = answer.successful(&what)?.json(&what)?;
        Ok(pull.head.sha)
    }

    /// Whose comments this token writes.
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

    /// Our comments on the pull request, the oldest first.
    async fn ours(&self, author: &str, marker: &str) -> Result<Vec<Comment>, PublishError> {
        let what = format!("the comments of pull request {}", self.pull_request);
        let mut ours = Vec::new();
        for page in 1..=PAGES {
            let route = format!("{}?per_page=100&page={page}", self.comments());
            let answer = self.transport.repeated(Method::Get, &route, None, &what).await?.successful(&what)?;
            let comments: Vec<Comment> = answer.json(&what)?;
            let last = comments.is_empty() || (comments.len() < 100 && !answer.more_pages);
            ours.extend(comments.into_iter().filter(|comment| comment.is_ours(author, marker)));
            if last {
                break;
            }
        }
        ours.sort_by_key(|comment| comment.id);
        Ok(ours)
    }

    fn comments(&self) -> String {
        format!("{}/issues/{}/comments", self.root, self.pull_request)
    }

    fn comment(&self, id: u64) -> String {
        format!("{}/issues/comments/{id}", self.root)
    }

    /// Brings the pull request to have exactly one comment of ours, with this body.
    async fn write(&self, author: &str, marker: &str, body: &str) -> Result<Written, PublishError> {
        let ours = self.ours(author, marker).await?;
        if !ours.is_empty() {
            return self.settle(&ours, body).await;
        }
        match self.create(author, marker, body).await? {
            Ok(created) => {
                // Another job may have looked before we wrote, as we did before it wrote.
                let ours = self.ours(author, marker).await?;
                match ours.as_slice() {
                    // GitHub may show it a moment later.
                    [] => Ok(Written::Posted(Posted::Created { url: created.html_url })),
                    [only] if same(&only.body, body) => {
                        Ok(Written::Posted(Posted::Created { url: only.html_url.clone() }))
                    }
                    _ => self.settle(&ours, body).await,
                }
            }
            Err(written) => Ok(written),
        }
    }

    /// Edits the oldest of our comments if it says something else, and removes the others.
    async fn settle(&self, ours: &[Comment], body: &str) -> Result<Written, PublishError> {
        let Some((keep, rest)) = ours.split_first() else { return Ok(Written::Gone) };
        let what = "our comment";
        let url = keep.html_url.clone();
        let posted = if same(&keep.body, body) {
            Posted::Unchanged { url }
        } else {
            let route = self.comment(keep.id);
            let answer = self.transport.repeated(Method::Patch, &route, Some(&json!({ "body": body })), what).await?;
            match answer.status {
                404 => return Ok(Written::Gone),
                403 => return Ok(Written::Posted(Posted::ReadOnly { needed: answer.needed })),
                422 if answer.is_too_long() => return Ok(Written::TooLong),
                _ => answer.successful(what)?,
            };
            Posted::Updated { url }
        };
        for duplicate in rest {
            let removed = self.transport.repeated(Method::Delete, &self.comment(duplicate.id), None, what).await;
            // The comment that counts is there: a duplicate that stays is untidy, not wrong.
            if !removed.as_ref().is_ok_and(|answer| answer.status == 404 || answer.is_success()) {
                tracing::warn!("a duplicate comment could not be removed: {}", duplicate.html_url);
            }
        }
        Ok(Written::Posted(posted))
    }

    /// Posts a comment, at most once.
    ///
    /// A POST whose answer is lost may have landed, so it is never repeated blindly: before every further attempt
    /// the comments are read again.
    async fn create(&self, author: &str, marker: &str, body: &str) -> Result<Result<Comment, Written>, PublishError> {
        let what = "a new comment";
        let payload = json!({ "body": body });
        let mut failed = 0;
        loop {
            let outcome = self.transport.once(Method::Post, &self.comments(), Some(&payload)).await;
            let (reason, asked) = match outcome {
                Ok(answer) if answer.is_temporary() => (answer.reason(), answer.retry_after),
                Ok(answer) => return refused_or_created(answer, what),
                Err(reason) => (reason, None),
            };
            failed += 1;
            self.transport.pause(failed, asked, what, &reason).await?;
            if let Some(landed) = self.ours(author, marker).await?.into_iter().next() {
                return Ok(Ok(landed));
            }
        }
    }
}

fn refused_or_created(answer: Answer, what: &str) -> Result<Result<Comment, Written>, PublishError> {
    match answer.status {
        403 => Ok(Err(Written::Posted(Posted::ReadOnly { needed: answer.needed }))),
        422 if answer.is_too_long() => Ok(Err(Written::TooLong)),
        _ => Ok(Ok(answer.successful(what)?.json(what)?)),
    }
}

#[async_trait]
impl Forge for GitHub {
    async fn upsert(&self, report: &Report) -> Result<Posted, PublishError> {
        if report.interruption == Some(Interruption::Superseded) {
            return Ok(Posted::Superseded);
        }
        if let Some(head) = &self.head {
            let current = self.current_head().await?;
            if !current.eq_ignore_ascii_case(head) {
                return Ok(Posted::Outdated { head: current });
            }
        }
        let author = self.identity().await?;
        let marker = markdown::marker(report);
        let mut gone = 0;
        for cap in CAPS {
            let body = markdown::body(report, cap);
            loop {
                match self.write(&author, &marker, &body).await? {
                    Written::Posted(posted) => return Ok(posted),
                    Written::TooLong => break,
                    // Deleted by somebody between our look and our edit.
                    Written::Gone if gone < 3 => gone += 1,
                    Written::Gone => return Err(PublishError::NotFound { what: "our comment".to_owned() }),
                }
            }
        }
        let message = "it finds even the shortest comment too long".to_owned();
        Err(PublishError::Refused { what: "a new comment".to_owned(), status: 422, message })
    }
}

/// How one attempt to have the comment written ended.
enum Written {
    Posted(Posted),
    TooLong,
    Gone,
}

/// Whether GitHub's stored text is ours: it may have other line ends and no white space at the end.
fn same(stored: &str, body: &str) -> bool {
    stored.replace("\r\n", "\n").trim_end() == body.trim_end()
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
struct Comment {
    id: u64,
    #[serde(default)]
    html_url: String,
    #[serde(default)]
    body: String,
    /// `null` when the account was deleted.
    user: Option<User>,
}

impl Comment {
    fn is_ours(&self, author: &str, marker: &str) -> bool {
        let by_us = self.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(author));
        by_us && self.body.lines().next().is_some_and(|line| line.trim_end() == marker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(login: Option<&str>, body: &str) -> Comment {
        let user = login.map(|login| User { login: login.into() });
        Comment { id: 1, html_url: String::new(), body: body.into(), user }
    }

    #[test]
    fn ours_is_what_we_wrote_and_marked() {
        let marker = "<!-- premerge:pr-comment v1 repo=a/b pr=1 project=c -->";
        let marked = format!("{marker}\r\n### verdict");
        assert!(comment(Some("Bot"), &marked).is_ours("bot", marker));
        assert!(!comment(Some("eve"), &marked).is_ours("bot", marker));
        assert!(!comment(None, &marked).is_ours("bot", marker));
        assert!(!comment(Some("bot"), &format!("> {marker}")).is_ours("bot", marker));
        assert!(!comment(Some("bot"), &format!("look:\n{marker}")).is_ours("bot", marker));
        assert!(!comment(Some("bot"), "").is_ours("bot", marker));
    }

    #[test]
    fn a_stored_comment_is_recognized_in_spite_of_its_line_ends() {
        assert!(same("a\r\nb", "a\nb\n"));
        assert!(!same("a\nc", "a\nb\n"));
    }

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
