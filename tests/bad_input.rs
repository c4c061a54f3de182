//! Promise 8: bad input gets one clear message that names the file, the place and the remedy, exit code 2,
//! and nothing is started. Run as a user would, on the binary.
#![cfg(feature = "duckdb")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]

mod common;

use std::io::Write;
use std::path::PathBuf;

use common::{Checkout, fixtures, read_manifest};
use serde_json::Value;

struct Case {
    checkout: Checkout,
    state: PathBuf,
    manifest: PathBuf,
}

impl Case {
    fn new() -> Self {
        let checkout = Checkout::of("demo");
        let (state, manifest) = (fixtures().join("production.manifest.json.gz"), checkout.manifest());
        Self { checkout, state, manifest }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.checkout.dir.path().join(name);
        fs_err::File::create(&path).unwrap().write_all(bytes).unwrap();
        path
    }

    /// The pull request's manifest with a change.
    fn edited(change: impl FnOnce(&mut Value)) -> Self {
        let mut case = Self::new();
        let mut manifest = read_manifest(&case.manifest);
        change(&mut manifest);
        case.manifest = case.file("edited.json", &serde_json::to_vec(&manifest).unwrap());
        case
    }

    /// Exit code 2, every word in the message, a hint, and nothing made.
    #[track_caller]
    fn refused(&self, words: &[&str]) {
        let mut command = common::premerge();
        command.current_dir(self.checkout.dir.path()).arg("check").arg("--state").arg(&self.state);
        command.arg("--manifest").arg(&self.manifest).arg("--project-dir").arg(self.checkout.project());
        command.arg("--profiles-dir").arg(self.checkout.project()).args(["--pr", "117"]);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        for word in words {
            assert!(said.contains(word), "`{word}` is not in: {said}");
        }
        assert!(said.contains("hint: "), "no remedy: {said}");
        assert!(output.stdout.is_empty());
        assert!(!self.checkout.temporary().exists(), "something was started");
    }
}

fn compiled(manifest: &mut Value) -> impl Iterator<Item = &mut Value> {
    manifest["nodes"].as_object_mut().unwrap().values_mut().filter(|node| node.get("compiled_code").is_some())
}

#[test]
fn a_missing_manifest() {
    let mut case = Case::new();
    case.manifest = case.checkout.dir.path().join("nowhere.json");
    case.refused(&["nowhere.json", "dbt compile"]);
}

#[test]
fn a_missing_production_manifest() {
    let mut case = Case::new();
    case.state = case.checkout.dir.path().join("nowhere.json");
    case.refused(&["nowhere.json does not exist", "production's last dbt run wrote"]);
}

#[test]
fn a_production_manifest_that_ci_left_empty() {
    let case = Case::new();
    for name in ["plan", "check"] {
        let mut command = common::premerge();
        command.current_dir(case.checkout.project()).args([name, "--pr", "117", "--manifest"]).arg(&case.manifest);
        if name == "check" {
            command.args(["--profiles-dir", "."]);
        }
        let output = command.env("PREMERGE_STATE", "").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("--state (PREMERGE_STATE) is empty"), "{said}");
    }
}

#[test]
fn a_manifest_that_is_no_object() {
    for text in ["null", "[]", "\"manifest\"", "7"] {
        let mut case = Case::new();
        case.manifest = case.file("other.json", text.as_bytes());
        case.refused(&["other.json is not a dbt manifest: it is not a JSON object"]);
    }
}

#[test]
fn a_truncated_manifest() {
    let mut case = Case::new();
    let whole = serde_json::to_vec(&read_manifest(&case.manifest)).unwrap();
    case.manifest = case.file("cut.json", &whole[..whole.len() / 2]);
    case.refused(&["cut.json"]);
    case.manifest = case.file("cut.json.gz", &fs_err::read(case.checkout.manifest()).unwrap()[..2000]);
    case.refused(&["cut.json.gz"]);
}

