//! Reasons in words and counts: how far a macro or a variable reaches, what is cosmetic, what proves nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]
#![cfg(feature = "duckdb")]

mod common;

use common::{Checkout, fixtures, premerge, read_manifest};
use serde_json::{Value, json};

const PRODUCTION: &str = "production.manifest.json.gz";

/// The plan as JSON and as text, from one manifest to another.
fn planned(state: &Value, pr: &Value, more: &[&str]) -> (Value, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut pr = pr.clone();
    pr["metadata"]["invocation_id"] = "another command's".into();
    for (name, document) in [("state.json", state), ("pr.json", &pr)] {
        fs_err::write(dir.path().join(name), serde_json::to_vec(document).unwrap()).unwrap();
    }
    let mut command = premerge();
    command.current_dir(dir.path()).args(["plan", "--state", "state.json", "--manifest", "pr.json"]);
    let output = command.args(["--output", "plan.json"]).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let plan = fs_err::read(dir.path().join("plan.json")).unwrap();
    (serde_json::from_slice(&plan).unwrap(), String::from_utf8(output.stdout).unwrap())
}

fn production() -> Value {
    read_manifest(&fixtures().join(PRODUCTION))
}

fn counts(plan: &Value) -> Vec<(&str, Value)> {
    let macros = plan["reasons"]["macros"].as_array().unwrap().iter();
    macros
        .map(|change| {
            let count = |key: &str| change[key].clone();
            let all = ["models", "sql_changed", "sql_unknown", "tests", "builds"].map(count);
            (change["unique_id"].as_str().unwrap(), json!(all))
        })
        .collect()
}

#[test]
fn a_macro_says_how_many_models_use_it_and_the_sql_of_how_many_changed() {
    let pr = read_manifest(&fixtures().join("prs/macro_edit/pr.manifest.json.gz"));
    let (plan, text) = planned(&production(), &pr, &[]);
    assert_eq!(counts(&plan), [("macro.ferry.vat_permille", json!([2, 2, 0, 0, 0]))]);
    assert!(text.contains("\n  macro `vat_permille` changed, used by 2 models; compiled SQL changed in 2\n"), "{text}");
    // Without compiled SQL nothing is said of it.
    let (plan, text) = planned(&production(), &pr, &["--changes", "dbt"]);
    assert_eq!(counts(&plan), [("macro.ferry.vat_permille", json!([2, 0, 2, 0, 0]))]);
    assert!(text.contains("\n  macro `vat_permille` changed, used by 2 models\n"), "{text}");
}

/// What adapters call from Python, and what a strategy finds by its name, is in no macro's `depends_on`.
#[test]
fn macros_that_only_dbt_itself_calls_concern_what_they_build() {
    let state = production();
    let nodes = || state["nodes"].as_object().unwrap().values();
    let of = |kinds: &[&str]| {
        let built = |node: &&Value| kinds.contains(&node["config"]["materialized"].as_str().unwrap_or_default());
        nodes().filter(built).count()
    };
    let incremental = of(&["incremental"]);
    assert!(incremental > 0);
    for (name, least) in [
        ("duckdb__rename_relation", of(&["view", "table", "incremental"])),
        ("duckdb__drop_relation", of(&["view", "table", "incremental"])),
        ("default__truncate_relation", of(&["seed"])),
        ("default__get_delete_insert_merge_sql", incremental),
        ("get_incremental_append_sql", incremental),
    ] {
        let mut pr = state.clone();
        let id = format!("macro.ferry.{name}");
        pr["macros"][&id] = json!({"unique_id": id, "name": name, "package_name": "ferry", "resource_type": "macro",
            "original_file_path": "macros/o.sql", "macro_sql": format!("{{% macro {name}(a) %}}boom{{% endmacro %}}"),
            "depends_on": {"macros": []}});
        let (plan, text) = planned(&state, &pr, &[]);
        let change = plan["reasons"]["macros"].as_array().unwrap().iter().find(|change| change["unique_id"] == *id);
        let builds = change.unwrap_or_else(|| panic!("{name} is not named: {text}"))["builds"].as_u64().unwrap();
        assert!(builds as usize >= least, "{name} builds {builds}, not {least}");
    }
}

#[test]
fn a_macro_that_only_looks_otherwise_changed_the_sql_of_none() {
    let mut pr = production();
    for name in ["cents_to_euros", "test_at_most", "materialization_stamped_table_duckdb"] {
        let text = &mut pr["macros"][format!("macro.ferry.{name}")]["macro_sql"];
        *text = format!("{} ", text.as_str().unwrap()).into();
    }
    let (plan, text) = planned(&production(), &pr, &[]);
    let tests = pr["nodes"].as_object().unwrap().values();
    let tests = tests.filter(|node| node["depends_on"]["macros"].to_string().contains("ferry.test_at_most")).count();
    let expected = [
        ("macro.ferry.cents_to_euros", json!([6, 0, 0, 0, 0])),
        ("macro.ferry.materialization_stamped_table_duckdb", json!([0, 0, 0, 0, 1])),
        ("macro.ferry.test_at_most", json!([0, 0, 0, tests, 0])),
    ];
    assert_eq!(counts(&plan), expected);
    assert!(text.contains("\n  macro `cents_to_euros` changed, used by 6 models; no compiled SQL changed\n"), "{text}");
    assert!(text.contains("macro `materialization_stamped_table_duckdb` changed, builds 1 node\n"), "{text}");
}

