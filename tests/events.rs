//! The event that starts a run, read from payloads that GitHub's own SDK keeps as examples.

use std::process::{Command, Stdio};

use premerge::config::Env;
use premerge::publish::ci::{Ci, DetectError, detect};
use serde_json::Value;

/// GitHub's example payloads of one event.
fn examples(event: &str) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/github-bench");
    let output = Command::new(script).arg("payloads").stderr(Stdio::inherit()).output();
    let output = output.expect("`.ci/github-bench` can be run");
    assert!(
        output.status.success(),
        "no example payloads: `.ci/github-bench payloads` needs npm and a package registry"
    );
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let all: Vec<Value> = serde_json::from_slice(&fs_err::read(path).expect("the payloads")).expect("JSON");
    let of_event = all.into_iter().find(|examples| examples.pointer("/name").is_some_and(|name| name == event));
    let of_event = of_event.and_then(|examples| examples.pointer("/examples")?.as_array().cloned());
    of_event.expect("the event has examples")
}

fn detected(event: &str, payload: &Value) -> Result<Ci, DetectError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("event.json");
    fs_err::write(&path, payload.to_string()).expect("a file");
    let path = path.display().to_string();
    let vars = [("GITHUB_ACTIONS", "true"), ("GITHUB_EVENT_NAME", event), ("GITHUB_EVENT_PATH", path.as_str())];
    detect(&Env::new(vars, folder.path().to_owned()))
}

fn text<'v>(payload: &'v Value, pointer: &str) -> Option<&'v str> {
    payload.pointer(pointer).and_then(Value::as_str)
}

#[test]
fn every_pull_request_is_known_by_number_and_head() {
    let examples = examples("pull_request");
    assert!(examples.len() > 20, "{}", examples.len());
    for payload in &examples {
        let ci = detected("pull_request", payload).unwrap();
        assert_eq!(ci.pull_request, payload.pointer("/pull_request/number").and_then(Value::as_u64));
        assert_eq!(ci.head.as_deref(), text(payload, "/pull_request/head/sha"));
        assert_eq!(ci.base.as_deref(), text(payload, "/pull_request/base/sha"));
        assert!(ci.pull_request.is_some() && ci.head.is_some());
        let names = ["head", "base"].map(|side| text(payload, &format!("/pull_request/{side}/repo/full_name")));
        assert_eq!(ci.from_fork, names[0] != names[1]);
    }
}

#[test]
fn every_merge_group_is_known_by_its_own_head() {
    for payload in &examples("merge_group") {
        let ci = detected("merge_group", payload).unwrap();
        assert_eq!(ci.head.as_deref(), text(payload, "/merge_group/head_sha"));
        assert!(ci.head.is_some() && ci.base.is_some());
        let branch = text(payload, "/merge_group/head_ref").unwrap();
        let number = ci.pull_request.map(|number| branch.contains(&format!("/pr-{number}-")));
        assert_ne!(number, Some(false), "{branch}");
    }
}

#[test]
fn every_second_stage_is_known_by_the_commit_of_the_first() {
    for payload in &examples("workflow_run") {
        let ci = detected("workflow_run", payload).unwrap();
        assert_eq!(ci.head.as_deref(), text(payload, "/workflow_run/head_sha"));
        assert!(ci.head.is_some());
    }
}
