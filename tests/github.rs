//! The comment on GitHub: against an emulated GitHub behind a validator of GitHub's own API description, and
//! against a server that fails in the ways that emulators do not.

#[path = "github/bench.rs"]
mod bench;
#[path = "github/middleman.rs"]
mod middleman;
#[path = "report/sample.rs"]
#[expect(dead_code, reason = "the renderings' tests use all of it")]
mod sample;

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use bench::PullRequest;
use middleman::{Fate, Middleman, Request};
use premerge::commands::publish;
use premerge::config::Env;
use premerge::publish::github::{FLAVOUR, GitHub, Patience, Settings};
use premerge::publish::{Forge, Posted, PublishError, Token};
use premerge::report::{Report, markdown};
use serde_json::json;

/// Short waits, so that tests of failures do not take minutes.
const IMPATIENT: Patience = Patience {
    answer: Duration::from_millis(1_500),
    pause: Duration::from_millis(5),
    longest_pause: Duration::from_secs(2),
};

fn settings(address: &str, repository: &str, number: u64) -> Settings {
    Settings {
        api_url: address.to_owned(),
        repository: repository.to_owned(),
        pull_request: number,
        head: None,
        author: None,
        token: Token::new("gate-token").expect("not empty"),
        patience: Patience { answer: Duration::from_secs(20), ..IMPATIENT },
    }
}

/// A report about a pull request on the bench.
fn report(pull_request: &PullRequest, proxies: u64) -> Report {
    let mut draft = sample::worked_example();
    draft.facts.repository = Some(pull_request.repository.clone());
    draft.facts.pull_request = Some(pull_request.number);
    draft.proxies = proxies;
    Report::conclude(draft)
}

async fn upsert(through: &Middleman, pull_request: &PullRequest, report: &Report) -> Result<Posted, PublishError> {
    let settings = settings(through.address(), &pull_request.repository, pull_request.number);
    GitHub::new(&settings).expect("settings").upsert(report).await
}

fn passing() -> Middleman {
    Middleman::start(Some(bench::address()), |_, _| Fate::Pass)
}

/// GitHub's own description of its API has nothing to say against any request.
fn assert_valid(middleman: &Middleman) {
    for request in middleman.requests() {
        assert!(request.violations.is_empty(), "{request:?}");
        assert_eq!(request.authorization, "Bearer gate-token", "{}", request.path);
    }
}

#[tokio::test]
async fn the_comment_is_created_once_and_then_edited() {
    let (pull_request, github) = (PullRequest::open().await, passing());
    let first = upsert(&github, &pull_request, &report(&pull_request, 1)).await.unwrap();
    assert!(matches!(first, Posted::Created { .. }), "{first:?}");
    let second = upsert(&github, &pull_request, &report(&pull_request, 2)).await.unwrap();
    assert!(matches!(second, Posted::Updated { .. }), "{second:?}");
    assert_eq!(first.url(), second.url());
    assert!(first.url().unwrap().contains("#issuecomment-"), "{first:?}");

    let comments = pull_request.comments().await;
    let body = markdown::body(&report(&pull_request, 2), FLAVOUR, FLAVOUR.cap);
    assert_eq!(comments, [("gate".to_owned(), body)]);
    assert_eq!((github.count("POST"), github.count("PATCH"), github.count("DELETE")), (1, 1, 0));
    assert_valid(&github);
}

#[tokio::test]
async fn a_comment_that_says_the_same_is_not_written() {
    let (pull_request, github) = (PullRequest::open().await, passing());
    upsert(&github, &pull_request, &report(&pull_request, 1)).await.unwrap();
    let again = upsert(&github, &pull_request, &report(&pull_request, 1)).await.unwrap();
    assert!(matches!(again, Posted::Unchanged { .. }), "{again:?}");
    assert_eq!((github.count("POST"), github.count("PATCH")), (1, 0));
    assert_valid(&github);
}

#[tokio::test]
async fn our_comment_is_found_behind_more_than_a_hundred_others() {
    let (pull_request, github) = (PullRequest::open().await, passing());
    for number in 0..104 {
        pull_request.comment_as("somebody-token", &format!("comment {number}")).await;
    }
    upsert(&github, &pull_request, &report(&pull_request, 1)).await.unwrap();
    let again = upsert(&github, &pull_request, &report(&pull_request, 2)).await.unwrap();
    assert!(matches!(again, Posted::Updated { .. }), "{again:?}");
    assert_eq!(pull_request.comments().await.len(), 105);
    assert_valid(&github);
}

