//! What projects of every adapter and layout bring: adapters without an engine, sources over seeds, many nodes of one
//! reason.

use std::path::Path;

use premerge::artifacts::{ManifestFile, UniqueId};
use premerge::changes::{CompareOptions, compare};
use premerge::plan::{Plan, Why, plan, render_text};
use premerge::project::Graph;
use serde_json::{Value, json};

use super::{CHANGED, built, manifest, manifest_with, options, plan_files};

#[test]
fn names_are_cut_on_a_terminal_only_and_one_reason_of_many_is_said_once() {
    let name = |n: usize| format!("a_name_that_is_much_longer_than_two_fifths_of_a_line_{n}");
    let mut nodes = vec![("model.p.source_of_all".to_owned(), json!({"raw_code": "select 1"}))];
    nodes.extend((0..13).map(|n| (format!("model.p.{}", name(n)), json!({"parents": ["model.p.source_of_all"]}))));
    let made = |code: &str| {
        let mut nodes: Vec<(&str, Value)> = nodes.iter().map(|(id, patch)| (id.as_str(), patch.clone())).collect();
        nodes[0].1["raw_code"] = code.into();
        manifest(&nodes)
    };
    let plan = plan_files(&made("select 1"), &made(CHANGED), &options());
    let rendered = |cut: bool| {
        let mut text = Vec::new();
        render_text(&plan, 100, cut, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    let (log, terminal) = (rendered(false), rendered(true));
    assert!((0..13).all(|n| log.contains(&name(n))), "{log}");
    assert!(log.contains("\n  13 nodes: downstream of source_of_all\n"), "{log}");
    assert!(!terminal.contains(&name(9)) && terminal.contains("and 5 more"), "{terminal}");
}

/// A plan needs no engine: of any adapter, and of production on one adapter and the pull request on another.
#[test]
fn a_plan_is_made_for_every_adapter_and_says_whether_a_check_can_follow() {
    let ferry = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ferry");
    let dir = tempfile::tempdir().unwrap();
    let of = |file: &str, adapter: &str| {
        let mut document: Value =
            serde_json::from_reader(flate2::read::GzDecoder::new(fs_err::File::open(ferry.join(file)).unwrap()))
                .unwrap();
        document["metadata"]["adapter_type"] = adapter.into();
        let path = dir.path().join(format!("{adapter}_{}.json", file.replace('/', "_")));
        fs_err::write(&path, serde_json::to_vec(&document).unwrap()).unwrap();
        path
    };
    let run = |command: &str, state: &Path, pr: &Path, more: &[&str]| {
        let mut premerge = assert_cmd::Command::cargo_bin("premerge").unwrap();
        premerge.env_clear().current_dir(dir.path()).arg(command).arg("--state").arg(state).arg("--manifest").arg(pr);
        let output = premerge.args(more).output().unwrap();
        let read = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), read(&output.stdout), read(&output.stderr))
    };
    let pr = "prs/changed_filter/pr.manifest.json.gz";
    let own = plan_files(
        &ManifestFile::read(&ferry.join("production.manifest.json.gz")).unwrap(),
        &ManifestFile::read(&ferry.join(pr)).unwrap(),
        &options(),
    );
    let young = ["--state-max-age-hours", "0", "--pr", "1"];
    for adapter in ["trino", "clickhouse", "an_adapter_that_nobody_knows"] {
        let (state, pr) = (of("production.manifest.json.gz", adapter), of(pr, adapter));
        let (code, text, said) = run("plan", &state, &pr, &young);
        assert_eq!(code, Some(0), "{said}");
        assert!(text.contains(&format!("`premerge check` cannot build on {adapter} yet")), "{text}");
        let (_, json, _) = run("plan", &state, &pr, &[&young[..], &["--format", "json"]].concat());
        let plan: Plan = serde_json::from_str(&json).unwrap();
        assert_eq!((plan.adapter.as_str(), plan.check_supported), (adapter, Some(false)));
        assert_eq!(built(&plan), built(&own));
        let modified = ["--select", "state:modified+"];
        let listed = run("ls", &state, &pr, &modified).1;
        assert!(listed.contains("model.ferry.fct_sailings"), "{listed}");
        // The other side of another adapter: dbt's own comparison, which reads no compiled SQL.
        let duckdb = of("production.manifest.json.gz", "duckdb");
        let (code, _, said) = run("plan", &duckdb, &pr, &young);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&format!("made for duckdb, the pull request's manifest for {adapter}")), "{said}");
        assert_eq!(run("ls", &duckdb, &pr, &modified).1, listed);
    }
}

