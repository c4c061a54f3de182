//! `premerge lint` as a user runs it: the real binary on files and manifests.
#![cfg(feature = "lint")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]

mod common;

use std::path::{Path, PathBuf};

use common::premerge;
use premerge::lint::LintDocument;
use serde_json::{Value, json};
use tempfile::TempDir;

const CONFIG: &str = "[sqlfluff]\ndialect = duckdb\nrules = LT01,LT02,LT09,LT12,CP01,AL01,JJ01\n";
const BAD: &str = "SELECT a ,b\nfrom t as x\n";

/// A project of these files, with a sqlfluff configuration.
fn project(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), ".sqlfluff", CONFIG);
    for (path, text) in files {
        put(dir.path(), path, text);
    }
    dir
}

fn put(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, text).unwrap();
}

fn read(dir: &TempDir, path: &str) -> String {
    fs_err::read_to_string(dir.path().join(path)).unwrap()
}

/// Exit code, stdout, stderr.
fn lint(dir: &TempDir, args: &[&str]) -> (i32, String, String) {
    let output = premerge().current_dir(dir).arg("lint").args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn document(dir: &TempDir, args: &[&str]) -> Value {
    let (_, out, log) = lint(dir, &[args, &["--format", "json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{log}"))
}

fn codes(document: &Value) -> Vec<String> {
    let code = |violation: &Value| format!("{}:{}", violation["line"], violation["code"].as_str().unwrap());
    document["violations"].as_array().unwrap().iter().map(code).collect()
}

// ---- fix ----

#[test]
fn fix_mends_plain_sql_in_place_and_a_second_time_nothing() {
    let dir = project(&[("models/a.sql", BAD)]);
    let (code, out, _) = lint(&dir, &["--fix", "models/a.sql"]);
    assert_eq!(read(&dir, "models/a.sql"), "SELECT\n    a,\n    b\nFROM t AS x\n");
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("fixed models/a.sql"), "{out}");
    let (code, out, _) = lint(&dir, &["--fix", "models/a.sql"]);
    assert!(code == 0 && !out.contains("fixed models"), "{out}");
    let left: Vec<_> = fs_err::read_dir(dir.path().join("models")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(left, [dir.path().join("models/a.sql")], "nothing is left beside the file");
}

#[test]
fn fix_leaves_what_noqa_silences_in_every_form() {
    for text in [
        "SELECT a\nfrom t -- noqa\n",
        "SELECT a\nfrom t -- noqa: CP01\n",
        "SELECT a\nfrom t -- noqa: L010\n",
        "SELECT a\nfrom t -- noqa: capitalisation.keywords\n",
        "SELECT a\nfrom t -- noqa: disable=CP01\n",
        "SELECT a\nfrom t /* noqa: CP0* */\n",
    ] {
        let dir = project(&[("a.sql", text)]);
        let (code, out, _) = lint(&dir, &["--fix", "a.sql"]);
        assert_eq!(read(&dir, "a.sql"), text, "{out}");
        assert_eq!(code, 0, "{out}");
    }
}

#[test]
fn fix_never_touches_a_file_with_jinja_or_one_that_does_not_parse() {
    for text in
        ["SELECT a ,b\nfrom {{ ref('t') }} as x\n", "SELECT a ,b\nfrom t as x {# c #}\n", "SELECT a ,,, from from\n"]
    {
        let dir = project(&[("a.sql", text)]);
        let (code, out, _) = lint(&dir, &["--fix", "a.sql"]);
        assert_eq!(read(&dir, "a.sql"), text);
        assert_ne!(code, 0, "{out}");
    }
}

#[test]
fn fix_keeps_line_ends_and_names_a_file_that_mixes_them() {
    let windows = BAD.replace('\n', "\r\n");
    let mixed = "SELECT a ,b\r\nfrom t as x\n";
    let dir = project(&[("w.sql", &windows), ("m.sql", mixed)]);
    let (_, out, _) = lint(&dir, &["--fix", "w.sql", "m.sql"]);
    assert_eq!(read(&dir, "w.sql"), "SELECT\r\n    a,\r\n    b\r\nFROM t AS x\r\n");
    assert_eq!(read(&dir, "m.sql"), mixed);
    assert!(out.contains("m.sql: not fixed, for its line ends are mixed"), "{out}");
}

#[cfg(unix)]
#[test]
fn fix_keeps_the_mode_and_a_link() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let dir = project(&[("real.sql", BAD)]);
    let real = dir.path().join("real.sql");
    fs_err::set_permissions(&real, std::fs::Permissions::from_mode(0o754)).unwrap();
    symlink("real.sql", dir.path().join("link.sql")).unwrap();
    lint(&dir, &["--fix", "link.sql"]);
    assert!(fs_err::symlink_metadata(dir.path().join("link.sql")).unwrap().is_symlink());
    assert_eq!(fs_err::metadata(&real).unwrap().permissions().mode() & 0o777, 0o754);
    assert_ne!(read(&dir, "real.sql"), BAD);
}

// ---- configuration ----

#[test]
fn a_bad_value_is_said_once_with_its_file_its_key_and_what_is_allowed() {
    let dir = project(&[("models/a.sql", "SELECT a\nFROM t\n"), ("models/b.sql", "SELECT b\nFROM t\n")]);
    put(
        dir.path(),
        ".sqlfluff",
        &format!("{CONFIG}[sqlfluff:rules:capitalisation.keywords]\ncapitalisation_policy = uper\n"),
    );
    let (_, out, _) = lint(&dir, &["models"]);
    let said: Vec<_> = out.lines().filter(|line| line.contains("uper")).collect();
    assert_eq!(said.len(), 1, "{out}");
    for part in
        [".sqlfluff", "rules:capitalisation.keywords:capitalisation_policy", "consistent, upper, lower, capitalise"]
    {
        assert!(said[0].contains(part), "{out}");
    }
    put(dir.path(), "models/a.sql", "-- sqlfluff:max_line_length:long\nSELECT a\nFROM t\n");
    let (_, out, _) = lint(&dir, &["models/a.sql"]);
    assert!(out.contains("models/a.sql: `core:max_line_length` cannot be `long`"), "{out}");
}

#[test]
fn ignored_categories_are_ignored() {
    let dir = project(&[("a.sql", BAD), ("p.sql", "SELECT a ,,, FROM FROM\n"), ("t.sql", "SELECT a {% if x %}\n")]);
    put(dir.path(), ".sqlfluff", &format!("{CONFIG}ignore = linting,parsing,templating\n"));
    let (code, out, _) = lint(&dir, &["a.sql", "p.sql", "t.sql"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("t.sql: not linted"), "{out}");
    put(dir.path(), ".sqlfluff", CONFIG);
    assert_eq!(lint(&dir, &["a.sql"]).0, 1);
    assert_eq!(lint(&dir, &["t.sql"]).0, 3);
}

#[test]
fn a_noqa_that_silences_nothing_is_named_where_the_team_asks_for_it() {
    let dir = project(&[("a.sql", "SELECT a -- noqa: CP01\nFROM t\n")]);
    assert_eq!(codes(&document(&dir, &["a.sql"])), [""; 0]);
    put(dir.path(), ".sqlfluff", &format!("{CONFIG}warn_unused_ignores = True\n"));
    let document = document(&dir, &["a.sql"]);
    assert_eq!(codes(&document), ["1:NOQA"]);
    assert_eq!(document["violations"][0]["severity"], "warning");
}

// ---- time, cache ----

#[test]
fn a_file_over_its_time_is_not_linted_by_name_and_never_green() {
    // Minutes of work for the library, which must not give up early.
    let large = format!(
        "SELECT\n{}    1\nFROM t\n",
        "    coalesce(a, (b + c) * d, CASE WHEN e THEN f END) AS g,\n".repeat(20_000)
    );
    let dir = project(&[("large.sql", &large), ("small.sql", "SELECT a\nFROM t\n")]);
    put(dir.path(), ".sqlfluff", &format!("{CONFIG}large_file_skip_byte_limit = 0\nmax_parse_nodes = 0\n"));
    put(dir.path(), "premerge.yml", "lint:\n  time_limit: 1\n");
    let (code, out, _) = lint(&dir, &["large.sql", "small.sql"]);
    assert_eq!(code, 3, "{out}");
    assert!(out.contains("large.sql: not linted: it took longer than 1 s"), "{out}");
    assert!(out.contains("in 1 files"), "{out}");
}

#[test]
fn results_are_kept_by_content_and_a_broken_cache_does_no_harm() {
    let dir = project(&[("a.sql", BAD)]);
    let first = document(&dir, &["a.sql"]);
    let cache = dir.path().join("target/premerge/lint");
    let entries = || fs_err::read_dir(&cache).unwrap().map(|file| file.unwrap().path()).collect::<Vec<PathBuf>>();
    assert_eq!(entries().len(), 1);
    // What the cache says is taken: proof that it is read.
    let kept = fs_err::read_to_string(&entries()[0]).unwrap();
    fs_err::write(&entries()[0], kept.replace("CP01", "CP09")).unwrap();
    assert!(codes(&document(&dir, &["a.sql"])).contains(&"2:CP09".to_owned()));
    fs_err::write(&entries()[0], "{").unwrap();
    assert_eq!(document(&dir, &["a.sql"]), first);
    put(dir.path(), ".sqlfluff", &format!("{CONFIG}exclude_rules = CP01\n"));
    assert!(!codes(&document(&dir, &["a.sql"])).contains(&"2:CP01".to_owned()), "another configuration, another entry");
}

// ---- formats ----

#[test]
fn the_committed_schema_is_that_of_the_code_and_documents_conform() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lint.schema.json");
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(LintDocument)).unwrap() + "\n";
    if std::env::var_os("PREMERGE_BLESS").is_some() {
        fs_err::write(&path, &schema).unwrap();
    }
    let committed = fs_err::read_to_string(&path).unwrap();
    assert!(committed == schema, "docs/lint.schema.json is out of date: run this test with PREMERGE_BLESS=1");
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let dir = project(&[("a.sql", BAD), ("t.sql", "SELECT a {% if x %}\n")]);
    let document = document(&dir, &["a.sql", "t.sql"]);
    assert!(validator.validate(&document).is_ok(), "{document}");
    assert_eq!(document["schema_version"], 1);
    assert_eq!(document["not_linted"][0]["path"], "t.sql");
    assert!(validator.validate(&json!({"violations": []})).is_err(), "the schema refuses something");
}