#[tokio::test]
async fn somebody_else_s_comment_with_our_marker_is_left_alone() {
    let (pull_request, github) = (PullRequest::open().await, passing());
    let report = report(&pull_request, 1);
    let forged = format!("{}\n### ✅ Safe to merge", markdown::marker(&report));
    pull_request.comment_as("somebody-token", &forged).await;
    let posted = upsert(&github, &pull_request, &report).await.unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
    let comments = pull_request.comments().await;
    assert_eq!(comments.len(), 2);
    assert_eq!(comments[0], ("somebody".to_owned(), forged));
    assert_valid(&github);
}

#[tokio::test]
async fn a_comment_of_ours_that_only_quotes_the_marker_is_left_alone() {
    let (pull_request, github) = (PullRequest::open().await, passing());
    let report = report(&pull_request, 1);
    let quoting = format!("> {}\nsee above", markdown::marker(&report));
    pull_request.comment_as("gate-token", &quoting).await;
    upsert(&github, &pull_request, &report).await.unwrap();
    let comments = pull_request.comments().await;
    assert_eq!((comments.len(), comments[0].1.as_str()), (2, quoting.as_str()));
}

#[tokio::test]
async fn two_projects_of_a_repository_have_a_comment_each() {
    let (pull_request, github) = (PullRequest::open().await, passing());
    let mut other = report(&pull_request, 1).into_draft();
    other.facts.project = Some("finance".into());
    let other = Report::conclude(other);
    for report in [&report(&pull_request, 1), &other, &report(&pull_request, 2), &other] {
        upsert(&github, &pull_request, report).await.unwrap();
    }
    assert_eq!(pull_request.comments().await.len(), 2);
    assert_valid(&github);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_that_race_leave_one_comment() {
    const JOBS: usize = 4;
    let pull_request = PullRequest::open().await;
    // Every job has seen that there is no comment before any of them writes one.
    let barrier = Arc::new(Barrier::new(JOBS));
    let github = Middleman::start(Some(bench::address()), move |request: &Request, nth| {
        if request.method == "POST" && nth < JOBS {
            barrier.wait();
        }
        Fate::Pass
    });
    let jobs = (0..JOBS).map(|job| {
        let (settings, report) = (
            settings(github.address(), &pull_request.repository, pull_request.number),
            report(&pull_request, u64::try_from(job).expect("small")),
        );
        async move { GitHub::new(&settings).expect("settings").upsert(&report).await }
    });
    for posted in futures::future::join_all(jobs).await {
        assert!(posted.as_ref().is_ok_and(|posted| posted.url().is_some()), "{posted:?}");
    }
    assert_eq!(github.count("POST"), JOBS, "the race did not happen");
    let comments = pull_request.comments().await;
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert_valid(&github);
}

#[tokio::test]
async fn a_post_whose_answer_is_lost_is_not_repeated() {
    let pull_request = PullRequest::open().await;
    let github =
        Middleman::start(
            Some(bench::address()),
            |request, _| {
                if request.method == "POST" { Fate::PassAndLose } else { Fate::Pass }
            },
        );
    let posted = upsert(&github, &pull_request, &report(&pull_request, 1)).await.unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
    assert_eq!(github.count("POST"), 1);
    assert_eq!(pull_request.comments().await.len(), 1);
}

#[tokio::test]
async fn a_comment_deleted_under_our_hands_is_made_anew() {
    let pull_request = PullRequest::open().await;
    upsert(&passing(), &pull_request, &report(&pull_request, 1)).await.unwrap();
    let gone = json!([]).to_string();
    let github = Middleman::start(Some(bench::address()), move |request, nth| match request.method.as_str() {
        "PATCH" => Fate::Say(404, "", json!({"message": "Not Found"}).to_string()),
        "GET" if request.path.contains("/comments") && nth > 0 => Fate::Say(200, "", gone.clone()),
        _ => Fate::Pass,
    });
    let posted = upsert(&github, &pull_request, &report(&pull_request, 2)).await.unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
}

#[tokio::test]
async fn a_pull_request_that_moved_on_gets_no_comment_of_an_old_commit() {
    let (pull_request, github) = (PullRequest::open().await, passing());
    let mut settings = settings(github.address(), &pull_request.repository, pull_request.number);
    settings.head = Some(pull_request.head.clone());
    let report = report(&pull_request, 1);
    let posted = GitHub::new(&settings).unwrap().upsert(&report).await.unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
    // The emulator does not move a pull request's head when its branch moves, so the old run is made up.
    settings.head = Some("0123456789abcdef0123456789abcdef01234567".into());
    let posted = GitHub::new(&settings).unwrap().upsert(&report).await.unwrap();
    assert_eq!(posted, Posted::Outdated { head: pull_request.head.clone() });
    assert_eq!(github.count("POST") + github.count("PATCH"), 1);
    assert_valid(&github);
}

/// The second of two jobs: a stranger's report, this job's event.
async fn second_stage(github: &Middleman, pull_request: &PullRequest, head: &str, report: &Report) -> Second {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let mut document = Vec::new();
    premerge::report::json::write(report, &mut document).expect("a vector takes every byte");
    fs_err::write(path("report.json"), document).expect("a file");
    let event = json!({"workflow_run": {"head_sha": head, "pull_requests": []}});
    fs_err::write(path("event.json"), event.to_string()).expect("a file");
    let file = |name: &str| path(name).display().to_string();
    let environment = Env::new(
        [
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_EVENT_NAME", "workflow_run".to_owned()),
            ("GITHUB_EVENT_PATH", file("event.json")),
            ("GITHUB_REPOSITORY", pull_request.repository.clone()),
            ("GITHUB_API_URL", github.address().to_owned()),
            ("GITHUB_RUN_ID", "77".to_owned()),
            ("GITHUB_STEP_SUMMARY", file("summary")),
            ("GITHUB_OUTPUT", file("outputs")),
            ("GITHUB_TOKEN", "gate-token".to_owned()),
        ],
        folder.path().to_owned(),
    );
    let args = publish::PublishArgs { report: path("report.json"), pr: None, repository: None };
    let mut log = Vec::new();
    let posted = publish::run(&args, &environment, &mut log).await;
    let read = |name: &str| fs_err::read_to_string(path(name)).unwrap_or_default();
    Second {
        posted,
        log: String::from_utf8_lossy(&log).into_owned(),
        summary: read("summary"),
        outputs: read("outputs"),
    }
}

struct Second {
    posted: Result<Posted, publish::PublishCommandError>,
    log: String,
    summary: String,
    outputs: String,
}

#[tokio::test]
async fn a_saved_report_is_published_where_the_job_says_and_not_where_the_report_says() {
    let (pull_request, github) = (PullRequest::open().await, passing());
    let mut draft = report(&pull_request, 1).into_draft();
    draft.facts.repository = Some("evil/elsewhere".into());
    draft.facts.server_url = Some("https://evil.example".into());
    draft.facts.commit = Some("bad0bad0bad0".into());
    draft.tests[0].message = Some("::error::x\n##[error]y".into());
    let second = second_stage(&github, &pull_request, &pull_request.head, &Report::conclude(draft)).await;
    let posted = second.posted.unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
    let comments = pull_request.comments().await;
    assert_eq!(comments.len(), 1);
    let body = &comments[0].1;
    assert!(
        !body.contains("evil") && body.contains(&format!("https://github.com/{}/blob/", pull_request.repository)),
        "{body}"
    );
    assert_eq!(second.summary.trim_end(), body.trim_end());
    assert!(second.outputs.contains("\nfailed\n") && second.outputs.contains("#issuecomment-"), "{}", second.outputs);
    let commands: Vec<_> = second.log.lines().filter(|line| line.trim_start().starts_with("::")).collect();
    assert_eq!(commands.len(), 2, "{}", second.log);
    assert!(commands[0].starts_with("::error file=models/marts/_marts.yml,line=31,title=premerge test-failed::test."));
    assert!(!second.log.contains("##["), "{}", second.log);
    assert_valid(&github);
}

#[tokio::test]
async fn a_saved_report_of_another_commit_is_not_published() {
    let (pull_request, github) = (PullRequest::open().await, passing());
    let other = "0123456789abcdef0123456789abcdef01234567";
    let second = second_stage(&github, &pull_request, other, &report(&pull_request, 1)).await;
    assert_eq!(second.posted.unwrap(), Posted::Outdated { head: pull_request.head.clone() });
    assert!(pull_request.comments().await.is_empty());
    assert!(second.log.contains("no comment: the pull request's head is"), "{}", second.log);
    assert!(second.outputs.contains("comment-url<<"), "{}", second.outputs);
}

// From here on there is no bench: a server that misbehaves on purpose.

fn fake(script: impl Fn(&Request, usize) -> Fate + Send + Sync + 'static) -> Middleman {
    Middleman::start(None, move |request, nth| match script(request, nth) {
        Fate::Pass if request.path.ends_with("/user") => Fate::Say(200, "", json!({"login": "gate"}).to_string()),
        Fate::Pass if request.method == "GET" => Fate::Say(200, "", "[]".to_owned()),
        Fate::Pass => {
            Fate::Say(201, "", json!({"id": 1, "html_url": "https://x/1", "body": "", "user": null}).to_string())
        }
        other => other,
    })
}

async fn upsert_to(github: &Middleman) -> Result<Posted, PublishError> {
    let mut settings = settings(github.address(), "acme/analytics", 482);
    settings.patience = IMPATIENT;
    GitHub::new(&settings).expect("settings").upsert(&Report::conclude(sample::worked_example())).await
}

#[tokio::test]
async fn a_failed_post_is_tried_again_only_after_looking_whether_it_landed() {
    let github = fake(|request, nth| match request.method.as_str() {
        "POST" if nth < 2 => Fate::Say(502, "", "bad gateway".to_owned()),
        _ => Fate::Pass,
    });
    let posted = upsert_to(&github).await.unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
    let comments = "/repos/acme/analytics/issues/482/comments";
    let (get, post) = (format!("GET {comments}"), format!("POST {comments}"));
    assert_eq!(
        github.lines(),
        ["GET /user".to_owned(), get.clone(), post.clone(), get.clone(), post.clone(), get.clone(), post, get]
    );
}

#[tokio::test]
async fn reading_is_tried_again_but_not_for_ever() {
    let github = fake(|_, nth| if nth < 2 { Fate::Say(503, "", String::new()) } else { Fate::Pass });
    assert!(upsert_to(&github).await.is_ok());
    let broken = fake(|_, _| Fate::Say(502, "", String::new()));
    let error = upsert_to(&broken).await.unwrap_err();
    assert!(matches!(error, PublishError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("status 502, in 4 attempts"), "{error}");
    assert_eq!(broken.lines().len(), 4);
}

#[tokio::test]
async fn a_rate_limit_s_wish_is_respected_within_reason() {
    let start = Instant::now();
    let github = fake(|request, nth| match request.method.as_str() {
        "POST" if nth == 0 => Fate::Say(429, "retry-after: 1", String::new()),
        _ => Fate::Pass,
    });
    assert!(upsert_to(&github).await.is_ok());
    assert!(start.elapsed() >= Duration::from_secs(1));
    let secondary = fake(|request, _| match request.method.as_str() {
        "POST" => Fate::Say(403, "retry-after: 3600", json!({"message": "secondary rate limit"}).to_string()),
        _ => Fate::Pass,
    });
    let error = upsert_to(&secondary).await.unwrap_err().to_string();
    assert!(error.contains("longer than a job should"), "{error}");
    assert_eq!(secondary.count("POST"), 1);
}

#[tokio::test]
async fn a_token_that_may_only_read_is_no_error() {
    let github = fake(|request, _| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/user") | ("POST", _) => Fate::Say(
            403,
            "x-accepted-github-permissions: issues=write; pull_requests=write",
            json!({"message": "Resource not accessible by integration"}).to_string(),
        ),
        _ => Fate::Pass,
    });
    let posted = upsert_to(&github).await.unwrap();
    assert_eq!(posted, Posted::ReadOnly { needed: Some("issues=write; pull_requests=write".to_owned()) });
    assert!(posted.to_string().contains("issues=write; pull_requests=write"), "{posted}");
    assert_eq!(github.count("POST"), 1);
}

