//! What stands beside the manifests and changes an answer: dbt_project.yml's flags, run_results.json, sources.json.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]
#![cfg(feature = "duckdb")]

mod common;

use std::path::{Path, PathBuf};

use common::{Checkout, fixtures, premerge};
use serde_json::{Value, json};

/// A folder with `state/` and `target/`, each with a manifest of the ferry project.
struct Project(tempfile::TempDir);

impl Project {
    fn new(state: &Path, pr: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (folder, manifest) in [("state", state), ("target", pr)] {
            fs_err::create_dir(dir.path().join(folder)).unwrap();
            fs_err::copy(manifest, dir.path().join(folder).join("manifest.json.gz")).unwrap();
        }
        Self(dir)
    }

    fn ferry() -> Self {
        let production = fixtures().join("production.manifest.json.gz");
        Self::new(&production, &fixtures().join("prs/changed_filter/pr.manifest.json.gz"))
    }

    fn write(&self, file: &str, document: &Value) {
        fs_err::write(self.0.path().join(file), document.to_string()).unwrap();
    }

    fn command(&self, command: &str, more: &[&str]) -> std::process::Output {
        let mut premerge = premerge();
        premerge.current_dir(self.0.path()).args([command, "--state", "state", "--manifest", "target"]);
        premerge.args(["--format", "json"]).args(more).output().unwrap()
    }

