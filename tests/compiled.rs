//! The compiled SQL against dbt's comparison.

// Helpers of tests are not test functions to clippy.
#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use premerge::artifacts::ManifestFile;
use premerge::changes::{CompareOptions, CompiledVerdicts, Reason, compare, compare_compiled};
use premerge::plan::{NotCheckedReason, Plan, PlanOptions, SkipReason, plan};
use premerge::project::{Graph, IndirectSelection};
use serde_json::{Value, json};

fn ferry() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ferry")
}

fn production() -> ManifestFile {
    ManifestFile::read(&ferry().join("production.manifest.json.gz")).unwrap()
}

fn pull_request(name: &str) -> ManifestFile {
    ManifestFile::read(&ferry().join("prs").join(name).join("pr.manifest.json.gz")).unwrap()
}

const PRODUCTION: &str = "production.manifest.json.gz";
/// A pull request that changes no SQL, compiled for another target.
const CI: &str = "prs/docs_only/pr.manifest.json.gz";
const MODEL: &str = "model.ferry.int_sailing_delays";

fn document(path: &str) -> Value {
    let packed = fs_err::File::open(ferry().join(path)).unwrap();
    serde_json::from_reader(flate2::read::GzDecoder::new(packed)).unwrap()
}

fn file(document: &Value) -> ManifestFile {
    ManifestFile::from_bytes(Path::new("edited"), serde_json::to_vec(document).unwrap())
}

/// The verdicts, and the plans without and with them.
fn settle(state: &ManifestFile, pr: &ManifestFile) -> (CompiledVerdicts, Plan, Plan) {
    let (state, pr) = (state.parse().unwrap(), pr.parse().unwrap());
    let mut changes = compare(&state, &pr, &CompareOptions::default());
    let graph = Graph::new(&pr);
    let options = PlanOptions {
        schema: "premerge_pr_1".into(),
        select: None,
        exclude: BTreeSet::new(),
        indirect: IndirectSelection::Eager,
        at_turn: None,
    };
    let dbts = plan(&state, &pr, &graph, &changes, &options).unwrap();
    let verdicts = compare_compiled(&state, &pr, &changes);
    verdicts.apply(&mut changes);
    let ours = plan(&state, &pr, &graph, &changes, &options).unwrap();
    (verdicts, dbts, ours)
}

fn built(plan: &Plan) -> BTreeSet<&str> {
    plan.nodes.iter().map(|node| node.unique_id.as_str()).collect()
}

#[test]
fn a_comment_is_cosmetic_and_nothing_is_built_for_it() {
    let (verdicts, dbts, ours) = settle(&production(), &pull_request("comment_only"));
    assert!(!dbts.nodes.is_empty());
    assert!(!verdicts.cosmetic.is_empty());
    assert!(ours.nodes.is_empty(), "{:?}", built(&ours));
    let cosmetic = ours.skipped.iter().filter(|entry| entry.reason == SkipReason::Cosmetic);
    assert!(cosmetic.clone().all(|entry| !entry.changed.is_empty()));
    assert_eq!(cosmetic.count(), verdicts.cosmetic.len());
}

#[test]
fn an_unchanged_project_has_no_verdicts() {
    let (verdicts, _, _) = settle(&production(), &production());
    assert_eq!(verdicts, CompiledVerdicts::default());
}

/// Content of each relation by name, without its schema's target.
fn contents(path: &Path) -> BTreeMap<(String, String), Value> {
    let document: Value = serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap();
    let relations = document["relations"].as_array().unwrap();
    relations
        .iter()
        .map(|relation| {
            let schema = relation["schema"].as_str().unwrap();
            let custom = schema.split_once('_').map_or("", |(_, custom)| custom).to_owned();
            let content = serde_json::json!([relation["columns"], relation["rows"], relation["content_hash"]]);
            ((custom, relation["name"].as_str().unwrap().to_owned()), content)
        })
        .collect()
}