#[test]
fn a_file_that_is_no_manifest() {
    let mut case = Case::new();
    case.state = case.file("run_results.json", br#"{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/run-results/v6.json"}, "results": [], "elapsed_time": 1.0, "args": {}}"#);
    case.refused(&["run_results.json", "manifest.json"]);
    case.state = case.file("notes.txt", b"hello");
    case.refused(&["notes.txt"]);
}

#[test]
fn files_that_come_in_a_manifest_s_place() {
    let mut case = Case::new();
    let mut refused = |bytes: &[u8], words: &[&str]| {
        case.state = case.file("state.json", bytes);
        case.refused(words);
    };
    refused(b"", &["state.json is empty"]);
    refused(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", &["Git LFS pointer", "git lfs pull"]);
    refused(b"<!DOCTYPE html><html><title>Sign in</title></html>", &["HTML page", "token"]);
    refused(b"PK\x03\x04\x14\0\0\0", &["zip archive", "unpack"]);
    refused(br#"{"nodes": {"model.a.b": {}}, "macros": {}}"#, &["metadata.dbt_schema_version"]);
}

#[test]
fn a_manifest_without_its_macros() {
    Case::edited(|manifest| drop(manifest.as_object_mut().unwrap().remove("macros")))
        .refused(&["`macros` are missing"]);
}

/// A job whose dbt wrote over production's manifest, or that was given the wrong path: everything would be the same.
#[test]
fn production_s_manifest_that_is_the_pull_request_s() {
    let mut case = Case::new();
    case.state = case.manifest.clone();
    case.refused(&["pull request's own manifest"]);
    let whole = serde_json::to_vec(&read_manifest(&case.manifest)).unwrap();
    case.state = case.file("copied.json", &whole);
    case.refused(&["pull request's own manifest"]);
}

#[test]
fn a_manifest_of_another_project() {
    Case::edited(|manifest| manifest["metadata"]["project_name"] = "trains".into()).refused(&["ferry", "trains"]);
}

#[test]
fn a_manifest_of_another_warehouse() {
    Case::edited(|manifest| manifest["metadata"]["adapter_type"] = "snowflake".into())
        .refused(&["duckdb", "snowflake"]);
}

#[test]
fn a_manifest_that_dbt_parse_wrote() {
    let case = Case::edited(|manifest| {
        for node in compiled(manifest) {
            node.as_object_mut().unwrap().remove("compiled_code");
        }
    });
    case.refused(&["dbt parse", "dbt compile"]);
}

#[test]
fn a_changed_node_without_compiled_sql() {
    let case = Case::edited(|manifest| {
        manifest["nodes"]["model.ferry.dim_routes"].as_object_mut().unwrap().remove("compiled_code");
    });
    // A default selector leaves nodes out of `dbt compile`; the others can be checked, and it is never green.
    let mut command = common::premerge();
    command.current_dir(case.checkout.dir.path()).arg("check").arg("--state").arg(&case.state);
    command.arg("--manifest").arg(&case.manifest).arg("--project-dir").arg(case.checkout.project());
    command.arg("--profiles-dir").arg(case.checkout.project()).args(["--pr", "117", "--format", "json"]);
    let report: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let not_checked = report["not_checked"].to_string();
    assert!(not_checked.contains("dim_routes") && not_checked.contains("default selector"), "{not_checked}");
    assert_ne!(report["verdict"], "passed");
    assert!(report["nodes"].to_string().contains("int_sailing_delays"));
}

#[test]
fn a_manifest_compiled_with_empty() {
    let case = Case::edited(|manifest| {
        manifest["nodes"]["model.ferry.dim_routes"]["compiled_code"] =
            "select * from (select * from \"ferry\".\"ci_intermediate\".\"int_route_legs\" where false limit 0)".into();
    });
    case.refused(&["dim_routes", "--empty"]);
}

#[test]
fn an_incremental_model_compiled_in_its_incremental_branch() {
    let case = Case::edited(|manifest| {
        let node = &mut manifest["nodes"]["model.ferry.fct_bookings"];
        let text = node["compiled_code"].as_str().unwrap();
        let this = node["relation_name"].as_str().unwrap();
        node["compiled_code"] = format!("{text}\nwhere booked_on >= (select max(booked_on) from {this})").into();
    });
    case.refused(&["fct_bookings", "--full-refresh"]);
}

#[test]
fn an_unknown_key_in_premerge_yml() {
    let case = Case::new();
    fs_err::File::create(case.checkout.project().join("premerge.yml"))
        .unwrap()
        .write_all(b"fail_fsat: true\n")
        .unwrap();
    let output = case.checkout.check().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("premerge.yml") && said.contains("fail_fsat"), "{said}");
}

#[test]
fn a_temporary_schema_that_is_productions() {
    let case = Case::new();
    for schema in ["analytics_core", "RAW", "ci"] {
        let output = case.checkout.check().args(["--schema", schema]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(schema) && said.contains("--schema"), "{said}");
    }
}

#[test]
fn a_production_database_that_is_not_there() {
    let case = Case::new();
    fs_err::remove_file(case.checkout.production()).unwrap();
    let output = case.checkout.check().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("ferry.duckdb"), "{said}");
}

#[test]
fn no_pull_request_and_no_schema() {
    let case = Case::new();
    let mut command = common::premerge();
    command.arg("check").arg("--state").arg(&case.state).arg("--manifest").arg(&case.manifest);
    command.arg("--project-dir").arg(case.checkout.project());
    let output = command.arg("--profiles-dir").arg(case.checkout.project()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--pr"), "{said}");
}

#[test]
fn profiles_that_do_not_parse_are_told_without_their_text() {
    let case = Case::new();
    let profiles = case.checkout.project().join("profiles.yml");
    for text in [
        "ferry:\n  outputs:\n    ci:\n      password: S3cr3tPw\n      port: 1\n      host: [127.0.0.1\n",
        "ferry:\n  outputs:\n    ci:\n      password: \"S3cr3tPw\\q\"\n",
        "ferry:\n  outputs:\n    ci:\n      password: @S3cr3tPw\n",
        "ferry:\n  outputs:\n    ci:\n      password: S3cr3tPw\n      password: S3cr3tPw2\n",
        "ferry:\n  target: ci\n  outputs:\n    ci: S3cr3tPw\n",
    ] {
        fs_err::write(&profiles, text).unwrap();
        let output = case.checkout.check().output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("profiles.yml") && !said.contains("S3cr3t"), "{said}");
    }
}

#[test]
fn dbts_own_variables_choose_profile_and_target() {
    let case = Case::new();
    for (variable, says) in [("DBT_TARGET", "has no target `elsewhere`"), ("DBT_PROFILE", "has no profile `elsewhere`")]
    {
        let output = case.checkout.check().env(variable, "elsewhere").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}