/// `raw.orders` is a source and the project's own seed: its readers wait for the rebuilt seed and are built on it.
#[test]
fn a_source_that_the_project_itself_makes_is_what_makes_it() {
    let relation = r#""wh"."raw"."orders""#;
    let made = |seed: &str, more: &[(&str, Value)]| {
        let reader = json!({"parents": ["source.p.raw.orders"], "compiled_code": format!("select * from {relation}")});
        let mut nodes = vec![
            (
                "seed.p.orders",
                json!({"relation_name": relation, "schema": "raw", "checksum": {"name": "sha256", "checksum": seed}}),
            ),
            ("model.p.reader", reader.clone()),
            ("model.p.below", json!({"parents": ["model.p.reader"]})),
            ("test.p.on_source", reader),
        ];
        nodes.extend_from_slice(more);
        manifest_with(
            &nodes,
            json!({"sources": {"source.p.raw.orders": {"unique_id": "source.p.raw.orders",
            "resource_type": "source", "name": "orders", "source_name": "raw", "package_name": "p",
            "database": "wh", "schema": "raw", "identifier": "orders", "relation_name": relation}}}),
        )
    };
    let planned = |state: &ManifestFile, pr: &ManifestFile| {
        let (state, pr) = (state.parse().unwrap(), pr.parse().unwrap());
        let changes = compare(&state, &pr, &CompareOptions::default());
        let graph = Graph::new(&pr).with_made_sources(&state, &pr, premerge::sql::Dialect::DuckDb);
        plan(&state, &pr, &graph, &changes, &options()).unwrap()
    };
    let plan = planned(&made("old", &[]), &made("new", &[]));
    assert_eq!(built(&plan), ["seed.p.orders", "model.p.reader", "model.p.below"]);
    let reader = &plan.nodes[1];
    assert_eq!(reader.parents, ["seed.p.orders", "source.p.raw.orders"].map(UniqueId::from));
    assert_eq!(reader.why, Why::Downstream { of: vec!["seed.p.orders".into()], and_more: false });
    assert!(plan.tests[0].parents.contains(&UniqueId::from("seed.p.orders")), "{:?}", plan.tests);
    // Where only the reader changes, the name is production's.
    let changed = [("model.p.reader", json!({"parents": ["source.p.raw.orders"], "raw_code": CHANGED}))];
    let plan = planned(&made("old", &[]), &made("old", &changed));
    assert_eq!(built(&plan), ["model.p.reader", "model.p.below"]);
    assert_eq!(plan.nodes[0].parents, ["source.p.raw.orders"].map(UniqueId::from));
    // A project that feeds itself: the relation of the run before.
    let fed = |code: &str| {
        made(
            "old",
            &[
                ("seed.p.orders", json!({"relation_name": r#""wh"."raw"."seed""#})),
                ("model.p.orders", json!({"relation_name": relation, "parents": ["model.p.below"], "raw_code": code})),
            ],
        )
    };
    assert_eq!(built(&planned(&fed("select 1"), &fed(CHANGED))), ["model.p.orders"]);
}

/// `a` differs by its moment alone, which is no reason to build it, and it reads `b`, which is one.
#[test]
fn a_node_that_is_built_is_not_listed_as_undecided() {
    let raw =
        "select a from {{ ref('b') }} {% if is_incremental() %} where a > (select max(a) from {{ this }}) {% endif %}";
    let made = |a: &str, b: &str| {
        let incremental = |parents: Value| {
            json!({"raw_code": raw, "compiled_code": a, "parents": parents,
            "materialized": "incremental"})
        };
        manifest(&[
            ("model.p.a", incremental(json!(["model.p.b"]))),
            ("model.p.b", json!({"raw_code": b, "compiled_code": b})),
            ("model.p.c", incremental(json!([]))),
        ])
    };
    let later = r#"select a from "wh"."core"."b" where a > (select max(a) from "wh"."core"."a")"#;
    let (old, new) = (made(later, "select 1 as a"), made(r#"select a from "wh"."core"."b""#, "select 2 as a"));
    let (state, pr) = (old.parse().unwrap(), new.parse().unwrap());
    let mut changes = compare(&state, &pr, &CompareOptions::default());
    premerge::changes::compare_compiled(&state, &pr, &changes).apply(&mut changes);
    let plan = plan(&state, &pr, &Graph::new(&pr), &changes, &options()).unwrap();
    assert_eq!(built(&plan), ["model.p.b", "model.p.a"]);
    let undecided: Vec<&str> = plan.reasons.undecided.iter().map(|node| node.unique_id.as_str()).collect();
    assert_eq!(undecided, ["model.p.c"]);
}

/// What begins a comment, and which letters are the same, is known of adapters with a dialect only.
#[test]
fn of_an_unknown_adapter_s_sql_nothing_but_white_space_is_cosmetic() {
    let made = |adapter: &str, code: &str| {
        manifest_with(
            &[("model.p.x", json!({"raw_code": code, "compiled_code": code}))],
            json!({"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "adapter_type": adapter, "project_name": "p"}}),
        )
    };
    let is_built = |adapter: &str, old: &str, new: &str| {
        let (old, new) = (made(adapter, old), made(adapter, new));
        let (state, pr) = (old.parse().unwrap(), new.parse().unwrap());
        let mut changes = compare(&state, &pr, &CompareOptions::default());
        premerge::changes::compare_compiled(&state, &pr, &changes).apply(&mut changes);
        !changes.nodes.is_empty()
    };
    let texts = [("select a from t", "select a\n  from t"), ("select 1 from t", "select 1 -- x\nfrom t")];
    let built = |adapter: &str| texts.map(|(old, new)| is_built(adapter, old, new));
    assert_eq!(built("duckdb"), [false, false]);
    assert_eq!(built("mysql"), [false, true]);
    assert!(is_built("mysql", "select 1--1", "select 1--2"));
    assert!(is_built("mysql", "select a from t", "select A from t"));
}
