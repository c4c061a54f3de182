//! Reading manifests: every schema, every compression, and everything that is not a usable manifest.

// Helpers of tests fail loudly; clippy spares only the test functions themselves.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use premerge::artifacts::{
    ArtifactError, IssueCode, IssueSeverity, Manifest, ManifestFile, OtherFile, ResourceType, check_compiled,
    check_pair, read_pair,
};
use premerge::changes::{CompareOptions, compare};
use premerge::project::{Graph, Selection, SelectionContext, select};
use proptest::prelude::*;
use serde_json::{Value, json};

fn corpus(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/corpus/own").join(file)
}

/// The text of a real manifest.
fn real() -> &'static [u8] {
    static TEXT: OnceLock<Vec<u8>> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = Vec::new();
        let file = std::fs::File::open(corpus("base.manifest.json.gz")).unwrap();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut text).unwrap();
        text
    })
}

fn file(document: &Value) -> ManifestFile {
    ManifestFile::from_bytes(Path::new("target/manifest.json"), serde_json::to_vec(document).unwrap())
}

/// A manifest with just these nodes.
fn manifest(schema: u32, nodes: Value) -> Value {
    json!({
        "metadata": {
            "dbt_schema_version": format!("https://schemas.getdbt.com/dbt/manifest/v{schema}.json"),
            "dbt_version": "1.11.16", "project_name": "shop", "adapter_type": "duckdb"
        },
        "nodes": nodes
    })
}

fn refused(bytes: &[u8]) -> ArtifactError {
    ManifestFile::from_bytes(Path::new("target/manifest.json"), bytes.to_vec()).parse().unwrap_err()
}

#[test]
fn plain_gzip_and_zstd_are_told_by_their_first_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("a.gz");
    std::fs::File::create(&plain).unwrap().write_all(real()).unwrap();
    let zstd = folder.path().join("manifest.json");
    std::fs::File::create(&zstd).unwrap().write_all(&zstd::encode_all(real(), 1).unwrap()).unwrap();

    let gzip = ManifestFile::read(&corpus("base.manifest.json.gz")).unwrap();
    let expected = gzip.parse().unwrap().nodes.len();
    assert!(expected > 100);
    for path in [plain.as_path(), zstd.as_path(), folder.path()] {
        assert_eq!(ManifestFile::read(path).unwrap().parse().unwrap().nodes.len(), expected, "{}", path.display());
    }
    let pair = read_pair(&plain, folder.path()).unwrap();
    let (state, pr) = pair.parse().unwrap();
    assert!(compare(&state, &pr, &CompareOptions::default()).nodes.is_empty());
}

#[test]
fn what_is_no_manifest_is_refused_with_file_place_and_remedy() {
    let missing = ManifestFile::read(Path::new("nowhere/manifest.json")).unwrap_err();
    assert_eq!(missing.to_string(), "nowhere/manifest.json does not exist");
    assert!(missing.hint().contains("dbt compile"));

    let empty_folder = tempfile::tempdir().unwrap();
    assert!(matches!(ManifestFile::read(empty_folder.path()).unwrap_err(), ArtifactError::Missing { .. }));

    let text = real();
    let cut = refused(&text[..text.len() / 2]);
    assert!(matches!(cut, ArtifactError::Truncated { .. }), "{cut}");
    assert!(cut.to_string().starts_with("target/manifest.json is truncated: it ends at line 1, column "));
    assert!(matches!(refused(b""), ArtifactError::OtherFile { kind: OtherFile::Empty, .. }));
    assert!(matches!(refused(b"version: 2\nmodels: []\n"), ArtifactError::Json { .. }));
    assert!(matches!(refused(b"[1, 2]"), ArtifactError::NotAManifest { .. }));
    assert!(matches!(refused(b"{}"), ArtifactError::NotAManifest { .. }));
    assert!(matches!(refused(b"{\"nodes\": {\"\xff\": {}}}"), ArtifactError::NotAManifest { .. }));

    for (artifact, name) in
        [("run-results/v6", "run_results.json"), ("catalog/v1", "catalog.json"), ("sources/v3", "sources.json")]
    {
        let document = json!({
            "metadata": {"dbt_schema_version": format!("https://schemas.getdbt.com/dbt/{artifact}.json")},
            "nodes": {"model.a.b": {"stats": {}}}
        });
        let message = file(&document).parse().unwrap_err().to_string();
        assert_eq!(message, format!("target/manifest.json is not a dbt manifest: it is a {name}"));
    }
    let old = file(&manifest(6, json!({}))).parse().unwrap_err();
    assert_eq!(old.to_string(), "target/manifest.json has manifest schema v6; premerge reads v7 (dbt 1.3) to v12");
}

