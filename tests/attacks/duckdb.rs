//! Attacks within a pull request, on a real database file.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::common::{Checkout, fixtures, premerge, read_manifest};
use crate::table::{DUCKDB, Place};

/// Files of the runner that no source names: the grammar takes the text, and the engine is locked.
const FILES: &[(Place, &str)] = &[
    (Place::Query, "from read_text('/proc/self/environ')"),
    (Place::Query, "from read_blob('/proc/self/environ')"),
    (Place::Query, "from read_csv('/etc/passwd', header = false)"),
    (Place::Query, "from read_text('/proc/self/cwd/../../etc/passwd')"),
    (Place::Query, "from read_text(['/etc/passwd', '/proc/self/environ'])"),
    (Place::Query, "select * from sniff_csv('/etc/passwd')"),
    (Place::Query, "select * from parquet_metadata('/etc/passwd')"),
    (Place::Query, "select * from (select 1 as a) t, lateral read_text('/etc/passwd')"),
];

/// Every file below a folder, with its bytes.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let hash = Sha256::digest(fs_err::read(entry.path()).unwrap());
                let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                found.insert(entry.path().to_string_lossy().into_owned(), hash);
            }
        }
    }
    found
}

/// A model that is new and has this text.
fn model(like: &Value, number: usize, place: Place, text: &str) -> Option<(String, Value)> {
    let mut node = like.clone();
    let name = format!("attack_{number}");
    let id = format!("model.ferry.{name}");
    node["unique_id"] = json!(id);
    node["name"] = json!(name);
    node["alias"] = json!(name);
    node["fqn"] = json!(["ferry", name]);
    node["relation_name"] = json!(format!("\"ferry\".\"analytics\".\"{name}\""));
    node["depends_on"] = json!({"macros": [], "nodes": []});
    node["refs"] = json!([]);
    node["sources"] = json!([]);
    node["checksum"] = json!({"name": "sha256", "checksum": name});
    node["raw_code"] = json!(text);
    node["compiled_code"] = json!("select 1 as a");
    node["config"]["materialized"] = json!(if number.is_multiple_of(2) { "table" } else { "view" });
    node["config"]["tags"] = json!([]);
    let text = text.replace("prod.main.", "ferry.analytics.").replace("'prod.duckdb'", "'ferry.duckdb'");
    match place {
        Place::Query => node["compiled_code"] = json!(text),
        Place::Header => node["config"]["sql_header"] = json!(text),
        Place::Column => {
            node["config"]["contract"] = json!({"enforced": true, "alias_types": true});
            node["config"]["materialized"] = json!("table");
            node["contract"] = json!({"enforced": true, "alias_types": true, "checksum": "x"});
            node["columns"] = json!({"a": {"name": "a", "data_type": text, "constraints": []}});
        }
        Place::Constraint => {
            node["config"]["contract"] = json!({"enforced": true, "alias_types": true});
            node["config"]["materialized"] = json!("table");
            node["contract"] = json!({"enforced": true, "alias_types": true, "checksum": "x"});
            node["columns"] = json!({"a": {"name": "a", "data_type": "integer", "constraints": []}});
            node["constraints"] = json!([{"type": "custom", "expression": text}]);
        }
        Place::Key => return None,
    }
    Some((id, node))
}

#[test]
fn production_is_the_same_to_the_byte_and_the_verdict_is_not_green() {
    let checkout = Checkout::of("changed_filter");
    let mut manifest = read_manifest(&checkout.manifest());
    let nodes = manifest["nodes"].as_object().unwrap();
    let like =
        nodes.values().find(|node| node["resource_type"] == "model" && node["config"]["materialized"] == "table");
    let like = like.unwrap().clone();
    let mut attacks = Vec::new();
    for (number, (place, text)) in DUCKDB.iter().chain(FILES).enumerate() {
        if let Some((id, node)) = model(&like, number, *place, text) {
            manifest["nodes"][&id] = node;
            attacks.push((id, *text));
        }
    }
    let file = checkout.dir.path().join("manifest.json");
    fs_err::write(&file, serde_json::to_vec(&manifest).unwrap()).unwrap();
    let production = fs_err::read(checkout.production()).unwrap();
    let before = files(checkout.dir.path());

    let mut check = premerge();
    check
        .current_dir(checkout.dir.path())
        .arg("check")
        .arg("--state")
        .arg(fixtures().join("production.manifest.json.gz"));
    check.arg("--manifest").arg(&file).arg("--project-dir").arg(checkout.project());
    check.arg("--profiles-dir").arg(checkout.project()).args(["--pr", "7"]).arg("--output").arg(checkout.report());
    let run = check.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert_eq!(run.status.code(), Some(1), "{out}\n{err}");
    assert!(fs_err::read(checkout.production()).unwrap() == production, "production was written to");
    let report = fs_err::read_to_string(checkout.report()).unwrap();
    for published in [&*out, &*err, &report] {
        assert!(!published.contains("root:x:0"), "/etc/passwd is published");
    }
    let mut after = files(checkout.dir.path());
    let ours = |path: &String| path.contains("/target/") || path.ends_with("/report.json");
    after.retain(|path, _| !ours(path));
    assert_eq!(after, before, "something lies outside the temporary schema");

    let report = checkout.read_report();
    let built: Vec<&str> = report["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["status"] == "built")
        .filter_map(|node| node["unique_id"].as_str())
        .collect();
    let passed: Vec<_> = attacks.iter().filter(|(id, _)| built.contains(&id.as_str())).collect();
    assert!(passed.is_empty(), "{passed:#?}");
    assert!(attacks.len() > 100, "{}", attacks.len());
}
