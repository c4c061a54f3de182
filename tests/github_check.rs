//! `premerge check` as a step of a GitHub workflow: the binary, a pull request event, the emulated GitHub.
#![cfg(feature = "duckdb")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]

mod common;
#[path = "github/bench.rs"]
mod bench;
#[path = "github/middleman.rs"]
#[expect(dead_code, reason = "the forge's own tests use all of it")]
mod middleman;

use bench::PullRequest;
use common::Checkout;
use middleman::{Fate, Middleman};
use serde_json::json;

struct Step {
    checkout: Checkout,
    pull_request: PullRequest,
    github: Middleman,
}

impl Step {
    async fn new(fixture: &str) -> Self {
        let (checkout, pull_request) = (Checkout::of(fixture), PullRequest::open().await);
        let github = Middleman::start(Some(bench::address()), |_, _| Fate::Pass);
        Self { checkout, pull_request, github }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.checkout.dir.path().join(name)
    }

    /// The step, in the environment that a runner gives it.
    fn command(&self, token: Option<&str>) -> assert_cmd::Command {
        let event = json!({
            "action": "synchronize",
            "number": self.pull_request.number,
            "pull_request": {
                "number": self.pull_request.number,
                "head": {"sha": self.pull_request.head, "repo": {"full_name": self.pull_request.repository}},
                "base": {"sha": "0000000", "ref": "main", "repo": {"full_name": self.pull_request.repository}},
            },
        });
        serde_json::to_writer(fs_err::File::create(self.file("event.json")).unwrap(), &event).unwrap();
        let mut command = common::premerge();
        command
            .current_dir(self.checkout.dir.path())
            .env("CI", "true")
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_EVENT_NAME", "pull_request")
            .env("GITHUB_EVENT_PATH", self.file("event.json"))
            .env("GITHUB_REPOSITORY", &self.pull_request.repository)
            .env("GITHUB_API_URL", self.github.address())
            .env("GITHUB_SERVER_URL", "https://github.example")
            .env("GITHUB_WORKSPACE", self.checkout.dir.path())
            .env("GITHUB_RUN_ID", "42")
            .env("GITHUB_STEP_SUMMARY", self.file("summary.md"))
            .env("GITHUB_OUTPUT", self.file("output.txt"))
            .arg("check")
            .arg("--state")
            .arg(common::fixtures().join("production.manifest.json.gz"))
            .arg("--manifest")
            .arg(self.checkout.manifest())
            .arg("--project-dir")
            .arg(self.checkout.project())
            .arg("--profiles-dir")
            .arg(self.checkout.project())
            .arg("--output")
            .arg(self.file("report.json"));
        if let Some(token) = token {
            command.env("GITHUB_TOKEN", token);
        }
        command
    }

    fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.file(name)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_comment_is_created_and_edited_and_the_step_tells_its_outputs() {
    let step = Step::new("demo").await;
    for _ in 0..2 {
        let output = step.command(Some("gate-token")).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let comments = step.pull_request.comments().await;
    assert_eq!(comments.len(), 1, "{comments:?}");
    let (author, body) = &comments[0];
    assert_eq!(author, "gate");
    assert!(body.lines().next().unwrap().starts_with("<!-- premerge:pr-comment v1 "), "{body}");
    assert!(body.contains("### ❌ Not ready to merge: 1 test fails"), "{body}");
    assert!(!body.contains("Running"), "the running comment was replaced: {body}");

    let requests = step.github.requests();
    for request in &requests {
        assert!(request.violations.is_empty(), "{request:?}");
    }
    let running = requests.iter().find(|request| request.method == "POST").unwrap();
    assert!(running.body.contains("⏳ Running"), "the first thing said is that it runs: {}", running.body);
    assert_eq!(step.github.count("POST"), 1);

    let outputs = step.read("output.txt");
    assert!(outputs.contains("failed") && outputs.contains("#issuecomment-"), "{outputs}");
    assert!(step.read("summary.md").contains("Not ready to merge"));
    // The temporary schema is named after the event's pull request.
    let schema = format!("premerge_pr_{}", step.pull_request.number);
    assert!(step.read("report.json").contains(&schema));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_the_summary_says_it_and_the_verdict_stays() {
    let step = Step::new("new_column").await;
    let output = step.command(None).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("GITHUB_TOKEN"), "{said}");
    assert!(step.read("summary.md").contains("premerge"));
    assert_eq!(step.pull_request.comments().await.len(), 0);
    assert_eq!(step.github.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_gives_secrets_to_forks_is_refused() {
    let step = Step::new("new_column").await;
    let mut command = step.command(Some("gate-token"));
    let output = command.env("GITHUB_EVENT_NAME", "pull_request_target").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("pull_request_target"));
    assert!(!step.checkout.temporary().exists(), "nothing was started");
}
