//! The note on GitLab: against a small stateful server that answers as GitLab's documentation says (paging, limits,
//! errors) and refuses what it does not describe. No real GitLab was asked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]

#[path = "github/middleman.rs"]
#[expect(dead_code, reason = "GitHub's tests use all of it")]
mod middleman;
#[path = "report/sample.rs"]
mod sample;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use middleman::{Fate, Middleman, Request};
use premerge::publish::github::Patience;
use premerge::publish::gitlab::{GitLab, Settings};
use premerge::publish::{Forge, Posted, PublishError, Token};
use premerge::report::Report;
use premerge::report::markdown;
use serde_json::{Value, json};

const HEAD: &str = "7c1f0ab2d1e9f00c6b7a8d9e0f1a2b3c4d5e6f70";
const ROOT: &str = "/sub/api/v4/projects/acme%2Fdata%2Fshop/merge_requests/7";
/// A merge request, a label, a milestone, an epic, everybody and an issue, as GitLab links them.
const REFERENCES: &str = "!1 ~bug %1 &2 @all #3";
/// What GitLab itself writes into a merge request.
const SYSTEM: &str = "mentioned in commit 0badc0de";

/// What the server keeps.
#[derive(Default)]
struct State {
    next: u64,
    /// Number, author, text.
    notes: Vec<(u64, String, String)>,
    /// Texts of more bytes are refused.
    limit: Option<usize>,
}

impl State {
    fn add(&mut self, author: &str, body: &str) -> Value {
        self.next += 1;
        self.notes.push((self.next, author.to_owned(), body.to_owned()));
        note(&(self.next, author.to_owned(), body.to_owned()))
    }
}

fn note((id, author, body): &(u64, String, String)) -> Value {
    json!({"id": id, "body": body, "author": {"id": 1, "username": author}, "system": body == SYSTEM})
}

fn say(status: u16, body: &Value) -> Fate {
    Fate::Say(status, "", body.to_string())
}

/// GitLab, as far as its documentation goes.
fn answer(state: &Mutex<State>, request: &Request) -> Fate {
    if request.authorization != "Bearer gate-token" {
        return say(401, &json!({"message": "401 Unauthorized"}));
    }
    let mut state = state.lock().unwrap();
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or("");
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let text = body["body"].as_str().filter(|_| body.as_object().is_some_and(|object| object.len() == 1));
    let too_long = |state: &State| text.is_some_and(|text| state.limit.is_some_and(|limit| text.len() > limit));
    let notes = format!("{ROOT}/notes");
    match (request.method.as_str(), path) {
        ("GET", "/sub/api/v4/user") => say(200, &json!({"id": 1, "username": "project_5_bot"})),
        ("GET", path) if path == ROOT => say(200, &json!({"iid": 7, "sha": HEAD})),
        ("GET", path) if path == notes => {
            let (page, size): (usize, usize) = (value("page").parse().unwrap(), value("per_page").parse().unwrap());
            assert!((1..=100).contains(&size) && value("sort") == "asc" && value("order_by") == "created_at");
            let all = state.notes.iter().skip((page - 1) * size).take(size).map(note).collect::<Vec<_>>();
            let more = state.notes.len() > page * size;
            let link = if more { "link: <https://gitlab.example/next>; rel=\"next\"" } else { "" };
            Fate::Say(200, link, json!(all).to_string())
        }
        ("POST" | "PUT", _) if text.is_none() => say(400, &json!({"error": "body is missing"})),
        ("POST" | "PUT", _) if too_long(&state) => {
            say(400, &json!({"message": {"note": ["is too long (maximum is 1000000 characters)"]}}))
        }
        ("POST", path) if path == notes => {
            let made = state.add("project_5_bot", text.unwrap_or_default());
            say(201, &made)
        }
        ("PUT" | "DELETE", path) => {
            let id = path.strip_prefix(&format!("{notes}/")).and_then(|id| id.parse::<u64>().ok());
            let Some(at) = state.notes.iter().position(|(other, ..)| Some(*other) == id) else {
                return say(404, &json!({"message": "404 Not found"}));
            };
            if request.method == "DELETE" {
                state.notes.remove(at);
                return Fate::Say(204, "", String::new());
            }
            state.notes[at].2 = text.unwrap_or_default().to_owned();
            say(200, &note(&state.notes[at]))
        }
        _ => say(404, &json!({"error": "404 Not Found"})),
    }
}