#[test]
fn fields_of_unexpected_types_do_not_reject_a_manifest() {
    let document = json!({
        "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json", "dbt_version": 1.11,
                     "project_name": null, "quoting": [1], "adapter_type": {"a": 1}},
        "nodes": {
            "model.a.b": {"resource_type": null, "name": 7, "fqn": "a", "tags": [1, "x", null], "depends_on": [],
                          "checksum": "x", "config": 5, "columns": [], "contract": "no", "raw_code": ["x"],
                          "unrendered_config": null, "test_metadata": "unique", "version": {"a": 1}, "meta": [[[]]]},
            "model.a.c": null, "model.a.d": "x", "model.a.e": [1]
        },
        "sources": [1, 2], "macros": "none", "exposures": {"exposure.a.b": {"owner": 3, "depends_on": {"nodes": null}}},
        "disabled": {"model.a.f": {"not": "a list"}, "model.a.g": [null, {"name": "g"}]},
        "unknown": {"x": [1, {"y": null}]}, "parent_map": null
    });
    let file = file(&document);
    let manifest = file.parse().unwrap();
    let node = &manifest.nodes["model.a.b"];
    assert_eq!(node.resource_type, ResourceType::Model);
    assert_eq!((node.name.as_ref(), node.tags.len()), ("7", 2));
    assert_eq!(manifest.nodes.len(), 1);
    assert_eq!(manifest.disabled["model.a.g"].len(), 1);
    assert!(node.config().materialized.is_none() && node.columns().is_empty());
    let changes = compare(&manifest, &manifest, &CompareOptions::default());
    assert!(changes.nodes.is_empty());
}

#[test]
fn old_schemas_read_as_dbt_upgrades_them() {
    let nodes = json!({
        "model.shop.a": {"resource_type": "model", "raw_sql": "select 1", "compiled_sql": "select 1 as x",
                         "refs": [["b"]], "root_path": "/somewhere"},
        "seed.shop.s": {"resource_type": "seed", "raw_sql": "", "compiled_sql": "x", "relation_name": "\"s\"",
                        "depends_on": {"nodes": ["model.shop.a"], "macros": []}}
    });
    let mut document = manifest(7, nodes);
    document["metrics"] = json!({"metric.shop.m": {"name": "m"}});
    let file = file(&document);
    let manifest = file.parse().unwrap();
    assert_eq!(manifest.nodes["model.shop.a"].raw_code.get(), "select 1");
    assert_eq!(manifest.nodes["model.shop.a"].compiled_code.unwrap().get(), "select 1 as x");
    assert!(manifest.nodes["seed.shop.s"].depends_on.nodes.is_empty());
    assert!(manifest.metrics.is_empty(), "dbt drops the metrics of schema v9 and before");
}

