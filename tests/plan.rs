//! Plans: what is built, proxied, tested, and why.

// Helpers of tests are not test functions to clippy.
#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "plan/kept.rs"]
mod kept;
#[path = "plan/real_history.rs"]
mod real_history;
#[path = "plan/removed.rs"]
mod removed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use premerge::artifacts::ManifestFile;
use premerge::changes::{CompareOptions, Reason, compare};
use premerge::plan::{NotCheckedReason, NoticeLevel, Plan, PlanOptions, SkipReason, Why, plan, render_text};
use premerge::project::{Graph, IndirectSelection};
use premerge::sql::{Dialect, SchemaName, relocate};
use serde_json::{Value, json};

/// The temporary schema of a plan.
fn temporary(plan: &Plan, database: Option<&str>) -> SchemaName {
    SchemaName::new(database.map(str::to_owned), plan.schema.clone())
}

fn options() -> PlanOptions {
    PlanOptions {
        schema: "premerge_pr_1".into(),
        select: None,
        exclude: BTreeSet::new(),
        indirect: IndirectSelection::Eager,
        at_turn: None,
    }
}

fn plan_files(state: &ManifestFile, pr: &ManifestFile, options: &PlanOptions) -> Plan {
    let (state, pr) = (state.parse().unwrap(), pr.parse().unwrap());
    let changes = compare(&state, &pr, &CompareOptions::default());
    let graph = Graph::new(&pr);
    plan(&state, &pr, &graph, &changes, options).unwrap()
}

/// A project made by hand. `nodes`: unique_id, what differs from the default model.
fn manifest(nodes: &[(&str, Value)]) -> ManifestFile {
    manifest_with(nodes, json!({}))
}

fn manifest_with(nodes: &[(&str, Value)], rest: Value) -> ManifestFile {
    let mut map = serde_json::Map::new();
    for (id, patch) in nodes {
        let mut parts = id.splitn(3, '.');
        let (kind, package, name) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let mut node = json!({
            "unique_id": id, "resource_type": kind, "package_name": package, "name": name, "alias": name,
            "database": "wh", "schema": "core", "path": format!("{name}.sql"),
            "original_file_path": format!("models/{name}.sql"), "fqn": [package, name], "language": "sql",
            "raw_code": format!("select 1 as {name}"), "compiled_code": format!("select 1 as {name}"),
            "relation_name": format!(r#""wh"."core"."{name}""#),
            "config": {"materialized": if kind == "model" { "view" } else { kind }, "enabled": true},
            "depends_on": {"nodes": [], "macros": []}, "checksum": {"name": "sha256", "checksum": name},
        });
        for (key, value) in patch.as_object().unwrap() {
            match (key.as_str(), value) {
                ("parents", value) => node["depends_on"]["nodes"] = value.clone(),
                ("materialized", value) => {
                    node["config"]["materialized"] = value.clone();
                    if value == "ephemeral" {
                        node["relation_name"] = Value::Null;
                    }
                }
                (_, value) => node[key] = value.clone(),
            }
        }
        if kind == "test" {
            node["relation_name"] = Value::Null;
        }
        map.insert((*id).to_owned(), node);
    }
    let mut manifest = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": "1.11.0",
            "project_name": "p", "adapter_type": "duckdb"},
        "nodes": map,
    });
    for (key, value) in rest.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    ManifestFile::from_bytes(Path::new("made by hand"), serde_json::to_vec(&manifest).unwrap())
}

fn built(plan: &Plan) -> Vec<&str> {
    plan.nodes.iter().map(|node| node.unique_id.as_str()).collect()
}

fn proxied(plan: &Plan) -> Vec<&str> {
    plan.proxies.iter().map(|proxy| proxy.unique_id.as_str()).collect()
}

fn tested(plan: &Plan) -> Vec<&str> {
    plan.tests.iter().map(|test| test.unique_id.as_str()).collect()
}

fn unchecked(plan: &Plan) -> Vec<(&str, &NotCheckedReason)> {
    plan.not_checked.iter().map(|entry| (entry.unique_id.as_str(), &entry.reason)).collect()
}

const CHANGED: &str = "select 2 as changed";

