//! The compiled SQL against dbt's comparison.

// Helpers of tests are no test functions to clippy.
#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use premerge::artifacts::ManifestFile;
use premerge::changes::{CompareOptions, CompiledVerdicts, Reason, compare, compare_compiled};
use premerge::plan::{Plan, PlanOptions, SkipReason, plan};
use premerge::project::{Graph, IndirectSelection};
use serde_json::Value;

fn ferry() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ferry")
}

fn production() -> ManifestFile {
    ManifestFile::read(&ferry().join("production.manifest.json.gz")).unwrap()
}

fn pull_request(name: &str) -> ManifestFile {
    ManifestFile::read(&ferry().join("prs").join(name).join("pr.manifest.json.gz")).unwrap()
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
        let unseen: Vec<&str> = verdicts.unseen.keys().map(String::as_str).collect();
        assert_eq!(unseen, expected, "{name}");
        // Production's incremental models are compiled in their incremental branch.
        assert!(verdicts.undecided.values().all(|why| why.because == "is_incremental"), "{name}: {verdicts:?}");
    }
}

#[test]
fn a_macro_that_builds_relations_concerns_what_it_builds() {
    // The same manifest, with another body of the project's own materialization.
    let raw = {
        use std::io::Read as _;
        let mut raw = String::new();
        let packed = fs_err::File::open(ferry().join("production.manifest.json.gz")).unwrap();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut raw).unwrap();
        raw
    };
    let mut document: Value = serde_json::from_str(&raw).unwrap();
    let macros = document["macros"].as_object().unwrap();
    let id = macros.keys().find(|id| id.starts_with("macro.ferry.materialization_")).unwrap().clone();
    document["macros"][&id]["macro_sql"] = Value::String("changed".into());
    let pr = ManifestFile::from_bytes(Path::new("changed"), serde_json::to_vec(&document).unwrap());
    let (verdicts, _, _) = settle(&production(), &pr);
    assert_eq!(verdicts.unseen.len(), 1, "{verdicts:?}");
    assert!(verdicts.unseen.values().all(|reason| *reason == Reason::BuildMacros { macros: vec![id.clone()] }));
}
