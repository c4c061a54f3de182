//! The note on a merge request of GitLab, also self-managed and below a path.
//!
//! GitLab has no right to write notes for a job's own token: it takes an access token of the project or the group, with
//! the scope `api`.

use async_trait::async_trait;
use serde::Deserialize;

use super::ci::Ci;
use super::sticky::{Comment, Host};
use super::transport::{Answer, Method, Patience, Transport};
use super::{PublishError, Token};
use crate::report::markdown::{self, Flavour};
use crate::report::{Facts, Report};
use crate::text::escape;

/// How GitLab shows a note. Its own limit is a million characters; nobody reads so many.
pub const FLAVOUR: Flavour = Flavour { cap: 60_000, files: "-/blob", nested: true };

/// Caps that are tried one after the other.
const CAPS: [usize; 3] = [FLAVOUR.cap, 20_000, 3_000];

/// Where and as whom to comment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The API, with its path (`https://host/api/v4`).
    pub api_url: String,
    /// The pages, to link a note.
    pub server_url: String,
    /// The project's path: `group/subgroup/name`.
    pub project: String,
    /// The merge request's number within the project.
    pub merge_request: u64,
    /// The commit that the report is about. Where it is known, a merge request that has moved on gets no note.
    pub head: Option<String>,
    /// A project or group access token; never shown.
    pub token: Token,
    /// Times to wait.
    pub patience: Patience,
}

impl Settings {
    /// What CI and the report's facts say.
    ///
    /// # Errors
    /// When the project, the merge request or GitLab's address is not known.
    pub fn new(ci: &Ci, facts: &Facts, token: Token) -> Result<Self, PublishError> {
        let missing = |what: &str| {
            let message = format!("no {what} to comment on: pass it, or run in a merge request pipeline");
            PublishError::Settings(message)
        };
        let server_url = ci.server_url.clone().or_else(|| facts.server_url.clone());
        let server_url = server_url.ok_or_else(|| missing("GitLab"))?.trim_end_matches('/').to_owned();
        let project = facts.repository.clone().or_else(|| ci.repository.clone()).ok_or_else(|| missing("project"))?;
        let merge_request = facts.pull_request.or(ci.pull_request).ok_or_else(|| missing("merge request"))?;
        Ok(Self {
            api_url: ci.api_url.clone().unwrap_or_else(|| format!("{server_url}/api/v4")),
            server_url,
            project,
            merge_request,
            head: ci.head.clone().or_else(|| facts.commit.clone()),
            token,
            patience: Patience::default(),
        })
    }
}

/// A merge request on GitLab, as a place for one note.
pub struct GitLab {
    transport: Transport,
    /// `/projects/group%2Fname/merge_requests/7`.
    root: String,
    /// The merge request's page.
    page: String,
    merge_request: u64,
    head: Option<String>,
}

impl GitLab {
    /// Opens the door; no request is made yet. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the project's path or the API's address is malformed.
    pub fn new(settings: &Settings) -> Result<Self, PublishError> {
        if !FLAVOUR.is_repository(&settings.project) {
            return Err(PublishError::Settings("the project is not of the form group/name".to_owned()));
        }
        let number = settings.merge_request;
        Ok(Self {
            transport: Transport::new(&settings.api_url, &settings.token, settings.patience)?,
            root: format!("/projects/{}/merge_requests/{number}", settings.project.replace('/', "%2F")),
            page: format!("{}/{}/-/merge_requests/{number}", settings.server_url, settings.project),
            merge_request: number,
            head: settings.head.clone(),
        })
    }

    fn comment_of(&self, note: Note) -> Comment {
        Comment {
            id: note.id,
            url: format!("{}#note_{}", self.page, note.id),
            body: note.body,
            author: note.author.map(|author| author.username),
        }
    }
}

#[async_trait]
impl Host for GitLab {
    fn transport(&self) -> &Transport {
        &self.transport
    }

    fn pull_request(&self) -> String {
        format!("merge request {}", self.merge_request)
    }

