//! Whose change it is: with the merge base's manifest, what others changed is set apart.
//!
//! The manifests are dbt's of the ferry pull requests: one of them plays what others merged (`base`), and the pull
//! request is that with one more edit, as dbt would compile it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]
#![cfg(feature = "duckdb")]

mod common;

use std::path::{Path, PathBuf};

use common::{Checkout, fixtures, premerge, read_manifest};
use serde_json::{Value, json};

/// `production.manifest.json.gz`, or that of a pull request.
fn manifest(name: &str) -> PathBuf {
    match name {
        "production" => fixtures().join("production.manifest.json.gz"),
        name => fixtures().join("prs").join(name).join("pr.manifest.json.gz"),
    }
}

/// One more edit: in the model `name`, `from` becomes `to`.
struct Edit(&'static str, &'static str, &'static str);

/// A merge base, and the pull request on top of it.
struct Case {
    dir: tempfile::TempDir,
    state: PathBuf,
    base: PathBuf,
}

impl Case {
    fn new(state: &str, base: &str, edits: &[Edit]) -> Self {
        Self::with(manifest(state), base, edits, |_| ())
    }

    fn with(state: PathBuf, base: &str, edits: &[Edit], change: impl FnOnce(&mut Value)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut document = read_manifest(&manifest(base));
        for Edit(name, from, to) in edits {
            let node = &mut document["nodes"][format!("model.ferry.{name}")];
            for text in ["raw_code", "compiled_code"] {
                let before = node[text].as_str().unwrap().to_owned();
                assert!(before.contains(from), "{name} has no {from:?}");
                node[text] = before.replacen(from, to, 1).into();
            }
            node["checksum"]["checksum"] = format!("of {name}, edited").into();
        }
        change(&mut document);
        document["metadata"]["invocation_id"] = "the pull request's".into();
        fs_err::write(dir.path().join("pr.json"), serde_json::to_vec(&document).unwrap()).unwrap();
        Self { dir, state, base: manifest(base) }
    }

    fn args(&self, base: bool) -> Vec<&Path> {
        let mut args = vec![Path::new("--state"), &self.state];
        if base {
            args.extend([Path::new("--base"), &self.base]);
        }
        args
    }

    fn planned(&self, base: bool, more: &[&str]) -> assert_cmd::Command {
        let mut command = premerge();
        command.current_dir(self.dir.path()).arg("plan").args(self.args(base)).args(["--manifest", "pr.json"]);
        command.args(more);
        command
    }

    fn plan_with(&self, base: bool, more: &[&str]) -> Value {
        let output = self.planned(base, &["--format", "json"]).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn plan(&self) -> Value {
        self.plan_with(true, &[])
    }

    fn text(&self) -> String {
        String::from_utf8(self.planned(true, &[]).output().unwrap().stdout).unwrap()
    }

    /// `premerge check` on production's database: exit code, report and comment.
    fn check(&self) -> (i32, Value, String) {
        let checkout = Checkout::of("docs_only");
        let mut command = premerge();
        command.current_dir(self.dir.path()).arg("check").args(self.args(true)).args(["--manifest", "pr.json"]);
        command.arg("--project-dir").arg(checkout.project()).arg("--profiles-dir").arg(checkout.project());
        command.args(["--pr", "7", "--format", "markdown", "--output", "report.json"]);
        let output = command.output().unwrap();
        let report = fs_err::read(self.dir.path().join("report.json"));
        let report = report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let comment = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), serde_json::from_slice(&report).unwrap(), comment)
    }
}

fn short(id: &Value) -> &str {
    id.as_str().unwrap().splitn(3, '.').nth(2).unwrap()
}

/// Names of built nodes, sorted.
fn built(plan: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = plan["nodes"].as_array().unwrap().iter().map(|node| short(&node["unique_id"])).collect();
    names.sort_unstable();
    names
}

fn tests(plan: &Value) -> Vec<&str> {
    plan["tests"].as_array().unwrap().iter().map(|test| short(&test["unique_id"])).collect()
}

fn proxies(plan: &Value) -> Vec<&str> {
    plan["proxies"].as_array().unwrap().iter().map(|proxy| short(&proxy["unique_id"])).collect()
}

/// What others changed, with what becomes of it.
fn not_yours(document: &Value) -> Vec<(&str, &str)> {
    let Some(all) = document["not_yours"].as_array() else { return Vec::new() };
    all.iter().map(|entry| (short(&entry["unique_id"]), entry["fate"].as_str().unwrap())).collect()
}

