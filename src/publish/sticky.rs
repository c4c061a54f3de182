//! The one comment on a pull request, kept on any code host.
//!
//! Ours is the comment whose author is the token's identity and whose first line is our marker; a comment
//! that merely holds the marker is somebody else's and is left alone. Of several that are ours, the one with
//! the lowest number stays: jobs that raced each other all agree on it without talking.

use async_trait::async_trait;
use serde_json::json;

use super::transport::{Answer, Method, NoAnswer, Transport};
use super::{Forge, Posted, PublishError};
use crate::report::{Interruption, Report, markdown};

/// Most pages of comments that are read, of 100 each.
const PAGES: u32 = 50;

/// How a code host keeps comments: its routes, its words, its answers.
#[async_trait]
pub(super) trait Host: Send + Sync {
    /// What carries the requests.
    fn transport(&self) -> &Transport;

    /// The pull request, for people.
    fn pull_request(&self) -> String;

    /// The commit that the report is about. Where it is known, a pull request that has moved on gets no comment.
    fn head(&self) -> Option<&str>;

    /// The pull request's head commit now.
    async fn current_head(&self) -> Result<String, PublishError>;

    /// Whose comments the token writes.
    async fn identity(&self) -> Result<String, PublishError>;

    /// The route of a page of comments, of 100 each, counted from 1; without one that of new comments.
    fn comments(&self, page: Option<u32>) -> String;

    /// The route of one comment.
    fn comment(&self, id: u64) -> String;

    /// How a comment is edited.
    fn edit(&self) -> Method;

    /// Reads one comment; `what` was asked for, for the error.
    fn read(&self, answer: &Answer, what: &str) -> Result<Comment, PublishError>;

    /// Reads the comments of one page; `what` was asked for, for the error.
    fn read_page(&self, answer: &Answer, what: &str) -> Result<Vec<Comment>, PublishError>;

    /// The comment of at most `cap` bytes, in the host's Markdown.
    fn body(&self, report: &Report, cap: usize) -> String;

    /// Caps that are tried one after the other, should the host find a comment too long in spite of its own limit.
    fn caps(&self) -> &'static [usize];

    /// The right that a token needs, where the host's refusal does not say it.
    fn needed(&self) -> Option<&'static str>;
}

/// A comment, whichever host keeps it.
#[derive(Debug)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) url: String,
    pub(super) body: String,
    /// `None` when the account was deleted.
    pub(super) author: Option<String>,
}

impl Comment {
    fn is_ours(&self, author: &str, marker: &str) -> bool {
        let by_us = self.author.as_ref().is_some_and(|login| login.eq_ignore_ascii_case(author));
        by_us && self.body.lines().next().is_some_and(|line| line.trim_end() == marker)
    }
}

/// Whether the host's stored text is ours: it may have other line ends and no white space at the end.
fn same(stored: &str, body: &str) -> bool {
    stored.replace("\r\n", "\n").trim_end() == body.trim_end()
}

/// How one attempt to have the comment written ended.
enum Written {
    Posted(Posted),
    TooLong,
    Gone,
}

#[async_trait]
impl<H: Host> Forge for H {
    async fn upsert(&self, report: &Report) -> Result<Posted, PublishError> {
        if report.interruption == Some(Interruption::Superseded) {
            return Ok(Posted::Superseded);
        }
        if let Some(head) = self.head() {
            let current = self.current_head().await?;
            if !current.eq_ignore_ascii_case(head) {
                return Ok(Posted::Outdated { head: current });
            }
        }
        let author = self.identity().await?;
        let marker = markdown::marker(report);
        let mut gone = 0;
        for cap in self.caps() {
            let body = self.body(report, *cap);
            loop {
                match write(self, &author, &marker, &body).await? {
                    Written::Posted(posted) => return Ok(posted),
                    Written::TooLong => break,
                    // Deleted by somebody between our look and our edit.
                    Written::Gone if gone < 3 => gone += 1,
                    Written::Gone => return Err(PublishError::NotFound { what: "our comment".to_owned() }),
                }
            }
        }
        let message = "even the shortest comment is too long for it".to_owned();
        Err(PublishError::Refused { what: "a new comment".to_owned(), status: 422, message })
    }
}