#[tokio::test]
async fn the_job_s_own_token_is_known_by_its_bot() {
    let marker = markdown::marker(&Report::conclude(sample::worked_example()));
    let by = |login: &str| json!({"id": 7, "html_url": "https://x/7", "body": format!("{marker}\nold"), "user": {"login": login}});
    let listed = json!([by("github-actions"), by("github-actions[bot]")]).to_string();
    let github = fake(move |request, _| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/user") => {
            Fate::Say(403, "", json!({"message": "Resource not accessible by integration"}).to_string())
        }
        ("GET", _) => Fate::Say(200, "", listed.clone()),
        _ => Fate::Pass,
    });
    let posted = upsert_to(&github).await.unwrap();
    assert!(matches!(posted, Posted::Updated { .. }), "{posted:?}");
    assert_eq!((github.count("POST"), github.count("PATCH"), github.count("DELETE")), (0, 1, 0));
}

#[tokio::test]
async fn a_comment_that_github_finds_too_long_is_shortened() {
    let github = fake(|request, _| {
        let long = request.method == "POST" && request.body.len() > 12_000;
        let message = json!({"message": "Validation Failed", "errors": [{"message": "body is too long (maximum is 65536 characters)"}]});
        if long { Fate::Say(422, "", message.to_string()) } else { Fate::Pass }
    });
    let mut draft = sample::large(60, 200);
    draft.facts = sample::worked_example().facts;
    let settings = settings(github.address(), "acme/analytics", 482);
    let report = Report::conclude(draft);
    let posted = GitHub::new(&settings).unwrap().upsert(&report).await.unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
    let sizes: Vec<_> = github.requests().iter().filter(|it| it.method == "POST").map(|it| it.body.len()).collect();
    assert!(sizes.len() > 1 && sizes.windows(2).all(|pair| pair[1] <= pair[0]), "{sizes:?}");
    for request in github.requests().iter().filter(|request| request.method == "POST") {
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        assert!(body["body"].as_str().unwrap().starts_with(&markdown::marker(&report)));
    }
}

