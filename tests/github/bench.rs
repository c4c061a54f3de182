//! The emulated GitHub behind the validator, and pull requests on it.
#![expect(clippy::indexing_slicing, reason = "a JSON value's index answers null")]

use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use octocrab::Octocrab;
use serde_json::{Value, json};

/// Its address: `PREMERGE_GITHUB_BENCH`, or the one that `.ci/github-bench start` prints.
pub(crate) fn address() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        if let Some(address) = std::env::var("PREMERGE_GITHUB_BENCH").ok().filter(|address| !address.is_empty()) {
            return address;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/github-bench");
        let output = Command::new(script).arg("start").stderr(Stdio::inherit()).output();
        let output = output.expect("`.ci/github-bench` can be run");
        let address = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(
            output.status.success() && address.starts_with("http://"),
            "no emulated GitHub: `.ci/github-bench start` failed (it needs npm, python3 and a package registry); \
             or set PREMERGE_GITHUB_BENCH to the address of one that runs"
        );
        address
    })
}

/// A pull request on a repository of its own.
pub(crate) struct PullRequest {
    pub(crate) repository: String,
    pub(crate) number: u64,
    pub(crate) head: String,
}

impl PullRequest {
    pub(crate) async fn open() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos();
        let name = format!("t{now}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let root = format!("/repos/gate/{name}");
        call("gate-token", "POST", "/user/repos", json!({"name": name, "auto_init": true})).await;
        let main = call("gate-token", "GET", &format!("{root}/git/ref/heads/main"), json!(null)).await;
        let reference = json!({"ref": "refs/heads/change", "sha": main["object"]["sha"]});
        call("gate-token", "POST", &format!("{root}/git/refs"), reference).await;
        let content = json!({"message": "a commit", "content": "YQ==", "branch": "change"});
        call("gate-token", "PUT", &format!("{root}/contents/a.sql"), content).await;
        let opening = json!({"title": "a change", "head": "change", "base": "main"});
        let opened = call("gate-token", "POST", &format!("{root}/pulls"), opening).await;
        let number = opened["number"].as_u64().expect("a number");
        let head = opened["head"]["sha"].as_str().expect("a commit").to_owned();
        Self { repository: format!("gate/{name}"), number, head }
    }

    fn route(&self) -> String {
        format!("/repos/{}/issues/{}/comments", self.repository, self.number)
    }

    #[allow(dead_code, reason = "only the forge's own tests have other people comment")]
    pub(crate) async fn comment_as(&self, token: &str, body: &str) {
        call(token, "POST", &self.route(), json!({"body": body})).await;
    }

    /// All comments: who wrote them and what.
    pub(crate) async fn comments(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for page in 1.. {
            let read =
                call("gate-token", "GET", &format!("{}?per_page=100&page={page}", self.route()), json!(null)).await;
            let read = read.as_array().expect("a list").clone();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            all.extend(read.iter().map(|comment| (text(&comment["user"]["login"]), text(&comment["body"]))));
            if read.len() < 100 {
                break;
            }
        }
        all
    }
}

/// One request as one of the emulated users; it must succeed.
async fn call(token: &str, method: &str, route: &str, body: Value) -> Value {
    let api = Octocrab::builder().base_uri(address()).expect("an address").personal_token(token.to_owned());
    let api = api.build().expect("a client");
    let response = match method {
        "GET" => api._get(route).await,
        "PUT" => api._put(route, Some(&body)).await,
        _ => api._post(route, Some(&body)).await,
    };
    let response = response.expect("the bench answers");
    let status = response.status();
    let text = api.body_to_string(response).await.expect("text");
    assert!(status.is_success(), "{method} {route}: {status} {text}");
    serde_json::from_str(&text).expect("JSON")
}