#[test]
fn sarif_has_what_code_scanning_needs() {
    let dir = project(&[("a b#é.sql", BAD), ("t.sql", "SELECT a {% if x %}\n")]);
    let (code, out, _) = lint(&dir, &["--format", "sarif", "a b#é.sql", "t.sql"]);
    assert_eq!(code, 1);
    let sarif: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules: Vec<_> = run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        assert!(rules.contains(&&result["ruleId"]), "{result}");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b%23%C3%A9.sql");
        assert!(place["region"]["startLine"].as_u64() >= Some(1) && place["region"]["startColumn"].as_u64() >= Some(1));
    }
    assert_eq!(run["invocations"][0]["executionSuccessful"], false, "a file was not linted");
}

#[test]
fn sarif_links_a_project_rule_to_its_section() {
    let dir = project(&[("target/manifest.json", &manifest("select 1 as id"))]);
    let (_, out, _) = lint(&dir, &["--format", "sarif"]);
    let sarif: Value = serde_json::from_str(&out).unwrap();
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["id"] == "PM005").unwrap();
    let uri = rule["helpUri"].as_str().unwrap();
    assert!(uri.starts_with("https://") && uri.ends_with("/docs/rules.md#pm005"), "{uri}");
}

#[test]
fn annotations_name_file_line_and_rule_and_cannot_be_broken_out_of() {
    let dir = project(&[("a,b:c%.sql", BAD)]);
    let (_, out, log) = lint(&dir, &["--format", "annotations", "a,b:c%.sql"]);
    let log = out + &log;
    assert!(log.lines().any(|line| line.starts_with("::error file=a%2Cb%3Ac%25.sql,line=2,title=CP01::")), "{log}");
    assert!(log.lines().all(|line| line.starts_with("::")), "{log}");
}