fn why<'p>(plan: &'p Value, name: &str) -> &'p Value {
    let mut nodes = plan["nodes"].as_array().unwrap().iter();
    &nodes.find(|node| short(&node["unique_id"]) == name).unwrap_or_else(|| panic!("{name} is not built"))["why"]
}

const OWN: Edit = Edit("fin_board_pack", "margin.margin_eur,", "margin.margin_eur, 1 as edition,");
const READS_THE_NEW_COLUMN: Edit =
    Edit("fin_route_revenue", "count(*) as booking_count", "max(routes.is_international) as abroad, count(*) as n");
const NEW_TEST: &str = "not_null_dim_routes_is_international.b8c7bb9c60";

#[test]
fn what_others_merged_is_listed_apart_and_not_built() {
    let case = Case::new("production", "new_column", &[OWN]);
    let plan = case.plan();
    assert_eq!(built(&plan), ["fin_board_pack"]);
    assert_eq!(not_yours(&plan), [("dim_routes", "not_built"), (NEW_TEST, "not_built")]);
    assert!(!tests(&plan).contains(&NEW_TEST));
    assert_eq!((&plan["summary"]["not_yours"], &plan["summary"]["changed"]), (&json!(2), &json!(1)));
    let text = case.text();
    let section = "\nNot yours (changed by others): differs from production, not from the merge base; not built\n  dim_routes (SQL body)";
    assert!(text.contains(section), "{text}");
    // Without the merge base it is the pull request's.
    let plan = case.plan_with(false, &[]);
    assert!(built(&plan).contains(&"dim_routes") && built(&plan).contains(&"fin_route_revenue"));
    assert!(tests(&plan).contains(&NEW_TEST) && not_yours(&plan).is_empty());
}

#[test]
fn what_your_change_reads_is_built_as_it_will_be() {
    let case = Case::new("production", "new_column", &[READS_THE_NEW_COLUMN]);
    let plan = case.plan();
    assert_eq!(built(&plan), ["dim_routes", "fin_route_revenue"]);
    assert_eq!(*why(&plan, "dim_routes"), json!({"why": "not_yours", "by": ["model.ferry.fin_route_revenue"]}));
    assert_eq!(not_yours(&plan), [("dim_routes", "needed"), (NEW_TEST, "not_built")]);
    assert!(!proxies(&plan).contains(&"dim_routes") && proxies(&plan).contains(&"int_route_legs"));
    assert!(!tests(&plan).iter().any(|test| test.contains("dim_routes")), "{:?}", tests(&plan));
    assert!(case.text().contains("changed by others, needed by your change: read by"), "{}", case.text());
    // Left out by the user, it is production's, and that is said.
    let plan = case.plan_with(true, &["--exclude", "dim_routes"]);
    assert_eq!(built(&plan), ["fin_route_revenue"]);
    let notices = plan["notices"].to_string();
    assert!(
        notices.contains("model.ferry.dim_routes") && notices.contains("without the changes by others"),
        "{notices}"
    );
}

#[test]
fn what_is_between_others_change_and_yours_is_built_too() {
    // Others changed a model two steps upstream of what is edited.
    let edit = Edit("ops_daily", "select", "select 1 as edition,");
    let plan = Case::new("production", "changed_filter", &[edit]).plan();
    assert_eq!(built(&plan), ["fct_sailings", "int_sailing_load", "ops_daily"]);
    assert_eq!(*why(&plan, "int_sailing_load"), json!({"why": "not_yours", "by": ["model.ferry.fct_sailings"]}));
    assert_eq!(*why(&plan, "fct_sailings"), json!({"why": "not_yours", "by": ["model.ferry.ops_daily"]}));
    assert_eq!(plan["summary"]["built_not_yours"], 2);
}

#[test]
fn what_others_changed_downstream_of_your_change_is_yours_to_answer_for() {
    let edit = Edit("int_route_legs", "select", "select 1 as edition,");
    let plan = Case::new("production", "new_column", &[edit]).plan();
    assert_eq!(not_yours(&plan), [("dim_routes", "downstream"), (NEW_TEST, "not_built")]);
    assert_eq!(why(&plan, "dim_routes")["why"], "downstream");
    assert!(tests(&plan).contains(&NEW_TEST), "{:?}", tests(&plan));
}

#[test]
fn a_branch_behind_production_does_not_take_its_changes_back() {
    // Production runs what the branch does not have yet.
    let case = Case::new("changed_filter", "production", &[OWN]);
    let plan = case.plan();
    assert_eq!(built(&plan), ["fin_board_pack"]);
    assert_eq!(not_yours(&plan), [("int_sailing_load", "not_built")]);
    assert!(built(&case.plan_with(false, &[])).contains(&"int_sailing_load"));
}

