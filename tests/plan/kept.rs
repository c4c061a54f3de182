//! Tables whose rows production keeps: what the readers of such a table need.

use premerge::changes::{CompareOptions, compare, compare_compiled};
use premerge::plan::{KeptTable, Needs, NotCheckedReason, Plan, plan};
use premerge::project::Graph;
use serde_json::{Value, json};

use super::{CHANGED, manifest, manifest_with, options, plan_files, unchecked};

#[test]
fn readers_of_a_kept_table_need_what_could_make_them_end_otherwise() {
    let test = |name: &str, table: &str, macro_: &str, parents: Value| {
        json!({"attached_node": table, "column_name": name, "config": {"severity": "ERROR"},
            "test_metadata": {"name": macro_, "kwargs": {}},
            "depends_on": {"nodes": parents, "macros": [format!("macro.dbt.test_{macro_}")]}})
    };
    let macros: serde_json::Map<String, Value> = ["not_null", "unique", "relationships"]
        .map(|name| format!("macro.dbt.test_{name}"))
        .map(|id| (id.clone(), json!({"unique_id": id, "package_name": "dbt", "name": id, "macro_sql": ""})))
        .into_iter()
        .collect();
    let nodes = |code: &str, mart: &str| {
        let own = json!(["model.p.fct"]);
        let both = json!(["model.p.cus", "model.p.fct"]);
        let later = json!({"parents": ["model.p.a"], "config": {"materialized": "incremental", "unique_key": "id"},
            "raw_code": "select id from a {% if is_incremental() %} where day > 1 {% endif %}"});
        let nodes = [
            ("model.p.a", json!({"raw_code": code})),
            ("model.p.cus", json!({})),
            ("model.p.fct", later),
            ("model.p.mart", json!({"parents": ["model.p.fct"], "materialized": "table", "raw_code": mart})),
            ("model.p.beside", json!({"parents": ["model.p.a", "model.p.fct"], "materialized": "table"})),
            ("model.p.quiet", json!({"parents": ["model.p.fct"], "materialized": "table"})),
            ("test.p.not_null", test("day", "model.p.fct", "not_null", own.clone())),
            ("test.p.unique_key", test("id", "model.p.fct", "unique", own.clone())),
            ("test.p.unique_other", test("day", "model.p.fct", "unique", own)),
            ("test.p.relation", test("cus", "model.p.fct", "relationships", both)),
            ("test.p.of_mart", json!({"parents": ["model.p.mart"]})),
            ("test.p.of_quiet", json!({"parents": ["model.p.quiet"]})),
        ];
        manifest_with(&nodes, json!({"macros": macros}))
    };
    let plan = plan_files(&nodes("select 1", "x"), &nodes(CHANGED, "y"), &options());
    let found = |plan: &Plan| -> Vec<(String, String, Needs)> {
        let of = |kept: &KeptTable| {
            let table = kept.unique_id.name().to_owned();
            kept.readers.iter().map(|r| (table.clone(), r.unique_id.name().to_owned(), r.needs)).collect::<Vec<_>>()
        };
        plan.kept.iter().flat_map(of).collect()
    };
    let fct = |name: &str, needs: Needs| ("fct".to_owned(), name.to_owned(), needs);
    let mut expected = vec![
        fct("beside", Needs::AllOfProductions),
        fct("mart", Needs::AllOfProductions),
        fct("of_mart", Needs::SameRows),
        fct("of_quiet", Needs::AllOfProductions),
        fct("unique_other", Needs::AllOfProductions),
    ];
    expected.sort_by(|a, b| a.1.cmp(&b.1));
    let mut got = found(&plan);
    got.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(got, expected);
    // Whose next run is not tried anyway is not told twice.
    let plan = plan_files(&nodes("select 1", "x"), &nodes("select 1", "x"), &options());
    assert!(plan.kept.is_empty());
}

#[test]
fn the_next_run_of_an_incremental_model_that_inlines_a_changed_text_is_not_tried() {
    let nodes = |code: &str, fct: &str| {
        manifest(&[
            ("model.p.a", json!({"materialized": "ephemeral", "raw_code": code})),
            ("model.p.fct", json!({"parents": ["model.p.a"], "materialized": "incremental", "raw_code": fct})),
        ])
    };
    let later = "select 1 {% if is_incremental() %} where day > 1 {% endif %}";
    let plan = plan_files(&nodes("select 1", later), &nodes(CHANGED, later), &options());
    assert_eq!(unchecked(&plan), [("model.p.fct", &NotCheckedReason::NextRun)]);
    let plan = plan_files(&nodes("select 1", "select 1"), &nodes(CHANGED, "select 1"), &options());
    assert!(unchecked(&plan).is_empty());
}

#[test]
fn an_incremental_model_that_dbt_builds_in_batches_is_not_checked_as_it_is_built() {
    let nodes = |code: &str, strategy: &str| {
        let config = json!({"materialized": "incremental", "incremental_strategy": strategy, "full_refresh": true});
        manifest(&[
            ("model.p.a", json!({"raw_code": code})),
            ("model.p.fct", json!({"parents": ["model.p.a"], "config": config})),
        ])
    };
    let plan = plan_files(&nodes("select 1", "microbatch"), &nodes(CHANGED, "microbatch"), &options());
    assert_eq!(unchecked(&plan), [("model.p.fct", &NotCheckedReason::NextRun)]);
    let plan = plan_files(&nodes("select 1", "append"), &nodes(CHANGED, "append"), &options());
    assert!(unchecked(&plan).is_empty());
}

#[test]
fn the_event_time_of_a_source_counts_where_a_model_is_built_in_batches() {
    let made = |event_time: &str, strategy: &str| {
        let source = json!({"unique_id": "source.p.raw.orders", "name": "orders", "source_name": "raw", "schema": "raw",
            "identifier": "orders", "relation_name": "\"wh\".\"raw\".\"orders\"", "resource_type": "source",
            "fqn": ["p", "raw", "orders"], "config": {"event_time": event_time},
            "unrendered_config": {"event_time": event_time}});
        let config = json!({"materialized": "incremental", "incremental_strategy": strategy});
        let nodes = [("model.p.fct", json!({"parents": ["source.p.raw.orders"], "config": config}))];
        manifest_with(&nodes, json!({"sources": {"source.p.raw.orders": source}}))
    };
    let settled = |strategy: &str| {
        let (state, pr) = (made("day", strategy), made("created", strategy));
        let (state, pr) = (state.parse().unwrap(), pr.parse().unwrap());
        let mut changes = compare(&state, &pr, &CompareOptions::default());
        compare_compiled(&state, &pr, &changes).apply(&mut changes);
        plan(&state, &pr, &Graph::new(&pr), &changes, &options()).unwrap()
    };
    assert_eq!(unchecked(&settled("microbatch")), [("model.p.fct", &NotCheckedReason::NextRun)]);
    assert!(settled("append").nodes.is_empty());
}