#[tokio::test]
async fn a_server_that_hangs_costs_bounded_time_and_no_second_post() {
    let start = Instant::now();
    let landed = Arc::new(std::sync::Mutex::new(None::<String>));
    let github = fake(move |request, _| match request.method.as_str() {
        "POST" => {
            let sent: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
            let stored = json!([{"id": 1, "html_url": "https://x/1", "body": sent["body"], "user": {"login": "gate"}}]);
            *landed.lock().expect("no panic") = Some(stored.to_string());
            Fate::Hang
        }
        "GET" if request.path.contains("/comments") => {
            Fate::Say(200, "", landed.lock().expect("no panic").clone().unwrap_or_else(|| "[]".to_owned()))
        }
        _ => Fate::Pass,
    });
    let posted = upsert_to(&github).await.unwrap();
    assert!(matches!(posted, Posted::Created { .. }), "{posted:?}");
    assert_eq!(github.count("POST"), 1);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_wrong_token_is_said_without_saying_the_token() {
    let github = fake(|_, _| Fate::Say(401, "", json!({"message": "Bad credentials"}).to_string()));
    let error = upsert_to(&github).await.unwrap_err();
    assert!(matches!(error, PublishError::Unauthorized), "{error}");
    assert!(!format!("{error} {error:?}").contains("gate-token"));
    let settings = settings(github.address(), "acme/analytics", 1);
    assert!(!format!("{settings:?}").contains("gate-token"));
}

#[tokio::test]
async fn an_enterprise_server_s_path_is_kept() {
    let github = fake(|_, _| Fate::Pass);
    let mut settings = settings(&format!("{}/api/v3", github.address()), "acme/analytics", 482);
    settings.patience = IMPATIENT;
    GitHub::new(&settings).unwrap().upsert(&Report::conclude(sample::worked_example())).await.unwrap();
    for line in github.lines() {
        assert!(line.contains(" /api/v3/"), "{line}");
    }
}

#[tokio::test]
async fn a_comment_that_cannot_be_posted_costs_neither_summary_nor_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let github = fake(|_, _| Fate::Say(401, "", json!({"message": "Bad credentials"}).to_string()));
    let ci = premerge::publish::ci::Ci {
        api_url: Some(github.address().to_owned()),
        step_summary: Some(folder.path().join("summary")),
        outputs: Some(folder.path().join("outputs")),
        log: premerge::publish::ci::LogDialect::Actions,
        ..Default::default()
    };
    let report = Report::conclude(sample::worked_example());
    for token in [Token::new("gate-token"), None] {
        let mut log = Vec::new();
        let posted = publish::deliver(&report, &ci, token.clone(), None, &mut log).await.unwrap();
        let log = String::from_utf8(log).unwrap();
        assert_eq!(posted, None);
        let reason = if token.is_some() { "rejected the token (401)" } else { "no token" };
        assert!(log.starts_with("no comment: ") && log.contains(reason), "{log}");
        assert!(log.contains("\n::error "), "{log}");
    }
    let read = |name: &str| fs_err::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("summary").contains("### ❌ Not ready to merge: 1 test fails"));
    assert!(read("outputs").contains("\nfailed\n"));
}

#[tokio::test]
async fn a_superseded_run_leaves_the_comment_to_the_newer_one() {
    let github = fake(|_, _| Fate::Pass);
    let mut draft = sample::worked_example();
    draft.interruption = Some(premerge::report::Interruption::Superseded);
    let settings = settings(github.address(), "acme/analytics", 482);
    let posted = GitHub::new(&settings).unwrap().upsert(&Report::conclude(draft)).await.unwrap();
    assert_eq!((posted, github.lines().len()), (Posted::Superseded, 0));
}

#[tokio::test]
async fn a_pull_request_that_is_not_there_is_named() {
    let github = fake(|request, _| match request.path.contains("/comments") {
        true => Fate::Say(404, "", json!({"message": "Not Found"}).to_string()),
        false => Fate::Pass,
    });
    let error = upsert_to(&github).await.unwrap_err().to_string();
    assert!(error.contains("pull request 482") && error.contains("404"), "{error}");
}