#[test]
fn a_macro_that_others_changed_is_not_yours_and_what_both_changed_is() {
    let edit = Edit("fin_refunds", "select", "select 1 as edition,");
    let plan = Case::new("production", "macro_edit", &[edit]).plan();
    assert_eq!(why(&plan, "fin_refunds")["why"], "changed");
    assert_eq!(plan["reasons"]["macros"], json!([]), "their macro");
    let theirs = not_yours(&plan);
    assert!(theirs.contains(&("fct_bookings", "not_built")), "{theirs:?}");
    assert!(!theirs.iter().any(|(name, _)| *name == "fin_refunds"), "{theirs:?}");
}

#[test]
fn what_others_removed_or_renamed_is_not_yours() {
    let plan = Case::new("production", "remove_model", &[OWN]).plan();
    assert_eq!(plan["removed"], json!([]));
    assert!(not_yours(&plan).contains(&("ops_weather_risk", "not_built")), "{:?}", not_yours(&plan));
    let plan = Case::new("production", "renamed_model", &[OWN]).plan();
    assert_eq!((built(&plan), &plan["removed"]), (vec!["fin_board_pack"], &json!([])));
    for name in ["int_departure_delays", "int_sailing_delays", "fct_sailings"] {
        assert!(not_yours(&plan).contains(&(name, "not_built")), "{name}: {:?}", not_yours(&plan));
    }
    // What reads the new name finds no such relation in production, nor one as it will be.
    let edit = Edit("ops_daily", "select", "select 1 as edition,");
    let plan = Case::new("production", "renamed_model", &[edit]).plan();
    assert_eq!(built(&plan), ["fct_sailings", "int_departure_delays", "ops_daily"]);
}

#[test]
fn a_contract_that_others_broke_is_not_yours() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = read_manifest(&manifest("production"));
    let node = &mut state["nodes"]["model.ferry.ops_weather_risk"];
    node["contract"] = json!({"enforced": true, "alias_types": true, "checksum": "x"});
    node["version"] = json!(1);
    let file = dir.path().join("state.json");
    fs_err::write(&file, serde_json::to_vec(&state).unwrap()).unwrap();
    let case = Case::with(file, "remove_model", &[OWN], |_| ());
    let broken = |plan: &Value| plan["notices"].to_string().contains("ContractBreakingChangeError");
    assert!(broken(&case.plan_with(false, &[])));
    assert!(!broken(&case.plan()));
}

#[test]
fn your_own_removal_is_yours() {
    let case = Case::with(manifest("production"), "new_column", &[], |document| {
        for map in ["nodes", "exposures", "unit_tests"] {
            let all = document[map].as_object_mut().unwrap();
            all.retain(|id, _| !id.contains("ops_weather_risk"));
        }
    });
    let plan = case.plan();
    assert_eq!(plan["removed"][0]["unique_id"], "model.ferry.ops_weather_risk");
    assert!(!not_yours(&plan).iter().any(|(name, _)| *name == "ops_weather_risk"));
}

#[test]
fn a_pull_request_that_takes_others_change_back_meets_what_they_built_on_it() {
    // Others changed int_sailing_load and fct_sailings, which reads it; production runs neither. The pull request
    // puts int_sailing_load back as production has it.
    let dir = tempfile::tempdir().unwrap();
    let ids = ["int_sailing_load", "fct_sailings"].map(|name| format!("model.ferry.{name}"));
    let before = read_manifest(&manifest("comment_only"));
    let mut base = read_manifest(&manifest("changed_filter"));
    base["nodes"][&ids[1]]["raw_code"] = "select * from {{ ref('int_sailing_load') }}".into();
    base["nodes"][&ids[1]]["compiled_code"] = r#"select * from "ferry"."ci"."int_sailing_load""#.into();
    base["nodes"][&ids[1]]["checksum"]["checksum"] = "theirs".into();
    let mut pr = base.clone();
    pr["nodes"][&ids[0]] = before["nodes"][&ids[0]].clone();
    pr["metadata"]["invocation_id"] = "the pull request's".into();
    for (name, document) in [("base.json", &base), ("pr.json", &pr)] {
        fs_err::write(dir.path().join(name), serde_json::to_vec(document).unwrap()).unwrap();
    }
    let case = Case { state: manifest("production"), base: dir.path().join("base.json"), dir };
    let plan = case.plan();
    assert!(not_yours(&plan).contains(&("fct_sailings", "downstream")), "{:?}", not_yours(&plan));
    assert_eq!(*why(&plan, "fct_sailings"), json!({"why": "downstream", "of": [ids[0]], "and_more": false}));
    assert!(proxies(&plan).contains(&"int_sailing_load") && built(&plan).contains(&"ops_daily"));
}