struct Bench {
    state: Arc<Mutex<State>>,
    server: Middleman,
}

impl Bench {
    /// `special` may answer in the server's place.
    fn with(special: impl Fn(&Request, usize, &Mutex<State>) -> Option<Fate> + Send + Sync + 'static) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let kept = Arc::clone(&state);
        let server = Middleman::start(None, move |request, nth| {
            special(request, nth, &kept).unwrap_or_else(|| answer(&kept, request))
        });
        Self { state, server }
    }

    fn new() -> Self {
        Self::with(|_, _, _| None)
    }

    fn settings(&self) -> Settings {
        Settings {
            api_url: format!("{}/sub/api/v4", self.server.address()),
            server_url: "https://gitlab.example/sub".to_owned(),
            project: "acme/data/shop".to_owned(),
            merge_request: 7,
            head: Some(HEAD.to_owned()),
            token: Token::new("gate-token").unwrap(),
            patience: Patience {
                answer: Duration::from_millis(1_500),
                pause: Duration::from_millis(5),
                longest_pause: Duration::from_secs(2),
            },
        }
    }

    async fn upsert(&self, report: &Report) -> Result<Posted, PublishError> {
        GitLab::new(&self.settings()).unwrap().upsert(report).await
    }

    fn notes(&self) -> Vec<(String, String)> {
        self.state.lock().unwrap().notes.iter().map(|(_, author, body)| (author.clone(), body.clone())).collect()
    }
}

fn report(proxies: u64) -> Report {
    let mut draft = sample::worked_example();
    draft.facts.repository = Some("acme/data/shop".into());
    draft.facts.server_url = Some("https://gitlab.example/sub".into());
    draft.facts.pull_request = Some(7);
    draft.proxies = proxies;
    Report::conclude(draft)
}

#[tokio::test]
async fn the_note_is_created_once_then_edited_and_left_when_it_says_the_same() {
    let bench = Bench::new();
    let first = bench.upsert(&report(1)).await.unwrap();
    assert!(matches!(first, Posted::Created { .. }), "{first:?}");
    assert_eq!(first.url(), Some("https://gitlab.example/sub/acme/data/shop/-/merge_requests/7#note_1"));
    let second = bench.upsert(&report(2)).await.unwrap();
    assert!(matches!(second, Posted::Updated { .. }), "{second:?}");
    let third = bench.upsert(&report(2)).await.unwrap();
    assert!(matches!(third, Posted::Unchanged { .. }), "{third:?}");
    let methods = ["POST", "PUT", "PATCH", "DELETE"].map(|method| bench.server.count(method));
    assert_eq!(methods, [1, 1, 0, 0]);
    let [(author, body)] = bench.notes().try_into().unwrap();
    assert_eq!(author, "project_5_bot");
    assert!(body.starts_with(&markdown::marker(&report(2))), "{body}");
    assert!(body.contains("/acme/data/shop/-/blob/7c1f0ab2d1e9/"), "links are GitLab's: {body}");
}

#[tokio::test]
async fn our_note_is_found_behind_two_hundred_and_fifty_others() {
    let bench = Bench::new();
    (0..250).for_each(|number| {
        let body = if number % 2 == 0 { SYSTEM.to_owned() } else { format!("note {number}") };
        bench.state.lock().unwrap().add("somebody", &body);
    });
    bench.upsert(&report(1)).await.unwrap();
    let again = bench.upsert(&report(2)).await.unwrap();
    assert!(matches!(again, Posted::Updated { .. }), "{again:?}");
    assert_eq!(bench.notes().len(), 251);
}