/// What dbt built for a pull request and came out unlike production must be in our build set, too.
#[test]
fn no_relation_that_really_changed_is_left_out() {
    let before = contents(&ferry().join("production.expected.json"));
    let state = production();
    let (mut by_dbt, mut by_us, mut really) = (0, 0, 0);
    for entry in fs_err::read_dir(ferry().join("prs")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let pr = pull_request(&name);
        let (_, dbts, ours) = settle(&state, &pr);
        let parsed = pr.parse().unwrap();
        let after = contents(&folder.join("expected.json"));
        for id in built(&dbts) {
            let node = &parsed.nodes[id];
            let schema = node.schema.as_deref().unwrap();
            let custom = schema.split_once('_').map_or("", |(_, custom)| custom).to_owned();
            let key = (custom, node.alias.as_deref().unwrap_or(&node.name).to_owned());
            let changed = after.get(&key).is_some_and(|content| before.get(&key) != Some(content));
            really += usize::from(changed);
            assert!(!changed || built(&ours).contains(id), "{name}: {id} differs from production and is not built");
        }
        by_dbt += dbts.nodes.len();
        by_us += ours.nodes.len();
        println!("{name}: dbt {}, premerge {}", dbts.nodes.len(), ours.nodes.len());
    }
    println!("nodes built by dbt {by_dbt}, by premerge {by_us}, really changed {really}");
    assert!(by_us < by_dbt);
}

/// Verdicts of the corpus's cases, where it is at hand.
fn corpus() -> BTreeMap<String, CompiledVerdicts> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let candidates = ["../shared/corpus/own", "../../shared/corpus/own"];
    let Some(own) = candidates.iter().map(|path| root.join(path)).find(|path| path.is_dir()) else {
        return BTreeMap::new();
    };
    let mut found = BTreeMap::new();
    for entry in fs_err::read_dir(own.join("cases")).unwrap() {
        let folder = entry.unwrap().path();
        let case: Value = serde_json::from_slice(&fs_err::read(folder.join("case.json")).unwrap()).unwrap();
        if case["manifest"] != "compile" {
            continue;
        }
        let state = ManifestFile::read(&own.join(case["base"].as_str().unwrap())).unwrap();
        let pr = ManifestFile::read(&folder.join("pr.manifest.json.gz")).unwrap();
        found.insert(folder.file_name().unwrap().to_str().unwrap().to_owned(), settle(&state, &pr).0);
    }
    found
}

#[test]
fn what_dbt_does_not_see_is_found_and_another_target_is_not_taken_for_it() {
    let found = corpus();
    // What the change makes of the SQL, by what the cases say they change.
    let expected: &[(&str, &[&str])] = &[
        ("var_in_sql", &["model.harborlock.int_recent_parcels"]),
        ("latest_version", &["model.harborlock.fin_plan_mix"]),
    ];
    for (name, verdicts) in &found {
        let expected = expected.iter().find(|(case, _)| name.split("__").next() == Some(case)).map_or(&[][..], |e| e.1);
        let unseen: Vec<&str> = verdicts.unseen.keys().map(|id| id.as_str()).collect();
        assert_eq!(unseen, expected, "{name}");
        // Production's incremental models are compiled in their incremental branch.
        assert!(verdicts.undecided.values().all(|why| why.because == "is_incremental"), "{name}: {verdicts:?}");
    }
}

#[test]
fn a_macro_that_builds_relations_concerns_what_it_builds() {
    // The same manifest, with another body of the project's own materialization.
    let mut document = document(PRODUCTION);
    let macros = document["macros"].as_object().unwrap();
    let id = macros.keys().find(|id| id.starts_with("macro.ferry.materialization_")).unwrap().clone();
    document["macros"][&id]["macro_sql"] = Value::String("changed".into());
    let (verdicts, _, _) = settle(&production(), &file(&document));
    assert_eq!(verdicts.unseen.len(), 1, "{verdicts:?}");
    assert!(verdicts.unseen.values().all(|reason| *reason == Reason::BuildMacros { macros: vec![id.as_str().into()] }));
}

/// What the comparison says of a model that has this raw text, and these compiled ones in production and in `other`:
/// `same`, `changed`, or the word for which it is undecided.
fn of_texts(other: &str, raw: &str, production: &str, pr: &str) -> String {
    let with = |path: &str, compiled: &str| {
        let mut document = document(path);
        let node = &mut document["nodes"][MODEL];
        (node["raw_code"], node["compiled_code"]) = (raw.into(), compiled.into());
        file(&document)
    };
    let (verdicts, _, _) = settle(&with(PRODUCTION, production), &with(other, pr));
    match (verdicts.unseen.get(MODEL), verdicts.undecided.get(MODEL)) {
        (Some(reason), None) => {
            assert_eq!(*reason, Reason::CompiledSql);
            "changed".to_owned()
        }
        (None, Some(undecided)) => undecided.because.to_owned(),
        (None, None) => "same".to_owned(),
        both => panic!("{both:?}"),
    }
}