#[test]
fn without_compiled_sql_in_the_base_nothing_is_called_others() {
    let mut case = Case::new("production", "new_column", &[OWN]);
    let mut base = read_manifest(&case.base);
    for node in base["nodes"].as_object_mut().unwrap().values_mut() {
        node["compiled_code"] = Value::Null;
    }
    case.base = case.dir.path().join("base.json");
    fs_err::write(&case.base, serde_json::to_vec(&base).unwrap()).unwrap();
    let output = case.planned(true, &["--format", "json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the merge base's manifest has no compiled SQL") && said.contains("`dbt compile`"), "{said}");
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(built(&plan).contains(&"dim_routes") && !not_yours(&plan).iter().any(|(name, _)| *name == "dim_routes"));
    // dbt's rules do not need it.
    let plan = case.plan_with(true, &["--changes", "dbt"]);
    assert_eq!(built(&plan), ["fin_board_pack"]);
}

#[test]
fn a_base_of_another_project_or_that_is_no_manifest_is_refused() {
    let case = Case::with(manifest("production"), "new_column", &[], |document| {
        document["metadata"]["project_name"] = "harbour".into();
    });
    let mut command = premerge();
    command.current_dir(case.dir.path()).args(["plan", "--manifest"]).arg(&case.base).arg("--state").arg(&case.state);
    let output = command.args(["--base", "pr.json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("the merge base's manifest is for project harbour"), "{said}");
    let output = case.planned(false, &["--base", "nowhere.json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere.json does not exist"));
}

#[test]
fn a_check_builds_on_what_others_merged_and_its_comment_says_so() {
    let (code, report, comment) = Case::new("production", "new_column", &[READS_THE_NEW_COLUMN]).check();
    assert_eq!(code, 0, "{comment}");
    assert_eq!(not_yours(&report), [("dim_routes", "needed")]);
    let built = report["nodes"].as_array().unwrap();
    assert!(built.len() == 2 && built.iter().all(|node| node["status"] == "built"), "{built:#?}");
    assert_eq!(built[0]["why"][0]["kind"], "not_yours");
    assert!(report["base"]["generated_at"].is_string());
    let fold = "<details><summary><b>Not yours</b> (changed by others, not in production yet): 1 node</summary>\n\n\
                Built because your change reads it, without its own tests; it does not gate: `dim_routes`";
    assert!(comment.contains(fold), "{comment}");
    assert!(comment.contains("merge base manifest of 2026-11-21 09:00 UTC"), "{comment}");
}

#[test]
fn what_others_broke_does_not_fail_a_pull_request_that_does_not_need_it() {
    let (code, report, comment) = Case::new("production", "broken_sql", &[OWN]).check();
    assert_eq!((code, report["verdict"].as_str()), (0, Some("passed")), "{comment}");
    assert_eq!(not_yours(&report), [("int_sailing_load", "not_built")]);
    // Nor does a test of theirs.
    let edit = Edit("fct_payments", "select", "select 1 as edition,");
    let (code, report, comment) = Case::new("production", "failing_test", &[edit]).check();
    assert_eq!(not_yours(&report), [("stg_payments", "needed")]);
    let failing = report["tests"].as_array().unwrap().iter().filter(|test| test["status"] == "fail");
    let of_theirs = failing.filter(|test| test["attached_node"] == "model.ferry.stg_payments");
    assert_eq!(of_theirs.count(), 0, "{code}: {comment}");
}

#[test]
fn what_others_broke_and_you_need_is_a_note_and_never_green() {
    let edit = Edit("fct_sailings", "select", "select 1 as edition,");
    let (code, report, comment) = Case::new("production", "broken_sql", &[edit]).check();
    assert_eq!((code, report["verdict"].as_str()), (3, Some("incomplete")), "{comment}");
    let findings = report["findings"].as_array().unwrap();
    let note = findings.iter().find(|finding| finding["rule"] == "not-yours-failed").unwrap();
    assert_eq!((&note["severity"], &note["unique_id"]), (&json!("notice"), &json!("model.ferry.int_sailing_load")));
    let status = |name: &str| {
        let mut nodes = report["nodes"].as_array().unwrap().iter();
        nodes.find(|node| node["name"] == name).unwrap()["status"].clone()
    };
    assert_eq!((status("int_sailing_load"), status("fct_sailings")), (json!("not_checked"), json!("skipped")));
    assert!(
        comment.contains("**Why** · model int\\_sailing\\_load: changed by others and failed to build"),
        "{comment}"
    );
}