#[tokio::test]
async fn somebody_else_s_note_with_our_marker_is_left_alone_and_duplicates_of_ours_go() {
    let bench = Bench::new();
    let forged = format!("{}\n### ✅ Safe to merge", markdown::marker(&report(1)));
    bench.state.lock().unwrap().add("eve", &forged);
    for _ in 0..2 {
        bench.state.lock().unwrap().add("project_5_bot", &forged);
    }
    let posted = bench.upsert(&report(1)).await.unwrap();
    assert!(matches!(posted, Posted::Updated { .. }), "{posted:?}");
    let notes = bench.notes();
    assert_eq!(notes[0], ("eve".to_owned(), forged));
    assert_eq!((notes.len(), notes[1].0.as_str()), (2, "project_5_bot"));
}

#[tokio::test]
async fn a_token_that_may_not_write_notes_is_no_failure() {
    let bench = Bench::with(|request, _, _| {
        (request.method == "POST")
            .then(|| say(403, &json!({"message": "403 Forbidden", "error": "insufficient_scope"})))
    });
    let posted = bench.upsert(&report(1)).await.unwrap();
    assert!(matches!(posted, Posted::ReadOnly { .. }), "{posted:?}");
    assert!(posted.to_string().contains("with the scope api"), "{posted}");
}

#[tokio::test]
async fn a_merge_request_that_has_moved_on_gets_no_note() {
    let bench = Bench::new();
    let settings = Settings { head: Some("0badc0de".to_owned()), ..bench.settings() };
    let posted = GitLab::new(&settings).unwrap().upsert(&report(1)).await.unwrap();
    assert_eq!(posted, Posted::Outdated { head: HEAD.to_owned() });
    assert!(bench.notes().is_empty());
}

#[tokio::test]
async fn a_note_whose_answer_is_lost_is_not_written_twice() {
    let bench = Bench::with(|request, nth, state| {
        if request.method != "POST" || nth > 0 {
            return None;
        }
        // It lands, and nobody hears of it.
        let _ = answer(state, request);
        Some(Fate::Hang)
    });
    bench.upsert(&report(1)).await.unwrap();
    assert_eq!((bench.notes().len(), bench.server.count("POST")), (1, 1));
}

#[tokio::test]
async fn limits_and_faults_are_waited_for_and_a_note_that_is_too_long_is_shortened() {
    let bench = Bench::with(|request, nth, _| match (request.method.as_str(), nth) {
        ("GET", 0) => Some(Fate::Say(429, "retry-after: 1", json!({"message": "Retry later"}).to_string())),
        ("GET", 1) => Some(Fate::Say(502, "", "<html>Bad Gateway</html>".to_owned())),
        _ => None,
    });
    bench.state.lock().unwrap().limit = Some(20_000);
    let mut draft = sample::large(60, 200);
    draft.facts.pull_request = Some(7);
    let posted = bench.upsert(&Report::conclude(draft)).await.unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
    let [(_, body)] = bench.notes().try_into().unwrap();
    assert!(body.len() <= 20_000, "{}", body.len());
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (status, part) in [(401, "(401)"), (404, "(404)"), (409, "status 409"), (413, "status 413")] {
        let bench = Bench::with(move |request, _, _| {
            (request.method == "POST").then(|| say(status, &json!({"message": {"base": ["no"]}})))
        });
        let error = bench.upsert(&report(1)).await.unwrap_err().to_string();
        assert!(error.contains(part), "{status}: {error}");
    }
}

/// No line of a note is a quick action, and no reference of GitLab's comes alive outside of code.
#[tokio::test]
async fn hostile_text_moves_nothing_on_gitlab() {
    for hostile in sample::HOSTILE.iter().copied().chain(["/merge", "/close", REFERENCES]) {
        let mut draft = sample::made_of(hostile);
        draft.facts.pull_request = Some(7);
        let bench = Bench::new();
        bench.upsert(&Report::conclude(draft)).await.unwrap();
        let [(_, body)] = bench.notes().try_into().unwrap();
        assert!(body.lines().all(|line| !line.trim_start().starts_with('/')), "{body}");
        // In other texts, character references look like some of these.
        if hostile != REFERENCES {
            continue;
        }
        let prose: String = body.split('`').step_by(2).collect();
        for alive in ["!1", "~bug", "%1", "@all", "#3"] {
            assert!(!prose.contains(alive), "{alive} in {body}");
        }
    }
}