#[test]
fn manifests_that_do_not_belong_together_are_found() {
    let issues = |change: fn(&mut Value)| {
        let (mut old, new) = (manifest(12, json!({})), manifest(12, json!({})));
        change(&mut old);
        old["nodes"] = json!({"model.shop.a": {}});
        let (old, new) = (file(&old), file(&new));
        let (state, pr) = (old.parse().unwrap(), new.parse().unwrap());
        check_pair(&state, &pr).into_iter().map(|issue| (issue.code, issue.severity)).collect::<Vec<_>>()
    };
    use IssueSeverity::{Error, Warning};
    assert_eq!(issues(|_| {}), []);
    assert_eq!(issues(|old| old["metadata"]["project_name"] = json!("other")), [(IssueCode::OtherProject, Error)]);
    assert_eq!(issues(|old| old["metadata"]["adapter_type"] = json!("postgres")), [(IssueCode::OtherAdapter, Warning)]);
    assert_eq!(issues(|old| old["metadata"]["dbt_version"] = json!("1.9.0")), [(IssueCode::DbtVersionDrift, Warning)]);
    let newer: fn(&mut Value) = |old| {
        old["metadata"]["dbt_schema_version"] = json!("https://schemas.getdbt.com/dbt/manifest/v13.json");
    };
    assert_eq!(issues(newer), [(IssueCode::NewerSchema, Warning)]);
    // The same command may have written both sides of a test; the same command at the same time cannot.
    let written: fn(&mut Value, &str) = |document, at| {
        document["metadata"]["invocation_id"] = json!("0d5f0e6e-3c1c-4f51-9c5e-0a8b3d0c7f11");
        document["metadata"]["generated_at"] = json!(at);
    };
    for (at, found) in [("2026-11-20T06:00:00Z", vec![IssueCode::SameManifest]), ("2026-11-20T06:00:01Z", vec![])] {
        let (mut old, mut new) = (manifest(12, json!({"model.shop.a": {}})), manifest(12, json!({"model.shop.b": {}})));
        written(&mut old, at);
        written(&mut new, "2026-11-20T06:00:00Z");
        let (old, new) = (file(&old), file(&new));
        let issues = check_pair(&old.parse().unwrap(), &new.parse().unwrap());
        assert_eq!(issues.iter().map(|issue| issue.code).collect::<Vec<_>>(), found);
    }
}

/// The issues of a manifest whose only model has this compiled SQL.
fn compiled(materialized: &str, raw: &str, code: Option<&str>) -> Vec<IssueCode> {
    let mut node = json!({
        "resource_type": "model", "raw_code": raw, "relation_name": "\"w\".\"prod\".\"orders\"",
        "config": {"materialized": materialized}
    });
    if let Some(code) = code {
        node["compiled_code"] = json!(code);
    }
    let other = json!({"resource_type": "model", "compiled_code": "select 1", "config": {"materialized": "view"}});
    let file = file(&manifest(12, json!({"model.shop.orders": node, "model.shop.other": other})));
    let pr = file.parse().unwrap();
    let issues = check_compiled(&pr, ["model.shop.orders"]);
    assert!(issues.iter().all(|issue| issue.unique_id.as_deref() == Some("model.shop.orders")));
    assert!(issues.iter().all(|issue| issue.message.contains("model.shop.orders") && !issue.remedy.is_empty()));
    issues.into_iter().map(|issue| issue.code).collect()
}

#[test]
fn sql_that_must_not_be_executed_is_found() {
    assert_eq!(compiled("table", "select 1", Some("select 1")), []);
    assert_eq!(compiled("table", "select 1", None), [IssueCode::NodeNotCompiled]);
    assert_eq!(compiled("ephemeral", "select 1", None), []);
    let empty = "select * from (select * from \"w\".\"ci\".\"a\" where false limit 0)";
    assert_eq!(compiled("table", "select 1", Some(empty)), [IssueCode::CompiledEmpty]);
    assert_eq!(compiled("table", "select 1", Some("select 'where false limit 0)' as x")), []);
    let raw = "select 1 {% if is_incremental() %} where x > (select max(x) from {{ this }}) {% endif %}";
    let incremental = "select 1 where x > (select max(x) from \"w\".\"prod\".\"orders\")";
    assert_eq!(compiled("incremental", raw, Some(incremental)), [IssueCode::CompiledIncremental]);
    assert_eq!(compiled("incremental", raw, Some("select 1 -- \"w\".\"prod\".\"orders\"")), []);
    assert_eq!(compiled("incremental", raw, Some("select 1")), []);
}

#[test]
fn a_manifest_of_dbt_parse_is_one_issue_and_not_thousands() {
    let model = json!({"resource_type": "model", "raw_code": "select 1", "config": {"materialized": "view"}});
    let file = file(&manifest(12, json!({"model.shop.a": model, "model.shop.b": model})));
    let pr = file.parse().unwrap();
    let issues = check_compiled(&pr, ["model.shop.a", "model.shop.b"]);
    assert_eq!(issues.iter().map(|issue| issue.code).collect::<Vec<_>>(), [IssueCode::NotCompiled]);
    assert!(issues[0].remedy.contains("dbt compile"));
}