    fn head(&self) -> Option<&str> {
        self.head.as_deref()
    }

    async fn current_head(&self) -> Result<String, PublishError> {
        let what = Host::pull_request(self);
        let answer = self.transport.repeated(Method::Get, &self.root, None, &what).await?;
        let merge_request: MergeRequest = answer.successful(&what)?.json(&what)?;
        Ok(merge_request.sha)
    }

    async fn identity(&self) -> Result<String, PublishError> {
        let what = "the token's identity";
        let answer = self.transport.repeated(Method::Get, "/user", None, what).await?;
        let user: User = answer.successful(what)?.json(what)?;
        Ok(user.username)
    }

    fn comments(&self, page: Option<u32>) -> String {
        let query = page.map(|page| format!("?per_page=100&page={page}&sort=asc&order_by=created_at"));
        format!("{}/notes{}", self.root, query.unwrap_or_default())
    }

    fn comment(&self, id: u64) -> String {
        format!("{}/notes/{id}", self.root)
    }

    fn edit(&self) -> Method {
        Method::Put
    }

    fn read(&self, answer: &Answer, what: &str) -> Result<Comment, PublishError> {
        answer.json::<Note>(what).map(|note| self.comment_of(note))
    }

    fn read_page(&self, answer: &Answer, what: &str) -> Result<Vec<Comment>, PublishError> {
        // GitLab's own notes too ("mentioned in commit …"): left out, they would make a full page look like the last.
        Ok(answer.json::<Vec<Note>>(what)?.into_iter().map(|note| self.comment_of(note)).collect())
    }

    fn body(&self, report: &Report, cap: usize) -> String {
        without_quick_actions(&markdown::body(report, FLAVOUR, cap))
    }

    fn caps(&self) -> &'static [usize] {
        &CAPS
    }

    fn needed(&self) -> Option<&'static str> {
        Some("a project or group access token with the scope api and the role Reporter")
    }
}

/// GitLab carries out lines that begin with `/merge`, `/close` and the like; a zero-width space makes them text.
fn without_quick_actions(body: &str) -> String {
    let is_action =
        |line: &str| line.trim_start_matches(|c: char| c.is_whitespace() || escape::is_invisible(c)).starts_with('/');
    let lines = body.split('\n').map(|line| if is_action(line) { format!("\u{200B}{line}") } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Debug, Deserialize)]
struct MergeRequest {
    sha: String,
}

#[derive(Debug, Deserialize)]
struct Note {
    id: u64,
    #[serde(default)]
    body: String,
    author: Option<User>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_note_is_a_quick_action() {
        assert_eq!(
            without_quick_actions("a /merge\n/close\n  /label ~x\n"),
            "a /merge\n\u{200b}/close\n\u{200b}  /label ~x\n"
        );
    }

    #[tokio::test]
    async fn a_project_cannot_lead_to_another_route() {
        let facts = |project: &str| Facts {
            repository: Some(project.into()),
            pull_request: Some(1),
            server_url: Some("https://gitlab.example/sub/".into()),
            ..Facts::default()
        };
        let new = |project: &str| {
            let settings = Settings::new(&Ci::default(), &facts(project), Token::new("t").unwrap()).unwrap();
            assert_eq!(settings.api_url, "https://gitlab.example/sub/api/v4");
            GitLab::new(&settings)
        };
        for bad in ["acme", "../x", "acme/..", "acme/x?y", "a b/c", "/x", "acme/", "acme//x", "acme/x%2F.."] {
            assert!(new(bad).is_err(), "{bad}");
        }
        assert_eq!(new("acme/data/shop").unwrap().root, "/projects/acme%2Fdata%2Fshop/merge_requests/1");
    }

    #[test]
    fn settings_name_what_is_missing() {
        let error = Settings::new(&Ci::default(), &Facts::default(), Token::new("t").unwrap()).unwrap_err();
        assert!(error.to_string().contains("no GitLab to comment on"), "{error}");
    }
}
