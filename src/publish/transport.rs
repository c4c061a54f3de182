//! Requests to a code host: octocrab carries them, what to repeat and when is decided here.
//!
//! octocrab's own retries repeat every method on a server error, also the POST that makes a comment, and its
//! typed update of a comment sends POST. So its routes are used raw and its retries are not compiled in.

use std::time::Duration;

use octocrab::Octocrab;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::publish::attempts::Attempts;
use crate::publish::{PublishError, Token};
use crate::text::escape;

/// How long to wait, for whom.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long one answer may take.
    pub answer: Duration,
    /// Before the second attempt; it doubles from there.
    pub pause: Duration,
    /// Longest pause, also when GitHub asks for a longer one.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            pause: Duration::from_secs(1),
            // GitHub asks for a minute after a secondary rate limit.
            longest_pause: Duration::from_secs(90),
        }
    }
}

/// The code host did not answer, for this reason: whether the request was carried out is not known.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAnswer(pub(super) String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Patch,
    Put,
    Delete,
}

pub(super) struct Transport {
    api: Octocrab,
    timeout: Duration,
    attempts: Attempts,
}

impl Transport {
    pub(super) fn new(api_url: &str, token: &Token, patience: Patience) -> Result<Self, PublishError> {
        let wrong = |error: octocrab::Error| {
            let error = escape::cut(&escape::visible(&error.to_string()), 200);
            PublishError::Settings(format!("the API address is invalid: {error}"))
        };
        let api = Octocrab::builder()
            .base_uri(api_url.trim_end_matches('/'))
            .map_err(wrong)?
            .personal_token(token.expose().to_owned())
            .set_connect_timeout(Some(patience.answer))
            .set_read_timeout(Some(patience.answer))
            .set_write_timeout(Some(patience.answer))
            .build()
            .map_err(wrong)?;
        let attempts = Attempts { most: 4, pause: patience.pause, longest: patience.longest_pause };
        Ok(Self { api, timeout: patience.answer, attempts })
    }

    /// One request, never repeated.
    pub(super) async fn once(&self, method: Method, route: &str, body: Option<&Value>) -> Result<Answer, NoAnswer> {
        let exchange = async {
            let response = match method {
                Method::Get => self.api._get(route).await?,
                Method::Post => self.api._post(route, body).await?,
                Method::Patch => self.api._patch(route, body).await?,
                Method::Put => self.api._put(route, body).await?,
                Method::Delete => self.api._delete(route, body).await?,
            };
            let status = response.status().as_u16();
            let header =
                |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let mut answer = Answer {
                status,
                retry_after: header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs),
                needed: header("x-accepted-github-permissions").map(|text| escape::cut(&escape::visible(&text), 200)),
                exhausted: header("x-ratelimit-remaining").as_deref() == Some("0"),
                more_pages: header("link").is_some_and(|links| links.contains("rel=\"next\"")),
                body: String::new(),
            };
            answer.body = self.api.body_to_string(response).await?;
            Ok::<_, octocrab::Error>(answer)
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(NoAnswer(escape::cut(&escape::visible(&error.to_string()), 200))),
            Err(_) => Err(NoAnswer(format!("no answer within {} s", self.timeout.as_secs_f32()))),
        }
    }

    /// A request that may be made any number of times: everything but POST.
    pub(super) async fn repeated(
        &self,
        method: Method,
        route: &str,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Answer, PublishError> {
        let mut failed = 0;
        loop {
            let (reason, asked) = match self.once(method, route, body).await {
                Ok(answer) if answer.is_temporary() => (answer.reason(), answer.retry_after),
                Ok(answer) => return Ok(answer),
                Err(NoAnswer(reason)) => (reason, None),
            };
            failed += 1;
            self.pause(failed, asked, what, &reason).await?;
        }
    }

    /// Waits before the next attempt, or says that there is none.
    pub(super) async fn pause(
        &self,
        failed: u32,
        asked: Option<Duration>,
        what: &str,
        reason: &str,
    ) -> Result<(), PublishError> {
        let unreachable = |reason: String| PublishError::Unreachable { what: what.to_owned(), reason };
        if failed >= self.attempts.most {
            return Err(unreachable(format!("{reason}, in {failed} attempts")));
        }
        match self.attempts.pause_after(failed, asked) {
            Some(pause) => {
                tracing::debug!("{what}: {reason}; trying again in {pause:?}");
                tokio::time::sleep(pause).await;
                Ok(())
            }
            None => Err(unreachable(format!("{reason}, and it asks to wait longer than a job should"))),
        }
    }
}

/// A host's answer to one request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// The permissions of which one would have been enough, from `x-accepted-github-permissions`.
    pub(super) needed: Option<String>,
    exhausted: bool,
    /// Whether the list goes on, from `link`.
    pub(super) more_pages: bool,
    body: String,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the same request may fare better later.
    pub(super) fn is_temporary(&self) -> bool {
        let limited = self.status == 429 || (self.status == 403 && (self.exhausted || self.retry_after.is_some()));
        limited || matches!(self.status, 408 | 500 | 502 | 503 | 504)
    }

    /// The words for a comment above the limit: "Body is too long (maximum is 65536 characters)" on GitHub, "is too
    /// long (maximum is 1000000 characters)" on GitLab.
    pub(super) fn is_too_long(&self) -> bool {
        matches!(self.status, 400 | 413 | 422) && self.body.contains("too long")
    }

    pub(super) fn reason(&self) -> String {
        format!("status {}", self.status)
    }

    pub(super) fn successful(self, what: &str) -> Result<Self, PublishError> {
        match self.status {
            200..300 => Ok(self),
            401 => Err(PublishError::Unauthorized),
            404 | 410 => Err(PublishError::NotFound { what: what.to_owned() }),
            status => {
                let message: Message = serde_json::from_str(&self.body).unwrap_or_default();
                let mut message = escape::cut(&escape::visible(&message.message.to_string()), 200);
                if let Some(needed) = &self.needed {
                    message.push_str(&format!(" (needed: {needed})"));
                }
                Err(PublishError::Refused { what: what.to_owned(), status, message })
            }
        }
    }

    pub(super) fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, PublishError> {
        serde_json::from_str(&self.body).map_err(|error| PublishError::Unreachable {
            what: what.to_owned(),
            reason: format!("unexpected answer from the code host: {error}"),
        })
    }
}

#[derive(Default, serde::Deserialize)]
struct Message {
    #[serde(default)]
    message: Words,
}

/// GitHub writes a text; GitLab a text, or what is wrong by field.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Words {
    Text(String),
    Other(Value),
}

impl Default for Words {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Other(value) => write!(f, "{value}"),
        }
    }
}
