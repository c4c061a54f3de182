//! Manifests made to hurt, given to the binary: a clear message and exit code 2, or a finding; no panic, and
//! bounded time and memory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

/// No case takes a second; this only has to be shorter than forever.
const FOREVER: Duration = Duration::from_secs(120);

struct Case {
    folder: TempDir,
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Case {
    /// `state` and `pr` are the texts of the manifests.
    fn new(state: &[u8], pr: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("state.json"), state).unwrap();
        fs_err::write(folder.path().join("pr.json"), pr).unwrap();
        Self { folder }
    }

    fn of(state: &Value, pr: &Value) -> Self {
        Self::new(&serde_json::to_vec(state).unwrap(), &serde_json::to_vec(pr).unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Said {
        let mut command = Command::cargo_bin("premerge").unwrap();
        command.env_clear().timeout(FOREVER).current_dir(self.folder.path()).args(args);
        let output = command.args(["--state", "state.json", "--manifest", "pr.json"]).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let said = Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!said.err.contains("panicked"), "{}", said.err);
        said
    }

    /// Both commands refuse, and name the file and every word.
    #[track_caller]
    fn refused(&self, words: &[&str]) {
        for args in [&["plan"][..], &["ls", "--select", "state:modified+"]] {
            let said = self.run(args);
            assert_eq!(said.code, Some(2), "{args:?}: {}{}", said.err, said.out);
            for word in words {
                assert!(said.err.contains(word), "`{word}` is not in: {}", said.err);
            }
            assert!(said.err.contains("hint: ") && said.out.is_empty(), "{}", said.err);
        }
    }

    #[track_caller]
    fn planned(&self) -> Value {
        let said = self.run(&["plan", "--format", "json"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    #[track_caller]
    fn listed(&self, selector: &str) -> Vec<String> {
        let said = self.run(&["ls", "--select", selector, "--format", "json"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }
}

fn manifest(nodes: Value) -> Value {
    json!({
        "metadata": {
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json",
            "dbt_version": "1.11.6", "project_name": "shop", "adapter_type": "duckdb"
        },
        "nodes": nodes
    })
}

fn model(code: &str, parents: &[&str]) -> Value {
    json!({
        "resource_type": "model", "package_name": "shop", "language": "sql", "raw_code": code, "compiled_code": code,
        "relation_name": "\"w\".\"s\".\"t\"", "depends_on": {"nodes": parents, "macros": []},
        "config": {"materialized": "table", "enabled": true}, "unrendered_config": {}
    })
}

fn simple() -> Value {
    manifest(json!({"model.shop.a": model("select 1", &[])}))
}

fn bytes(document: &Value) -> Vec<u8> {
    serde_json::to_vec(document).unwrap()
}

#[test]
fn deep_nesting_where_nobody_looks_is_skipped_and_elsewhere_refused_or_read_as_absent() {
    let deep = |open: &str, close: &str| open.repeat(300_000) + "1" + &close.repeat(300_000);
    let text = |place: &str, deep: &str| {
        let mut document = simple();
        document["nodes"]["model.shop.b"] = model("select 2", &[]);
        match place {
            "top" => document["extra"] = "DEEP".into(),
            place => document["nodes"]["model.shop.b"][place] = "DEEP".into(),
        }
        String::from_utf8(bytes(&document)).unwrap().replace("\"DEEP\"", deep).into_bytes()
    };
    for deep in [deep("[", "]"), deep("{\"a\":", "}")] {
        for place in ["top", "config", "unrendered_config", "columns", "version", "constraints", "extra", "meta"] {
            let case = Case::new(&bytes(&simple()), &text(place, &deep));
            assert_eq!(case.listed("state:new"), ["model.shop.b"], "{place}");
            case.planned();
        }
        for place in ["name", "depends_on", "tags", "fqn", "checksum", "contract"] {
            let case = Case::new(&bytes(&simple()), &text(place, &deep));
            for args in [&["plan"][..], &["ls", "--select", "state:new"]] {
                let said = case.run(args);
                assert!(matches!(said.code, Some(0 | 2)), "{place}: {:?} {}", said.code, said.err);
                assert!(said.code == Some(0) || said.err.contains("pr.json"), "{place}: {}", said.err);
            }
        }
    }
}

#[test]
fn long_strings_take_time_in_proportion() {
    let long = "select 'x' from ".to_owned() + &"(\"a\".\"b\".\"c\", ".repeat(200_000);
    for text in [long, "a.".repeat(1_000_000), "(".repeat(1_000_000), "-- ".repeat(1_000_000), "/*".repeat(500_000)] {
        let other = text.clone() + " ";
        let pr = manifest(json!({"model.shop.a": model(&other, &[]), "model.shop.b": model(&text, &["model.shop.a"])}));
        let state = manifest(json!({"model.shop.a": model(&text, &[]), "model.shop.b": model(&text, &[])}));
        let plan = Case::of(&state, &pr).planned();
        assert_eq!(plan["schema_version"], 1);
    }
    let name = "n".repeat(10_000_000);
    let mut pr = simple();
    pr["nodes"][format!("model.shop.{name}")] = model("select 1", &[&name]);
    assert_eq!(Case::of(&simple(), &pr).listed("state:new").len(), 1);
}

#[test]
fn a_cycle_is_named() {
    let pr = manifest(json!({
        "model.shop.a": model("select 1", &["model.shop.c"]),
        "model.shop.b": model("select 2", &["model.shop.a"]),
        "model.shop.c": model("select 3", &["model.shop.b"])
    }));
    let case = Case::of(&simple(), &pr);
    let said = case.run(&["plan"]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("model.shop.a → model.shop.b → model.shop.c"), "{}", said.err);
    assert_eq!(case.listed("+model.shop.a+ @a 5+b").len(), 0, "an fqn that is not there");
    assert_eq!(case.listed("state:modified+").len(), 3);
}

#[test]
fn one_id_for_several_things_is_one_thing() {
    let mut pr = simple();
    pr["sources"] = json!({"model.shop.a": {"name": "a", "source_name": "s", "fqn": ["shop", "s", "a"]}});
    pr["exposures"] = json!({"model.shop.a": {"name": "a", "depends_on": {"nodes": ["model.shop.a"]}}});
    pr["unit_tests"] = json!({"model.shop.a": {"name": "a"}});
    let case = Case::of(&simple(), &pr);
    assert!(case.listed("state:modified+").len() <= 1);
    let said = case.run(&["plan"]);
    assert!(matches!(said.code, Some(0 | 2)), "{}", said.err);
}

#[test]
fn a_parent_that_is_not_there_leaves_the_model_unchecked() {
    let pr = manifest(json!({"model.shop.a": model("select 2", &["model.shop.gone", ""])}));
    let plan = Case::of(&simple(), &pr).planned();
    assert_eq!(plan["nodes"], json!([]));
    assert_eq!(plan["not_checked"][0]["reason"]["reason"], "missing_parent", "{plan}");
}

#[test]
fn text_that_is_no_utf_8_is_refused() {
    let mut pr = bytes(&simple());
    let place = pr.windows(8).position(|window| window == b"select 1").unwrap();
    pr[place] = 0xff;
    Case::new(&bytes(&simple()), &pr).refused(&["pr.json", "UTF-8", &format!("byte {place}")]);
    Case::new(&pr, &bytes(&simple())).refused(&["state.json", "UTF-8"]);
    // UTF-16, as some Windows shells redirect.
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(bytes(&simple()).into_iter().flat_map(|byte| [byte, 0])).collect();
    Case::new(&bytes(&simple()), &wide).refused(&["pr.json", "UTF-8"]);
}

#[test]
fn of_two_members_with_one_key_the_last_counts_and_of_two_fields_neither() {
    let text = String::from_utf8(bytes(&simple())).unwrap();
    let node = serde_json::to_string(&model("select 2", &[])).unwrap();
    // As Python's reader has it.
    let twice = text.replace("\"nodes\":{", &format!("\"nodes\":{{\"model.shop.a\":{node},"));
    assert_eq!(Case::new(text.as_bytes(), twice.as_bytes()).listed("state:modified"), Vec::<String>::new());
    let twice = text.replace("\"raw_code\":", "\"raw_code\":\"select 3\",\"raw_code\":");
    Case::new(text.as_bytes(), twice.as_bytes()).refused(&["pr.json", "duplicate field `raw_code`"]);
    let twice = text.replace("\"nodes\":{", "\"nodes\":{},\"nodes\":{");
    Case::new(text.as_bytes(), twice.as_bytes()).refused(&["pr.json", "duplicate field `nodes`"]);
}

#[test]
fn a_small_file_that_unpacks_to_a_huge_one_is_refused() {
    let zeros = vec![0; 1 << 20];
    let mut packed = Vec::new();
    let mut encoder = zstd::Encoder::new(&mut packed, 3).unwrap();
    for _ in 0..5 * 1024 {
        std::io::Write::write_all(&mut encoder, &zeros).unwrap();
    }
    encoder.finish().unwrap();
    assert!(packed.len() < 1 << 20);
    Case::new(&packed, &bytes(&simple())).refused(&["state.json", "GiB"]);
}

#[cfg(unix)]
#[test]
fn a_device_without_end_is_refused() {
    let case = Case::of(&simple(), &simple());
    fs_err::remove_file(case.path("state.json")).unwrap();
    std::os::unix::fs::symlink(Path::new("/dev/zero"), case.path("state.json")).unwrap();
    case.refused(&["state.json"]);
}

#[test]
fn selectors_without_end_are_refused() {
    let mut definition = json!("a");
    for _ in 0..100 {
        definition = json!({"union": [definition]});
    }
    let mut pr = simple();
    pr["selectors"] = json!({
        "deep": {"name": "deep", "definition": definition},
        "round": {"name": "round", "definition": {"method": "selector", "value": "round"}},
        "wide": {"name": "wide", "definition": {"union": [
            {"method": "selector", "value": "wide"}, {"method": "selector", "value": "wide"}
        ]}}
    });
    // Each twice what the next one is.
    for number in 0..60 {
        let next = json!({"method": "selector", "value": format!("row{}", number + 1)});
        pr["selectors"][format!("row{number}")] = json!({"definition": {"union": [next, next]}});
    }
    pr["selectors"]["row60"] = json!({"definition": "a"});
    let case = Case::of(&simple(), &pr);
    for name in ["deep", "round", "wide", "row0"] {
        for command in ["ls", "plan"] {
            let said = case.run(&[command, "--selector", name]);
            assert_eq!(said.code, Some(2), "{name}: {}", said.err);
        }
    }
}