#[test]
fn a_difference_that_no_moment_explains_is_a_change() {
    let alias = "select target.id from {{ ref('stg_sailings') }} target where id < {{ var('lim') }}";
    let flags = "select {{ 'a' if flags.FULL_REFRESH else 'b' }} x, {{ var('lim') }} as y";
    let branches =
        "select id {% if is_incremental() %}, 1 as k{% else %}, 2 as k{% endif %} where id < {{ var('lim') }}";
    let asked = "select {{ 'a' if target.name == 'prod' else 'b' }} x, {{ var('lim') }} as y";
    for other in [PRODUCTION, CI] {
        let changed = |raw, a, b| assert_eq!(of_texts(other, raw, a, b), "changed", "{raw} in {other}");
        changed(alias, "select target.id from t target where id < 5", "select target.id from t target where id < 3");
        changed(flags, "select b x, 5 as y", "select b x, 3 as y");
        changed(branches, "select id , 2 as k where id < 5", "select id , 2 as k where id < 3");
        changed(asked, "select b x, 5 as y", "select b x, 3 as y");
    }
    assert_eq!(
        of_texts(CI, branches, "select id , 1 as k where id < 5", "select id , 2 as k where id < 5"),
        "is_incremental"
    );
    assert_eq!(of_texts(CI, flags, "select a x, 5 as y", "select b x, 5 as y"), "flags.");
    assert_eq!(of_texts(CI, asked, "select a x, 5 as y", "select b x, 5 as y"), "target.");
    // One target compiled both, so that it is nothing that differs.
    assert_eq!(of_texts(PRODUCTION, asked, "select a x, 5 as y", "select b x, 5 as y"), "changed");
}