/// Our comments on the pull request, the oldest first.
async fn ours(host: &impl Host, author: &str, marker: &str) -> Result<Vec<Comment>, PublishError> {
    let what = format!("the comments of {}", host.pull_request());
    let mut ours = Vec::new();
    for page in 1..=PAGES {
        let route = host.comments(Some(page));
        let answer = host.transport().repeated(Method::Get, &route, None, &what).await?.successful(&what)?;
        let comments = host.read_page(&answer, &what)?;
        let last = comments.is_empty() || (comments.len() < 100 && !answer.more_pages);
        ours.extend(comments.into_iter().filter(|comment| comment.is_ours(author, marker)));
        if last {
            break;
        }
    }
    ours.sort_by_key(|comment| comment.id);
    Ok(ours)
}

/// Brings the pull request to have exactly one comment of ours, with this body.
async fn write(host: &impl Host, author: &str, marker: &str, body: &str) -> Result<Written, PublishError> {
    let found = ours(host, author, marker).await?;
    if !found.is_empty() {
        return settle(host, &found, body).await;
    }
    match create(host, author, marker, body).await? {
        Ok(created) => {
            // Another job may have looked before we wrote, as we did before it wrote.
            let found = ours(host, author, marker).await?;
            match found.as_slice() {
                // The host may show it a moment later.
                [] => Ok(Written::Posted(Posted::Created { url: created.url })),
                [only] if same(&only.body, body) => Ok(Written::Posted(Posted::Created { url: only.url.clone() })),
                _ => settle(host, &found, body).await,
            }
        }
        Err(written) => Ok(written),
    }
}

/// Edits the oldest of our comments if it says something else, and removes the others.
async fn settle(host: &impl Host, found: &[Comment], body: &str) -> Result<Written, PublishError> {
    let Some((keep, rest)) = found.split_first() else { return Ok(Written::Gone) };
    let what = "our comment";
    let url = keep.url.clone();
    let posted = if same(&keep.body, body) {
        Posted::Unchanged { url }
    } else {
        let (route, payload) = (host.comment(keep.id), json!({ "body": body }));
        let answer = host.transport().repeated(host.edit(), &route, Some(&payload), what).await?;
        match answer.status {
            404 => return Ok(Written::Gone),
            403 => return Ok(Written::Posted(read_only(host, answer))),
            _ if answer.is_too_long() => return Ok(Written::TooLong),
            _ => answer.successful(what)?,
        };
        Posted::Updated { url }
    };
    for duplicate in rest {
        let removed = host.transport().repeated(Method::Delete, &host.comment(duplicate.id), None, what).await;
        // The comment that counts is there: a duplicate that stays is untidy, not wrong.
        if !removed.as_ref().is_ok_and(|answer| answer.status == 404 || answer.is_success()) {
            tracing::warn!("a duplicate comment could not be removed: {}", duplicate.url);
        }
    }
    Ok(Written::Posted(posted))
}

/// Posts a comment, at most once.
///
/// A POST whose answer is lost may have landed, so it is never repeated blindly: before every further attempt
/// the comments are read again.
async fn create(
    host: &impl Host,
    author: &str,
    marker: &str,
    body: &str,
) -> Result<Result<Comment, Written>, PublishError> {
    let what = "a new comment";
    let payload = json!({ "body": body });
    let mut failed = 0;
    loop {
        let outcome = host.transport().once(Method::Post, &host.comments(None), Some(&payload)).await;
        let (reason, asked) = match outcome {
            Ok(answer) if answer.is_temporary() => (answer.reason(), answer.retry_after),
            Ok(answer) => return refused_or_created(host, answer, what),
            Err(NoAnswer(reason)) => (reason, None),
        };
        failed += 1;
        host.transport().pause(failed, asked, what, &reason).await?;
        if let Some(landed) = ours(host, author, marker).await?.into_iter().next() {
            return Ok(Ok(landed));
        }
    }
}

fn refused_or_created(host: &impl Host, answer: Answer, what: &str) -> Result<Result<Comment, Written>, PublishError> {
    match answer.status {
        403 => Ok(Err(Written::Posted(read_only(host, answer)))),
        _ if answer.is_too_long() => Ok(Err(Written::TooLong)),
        _ => Ok(Ok(host.read(&answer.successful(what)?, what)?)),
    }
}

fn read_only(host: &impl Host, answer: Answer) -> Posted {
    Posted::ReadOnly { needed: answer.needed.or_else(|| host.needed().map(str::to_owned)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(login: Option<&str>, body: &str) -> Comment {
        Comment { id: 1, url: String::new(), body: body.into(), author: login.map(str::to_owned) }
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
}