#[test]
fn deep_nesting_huge_numbers_and_clashing_ids_are_harmless() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let text = format!(
        r#"{{"metadata": {{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}}, "nodes": {{
            "model.a.b": {{"resource_type": "model", "unrendered_config": {{"meta": {deep}}}, "config": {deep},
                           "raw_code": "x", "depends_on": {{"nodes": ["model.a.c", "model.gone"]}}}},
            "model.a.c": {{"resource_type": "model", "depends_on": {{"nodes": ["model.a.b"]}}, "version": 1e999}},
            "model.a.b": {{"resource_type": "model", "raw_code": "y", "depends_on": {{"nodes": ["model.a.c"]}}}}
        }}, "sources": {{"model.a.b": {{"name": "clash"}}}}, "extra": {deep}}}"#
    );
    let file = ManifestFile::from_bytes(Path::new("m"), text.into_bytes());
    // A number that no float holds is refused by the JSON reader where somebody reads it, not here.
    let Ok(manifest) = file.parse() else { return };
    assert_eq!(manifest.nodes["model.a.b"].raw_code.get(), "y", "the last of two counts, as in Python");
    let graph = Graph::new(&manifest);
    let cycle = graph.topological().unwrap_err();
    assert_eq!(cycle.unique_ids, ["model.a.b", "model.a.c"]);
    exercise(&manifest);
}

/// Everything that premerge does with a manifest before it plans.
fn exercise(manifest: &Manifest<'_>) {
    let base = ManifestFile::from_bytes(Path::new("base"), real().to_vec());
    let state = base.parse().unwrap();
    let changes = compare(&state, manifest, &CompareOptions::default());
    let _ = compare(manifest, &state, &CompareOptions::default());
    let graph = Graph::new(manifest);
    let _ = graph.topological();
    for selector in
        ["@state:modified", "config.materialized:table+", "path:models/**", "tag:*,group:*", "2+version:latest"]
    {
        let context = SelectionContext { state: Some(&changes), ..SelectionContext::new(manifest, &graph) };
        let _ = select(context, &Selection { select: vec![selector.to_owned()], ..Selection::default() });
    }
    let ids: Vec<&str> = manifest.nodes.keys().map(AsRef::as_ref).collect();
    let _ = check_compiled(manifest, ids);
    let _ = check_pair(&state, manifest);
}

/// The real manifest without the bulk of its macros, so that a mutation hits something that matters.
fn small() -> &'static [u8] {
    static TEXT: OnceLock<Vec<u8>> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut document: Value = serde_json::from_slice(real()).unwrap();
        let keep = |id: &String| id.starts_with("macro.harborlock") || id.contains("test_unique");
        document["macros"].as_object_mut().unwrap().retain(|id, _| keep(id));
        for part in ["docs", "parent_map", "child_map"] {
            document[part] = json!({});
        }
        serde_json::to_vec(&document).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_to_a_manifest_makes_premerge_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), prop::sample::select(
            b"\"{}[]:,0nt\\x\xff \n'".to_vec())), 0..4),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = small().to_vec();
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(manifest) = ManifestFile::from_bytes(Path::new("m"), bytes).parse() {
            exercise(&manifest);
        }
    }

    #[test]
    fn no_change_of_a_value_makes_premerge_panic(
        place in any::<prop::sample::Index>(),
        replacement in prop::sample::select(vec![
            json!(null), json!(true), json!(-1), json!(1.5), json!(""), json!("a.b"), json!([]), json!({}), json!([null]),
            json!({"a": []}), json!("é\u{202e}"), json!("{{ x }}"),
        ]),
    ) {
        let mut document: Value = serde_json::from_slice(small()).unwrap();
        let mut paths = Vec::new();
        collect("", &document, &mut paths);
        let path = &paths[place.index(paths.len())];
        if let Some(value) = document.pointer_mut(path) {
            *value = replacement;
        }
        if let Ok(manifest) = file(&document).parse() {
            exercise(&manifest);
        }
    }
}

/// JSON pointers to every value of a document.
fn collect(path: &str, value: &Value, paths: &mut Vec<String>) {
    paths.push(path.to_owned());
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| collect(&format!("{path}/{}", escape(key)), value, paths))
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(place, value)| collect(&format!("{path}/{place}"), value, paths));
        }
        _ => {}
    }
}
