//! What the report says of a pull request's changes: all of them, and what was not checked of them. The manifests are
//! dbt's, edited as a pull request would make dbt write them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use premerge::artifacts::ManifestFile;
use premerge::build::{self, NodeResult, Outcome, RowCount, TestResult};
use premerge::changes::{CompareOptions, compare, compare_compiled};
use premerge::config::RowLimit;
use premerge::plan::{Materialization, Plan, PlanOptions, Weakening, plan, render_text};
use premerge::project::{Graph, IndirectSelection};
use premerge::publish::github::FLAVOUR;
use premerge::report::{Draft, NodeOutcome, NodeStatus, OtherFate, Planned, Report, TestOutcome, Verdict, markdown};
use serde_json::{Value, json};

const FERRY: &str = "fixtures/ferry/production.manifest.json.gz";

fn read(path: &str) -> Value {
    let mut text = String::new();
    flate2::read::GzDecoder::new(fs_err::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn of_pull_request(name: &str) -> Value {
    read(&format!("fixtures/ferry/prs/{name}/pr.manifest.json.gz"))
}

/// The plan and the report before anything runs.
fn planned(state: &Value, pr: &Value) -> (Plan, Draft) {
    let file = |document: &Value| ManifestFile::from_bytes(Path::new("m"), serde_json::to_vec(document).unwrap());
    let (state, pr) = (file(state), file(pr));
    let (state, pr) = (state.parse().unwrap(), pr.parse().unwrap());
    let graph = Graph::new(&pr);
    let mut changes = compare(&state, &pr, &CompareOptions::default());
    compare_compiled(&state, &pr, &changes).apply(&mut changes);
    let options = PlanOptions {
        schema: "premerge_pr_1".into(),
        select: None,
        exclude: BTreeSet::new(),
        indirect: IndirectSelection::Eager,
        at_turn: None,
    };
    let plan = plan(&state, &pr, &graph, &changes, &options).unwrap();
    let mut draft = Draft::default();
    draft.add_plan(Planned { plan: &plan, pr: &pr, graph: &graph, changes: &changes });
    (plan, draft)
}

/// What everything being built and all tests passing comes to.
fn all_well(draft: &mut Draft, row_counts: Vec<RowCount>) {
    let built = |node: &NodeOutcome| NodeResult {
        unique_id: node.unique_id.clone(),
        status: build::NodeStatus::Built { rows: None },
        duration: std::time::Duration::ZERO,
        attempts: 1,
    };
    let passed = |test: &TestOutcome| TestResult {
        unique_id: test.unique_id.clone(),
        status: build::TestStatus::Pass,
        duration: std::time::Duration::ZERO,
        attempts: 1,
    };
    let nodes = draft.nodes.iter().map(built).collect();
    let tests = draft.tests.iter().map(passed).collect();
    draft.add_outcome(&Outcome { nodes, tests, row_counts, ..Outcome::default() }, RowLimit::default());
}

fn comment(draft: Draft) -> (Verdict, String) {
    let report = Report::conclude(draft);
    (report.verdict(), markdown::body(&report, FLAVOUR, FLAVOUR.cap))
}

fn row<'c>(comment: &'c str, name: &str) -> &'c str {
    let row = comment.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{name}`")));
    row.unwrap_or_else(|| panic!("no row of {name}:\n{comment}"))
}

/// dbt: `ls -s state:modified` names the source, `build -s state:modified+` builds nothing that is another.
#[test]
fn a_source_whose_freshness_alone_changed_is_named_and_nothing_is_built_for_it() {
    let state = read(FERRY);
    let mut pr = state.clone();
    let source = &mut pr["sources"]["source.ferry.harbour.weather"];
    source["freshness"] = json!({"warn_after": {"count": 3, "period": "day"}, "error_after": {"count": null, "period": null}, "filter": null});
    let (plan, mut draft) = planned(&state, &pr);
    assert!(plan.nodes.is_empty(), "{:?}", plan.nodes.iter().map(|node| &node.name).collect::<Vec<_>>());
    assert_eq!(plan.definitions.len(), 1);
    assert!(draft.impact.models.is_empty(), "no data changes");
    all_well(&mut draft, vec![]);
    let (verdict, comment) = comment(draft);
    assert_eq!(verdict, Verdict::Passed);
    assert!(row(&comment, "harbour.weather").contains("| source "), "{comment}");
}

#[test]
fn a_source_that_moves_is_a_row_and_impact_begins_with_it() {
    let state = read(FERRY);
    let mut pr = state.clone();
    pr["sources"]["source.ferry.harbour.weather"]["identifier"] = json!("weather_2");
    let (plan, draft) = planned(&state, &pr);
    assert!(plan.nodes.iter().any(|node| node.name == "stg_weather"));
    let models: Vec<_> = draft.impact.models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(models, ["int_rough_days", "ops_weather_risk", "stg_weather"]);
    let change = &draft.other_changes[0];
    assert_eq!((change.name.as_str(), change.fate), ("harbour.weather", OtherFate::Definition));
}

#[test]
fn an_ephemeral_model_that_changes_is_a_row_and_impact_begins_with_it() {
    let (plan, mut draft) = planned(&read(FERRY), &of_pull_request("ephemeral_edit"));
    let changed: Vec<_> = draft.other_changes.iter().map(|change| (change.name.clone(), change.fate)).collect();
    let inlined = changed.iter().find(|(_, fate)| *fate == OtherFate::Inlined).expect("the ephemeral model");
    assert!(draft.impact.models.len() >= plan.nodes.len(), "all that is built is downstream of it");
    all_well(&mut draft, vec![]);
    let (_, comment) = comment(draft);
    assert!(row(&comment, &inlined.0).ends_with("| inlined where it is read |"), "{comment}");
}

/// A Python model, say: what is below is built on what production has of it, and 4 green ticks would prove nothing.
#[test]
fn what_is_below_a_change_that_is_not_built_is_not_checked() {
    let (state, mut pr) = (read(FERRY), of_pull_request("changed_filter"));
    pr["nodes"]["model.ferry.int_sailing_load"]["language"] = json!("python");
    let (plan, mut draft) = planned(&state, &pr);
    let below: BTreeSet<_> =
        plan.nodes.iter().filter(|node| !node.reads_unbuilt.is_empty()).map(|node| node.name.as_str()).collect();
    assert!(below.contains("fct_sailings") && below.contains("ops_daily"), "{below:?}");
    assert!(draft.impact.models.iter().any(|model| model.name == "ops_daily"), "impact begins with what is not built");
    all_well(&mut draft, vec![]);
    assert!(draft.nodes.iter().all(|node| node.status == NodeStatus::Built));
    let (total, unproved) = (draft.nodes.len(), below.len());
    let (verdict, comment) = comment(draft);
    assert_eq!(verdict, Verdict::Warned, "{comment}");
    let scoreboard = format!("⚠️ {} of {total}, {unproved} not checked", total - unproved);
    assert!(comment.contains(&scoreboard), "{scoreboard}\n{comment}");
    assert!(row(&comment, "int_sailing_load").ends_with("| ◻️ not checked |"), "{comment}");
    assert!(row(&comment, "fct_sailings").ends_with("| ◻️ not checked |"), "{comment}");
}

#[test]
fn external_models_of_duckdb_are_built_as_tables() {
    let (state, mut pr) = (read(FERRY), of_pull_request("changed_filter"));
    pr["nodes"]["model.ferry.int_sailing_load"]["config"]["materialized"] = json!("external");
    let (plan, draft) = planned(&state, &pr);
    let node = plan.nodes.iter().find(|node| node.name == "int_sailing_load").expect("it is built");
    assert_eq!(serde_json::to_value(node.materialization).unwrap(), "external_as_table");
    assert!(plan.nodes.iter().all(|node| node.reads_unbuilt.is_empty()));
    let said = "it was built as a table; its external file was not written";
    assert!(unchecked(&draft, "model int_sailing_load").contains(&said), "{:?}", draft.not_checked);
}

fn with_macro(manifest: &mut Value, name: &str, text: &str) {
    let id = format!("macro.ferry.{name}");
    manifest["macros"][&id] = json!({
        "unique_id": id, "resource_type": "macro", "package_name": "ferry", "name": name, "macro_sql": text,
        "path": "macros/own.sql", "original_file_path": "macros/own.sql", "depends_on": {"macros": []}
    });
}

fn unchecked<'d>(draft: &'d Draft, begins: &str) -> Vec<&'d str> {
    let found = draft.not_checked.iter().filter(|entry| entry.subject.starts_with(begins));
    found.map(|entry| entry.reason.as_str()).collect()
}

/// dbt runs the project's macro, and so its tests say whatever that says.
#[test]
fn tests_that_the_project_judges_itself_are_not_run() {
    let (mut state, mut pr) = (read(FERRY), of_pull_request("changed_filter"));
    let (plan, _) = planned(&state, &pr);
    let all = plan.tests.len();
    assert!(all > 10);
    for name in
        ["get_test_sql", "default__get_test_sql", "duckdb__get_limit_subquery_sql", "materialization_test_default"]
    {
        let (mut state, mut pr) = (state.clone(), pr.clone());
        for manifest in [&mut state, &mut pr] {
            with_macro(manifest, name, "{% macro own() %}select 0 as failures{% endmacro %}");
        }
        let (plan, draft) = planned(&state, &pr);
        assert_eq!(plan.tests.len(), 0, "{name}");
        let reasons = unchecked(&draft, "test ");
        assert_eq!(reasons.len(), all, "{name}");
        assert_eq!(reasons[0], format!("the project's own macro {name} decides whether it fails"));
    }
    // A name that only ends so is not found by dbt; a materialization that hands over to dbt's is dbt's.
    for (name, text) in [
        ("my_get_test_sql", "select 1"),
        ("materialization_test_default", "{{ return(elementary.materialization_test_default()) }}"),
    ] {
        for manifest in [&mut state, &mut pr] {
            with_macro(manifest, name, text);
        }
        assert_eq!(planned(&state, &pr).0.tests.len(), all, "{name}");
    }
    let (plan, _) = planned(&state, &pr);
    let said: Vec<_> = plan.notices.iter().map(|notice| notice.message.as_str()).collect();
    assert!(said.iter().any(|said| said.starts_with("the project wraps materialization `test`")), "{said:?}");
}

#[test]
fn nodes_that_the_project_s_changed_macros_build_are_named() {
    let (state, mut pr) = (read(FERRY), of_pull_request("changed_filter"));
    with_macro(
        &mut pr,
        "create_view_as",
        "{% macro create_view_as(relation, sql) %}create view x as select 1{% endmacro %}",
    );
    let (plan, draft) = planned(&state, &pr);
    let views = plan.nodes.iter().filter(|node| node.materialization == Materialization::View).count();
    let reasons = unchecked(&draft, "model ");
    let own =
        reasons.iter().filter(|reason| reason.ends_with("without the project's own macro create_view_as")).count();
    assert!(views > 5 && own >= views, "{own} of {views}: {reasons:?}");
    // As production's, it is no news.
    let mut state = state;
    with_macro(
        &mut state,
        "create_view_as",
        "{% macro create_view_as(relation, sql) %}create view x as select 1{% endmacro %}",
    );
    assert!(unchecked(&planned(&state, &pr).1, "model ").is_empty());
}

#[test]
fn a_model_that_the_project_s_own_is_incremental_compiled_is_not_built() {
    let (state, mut pr) = (read(FERRY), of_pull_request("incremental_edit"));
    let node = &mut pr["nodes"]["model.ferry.fct_bookings"];
    let own = node["relation_name"].as_str().unwrap().to_owned();
    node["compiled_code"] = json!(format!("select * from x where id > (select max(id) from {own})"));
    with_macro(&mut pr, "is_incremental", "{% macro is_incremental() %}{{ return(true) }}{% endmacro %}");
    let (plan, draft) = planned(&state, &pr);
    assert!(plan.nodes.iter().all(|node| node.name != "fct_bookings"));
    let said = "its SQL was compiled for an incremental run, by the project's own is_incremental";
    assert!(unchecked(&draft, "model fct_bookings").contains(&said), "{:?}", draft.not_checked);
}

fn operation(name: &str, kind: &str, sql: &str) -> Value {
    json!({
        "unique_id": format!("operation.ferry.{name}"), "resource_type": "operation", "package_name": "ferry",
        "name": name, "path": "./dbt_project.yml", "original_file_path": "./dbt_project.yml", "fqn": ["ferry", "hooks", name],
        "raw_code": sql, "language": "sql", "tags": [kind], "config": {"enabled": true, "materialized": "view"},
        "depends_on": {"nodes": [], "macros": []}, "checksum": {"name": "sha256", "checksum": name}
    })
}

#[test]
fn hooks_and_operations_of_the_pull_request_are_not_checked_and_those_of_production_one_line() {
    let (mut state, mut pr) = (read(FERRY), of_pull_request("changed_filter"));
    let hook = |sql: &str| json!({"sql": sql, "transaction": true, "index": null});
    for manifest in [&mut state, &mut pr] {
        for model in ["fct_sailings", "ops_daily", "ops_incidents"] {
            manifest["nodes"][format!("model.ferry.{model}")]["config"]["post-hook"] = json!([hook("analyze")]);
        }
    }
    let (_, draft) = planned(&state, &pr);
    assert!(draft.not_checked.iter().all(|entry| !entry.subject.contains("hook")), "{:?}", draft.not_checked);
    let (_, quiet) = comment(draft);
    assert!(
        quiet.contains("Intentionally skipped: 1 on-run-start, 4 post-hooks, 1 pre-hook, storing failures of 1 test, all as in production."),
        "{quiet}"
    );

    // dbt numbers operations: a new one before an old one gives the old one another id.
    let old = pr["nodes"]["operation.ferry.ferry-on-run-start-0"]["raw_code"].as_str().unwrap().to_owned();
    pr["nodes"]["operation.ferry.ferry-on-run-start-0"]["raw_code"] = json!("select 1 / 0");
    pr["nodes"]["operation.ferry.ferry-on-run-start-1"] = operation("ferry-on-run-start-1", "on-run-start", &old);
    pr["nodes"]["operation.ferry.ferry-on-run-end-0"] =
        operation("ferry-on-run-end-0", "on-run-end", "select no_such_column");
    pr["nodes"]["model.ferry.ops_daily"]["config"]["post-hook"] =
        json!([hook("analyze"), hook("select no_such_column")]);
    let (_, mut draft) = planned(&state, &pr);
    let subjects: Vec<_> = draft.not_checked.iter().map(|entry| entry.subject.as_str()).collect();
    assert_eq!(
        subjects,
        ["post-hook of ops_daily", "on-run-end of ferry-on-run-end-0", "on-run-start of ferry-on-run-start-0"]
    );
    all_well(&mut draft, vec![]);
    let (verdict, loud) = comment(draft);
    assert_eq!(verdict, Verdict::Warned);
    assert!(loud.contains("`on-run-end of ferry-on-run-end-0`: the pull request adds or changes it"), "{loud}");
}

#[test]
fn a_pull_request_that_weakens_tests_is_told_so_by_name() {
    let state = read(FERRY);
    let tests: Vec<String> = state["nodes"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, node)| {
            node["resource_type"] == "test" && !node["test_metadata"].is_null() && node["config"]["severity"] == "ERROR"
        })
        .map(|(id, _)| id.clone())
        .collect();
    let mut pr = state.clone();
    pr["nodes"][&tests[0]]["config"]["severity"] = json!("warn");
    pr["nodes"][&tests[1]]["config"]["where"] = json!("1 = 0");
    pr["nodes"][&tests[2]]["config"]["error_if"] = json!("> 10");
    pr["nodes"].as_object_mut().unwrap().shift_remove(&tests[3]);
    let limited = &mut pr["nodes"][&tests[4]]["config"];
    limited["limit"] = json!(1);
    limited["warn_if"] = json!("> 5");
    let (plan, mut draft) = planned(&state, &pr);
    let how = |id: &String| {
        plan.weaker_tests.iter().find(|test| test.unique_id == *id).map(|test| test.how.clone()).unwrap_or_default()
    };
    assert_eq!(how(&tests[0]), [Weakening::SeverityWarn]);
    assert_eq!(how(&tests[1]), [Weakening::Where { to: "1 = 0".into() }]);
    assert_eq!(
        how(&tests[2]),
        [Weakening::Threshold { key: "error_if".into(), from: "!= 0".into(), to: "> 10".into() }]
    );
    assert_eq!(how(&tests[3]), [Weakening::Removed]);
    assert_eq!(how(&tests[4]).len(), 2);
    assert_eq!(plan.weaker_tests.len(), 5);
    all_well(&mut draft, vec![]);
    let (verdict, comment) = comment(draft);
    assert_eq!(verdict, Verdict::Warned);
    assert!(comment.contains("### ⚠️ Review needed: weakens 5 tests\n"), "{comment}");
    assert!(comment.contains("weakens the test: severity error → warn |"), "{comment}");
    assert!(!comment.contains("1 = 0"), "a condition quotes values: {comment}");
    let mut text = Vec::new();
    render_text(&plan, 100, true, &mut text).unwrap();
    assert!(String::from_utf8(text).unwrap().contains("Weakened: 5 tests"));
    // The other way round the same tests are stronger.
    assert!(planned(&pr, &state).0.weaker_tests.is_empty());
}

#[test]
fn far_more_or_far_fewer_rows_are_a_warning() {
    let (state, pr) = (read(FERRY), of_pull_request("changed_filter"));
    let warned = |before: u64, after: u64| {
        let (_, mut draft) = planned(&state, &pr);
        let id = "model.ferry.int_sailing_load".to_owned();
        let counts = vec![RowCount {
            unique_id: id.into(),
            production: Some(before),
            pull_request: Some(after),
            uncounted: false,
        }];
        all_well(&mut draft, counts);
        let (verdict, comment) = comment(draft);
        assert_eq!(verdict == Verdict::Warned, comment.contains("row-count"), "{comment}");
        verdict == Verdict::Warned
    };
    assert!(warned(44_700, 134_100), "a tripled table");
    assert!(warned(45_000, 22_500) && warned(45_000, 0) && warned(3, 0));
    assert!(
        !warned(45_000, 89_999) && !warned(45_000, 22_501) && !warned(99, 900) && !warned(900, 99) && !warned(0, 5_000)
    );
}

#[test]
fn a_test_that_looks_for_something_else_is_named() {
    let state = read(FERRY);
    let nodes = state["nodes"].as_object().unwrap();
    let of = |name: &str| -> Vec<String> {
        let generic = nodes.iter().filter(|(_, node)| node["test_metadata"]["name"] == name);
        generic.map(|(id, _)| id.clone()).collect()
    };
    let (unique, accepted) = (of("unique"), of("accepted_values"));
    let (singular, _) =
        nodes.iter().find(|(_, node)| node["resource_type"] == "test" && node["test_metadata"].is_null()).unwrap();
    let mut pr = state.clone();
    pr["nodes"][&unique[0]]["config"]["fail_calc"] = json!("0 * count(*)");
    // Other arguments are another id, as dbt makes it of them.
    let mut other = pr["nodes"].as_object_mut().unwrap().shift_remove(&accepted[0]).unwrap();
    other["test_metadata"]["kwargs"]["values"].as_array_mut().unwrap().push(json!("anything"));
    let other_id = format!("{}0", accepted[0]);
    other["unique_id"] = json!(other_id);
    pr["nodes"][&other_id] = other;
    pr["nodes"][singular]["raw_code"] = json!("select 1 where false");
    pr["nodes"][singular]["compiled_code"] = json!("select 1 where false");
    pr["nodes"][singular]["checksum"]["checksum"] = json!("another");
    let (plan, mut draft) = planned(&state, &pr);
    let how = |id: &String| {
        plan.weaker_tests.iter().find(|test| test.unique_id == *id).map(|test| test.how.clone()).unwrap_or_default()
    };
    assert_eq!(how(&unique[0]), [Weakening::FailCalc { to: "0 * count(*)".into() }]);
    assert_eq!(how(&accepted[0]), [Weakening::MoreValues { more: 1 }]);
    assert_eq!(how(singular), [Weakening::Sql]);
    assert_eq!(plan.weaker_tests.len(), 3);
    all_well(&mut draft, vec![]);
    let (verdict, comment) = comment(draft);
    assert_eq!(verdict, Verdict::Warned);
    assert!(comment.contains("changes what the test finds: fail\\_calc changed"), "{comment}");
    assert!(comment.contains("changes what the test finds: SQL changed"), "{comment}");
    assert!(comment.contains("weakens the test: accepts 1 more value"), "{comment}");
    // Fewer accepted values are stricter.
    let back = planned(&pr, &state).0;
    assert!(back.weaker_tests.iter().all(|test| test.unique_id != *other_id), "{:?}", back.weaker_tests);
}

#[test]
fn tests_that_a_new_name_of_their_model_loses_are_named() {
    let state = read(FERRY);
    let mut pr = state.clone();
    let model = "model.ferry.int_sailing_load";
    let nodes = pr["nodes"].as_object_mut().unwrap();
    let mut renamed = nodes.shift_remove(model).unwrap();
    let tests: Vec<String> = nodes
        .iter()
        .filter(|(_, node)| node["resource_type"] == "test" && node["attached_node"] == model)
        .map(|(id, _)| id.clone())
        .collect();
    tests.iter().for_each(|id| drop(nodes.shift_remove(id)));
    assert!(!tests.is_empty());
    renamed["unique_id"] = json!("model.ferry.other");
    renamed["name"] = json!("other");
    nodes.insert("model.ferry.other".into(), renamed);
    for node in nodes.values_mut() {
        for parent in node["depends_on"]["nodes"].as_array_mut().into_iter().flatten() {
            if *parent == model {
                *parent = json!("model.ferry.other");
            }
        }
    }
    let plan = planned(&state, &pr).0;
    let weaker: BTreeSet<&str> = plan.weaker_tests.iter().map(|test| test.unique_id.as_str()).collect();
    assert!(tests.iter().all(|id| weaker.contains(id.as_str())), "{tests:?}: {:?}", plan.weaker_tests);
}

/// A string keeps the schema's name: `{{ this.schema }}` in quotes is compiled into one.
#[test]
fn a_string_that_is_a_schema_s_name_is_said() {
    let (state, mut pr) = (read(FERRY), of_pull_request("changed_filter"));
    let schema = pr["nodes"]["model.ferry.int_sailing_load"]["schema"].as_str().unwrap().to_owned();
    let code = pr["nodes"]["model.ferry.int_sailing_load"]["compiled_code"].as_str().unwrap().to_owned();
    let with = |ending: &str| format!("{code}\n{ending}");
    let said = |pr: &Value| {
        let notices = planned(&state, pr).0.notices;
        notices.iter().filter(|notice| notice.message.contains("as a string")).count()
    };
    assert_eq!(said(&pr), 0);
    pr["nodes"]["model.ferry.int_sailing_load"]["compiled_code"] = json!(with(&format!("-- '{schema}'")));
    assert_eq!(said(&pr), 0, "a comment is no string");
    pr["nodes"]["model.ferry.int_sailing_load"]["compiled_code"] = json!(with(&format!("and '{schema}' <> ''")));
    assert_eq!(said(&pr), 1);
}

/// dbt writes Python's numbers as they are: `meta: {limit: .nan}`.
#[test]
fn a_manifest_with_python_s_numbers_is_read() {
    let text = serde_json::to_string(&read(FERRY)).unwrap();
    let meta = r#""meta": {"limit": NaN, "most": [Infinity, -Infinity], "said": "NaN, \"Infinity"}, "metadata""#;
    let text = text.replacen(r#""metadata""#, meta, 1);
    let file = ManifestFile::from_bytes(Path::new("m"), text.into_bytes());
    assert!(file.parse().unwrap().nodes.len() > 40);
    let words = ManifestFile::from_bytes(Path::new("m"), br#"{"metadata": {}, "nodes": NaNcy}"#.to_vec());
    assert!(words.parse().is_err(), "other words stay what they are");
}

#[test]
fn two_nodes_of_one_name_are_told_apart_and_long_names_differ() {
    let (state, pr) = (read(FERRY), of_pull_request("changed_filter"));
    let (_, mut draft) = planned(&state, &pr);
    let mut twin = draft.nodes.iter().find(|node| node.changed).unwrap().clone();
    twin.unique_id = "model.other.int_sailing_load".into();
    draft.nodes.push(twin);
    let mut long = draft.nodes[0].clone();
    for end in ["first", "second"] {
        long.unique_id = format!("model.ferry.{end}").as_str().into();
        long.name = format!("{}_{end}", "x".repeat(200));
        long.changed = true;
        draft.nodes.push(long.clone());
    }
    all_well(&mut draft, vec![]);
    let (_, comment) = comment(draft);
    assert!(comment.contains("`other.int_sailing_load`") && comment.contains("`ferry.int_sailing_load`"), "{comment}");
    let long: BTreeSet<_> = comment.lines().filter(|line| line.starts_with("| `xxx")).collect();
    assert_eq!(long.len(), 2, "{comment}");
}