    fn json(&self, command: &str, more: &[&str]) -> Value {
        let output = self.command(command, more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn refused(&self, more: &[&str], why: &str) {
        let output = self.command("ls", more);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

fn freshness(of: &[(&str, &str)]) -> Value {
    let result = |(name, loaded): &(&str, &str)| json!({"unique_id": format!("source.ferry.{name}"), "status": "pass", "max_loaded_at": loaded});
    let mut results: Vec<Value> = of.iter().map(result).collect();
    // A source whose query failed has no time.
    results.push(json!({"unique_id": "source.ferry.harbour.weather", "status": "runtime error", "error": "x"}));
    json!({"metadata": {}, "elapsed_time": 1.0, "results": results})
}

#[test]
fn source_status_is_read_from_the_sources_json_beside_each_manifest() {
    let project = Project::ferry();
    let fresher = ["--select", "source_status:fresher", "--resource-type", "source"];
    project.refused(&fresher, "No previous state comparison freshness results in sources.json");
    let whole = "2026-11-20T06:00:00Z";
    let before =
        [("booking_desk.bookings", whole), ("booking_desk.payments", whole), ("booking_desk.customers", whole)];
    project.write("state/sources.json", &freshness(&before));
    project.refused(&fresher, "No current state comparison freshness results in sources.json");
    // Half a second later, the same, earlier; and one that was not asked before.
    let now = [
        ("booking_desk.bookings", "2026-11-20T06:00:00.500000Z"),
        ("booking_desk.payments", whole),
        ("booking_desk.customers", "2026-11-19T23:59:59.999999Z"),
        ("booking_desk.incidents", whole),
    ];
    project.write("target/sources.json", &freshness(&now));
    let expected = ["bookings", "incidents"].map(|name| format!("source.ferry.booking_desk.{name}"));
    assert_eq!(project.json("ls", &fresher), json!(expected));
    // A plan is narrowed by it, too.
    let plan = project.json("plan", &["--select", "source_status:fresher+"]);
    assert_eq!(plan["nodes"][0]["unique_id"], "model.ferry.int_sailing_load");
    project.write("state/sources.json", &json!({"results": "none"}));
    project.refused(&fresher, "could not read sources.json of state");
}

#[test]
fn results_are_read_from_the_run_results_json_beside_state() {
    let project = Project::ferry();
    let failed = ["--select", "result:error", "result:fail", "--resource-type", "model"];
    project.refused(&failed, "No comparison run_results");
    let result = |id: &str, status: &str| json!({"unique_id": id, "status": status});
    let results = [
        result("model.ferry.fct_sailings", "error"),
        result("model.ferry.dim_routes", "success"),
        result("test.ferry.unique_stg_ports_port_code.gone", "fail"),
    ];
    project.write("state/run_results.json", &json!({"results": results}));
    assert_eq!(project.json("ls", &failed), json!(["model.ferry.fct_sailings"]));
    let plan = project.json("plan", &["--select", "result:error"]);
    let built: Vec<_> = plan["nodes"].as_array().unwrap().iter().map(|node| &node["unique_id"]).collect();
    assert_eq!(built, ["model.ferry.fct_sailings"]);
}

#[test]
fn the_project_s_flag_decides_as_it_does_for_dbt() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/corpus/own");
    let folder: PathBuf = corpus.join("cases/no_change__more_unrendered__target_config");
    let case: Value = serde_json::from_slice(&fs_err::read(folder.join("case.json")).unwrap()).unwrap();
    assert_eq!(case["flags"]["state_modified_compare_more_unrendered_values"], true);
    let project = Project::new(&corpus.join(case["base"].as_str().unwrap()), &folder.join("pr.manifest.json.gz"));
    let modified = |more: &[&str]| {
        let all = ["--select", "state:modified", "--resource-type", "all"];
        project.json("ls", &[&all, more].concat())
    };
    let flag = "--state-modified-compare-more-unrendered-values";
    let dbts = &case["answers"]["state:modified"]["ids"];
    let file = project.0.path().join("dbt_project.yml");
    fs_err::write(&file, "name: harborlock\nflags:\n  state_modified_compare_more_unrendered_values: true\n").unwrap();
    assert_eq!(&modified(&[]), dbts);
    fs_err::write(&file, "name: harborlock\nflags:\n  state_modified_compare_more_unrendered_values: false\n").unwrap();
    let without = modified(&[]);
    assert_ne!(&without, dbts, "the flag makes a difference");
    assert_eq!((&modified(&[flag, "true"]), &without), (dbts, &modified(&[flag, "false"])), "the command line wins");
    fs_err::write(&file, "name: [harborlock\n").unwrap();
    project.refused(&["--select", "state:modified"], "dbt_project.yml");
}

#[test]
fn a_check_is_narrowed_by_path_and_by_config() {
    let built = |more: &[&str]| {
        let checkout = Checkout::of("changed_filter");
        let output = checkout.check().args(more).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let report = checkout.read_report();
        let names = report["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(built(&["--select", "path:models/intermediate"]), ["int_sailing_load"]);
    assert_eq!(
        built(&["--select", "path:models/marts/core", "int_sailing_load"]),
        ["int_sailing_load", "fct_sailings"]
    );
    let less = built(&["--exclude", "path:models/marts/ops"]);
    assert_eq!(less, ["int_sailing_load", "fct_sailings"]);
    assert_eq!(built(&["--select", "config.materialized:view"]), Vec::<String>::new());
}

#[test]
fn ls_warns_of_a_contract_only_where_state_is_asked_for_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/corpus/own");
    let folder = corpus.join("cases/contract_column_removed");
    let case: Value = serde_json::from_slice(&fs_err::read(folder.join("case.json")).unwrap()).unwrap();
    let project = Project::new(&corpus.join(case["base"].as_str().unwrap()), &folder.join("pr.manifest.json.gz"));
    let warns = |select: &str| {
        let output = project.command("ls", &["--select", select]);
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stderr).contains("breaking change to the contract")
    };
    let asked = ["fqn:*", "state:modified.configs", "state:modified", "state:modified.contract"].map(warns);
    assert_eq!(asked, [false, false, true, true]);
}

#[test]
fn all_types_cannot_be_excluded() {
    let project = Project::ferry();
    for all in ["all", "default"] {
        project.refused(&["--exclude-resource-type", all], "expected resource types");
    }
    let models = project.json("ls", &["--resource-type", "all", "--exclude-resource-type", "test"]);
    assert!(!models.as_array().unwrap().is_empty());
}
