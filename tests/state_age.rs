//! How old production's manifest is, in the report.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]
#![cfg(feature = "duckdb")]

mod common;

use common::{Checkout, fixtures, premerge, read_manifest};
use serde_json::{Value, json};

/// A check of `docs_only` against a production manifest that was made `hours` ago.
fn aged(hours: i64, more: &[&str]) -> (Value, String) {
    let checkout = Checkout::of("docs_only");
    let mut document = read_manifest(&fixtures().join("production.manifest.json.gz"));
    let made = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
    document["metadata"]["generated_at"] = made.to_string().into();
    fs_err::write(checkout.dir.path().join("state.json"), serde_json::to_vec(&document).unwrap()).unwrap();
    let mut command = premerge();
    command.env_remove("PREMERGE_STATE_MAX_AGE_HOURS").current_dir(checkout.dir.path());
    command.args(["check", "--pr", "7", "--format", "markdown", "--state", "state.json", "--manifest"]);
    command.arg(checkout.manifest()).arg("--project-dir").arg(checkout.project());
    command.arg("--profiles-dir").arg(checkout.project()).arg("--output").arg(checkout.report()).args(more);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    (checkout.read_report(), String::from_utf8(output.stdout).unwrap())
}

fn old(report: &Value) -> Option<&Value> {
    report["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == "state-old")
}

#[test]
fn an_old_production_manifest_is_said_to_be_old_and_gates_nothing() {
    let (report, comment) = aged(50, &["--state-commit", "51be0c2aa0"]);
    let finding = old(&report).unwrap();
    let message = "production's manifest is 2 days old, commit 51be0c2 (not in this checkout); what others merged \
                   since then counts as this pull request's change";
    assert_eq!((&finding["severity"], &finding["message"]), (&json!("notice"), &json!(message)));
    assert!(finding["remedy"].as_str().unwrap().contains("--base"));
    assert_eq!((&report["verdict"], &report["state"]["commit"]), (&json!("passed"), &json!("51be0c2aa0")));
    assert!(comment.contains("2 days old (commit `51be0c2`)") && comment.contains("`state-old`"), "{comment}");

    assert!(old(&aged(40, &[]).0).is_none());
    assert!(old(&aged(40, &["--state-max-age-hours", "24"]).0).is_some());
    assert!(old(&aged(5_000, &["--state-max-age-hours", "0"]).0).is_none());
    let base = fixtures().join("prs/comment_only/pr.manifest.json.gz");
    assert!(old(&aged(5_000, &["--base", base.to_str().unwrap()]).0).is_none(), "the merge base is known");
}

#[test]
fn the_limit_of_age_stands_in_premerge_yml_and_a_commit_is_a_hash() {
    let checkout = Checkout::of("docs_only");
    fs_err::write(checkout.project().join("premerge.yml"), "state_max_age_hours: 1\n").unwrap();
    let mut command = checkout.check();
    assert!(command.env_remove("PREMERGE_STATE_MAX_AGE_HOURS").output().unwrap().status.success());
    assert!(old(&checkout.read_report()).is_some());
    let output = checkout.check().args(["--state-commit", "main"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--state-commit \"main\" is not a commit hash"));
    // CI may name what it does not know, and leave it empty.
    let output = checkout.check().env("PREMERGE_STATE_COMMIT", "").env("PREMERGE_BASE", "").output().unwrap();
    assert!(output.status.success() && checkout.read_report()["state"]["commit"].is_null());
}

#[test]
fn a_plan_tells_how_old_production_s_manifest_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut document = read_manifest(&fixtures().join("production.manifest.json.gz"));
    let made = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(50);
    document["metadata"]["generated_at"] = made.to_string().into();
    fs_err::write(dir.path().join("state.json"), serde_json::to_vec(&document).unwrap()).unwrap();
    let plan = |more: &[&str]| {
        let mut command = premerge();
        command.env_remove("PREMERGE_STATE_MAX_AGE_HOURS").current_dir(dir.path());
        command.args(["plan", "--state", "state.json", "--output", "plan.json", "--manifest"]);
        command.arg(fixtures().join("prs/docs_only/pr.manifest.json.gz")).args(more);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let plan = fs_err::read(dir.path().join("plan.json")).unwrap_or_default();
        let plan = serde_json::from_slice::<Value>(&plan).unwrap_or_default();
        (output.status.code().unwrap(), plan, String::from_utf8(output.stdout).unwrap() + &said)
    };
    let (code, written, text) = plan(&["--state-commit", "51be0c2aa0"]);
    assert_eq!((code, &written["state"]["commit"]), (0, &json!("51be0c2aa0")), "{text}");
    assert_eq!(written["state"]["age_seconds"].as_u64().unwrap() / 3600, 50);
    let line = "\nProduction's manifest is 2 days old, commit 51be0c2 (not in this checkout)\n";
    assert!(text.contains(line) && text.contains("\nNote\n  production's manifest is 2 days old"), "{text}");
    assert!(written["notices"].to_string().contains("what others merged since then"));
    let (_, written, text) = plan(&["--state-max-age-hours", "0"]);
    assert!(written["notices"] == json!([]) && text.contains("\nProduction's manifest is 2 days old\n"), "{text}");
    fs_err::write(dir.path().join("premerge.yml"), "state_max_age_hours: 100\n").unwrap();
    assert_eq!(plan(&[]).1["notices"], json!([]), "as premerge.yml says");
    let (code, _, said) = plan(&["--state-commit", "main"]);
    assert!(code == 2 && said.contains("--state-commit \"main\" is not a commit hash"), "{said}");
}