#[test]
fn changed_nodes_and_their_descendants_are_built_on_proxies() {
    let nodes = |code: &str| {
        manifest(&[
            ("model.p.a", json!({})),
            ("model.p.b", json!({"parents": ["model.p.a"], "raw_code": code})),
            ("model.p.c", json!({"parents": ["model.p.b", "model.p.side"], "materialized": "incremental"})),
            ("model.p.side", json!({})),
            ("model.p.else", json!({"parents": ["model.p.side"]})),
        ])
    };
    let plan = plan_files(&nodes("select 1"), &nodes(CHANGED), &options());
    assert_eq!(built(&plan), ["model.p.b", "model.p.c"]);
    assert_eq!(proxied(&plan), ["model.p.a", "model.p.side"]);
    assert_eq!(plan.proxies[0].production, r#""wh"."core"."a""#);
    assert_eq!(plan.proxies[1].parent_of, ["model.p.c"]);
    assert_eq!(plan.nodes[1].why, Why::Downstream { of: vec!["model.p.b".into()], and_more: false });
}

#[test]
fn an_ephemeral_model_is_read_through() {
    let nodes = |code: &str| {
        manifest(&[
            ("model.p.base", json!({})),
            ("model.p.eph1", json!({"parents": ["model.p.base"], "materialized": "ephemeral", "raw_code": code})),
            ("model.p.eph2", json!({"parents": ["model.p.eph1"], "materialized": "ephemeral"})),
            ("model.p.c", json!({"parents": ["model.p.eph2"]})),
            ("test.p.t", json!({"parents": ["model.p.eph2"]})),
        ])
    };
    let plan = plan_files(&nodes("select 1"), &nodes(CHANGED), &options());
    assert_eq!(built(&plan), ["model.p.c"]);
    assert_eq!(plan.nodes[0].parents, ["model.p.base"]);
    assert_eq!(proxied(&plan), ["model.p.base"]);
    assert_eq!(plan.skipped.iter().map(|s| s.reason).collect::<Vec<_>>(), [SkipReason::Ephemeral; 2]);
    assert_eq!(tested(&plan), ["test.p.t"]);
    assert_eq!(plan.proxies[0].tested_by, ["test.p.t"]);
}

#[test]
fn what_production_lacks_is_built_even_if_excluded() {
    let state = manifest(&[
        ("model.p.was_ephemeral", json!({"materialized": "ephemeral"})),
        ("model.p.c", json!({"parents": ["model.p.was_ephemeral"]})),
    ]);
    let pr = manifest(&[
        ("model.p.new", json!({})),
        ("model.p.was_ephemeral", json!({"parents": ["model.p.new"]})),
        ("model.p.c", json!({"parents": ["model.p.was_ephemeral"], "raw_code": CHANGED})),
    ]);
    let only_c = PlanOptions { select: Some(BTreeSet::from(["model.p.c".into()])), ..options() };
    let plan = plan_files(&state, &pr, &only_c);
    assert_eq!(built(&plan), ["model.p.new", "model.p.was_ephemeral", "model.p.c"]);
    assert_eq!(plan.nodes[0].why, Why::NeededNew { by: vec!["model.p.was_ephemeral".into()] });
    assert_eq!(plan.summary.built_needed, 2);
    assert!(plan.proxies.is_empty());
}

#[test]
fn a_snapshot_that_is_only_downstream_stays_productions() {
    let nodes = |code: &str, snapshot: &str| {
        manifest(&[
            ("model.p.a", json!({"raw_code": code})),
            ("snapshot.p.s", json!({"parents": ["model.p.a"], "raw_code": snapshot})),
            ("model.p.c", json!({"parents": ["snapshot.p.s"]})),
            ("test.p.on_snapshot", json!({"parents": ["snapshot.p.s"]})),
        ])
    };
    let plan = plan_files(&nodes("select 1", "x"), &nodes(CHANGED, "x"), &options());
    assert_eq!(built(&plan), ["model.p.a", "model.p.c"]);
    assert_eq!(proxied(&plan), ["snapshot.p.s"]);
    assert_eq!(plan.skipped[0].reason, SkipReason::SnapshotNotChanged);
    // Its query is tried beside, under a name of its own.
    let trials: Vec<_> = plan.trials.iter().map(|t| (t.unique_id.as_str(), t.identifier.as_str(), &t.of[..])).collect();
    assert_eq!(trials, [("snapshot.p.s", "s__first_run", &["model.p.a".into()][..])]);
    assert_eq!(unchecked(&plan), [("test.p.on_snapshot", &NotCheckedReason::NothingOfItIsBuilt)]);

    let plan = plan_files(&nodes("select 1", "x"), &nodes("select 1", "y"), &options());
    assert_eq!(built(&plan), ["snapshot.p.s", "model.p.c"]);
    assert_eq!(tested(&plan), ["test.p.on_snapshot"]);
}

#[test]
fn what_cannot_be_built_is_named_and_its_readers_read_production() {
    let nodes = |code: &str, with_new: bool| {
        let mut nodes = vec![
            ("model.p.a", json!({"raw_code": code})),
            ("model.p.py", json!({"parents": ["model.p.a"], "language": "python"})),
            ("model.p.odd", json!({"parents": ["model.p.a"], "materialized": "stamped"})),
            ("model.p.c", json!({"parents": ["model.p.py", "model.p.odd"]})),
            ("model.p.uncompiled", json!({"parents": ["model.p.a"], "compiled_code": null})),
        ];
        if with_new {
            nodes.push(("model.p.new_py", json!({"language": "python"})));
            nodes.push(("model.p.reads_new_py", json!({"parents": ["model.p.new_py"]})));
            nodes.push(("model.p.reads_that", json!({"parents": ["model.p.reads_new_py"]})));
        }
        manifest(&nodes)
    };
    let plan = plan_files(&nodes("select 1", false), &nodes(CHANGED, true), &options());
    assert_eq!(built(&plan), ["model.p.a", "model.p.c"]);
    assert_eq!(proxied(&plan), ["model.p.odd", "model.p.py"]);
    let parent = |parent: &str| NotCheckedReason::ParentNotAvailable { parent: parent.into() };
    assert_eq!(
        unchecked(&plan),
        [
            ("model.p.new_py", &NotCheckedReason::PythonModel),
            ("model.p.odd", &NotCheckedReason::UnknownMaterialization { materialized: "stamped".into() }),
            ("model.p.py", &NotCheckedReason::PythonModel),
            ("model.p.reads_new_py", &parent("model.p.new_py")),
            ("model.p.reads_that", &parent("model.p.reads_new_py")),
            ("model.p.uncompiled", &NotCheckedReason::NotCompiled),
        ]
    );
    assert_eq!(plan.notices.len(), 2, "both proxies of changed things are remarked: {:?}", plan.notices);
}

#[test]
fn names_that_collide_carry_their_schema() {
    let nodes = |code: &str| {
        manifest(&[
            ("model.p.a", json!({"alias": "Orders", "relation_name": r#""wh"."core"."Orders""#, "raw_code": code})),
            ("model.p.b", json!({"alias": "orders", "schema": "fin", "relation_name": r#""wh"."fin"."orders""#})),
            (
                "model.p.c",
                json!({"parents": ["model.p.a", "model.p.b"],
                "compiled_code": r#"select * from "wh"."core"."Orders" join "wh"."fin"."orders" using (x)"#}),
            ),
            (
                "model.p.d",
                json!({"alias": "_premerge_runs", "relation_name": r#""wh"."core"."_premerge_runs""#,
                "parents": ["model.p.c"]}),
            ),
        ])
    };
    let (state, pr) = (nodes("select 1"), nodes(CHANGED));
    let plan = plan_files(&state, &pr, &options());
    let places: BTreeMap<&str, &str> = plan.relations().collect();
    assert_eq!(places["model.p.a"], "core__Orders");
    assert_eq!(places["model.p.b"], "fin__orders");
    assert_eq!(places["model.p.c"], "c");
    assert_eq!(places["model.p.d"], "core___premerge_runs");

    let (state, pr) = (state.parse().unwrap(), pr.parse().unwrap());
    let map = plan.relocation(&state, &pr, Dialect::DuckDb, &temporary(&plan, Some("tmp")));
    let moved = relocate(&pr.nodes["model.p.c"].compiled_code.unwrap().get(), &map).unwrap();
    assert_eq!(
        moved.sql,
        r#"select * from "tmp"."premerge_pr_1"."core__Orders" join "tmp"."premerge_pr_1"."fin__orders" using (x)"#
    );
    let territory = plan.territory(&state, &pr, Dialect::DuckDb, &temporary(&plan, Some("tmp")));
    assert_eq!(territory.foreign(&moved.sql).unwrap(), vec![]);
    assert_eq!(territory.foreign("select * from wh.core.c").unwrap()[0].unique_id.as_deref(), Some("model.p.c"));
}

#[test]
fn both_spellings_of_a_parent_move() {
    let one = |schema: &str, code: &str| {
        let relation = format!(r#""wh"."{schema}"."a""#);
        manifest(&[
            ("model.p.a", json!({"schema": schema, "relation_name": relation})),
            ("model.p.c", json!({"parents": ["model.p.a"], "raw_code": code})),
        ])
    };
    let (state, pr) = (one("prod", "select 1"), one("ci", CHANGED));
    let exclude = PlanOptions { exclude: BTreeSet::from(["model.p.a".into()]), ..options() };
    let plan = plan_files(&state, &pr, &exclude);
    let (state, pr) = (state.parse().unwrap(), pr.parse().unwrap());
    let map = plan.relocation(&state, &pr, Dialect::DuckDb, &temporary(&plan, None));
    for sql in ["select * from wh.prod.a", "select * from wh.ci.a"] {
        assert_eq!(relocate(sql, &map).unwrap().sql, r#"select * from "premerge_pr_1"."a""#);
    }
}

#[test]
fn a_project_compiled_into_the_temporary_schema_keeps_its_text() {
    let one = |schema: &str, code: &str| {
        let relation = |name: &str| format!(r#""wh"."{schema}"."{name}""#);
        manifest(&[
            ("model.p.a", json!({"schema": schema, "relation_name": relation("a")})),
            (
                "model.p.c",
                json!({"schema": schema, "relation_name": relation("c"), "parents": ["model.p.a"],
                "raw_code": code, "compiled_code": format!("select * from {} -- {code}", relation("a"))}),
            ),
        ])
    };
    let (state, pr) = (one("prod", "select 1"), one("premerge_pr_1", CHANGED));
    let plan = plan_files(&state, &pr, &options());
    let (state, pr) = (state.parse().unwrap(), pr.parse().unwrap());
    let sql = pr.nodes["model.p.c"].compiled_code.unwrap().get().into_owned();
    let moved = relocate(&sql, &plan.relocation(&state, &pr, Dialect::DuckDb, &temporary(&plan, Some("wh")))).unwrap();
    assert_eq!(moved.sql, sql);
    assert!(moved.used.contains("model.p.a"));
    assert_eq!(
        plan.territory(&state, &pr, Dialect::DuckDb, &temporary(&plan, Some("wh"))).foreign(&sql).unwrap(),
        vec![]
    );
}

#[test]
fn tests_gate_what_is_downstream_of_all_their_parents() {
    let nodes = |code: &str| {
        manifest(&[
            ("model.p.a", json!({"raw_code": code})),
            ("model.p.b", json!({"raw_code": code})),
            ("model.p.c", json!({"parents": ["model.p.a"]})),
            ("model.p.d", json!({"parents": ["model.p.b"]})),
            ("model.p.e", json!({"parents": ["model.p.c", "model.p.d"]})),
            ("model.p.f", json!({"parents": ["model.p.e", "model.p.a"]})),
            ("test.p.on_a", json!({"parents": ["model.p.a"]})),
            ("test.p.on_a_and_b", json!({"parents": ["model.p.b", "model.p.a"], "config": {"severity": "warn"}})),
            ("test.p.on_f", json!({"parents": ["model.p.f"]})),
        ])
    };
    let plan = plan_files(&nodes("select 1"), &nodes(CHANGED), &options());
    let gates: BTreeMap<&str, Vec<&str>> = plan
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node.gated_by.iter().map(|id| id.as_str()).collect()))
        .collect();
    assert_eq!(gates["a"], Vec::<&str>::new());
    assert_eq!(gates["c"], ["test.p.on_a"]);
    assert_eq!(gates["d"], Vec::<&str>::new());
    assert_eq!(gates["e"], ["test.p.on_a_and_b"], "what c waits for, e waits for already");
    assert_eq!(gates["f"], Vec::<&str>::new());
    assert_eq!(tested(&plan).len(), 3);
}

#[test]
fn indirect_selection_is_dbts() {
    let nodes = |code: &str| {
        manifest(&[
            ("model.p.up", json!({})),
            ("model.p.a", json!({"raw_code": code, "parents": ["model.p.up"]})),
            ("model.p.other", json!({})),
            ("test.p.one", json!({"parents": ["model.p.a"]})),
            ("test.p.with_up", json!({"parents": ["model.p.a", "model.p.up"]})),
            ("test.p.with_other", json!({"parents": ["model.p.a", "model.p.other"]})),
            ("test.p.else", json!({"parents": ["model.p.other"]})),
        ])
    };
    let cases = [
        (IndirectSelection::Eager, vec!["test.p.one", "test.p.with_other", "test.p.with_up"]),
        (IndirectSelection::Buildable, vec!["test.p.one", "test.p.with_up"]),
        (IndirectSelection::Cautious, vec!["test.p.one"]),
        (IndirectSelection::Empty, vec![]),
    ];
    for (indirect, expected) in cases {
        let plan = plan_files(&nodes("select 1"), &nodes(CHANGED), &PlanOptions { indirect, ..options() });
        assert_eq!(tested(&plan), expected, "{indirect:?}");
    }
}

#[test]
fn hooks_grants_and_operations_are_listed_as_left_out() {
    let nodes = |code: &str| {
        manifest(&[
            (
                "model.p.a",
                json!({"raw_code": code, "config": {"materialized": "table",
                "post-hook": [{"sql": "grant x"}], "grants": {"select": ["bi"]}}}),
            ),
            ("test.p.kept", json!({"parents": ["model.p.a"], "config": {"store_failures": true}})),
            ("operation.p.p-on-run-start-0", json!({"tags": ["on-run-start"], "relation_name": null})),
        ])
    };
    let plan = plan_files(&nodes("select 1"), &nodes(CHANGED), &options());
    let left_out: Vec<String> =
        plan.left_out.iter().map(|entry| format!("{} {:?} {}", entry.unique_id, entry.what, entry.count)).collect();
    assert_eq!(
        left_out,
        [
            "model.p.a PostHook 1",
            "model.p.a Grants 1",
            "operation.p.p-on-run-start-0 OnRunStart 1",
            "test.p.kept StoreFailures 1",
        ]
    );
}

/// A model with an enforced contract.
fn contracted(version: Value, columns: Value) -> Value {
    let checksum = format!("of {columns}");
    json!({"materialized": "table", "version": version, "columns": columns,
        "contract": {"enforced": true, "checksum": checksum}})
}

#[test]
fn broken_contracts_stand_first_and_say_what_broke() {
    let id = json!({"id": {"name": "id", "data_type": "integer", "constraints": [{"type": "not_null"}]}});
    let text_id = json!({"id": {"name": "id", "data_type": "text", "constraints": []}});
    let state = manifest(&[
        ("model.p.gone.v1", contracted(json!(1), id.clone())),
        ("model.p.plain", contracted(Value::Null, id)),
        ("seed.p.big", json!({"checksum": {"name": "path", "checksum": "seeds/big.csv"}})),
    ]);
    let pr = manifest(&[
        ("model.p.plain", contracted(Value::Null, text_id)),
        ("seed.p.big", json!({"checksum": {"name": "path", "checksum": "seeds/big.csv"}})),
    ]);
    let plan = plan_files(&state, &pr, &options());
    let said: Vec<_> = plan.notices.iter().map(|it| (it.level, it.event.as_deref().unwrap())).collect();
    let expected = [
        (NoticeLevel::Error, "ContractBreakingChangeError"),
        (NoticeLevel::Warn, "UnversionedBreakingChange"),
        (NoticeLevel::Note, "SeedExceedsLimitSamePath"),
    ];
    assert_eq!(said, expected);
    let details = ["column id was integer, is text", "constraint not_null on column id was removed"];
    assert_eq!(plan.notices[1].details, details);
    let text = text(&plan);
    let first = "\n\nBroken contracts: 2\n  error: gone.v1 breaks the contract of a version, which dbt refuses\n    the \
                 model, which had a contract, was deleted or renamed\n  warning: plain breaks its contract\n    column id \
                 was integer, is text\n    constraint not_null on column id was removed\n\nBuild";
    assert!(text.contains(first), "{text}");
    assert!(text.contains("\nNote\n  big is above 1 MiB, so dbt did not compare its content\n"), "{text}");
    // What is left out by hand is not the run's concern.
    let exclude = PlanOptions { exclude: BTreeSet::from(["model.p.plain".into()]), ..options() };
    assert!(plan_files(&state, &pr, &exclude).notices.iter().all(|it| it.level != NoticeLevel::Warn));
}

#[test]
fn changed_sources_and_exposures_have_their_reasons_and_changed_tests_their_names() {
    let source = |schema: &str| json!({"name": "t", "source_name": "s", "package_name": "p", "schema": schema});
    let exposure = |url: &str| json!({"name": "board", "package_name": "p", "url": url, "type": "dashboard"});
    let rest = |schema: &str, url: &str| json!({"sources": {"source.p.s.t": source(schema)}, "exposures": {"exposure.p.board": exposure(url)}});
    let test = |code: &str| json!({"parents": ["model.p.a"], "raw_code": code});
    let seed = |checksum: &str| json!({"checksum": {"name": "sha256", "checksum": checksum}, "raw_code": ""});
    let state = manifest_with(
        &[("model.p.a", json!({})), ("seed.p.rates", seed("1")), ("test.p.edited", test("select 1"))],
        rest("raw", "https://a"),
    );
    let pr = manifest_with(
        &[
            ("model.p.a", json!({})),
            ("seed.p.rates", seed("2")),
            ("test.p.edited", test(CHANGED)),
            ("test.p.added", test("select 3")),
        ],
        rest("raw_v2", "https://b"),
    );
    let plan = plan_files(&state, &pr, &options());
    let listed: Vec<_> = plan.definitions.iter().map(|it| (it.unique_id.as_str(), it.reasons.as_slice())).collect();
    let url = Reason::Field { field: "url".to_owned() };
    assert_eq!(listed, [("exposure.p.board", [url].as_slice()), ("source.p.s.t", [Reason::Relation].as_slice())]);
    assert_eq!(plan.summary.changed, 5);
    let text = text(&plan);
    for line in [
        "  exposure  board  `url`",
        "  source    s.t    database, schema or alias",
        "  1 new:\n  added",
        "  1 changed:\n  edited (SQL body)",
        "  rates  seed    changed: content of the file",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line}\n{text}");
    }
}

#[test]
fn names_are_cut_to_the_dialects_limit() {
    let long = "ä".repeat(60);
    let nodes = |code: &str| {
        let mut nodes = Vec::new();
        for suffix in ["x", "y"] {
            let alias = format!("{long}{suffix}");
            let relation = format!(r#""wh"."core"."{alias}""#);
            let id = if suffix == "x" { "model.p.x" } else { "model.p.y" };
            nodes.push((id, json!({"alias": alias, "relation_name": relation, "raw_code": code})));
        }
        manifest_with(
            &nodes,
            json!({"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "adapter_type": "postgres", "project_name": "p"}}),
        )
    };
    let plan = plan_files(&nodes("select 1"), &nodes(CHANGED), &options());
    let places: BTreeSet<&str> = plan.relations().map(|(_, place)| place).collect();
    assert_eq!(places.len(), 2);
    assert!(places.iter().all(|place| place.len() <= 63 && place.starts_with('ä')), "{places:?}");
}

// ---- against dbt's own answers ----

/// A pull request with dbt's own answers.
struct Case {
    name: String,
    state: ManifestFile,
    pr: ManifestFile,
    /// `state:modified` without indirect selection, if dbt had an answer.
    modified: Option<BTreeSet<String>>,
    /// `state:modified+`.
    selected: Option<BTreeSet<String>>,
}

fn ids(value: &Value) -> Option<BTreeSet<String>> {
    Some(value.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs_err::read_dir(of).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

/// The fixtures' pull requests, and the corpus's where it is at hand.
fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cases: Vec<Case> = folders(&root.join("fixtures/ferry/prs")).iter().map(|folder| ferry(folder)).collect();
    let corpus = ["../shared/corpus/own", "../../shared/corpus/own", "fixtures/corpus/own"];
    let Some(own) = corpus.iter().map(|path| root.join(path)).find(|path| path.is_dir()) else { return cases };
    for folder in folders(&own.join("cases")) {
        let case = read_json(&folder.join("case.json"));
        let pr = folder.join("pr.manifest.json.gz");
        if case["manifest"] != "compile" || !pr.is_file() {
            continue;
        }
        let plain = &case["answers_indirect_empty"]["state:modified"];
        let plain = if plain.is_null() { &case["answers"]["state:modified"] } else { plain };
        cases.push(Case {
            name: folder.display().to_string(),
            state: ManifestFile::read(&own.join(case["base"].as_str().unwrap())).unwrap(),
            pr: ManifestFile::read(&pr).unwrap(),
            modified: ids(&plain["ids"]),
            selected: ids(&case["answers"]["state:modified+"]["ids"]),
        });
    }
    cases
}

fn ferry(folder: &Path) -> Case {
    let expected = read_json(&folder.join("expected.json"));
    let production = folder.join("../../production.manifest.json.gz");
    Case {
        name: folder.display().to_string(),
        state: ManifestFile::read(&production).unwrap(),
        pr: ManifestFile::read(&folder.join("pr.manifest.json.gz")).unwrap(),
        modified: ids(&expected["selected"]["modified"]),
        selected: ids(&expected["selected"]["modified_plus"]),
    }
}

fn ferry_plan(name: &str) -> Plan {
    let case = ferry(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ferry/prs").join(name));
    plan_files(&case.state, &case.pr, &options())
}

#[test]
fn the_plan_covers_exactly_what_dbt_selects() {
    let mut looked_at = 0;
    for case in cases() {
        let (Some(selected), true) = (&case.selected, comparison_is_dbts(&case)) else { continue };
        let is_ours =
            |id: &&str| ["model.", "seed.", "snapshot.", "test.", "unit_test."].iter().any(|kind| id.starts_with(kind));
        let expected: BTreeSet<&str> = selected.iter().map(String::as_str).filter(is_ours).collect();
        let plan = plan_files(&case.state, &case.pr, &options());
        let needed = plan.nodes.iter().filter(|node| matches!(node.why, Why::NeededNew { .. }));
        let needed: BTreeSet<&str> = needed.map(|node| node.unique_id.as_str()).collect();
        let mut covered: BTreeSet<&str> = built(&plan).into_iter().chain(tested(&plan)).collect();
        covered.extend(plan.skipped.iter().map(|entry| entry.unique_id.as_str()));
        covered.extend(plan.not_checked.iter().map(|entry| entry.unique_id.as_str()).filter(is_ours));
        covered.retain(|id| !needed.contains(id));
        assert_eq!(covered, expected, "{}", case.name);
        looked_at += 1;
    }
    assert!(looked_at >= 15, "only {looked_at} cases were looked at");
    println!("{looked_at} cases");
}

/// Whether the changes are dbt's `state:modified`, which is `tests/state_corpus.rs`'s to prove; a plan
/// can only be as good.
fn comparison_is_dbts(case: &Case) -> bool {
    let Some(expected) = &case.modified else { return false };
    let (state, pr) = (case.state.parse().unwrap(), case.pr.parse().unwrap());
    let changes = compare(&state, &pr, &CompareOptions::default());
    let graph = Graph::new(&pr);
    let modified: BTreeSet<&str> =
        graph.nodes().map(|id| graph.unique_id(id)).filter(|id| changes.is_modified(id)).collect();
    modified == expected.iter().map(String::as_str).filter(|id| graph.id(id).is_some()).collect()
}

/// Every statement of every plan, relocated, stays in the temporary schema and names all that it reads.
#[test]
fn no_planned_statement_leaves_the_temporary_schema() {
    for Case { name, state, pr, .. } in cases() {
        let plan = plan_files(&state, &pr, &options());
        let (state, pr) = (state.parse().unwrap(), pr.parse().unwrap());
        let map = plan.relocation(&state, &pr, Dialect::DuckDb, &temporary(&plan, Some("tmp")));
        let territory = plan.territory(&state, &pr, Dialect::DuckDb, &temporary(&plan, Some("tmp")));
        let tests = plan.tests.iter().map(|test| (&test.unique_id, &test.parents));
        for (id, parents) in plan.nodes.iter().map(|node| (&node.unique_id, &node.parents)).chain(tests) {
            let Some(code) = pr.nodes[id.as_str()].compiled_code else { continue };
            let moved = relocate(&code.get(), &map).unwrap();
            assert_eq!(territory.foreign(&moved.sql).unwrap(), vec![], "{}: {id}\n{}", name, moved.sql);
            for used in moved.used.iter().filter(|id| !id.starts_with("function.")) {
                assert!(
                    parents.iter().any(|parent| parent == used),
                    "{}: {id} names {used}, not among {parents:?}",
                    name
                );
            }
        }
    }
}

/// The gates, closed over parents, are dbt's: every test all of whose parents are upstream.
#[test]
fn gates_are_dbts_edges() {
    for Case { name, state, pr, .. } in cases() {
        let plan = plan_files(&state, &pr, &options());
        let pr = pr.parse().unwrap();
        let graph = Graph::new(&pr);
        let mut closed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for node in &plan.nodes {
            let mut own: BTreeSet<&str> = node.gated_by.iter().map(|id| id.as_str()).collect();
            for parent in &node.parents {
                own.extend(closed.get(parent.as_str()).into_iter().flatten());
            }
            closed.insert(&node.unique_id, own);
        }
        for node in &plan.nodes {
            let upstream = graph.ancestors(graph.id(&node.unique_id));
            let expected: BTreeSet<&str> = plan
                .tests
                .iter()
                .map(|test| test.unique_id.as_str())
                .filter(|test| {
                    let parents = graph.parents(graph.id(test).unwrap());
                    !parents.is_empty() && parents.iter().all(|parent| upstream.contains(parent))
                })
                .collect();
            assert_eq!(closed[node.unique_id.as_str()], expected, "{}: {}", name, node.unique_id);
        }
    }
}

// ---- the document ----

fn schema_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plan.schema.json")
}

/// After a wanted change of the document: `PREMERGE_BLESS=1 cargo nextest run -E 'test(committed_schema)'`.
#[test]
fn the_committed_schema_is_that_of_the_code() {
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Plan)).unwrap() + "\n";
    if std::env::var_os("PREMERGE_BLESS").is_some() {
        fs_err::create_dir_all(schema_path().parent().unwrap()).unwrap();
        fs_err::write(schema_path(), &schema).unwrap();
    }
    let committed = fs_err::read_to_string(schema_path()).unwrap();
    assert!(committed == schema, "docs/plan.schema.json is out of date: run this test with PREMERGE_BLESS=1");
}

#[test]
fn plans_conform_to_the_schema_and_read_back() {
    let schema: Value = serde_json::from_str(&fs_err::read_to_string(schema_path()).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for Case { state, pr, .. } in cases().into_iter().take(30) {
        let plan = plan_files(&state, &pr, &options());
        let document = serde_json::to_value(&plan).unwrap();
        if let Err(error) = validator.validate(&document) {
            panic!("{error}");
        }
        assert_eq!(serde_json::from_value::<Plan>(document).unwrap(), plan);
    }
}

#[test]
fn no_line_of_the_text_is_wider_than_asked() {
    for Case { state, pr, .. } in cases() {
        let plan = plan_files(&state, &pr, &options());
        let mut text = Vec::new();
        render_text(&plan, 100, true, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    }
}

fn text(plan: &Plan) -> String {
    let mut text = Vec::new();
    render_text(plan, 100, false, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_text_of_plans() {
    for name in ["demo", "ephemeral_edit", "new_python_model", "remove_model", "renamed_model", "snapshot_edit"] {
        insta::assert_snapshot!(format!("plan_{name}"), text(&ferry_plan(name)));
    }
}

#[test]
fn the_command_writes_text_and_json() {
    let ferry = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ferry");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    let run = |more: &[&str]| {
        let (state, pr) = (ferry.join("production.manifest.json.gz"), ferry.join("prs/demo/pr.manifest.json.gz"));
        let mut command = assert_cmd::Command::cargo_bin("premerge").unwrap();
        let line = ["plan", "--state", state.to_str().unwrap(), "--manifest", pr.to_str().unwrap(), "--pr", "1"];
        let output = command.env_clear().args(line).args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let young = ["--state-max-age-hours", "0"];
    let said = run(&[&["--output", file.to_str().unwrap()], &young[..]].concat());
    let mut written: Plan = serde_json::from_str(&fs_err::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(said, text(&written));
    // Only the command knows what time it is.
    assert!(written.state.take().unwrap().age_seconds.is_some());
    // Nor does planning know the engines.
    assert_eq!(written.check_supported.take(), Some(true));
    assert_eq!(written, ferry_plan("demo"));
    let json = run(&[&["--format", "json"], &young[..]].concat());
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap().nodes, written.nodes);

    let narrowed: Plan =
        serde_json::from_str(&run(&["--format", "json", "--select", "dim_routes+", "--exclude", "fin_board_pack"]))
            .unwrap();
    assert_eq!(built(&narrowed), ["model.ferry.dim_routes", "model.ferry.fin_route_revenue"]);
}