#[test]
fn names_of_another_target_are_no_change_also_inside_of_strings() {
    let ref_ = "{{ ref('stg_sailings') }}";
    let same = [
        (format!("select '{ref_}'"), r#"'"ferry"."analytics_staging"."stg_sailings"'"#),
        ("select '{{ this }}'".to_owned(), r#"'"ferry"."analytics_intermediate"."int_sailing_delays"'"#),
        ("select '{{ this.schema }}'".to_owned(), "'analytics_intermediate'"),
        ("select '{{ model.schema }}_x'".to_owned(), "'analytics_intermediate_x'"),
        (
            "select '{{ ref('stg_sailings').schema }}.{{ ref('stg_sailings').identifier }}'".to_owned(),
            "'analytics_staging.stg_sailings'",
        ),
    ];
    for (raw, text) in same {
        let (production, pr) = (format!("select {text}"), format!("select {}", text.replace("analytics_", "ci_")));
        assert_eq!(of_texts(CI, &raw, &production, &pr), "same", "{raw}");
    }
    let text = "select '{{ this.schema }}'";
    assert_eq!(of_texts(CI, text, "select 'analytics_intermediate'", "select 'ci_staging'"), "changed");
    // A variable whose value is a schema's name by chance.
    let variable = format!("select 1 from {ref_} where env = '{{{{ var('env') }}}}'");
    let text = |schema: &str| format!(r#"select 1 from "ferry"."{schema}"."stg_sailings" where env = '{schema}'"#);
    assert_eq!(of_texts(CI, &variable, &text("analytics_staging"), &text("ci_staging")), "changed");
}

#[test]
fn a_test_whose_sql_changed_unseen_is_run() {
    let mut pr = document(PRODUCTION);
    let nodes = pr["nodes"].as_object_mut().unwrap();
    let (id, test) = nodes.iter_mut().find(|(id, _)| id.starts_with("test.ferry.accepted_values")).unwrap();
    test["compiled_code"] = format!("{} and 1 = 1", test["compiled_code"].as_str().unwrap()).into();
    let id = id.clone();
    let (verdicts, dbts, ours) = settle(&production(), &file(&pr));
    assert_eq!(verdicts.unseen, BTreeMap::from([(id.as_str().into(), Reason::CompiledSql)]));
    assert!(dbts.tests.is_empty() && ours.nodes.is_empty());
    assert_eq!(ours.tests.iter().map(|test| test.unique_id.as_str()).collect::<Vec<_>>(), [id]);
}

#[test]
fn a_function_whose_sql_changed_unseen_is_not_checked_and_its_readers_are_built() {
    let with = |compiled: &str| {
        let mut document = document(PRODUCTION);
        document["functions"] = json!({"function.ferry.fu": {
            "unique_id": "function.ferry.fu", "resource_type": "function", "name": "fu", "alias": "fu",
            "database": "ferry", "schema": "analytics_core", "fqn": ["ferry", "fu"], "config": {},
            "raw_code": "x + {{ var('lim') }}", "compiled_code": compiled,
        }});
        document["nodes"][MODEL]["depends_on"]["nodes"].as_array_mut().unwrap().push("function.ferry.fu".into());
        file(&document)
    };
    let (verdicts, dbts, ours) = settle(&with("x + 5"), &with("x + 3"));
    assert_eq!(verdicts.unseen, BTreeMap::from([("function.ferry.fu".into(), Reason::CompiledSql)]));
    assert!(dbts.nodes.is_empty() && built(&ours).contains(MODEL));
    let function = ours.not_checked.iter().find(|node| node.name == "fu").unwrap();
    assert_eq!((&function.reason, function.changed.len()), (&NotCheckedReason::FunctionUnsupported, 1));
}

#[test]
fn a_source_that_a_variable_moves_is_changed_where_dbt_compares_its_text() {
    const SOURCE: &str = "source.ferry.booking_desk.bookings";
    let of = |text: &str| {
        let with = |schema: &str| {
            let mut document = document(PRODUCTION);
            let source = &mut document["sources"][SOURCE];
            (source["unrendered_schema"], source["schema"]) = (text.into(), schema.into());
            source["relation_name"] = format!(r#""ferry"."{schema}"."bookings""#).into();
            file(&document)
        };
        let (state, pr) = (with("raw"), with("raw_2"));
        let (state, pr) = (state.parse().unwrap(), pr.parse().unwrap());
        let options = CompareOptions { more_unrendered_values: Some(true), ..CompareOptions::default() };
        let changes = compare(&state, &pr, &options);
        assert!(changes.nodes.is_empty());
        let verdicts = compare_compiled(&state, &pr, &changes);
        (verdicts.unseen.get(SOURCE).cloned(), verdicts.undecided.get(SOURCE).map(|undecided| undecided.because))
    };
    let keys = vec!["schema".to_owned()];
    assert_eq!(of("{{ var('sch') }}"), (Some(Reason::RenderedConfigs { keys }), None));
    assert_eq!(of("{{ env_var('SCH') }}"), (None, Some("env_var")));
    assert_eq!(of("{{ var('raw_' ~ target.name) }}"), (None, None));
}

/// A source that names the table of the project's own seed: in production's text its name is the seed's too.
#[test]
fn a_source_and_a_seed_that_are_one_relation_are_no_change() {
    const SOURCE: &str = "source.ferry.booking_desk.bookings";
    const SEED: &str = "seed.ferry.ports";
    let in_production = document(PRODUCTION)["nodes"][SEED]["relation_name"].as_str().unwrap().to_owned();
    let with = |path: &str, reads: &str, raw: &str| {
        let mut document = document(path);
        let own = document["nodes"][SEED]["relation_name"].as_str().unwrap().to_owned();
        document["sources"][SOURCE]["relation_name"] = in_production.as_str().into();
        let name = if reads == SEED { own } else { in_production.clone() };
        let node = &mut document["nodes"][MODEL];
        node["compiled_code"] = format!("select * from {name}").into();
        node["raw_code"] = raw.into();
        node["depends_on"] = json!({"nodes": [reads], "macros": []});
        file(&document)
    };
    let (verdicts, _, ours) = settle(&with(PRODUCTION, SOURCE, "a"), &with(CI, SOURCE, "a"));
    assert_eq!((verdicts.unseen.len(), verdicts.undecided.len(), built(&ours).len()), (0, 0, 0), "{verdicts:?}");
    // White space.
    let (verdicts, dbts, ours) = settle(&with(PRODUCTION, SOURCE, "a"), &with(CI, SOURCE, "a "));
    assert!(built(&dbts).contains(MODEL) && verdicts.cosmetic.contains(MODEL) && built(&ours).is_empty());
    // The rows are the same, the edge is not.
    let (verdicts, _, ours) = settle(&with(PRODUCTION, SEED, "a"), &with(CI, SOURCE, "b"));
    assert!(!verdicts.cosmetic.contains(MODEL) && built(&ours).contains(MODEL));
}

/// Formatters write names in small letters.
#[test]
fn letters_that_change_no_column_name_are_cosmetic() {
    let of = |production: &str, pr: &str| {
        let with = |path: &str, code: &str| {
            let mut document = document(path);
            let own = document["nodes"]["seed.ferry.ports"]["relation_name"].as_str().unwrap().to_owned();
            let node = &mut document["nodes"][MODEL];
            node["raw_code"] = code.into();
            node["compiled_code"] = code.replace("ports", &own).into();
            node["depends_on"] = json!({"nodes": ["seed.ferry.ports"], "macros": []});
            file(&document)
        };
        let (verdicts, ..) = settle(&with(PRODUCTION, production), &with(CI, pr));
        verdicts.cosmetic.contains(MODEL)
    };
    assert!(of(
        "select EH.port_code from ports as EH where EH.Country > ''",
        "select eh.port_code from ports as eh where eh.Country > ''"
    ));
    assert!(of(
        "select Upper(EH.port_code) as code from ports as EH",
        "select upper(eh.port_code) as code from ports as eh"
    ));
    assert!(!of("select port_code as Code from ports", "select port_code as code from ports"));
    assert!(!of("select port_code Code from ports", "select port_code code from ports"));
    assert!(!of("select Upper(port_code) from ports", "select upper(port_code) from ports"));
}

#[test]
fn a_macro_that_names_relations_is_the_reason_where_they_move() {
    const ID: &str = "macro.ferry.generate_schema_name";
    let moved = |changed: bool| {
        let mut pr = document(PRODUCTION);
        let node = &mut pr["nodes"][MODEL];
        node["schema"] = "zz_intermediate".into();
        node["relation_name"] = r#""ferry"."zz_intermediate"."int_sailing_delays""#.into();
        let macros = pr["macros"].as_object_mut().unwrap();
        if changed {
            let mut naming = macros["macro.dbt.generate_schema_name"].clone();
            naming["unique_id"] = ID.into();
            naming["macro_sql"] = "{% macro generate_schema_name(a, b) %}zz{% endmacro %}".into();
            macros.insert(ID.to_owned(), naming);
        }
        settle(&production(), &file(&pr)).0.unseen
    };
    let reason = Reason::BuildMacros { macros: vec![ID.into()] };
    assert_eq!(moved(true), BTreeMap::from([(MODEL.into(), reason)]));
    assert_eq!(moved(false), BTreeMap::new());
}

#[test]
fn a_macro_that_names_relations_is_named_where_only_the_target_may_have_moved_them() {
    let with = |target: &str, body: &str| {
        let mut document = document(PRODUCTION);
        let place = |text: &str| {
            let plain = (r#""analytics_intermediate"."int_sailing_delays""#, r#""analytics"."int_sailing_delays""#);
            text.replace(plain.0, plain.1).replace("\"analytics", &format!("\"{target}"))
        };
        for node in document["nodes"].as_object_mut().unwrap().values_mut() {
            for key in ["relation_name", "compiled_code"] {
                node[key] = node[key].as_str().map(place).into();
            }
            node["schema"] = node["schema"].as_str().unwrap().replace("analytics", target).into();
        }
        let plain = &mut document["nodes"][MODEL];
        (plain["schema"], plain["config"]["schema"]) = (target.into(), Value::Null);
        let mut naming = document["macros"]["macro.dbt.generate_schema_name"].clone();
        naming["macro_sql"] = body.into();
        document["macros"]["macro.ferry.generate_schema_name"] = naming;
        file(&document)
    };
    let (verdicts, _, ours) =
        settle(&with("prod", "{% macro a() %}x{% endmacro %}"), &with("ci", "{% macro a() %}y{% endmacro %}"));
    assert!(verdicts.unseen.is_empty() && ours.nodes.is_empty(), "{:?}", verdicts.unseen);
    assert!(verdicts.undecided.values().all(|undecided| undecided.because == "generate_schema_name"));
    assert!(verdicts.undecided.len() > 40, "{}", verdicts.undecided.len());
    let (verdicts, ..) =
        settle(&with("prod", "{% macro a() %}x{% endmacro %}"), &with("ci", "{% macro a() %} x{% endmacro %}"));
    assert_eq!(verdicts, CompiledVerdicts::default());
}

#[test]
fn a_variable_in_the_configuration_may_be_called_target() {
    let of = |text: &str| {
        let with = |key: &str| {
            let mut document = document(PRODUCTION);
            let node = &mut document["nodes"][MODEL];
            (node["unrendered_config"]["unique_key"], node["config"]["unique_key"]) = (text.into(), key.into());
            file(&document)
        };
        settle(&with("id"), &with("b")).0.unseen.remove(MODEL)
    };
    let keys = vec!["unique_key".to_owned()];
    assert_eq!(of("{{ var('target_key') }}"), Some(Reason::RenderedConfigs { keys }));
    assert_eq!(of("{{ var('key', target.name) }}"), None);
}