// ---- only what is new ----

/// A manifest of one model `m`, by its text.
fn manifest(text: &str) -> String {
    json!({
        "metadata": {"project_name": "shop", "adapter_type": "duckdb",
            "dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"},
        "nodes": {"model.shop.m": {
            "unique_id": "model.shop.m", "resource_type": "model", "name": "m", "package_name": "shop",
            "original_file_path": "models/m.sql", "fqn": ["shop", "m"], "raw_code": text.trim(),
            "compiled_code": text.trim(), "language": "sql", "config": {"materialized": "view"},
            "depends_on": {"nodes": [], "macros": []}, "columns": {},
        }},
    })
    .to_string()
}

#[test]
fn each_scope_shows_what_it_says() {
    let old = "SELECT a\nfrom t\nWHERE a > 0\n";
    let new = "SELECT a\nfrom t\nwhere a > 1\n";
    let dir = project(&[("models/m.sql", new)]);
    put(dir.path(), "target/manifest.json", &manifest(new));
    put(dir.path(), "state.json", &manifest(old));
    let style = |scope: &str| {
        let document = document(&dir, &["--state", "state.json", "--scope", scope]);
        let codes = codes(&document).into_iter().filter(|code| !code.contains("PM")).collect::<Vec<_>>();
        (codes, document["known"].as_u64().unwrap() > 0)
    };
    assert_eq!(style("changed-files"), (vec!["3:CP01".to_owned()], true));
    assert_eq!(style("changed-lines"), (vec!["3:CP01".to_owned()], true));
    assert_eq!(style("all").0, ["2:CP01", "3:CP01"]);
    put(dir.path(), "state.json", &manifest(new));
    assert_eq!(style("changed-files").0, [""; 0], "a file that is production's is not looked at");
}