#[test]
fn the_comment_holds_no_checks_that_there_are_not_and_no_tick_for_no_tests() {
    let (state, pr) = (read(FERRY), of_pull_request("incremental_edit"));
    let (_, mut draft) = planned(&state, &pr);
    draft.tests.clear();
    all_well(&mut draft, vec![]);
    assert!(draft.nodes.iter().all(|node| node.message.is_none()), "what was built has nothing to say");
    let (_, comment) = comment(draft);
    assert!(comment.contains("| Build | Tests | Impact |"), "{comment}");
    assert!(!comment.contains("✅ none"), "{comment}");
    assert!(comment.contains("incremental models were built in full: fct\\_"), "{comment}");
}

#[test]
fn a_new_macro_is_called_new() {
    let (state, mut pr) = (read(FERRY), of_pull_request("changed_filter"));
    let id = "macro.ferry.brand_new";
    pr["macros"][id] = json!({"unique_id": id, "name": "brand_new", "package_name": "ferry", "macro_sql": "{% macro brand_new() %}1{% endmacro %}", "depends_on": {"macros": []}, "resource_type": "macro"});
    pr["nodes"]["model.ferry.int_sailing_load"]["depends_on"]["macros"] = json!([id]);
    let (_, draft) = planned(&state, &pr);
    let said: Vec<_> = draft.reasons.macros.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|line| line.starts_with("macro `brand_new` is new")), "{said:?}");
}