#[test]
fn what_changed_from_outside_names_the_variables_that_it_uses() {
    let mut pr = production();
    let code = &mut pr["nodes"]["model.ferry.int_sailing_delays"]["compiled_code"];
    let before = code.as_str().unwrap().to_owned();
    assert!(before.contains("delay_minutes > 15"), "{before}");
    *code = before.replace("delay_minutes > 15", "delay_minutes > 20").into();
    let (plan, text) = planned(&production(), &pr, &[]);
    let variable = json!({"kind": "var", "name": "late_after_minutes", "used_by": 1});
    assert_eq!(plan["reasons"]["from_outside"], json!({"nodes": 1, "variables": [variable]}));
    let line = "1 node changed though its file and its macros did not; it uses `var('late_after_minutes')`";
    assert!(text.contains(line), "{text}");
}

#[test]
fn what_only_an_incremental_run_adds_proves_nothing_and_is_said() {
    let mut state = production();
    let code = &mut state["nodes"]["model.ferry.fct_payments"]["compiled_code"];
    *code = format!("{}\nwhere paid_at > (select max(paid_at) from t)", code.as_str().unwrap()).into();
    let (plan, text) = planned(&state, &production(), &[]);
    let undecided = json!([{"unique_id": "model.ferry.fct_payments", "because": "is_incremental"}]);
    assert_eq!((&plan["reasons"]["undecided"], &plan["nodes"]), (&undecided, &json!([])));
    assert!(text.contains("  fct_payments (is_incremental)"), "{text}");
}

#[test]
fn report_comment_and_terminal_say_it() {
    let checkout = Checkout::of("comment_only");
    let output = checkout.check().args(["--format", "markdown"]).output().unwrap();
    let report = checkout.read_report();
    let cosmetic = report["cosmetic"].as_array().unwrap();
    assert_eq!((cosmetic.len(), &cosmetic[0]["name"]), (2, &json!("fct_sailings")));
    assert_eq!(cosmetic[0]["why"][0]["kind"], "body");
    let comment = String::from_utf8(output.stdout).unwrap();
    let fold = "<details><summary><b>How the changes reach the models</b></summary>\n\n- 2 models changed only in comments or whitespace: their SQL is the same, so they were not built: `fct_sailings`, `";
    assert!(comment.contains(fold), "{comment}");

    let checkout = Checkout::of("macro_edit");
    let output = checkout.check().output().unwrap();
    assert_eq!(checkout.read_report()["reasons"]["macros"][0]["sql_changed"], 2);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\n  macro vat_permille changed, used by 2 models; compiled SQL changed in 2\n"), "{text}");
    let mut render = premerge();
    let comment = render.args(["render", "--format", "markdown"]).arg(checkout.report()).output().unwrap();
    let comment = String::from_utf8(comment.stdout).unwrap();
    assert!(
        comment.contains("- macro vat\\_permille changed, used by 2 models; compiled SQL changed in 2"),
        "{comment}"
    );
}

#[test]
fn a_broken_contract_shuts_the_gate_for_a_version_and_warns_otherwise() {
    for (version, code, verdict, severity) in [(json!(1), 1, "failed", "error"), (Value::Null, 0, "warned", "warning")]
    {
        let checkout = Checkout::of("remove_model");
        let mut state = production();
        let node = &mut state["nodes"]["model.ferry.ops_weather_risk"];
        node["contract"] = json!({"enforced": true, "alias_types": true, "checksum": "x"});
        node["version"] = version;
        fs_err::write(checkout.dir.path().join("state.json"), serde_json::to_vec(&state).unwrap()).unwrap();
        let mut command = premerge();
        command.current_dir(checkout.dir.path()).args(["check", "--pr", "7", "--format", "markdown"]);
        command.args(["--state", "state.json", "--manifest"]).arg(checkout.manifest());
        command.arg("--project-dir").arg(checkout.project()).arg("--profiles-dir").arg(checkout.project());
        let output = command.arg("--output").arg(checkout.report()).output().unwrap();
        let comment = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{comment}{}", String::from_utf8_lossy(&output.stderr));
        let report = checkout.read_report();
        assert_eq!(report["verdict"], verdict);
        let findings = report["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| finding["rule"] == "contract-breaking-change").unwrap();
        assert_eq!(
            (&finding["severity"], &finding["unique_id"]),
            (&json!(severity), &json!("model.ferry.ops_weather_risk"))
        );
        let message = finding["message"].as_str().unwrap();
        assert!(message.ends_with("the model, which had a contract, was deleted or renamed"), "{message}");
        assert!(comment.contains("`ops_weather_risk` breaks"), "{comment}");
    }
}

#[test]
fn a_production_manifest_without_sql_is_said_to_be_one() {
    let mut state = production();
    for node in state["nodes"].as_object_mut().unwrap().values_mut() {
        node.as_object_mut().unwrap().remove("compiled_code");
    }
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("state.json"), serde_json::to_vec(&state).unwrap()).unwrap();
    let said = |more: &[&str]| {
        let mut command = premerge();
        command.current_dir(dir.path()).args(["plan", "--state", "state.json", "--manifest"]);
        let output = command.arg(fixtures().join("prs/docs_only/pr.manifest.json.gz")).args(more).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&[]).contains("warning: production's manifest has no compiled SQL: changes that only a variable"));
    assert_eq!(said(&["--changes", "dbt"]), "", "which is what was asked for");
}
