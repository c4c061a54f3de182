//! `premerge lint` as a user runs it: the real binary on files and manifests.
#![cfg(feature = "lint")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]

mod common;

use std::path::{Path, PathBuf};

use common::premerge;
use premerge::lint::LintDocument;
use premerge::text::escape;
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

/// The library calls itself as deep as a text is nested; one beyond its stack ends no process.
#[test]
fn a_text_that_is_nested_too_deep_is_not_linted_and_said() {
    let sums = format!("select {} as a from t\n", vec!["1"; 300_000].join("+"));
    let brackets = format!("select {}1{} as a from t\n", "(".repeat(20_000), ")".repeat(20_000));
    let dir = project(&[("models/a.sql", &sums), ("models/b.sql", &brackets), ("models/c.sql", BAD)]);
    put(dir.path(), ".sqlfluff", &format!("{CONFIG}large_file_skip_byte_limit = 0\n"));
    let (code, out, log) = lint(&dir, &["models/a.sql", "models/b.sql", "models/c.sql"]);
    assert_ne!(code, 0, "{out}{log}");
    assert!(out.contains("nested too deeply") && out.contains("models/c.sql"), "{out}{log}");
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
    assert!(out.contains("m.sql: not fixed because its line endings are mixed"), "{out}");
    let (code, out, _) = lint(&dir, &["--fix", "m.sql"]);
    assert!(code == 1 && out.contains("m.sql:2:1: error CP01"), "the findings are those of what is on the disk: {out}");
}

#[cfg(unix)]
#[test]
fn fix_keeps_the_mode_and_writes_through_no_link() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let dir = project(&[("real.sql", BAD)]);
    let real = dir.path().join("real.sql");
    fs_err::set_permissions(&real, std::fs::Permissions::from_mode(0o754)).unwrap();
    symlink("real.sql", dir.path().join("link.sql")).unwrap();
    let (_, out, log) = lint(&dir, &["--fix", "link.sql"]);
    assert!(format!("{out}{log}").contains("symbolic link"), "{out}{log}");
    assert!(fs_err::symlink_metadata(dir.path().join("link.sql")).unwrap().is_symlink());
    assert_eq!(read(&dir, "real.sql"), BAD);
    lint(&dir, &["--fix", "real.sql"]);
    assert_eq!(fs_err::metadata(&real).unwrap().permissions().mode() & 0o777, 0o754);
    assert_ne!(read(&dir, "real.sql"), BAD);
}

#[test]
fn fix_writes_only_what_it_read_from_the_disk() {
    let newer = "SELECT\n    a,\n    2 AS b\nfrom t\n";
    let dir = project(&[("target/manifest.json", &manifest("SELECT a\nfrom t")), ("models/m.sql", newer)]);
    lint(&dir, &["--fix"]);
    assert_eq!(read(&dir, "models/m.sql"), newer.replace("from", "FROM"));
    fs_err::remove_file(dir.path().join("models/m.sql")).unwrap();
    let (code, out, log) = lint(&dir, &["--fix"]);
    assert!(code == 1 && out.contains("CP01"), "the manifest's text where there are no files: {out}{log}");
    assert!(!dir.path().join("models/m.sql").exists());
}

#[test]
fn a_model_that_is_gone_since_the_compile_is_said() {
    let mut both: Value = serde_json::from_str(&manifest("SELECT a\nfrom t")).unwrap();
    let mut gone = both["nodes"]["model.shop.m"].clone();
    gone["unique_id"] = json!("model.shop.gone");
    gone["original_file_path"] = json!("models/gone.sql");
    both["nodes"]["model.shop.gone"] = gone;
    let dir = project(&[("target/manifest.json", &both.to_string()), ("models/m.sql", "SELECT a\nFROM t\n")]);
    let document = document(&dir, &["--fix"]);
    assert!(style(&document).is_empty() && !dir.path().join("models/gone.sql").exists(), "{document}");
    assert!(document["notes"].to_string().contains("1 file in the manifest but not on disk"), "{document}");
}

// ---- which files ----

#[test]
fn files_of_macros_and_disabled_models_are_left_out() {
    let mut known: Value = serde_json::from_str(&manifest("SELECT a\nFROM t")).unwrap();
    known["macros"] =
        json!({"macro.shop.x": {"name": "x", "package_name": "shop", "original_file_path": "macros/x.sql"}});
    known["disabled"] = json!({"model.shop.off": [
        {"name": "off", "resource_type": "model", "original_file_path": "models/off.sql"}]});
    let dir = project(&[
        ("macros/x.sql", "{% macro x() %}SELECT a ,b{% endmacro %}\nSELECT a ,b\n"),
        ("macros/y.sql", "{# y #}\n{% test y(model) %}\nSELECT a ,b\n{% endtest %}\n"),
        ("models/off.sql", BAD),
        ("notes.txt", BAD),
    ]);
    let (code, out, _) = lint(&dir, &["macros/y.sql"]);
    assert!(code == 0 && out.contains("note: skipped 1 file of macros"), "{out}");
    put(dir.path(), "target/manifest.json", &known.to_string());
    let (code, out, _) = lint(&dir, &["macros", "models/off.sql", "notes.txt"]);
    assert!(
        code == 0 && out.contains("note: skipped 3 files of macros") && out.contains("note: skipped 1 file whose name"),
        "{out}"
    );
    assert_eq!(lint(&dir, &["nowhere.sql"]).0, 2);
}

#[test]
fn patterns_with_folders_count_in_every_invocation() {
    for args in [&[][..], &["models/m.sql"], &["./models/../models/m.sql"], &["--project-dir", "./."]] {
        let dir = project(&[("models/m.sql", BAD), ("target/manifest.json", &manifest(BAD))]);
        assert!(!style(&document(&dir, args)).is_empty());
        put(dir.path(), ".sqlfluffignore", "models/m.sql\n");
        let (_, out, _) = lint(&dir, args);
        assert!(out.contains("models/m.sql: not linted: `.sqlfluffignore` names it"), "{args:?}: {out}");
        put(dir.path(), ".sqlfluffignore", "");
        put(dir.path(), ".sqlfluff", &format!("{CONFIG}ignore_paths = models/m.sql\n"));
        let (_, out, _) = lint(&dir, args);
        assert!(out.contains("models/m.sql: not linted: `.sqlfluff` names it"), "{args:?}: {out}");
    }
}

#[test]
fn a_file_that_is_not_utf_8_is_not_linted_and_the_others_are() {
    let dir = project(&[("a.sql", BAD), ("mark.sql", &format!("\u{feff}{BAD}"))]);
    fs_err::write(dir.path().join("latin.sql"), b"SELECT 'caf\xe9'\n").unwrap();
    let (code, out, _) = lint(&dir, &["a.sql", "latin.sql", "mark.sql"]);
    assert!(code == 1 && out.contains("latin.sql: not linted: it is not UTF-8"), "{out}");
    assert!(
        out.contains("a.sql:2:1") && out.contains("mark.sql:2:1") && !out.contains("mark.sql: not linted"),
        "{out}"
    );
    let (code, out, _) = lint(&dir, &["--fix", "mark.sql"]);
    assert_eq!(code, 0, "{out}");
    assert!(read(&dir, "mark.sql").starts_with("\u{feff}SELECT\n"));
}

#[test]
fn a_snapshot_block_is_linted_in_either_way() {
    let block = "{% snapshot s %}\n{{ config(strategy='check') }}\nSELECT a  FROM t\n{% endsnapshot %}\n";
    let inside = "{{ config(strategy='check') }}\nSELECT a  FROM t";
    let mut known: Value = serde_json::from_str(&manifest(inside)).unwrap();
    known["nodes"]["model.shop.m"]["resource_type"] = json!("snapshot");
    let dir = project(&[("models/m.sql", block), ("target/manifest.json", &known.to_string())]);
    for args in [&[][..], &["models/m.sql"]] {
        let document = document(&dir, args);
        assert!(style(&document).contains(&"3:LT01".to_owned()), "{document}");
        assert_eq!(document["not_linted"], json!([]));
    }
}

#[test]
fn project_rules_look_at_named_files_that_are_what_dbt_compiled() {
    let text = "SELECT a\nFROM t\n";
    let dir = project(&[("models/m.sql", text), ("target/manifest.json", &manifest(text)), ("models/n.sql", text)]);
    let found = document(&dir, &["models/m.sql"]);
    assert!(found["violations"].to_string().contains("PM005"), "{found}");
    let found = document(&dir, &["models/n.sql"]);
    assert!(!found["violations"].to_string().contains("PM005"), "{found}");
    assert!(found["notes"].to_string().contains("project rules skipped 1 file"), "{found}");
    fs_err::remove_file(dir.path().join("target/manifest.json")).unwrap();
    let found = document(&dir, &["models/m.sql"]);
    assert!(found["notes"].to_string().contains("project rules did not run"), "{found}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = project(&[("a.sql", &"SELECT a ,b\nfrom t as x;\n".repeat(50))]);
    let mut command = std::process::Command::new(premerge().get_program());
    command.current_dir(&dir).env("HOME", "/nonexistent").args(["lint", "a.sql"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(!dir.path().join("target").exists(), "nothing is written where there is no dbt project");
}

// ---- configuration ----

#[test]
fn settings_in_a_file_count() {
    let case = |settings: &str, text: &str| {
        let dir = project(&[("a.sql", text)]);
        put(dir.path(), ".sqlfluff", "[sqlfluff]\ndialect = duckdb\nrules = LT01,CP01\n");
        let before = lint(&dir, &["a.sql"]).0;
        put(dir.path(), "a.sql", &format!("{settings}\n{text}"));
        (before, lint(&dir, &["a.sql"]).0, codes(&document(&dir, &["a.sql"])))
    };
    let noqa = "SELECT a  FROM t -- noqa\n";
    assert_eq!(case("-- sqlfluff:disable_noqa:True", noqa), (0, 1, vec!["2:LT01".to_owned()]));
    assert_eq!(case("-- sqlfluff:warnings:LT01", "SELECT a  FROM t\n"), (1, 0, vec!["2:LT01".to_owned()]));
    assert_eq!(case("-- sqlfluff:ignore:parsing", "SELECT a FROM FROM t u v\n"), (3, 0, vec![]));
    assert_eq!(
        case("-- sqlfluff:warn_unused_ignores:True", "SELECT a -- noqa\nFROM t\n"),
        (0, 0, vec!["2:NOQA".to_owned()])
    );
    assert_eq!(case("-- sqlfluff:rules:CP01", "SELECT a  FROM t\n"), (1, 0, vec![]));
}

#[test]
fn ignored_categories_are_heeded_beside_what_is_none() {
    let dir = project(&[("l.sql", "SELECT 'abc AS a FROM b\n"), ("p.sql", "SELECT a FROM FROM b c d\n")]);
    put(dir.path(), ".sqlfluff", "[sqlfluff]\ndialect = duckdb\nrules = CP01\nignore = lexing,parsing\n");
    assert_eq!(lint(&dir, &["l.sql"]).0, 0);
    put(dir.path(), ".sqlfluff", "[sqlfluff]\ndialect = duckdb\nrules = CP01\nignore = parsing,foo\n");
    let (code, out, _) = lint(&dir, &["p.sql"]);
    assert!(code == 0 && out.contains("`core:ignore` cannot be `foo`"), "{out}");
    put(dir.path(), ".sqlfluff", "[sqlfluff]\ndialect = duckdb\nrules = CP01\nwarnings = PRS\n");
    assert_eq!(lint(&dir, &["p.sql"]).0, 0, "what only warns");
}

#[test]
fn an_unknown_dialect_is_said_with_those_that_are_known() {
    let dir = project(&[("a.sql", BAD)]);
    for name in ["foo", "spark", "Snowflake"] {
        let (code, _, log) = lint(&dir, &["--dialect", name, "a.sql"]);
        assert!(code == 2 && log.contains(&format!("unknown dialect `{name}`")) && log.contains("duckdb"), "{log}");
    }
    put(dir.path(), ".sqlfluff", "[sqlfluff]\ndialect = foo\n");
    let (code, out, _) = lint(&dir, &["a.sql"]);
    assert!(code == 3 && out.contains("unknown dialect `foo`"), "{out}");
}

#[test]
fn layout_of_an_unknown_kind_is_said_and_the_rest_counts() {
    let dir = project(&[("a.sql", BAD)]);
    put(dir.path(), ".sqlfluff", &format!("{CONFIG}[sqlfluff:layout:type:commma]\nline_position = leading\n"));
    let (code, out, _) = lint(&dir, &["a.sql"]);
    assert!(code == 1 && out.contains("`layout:type:commma` is not supported"), "{out}");
}

#[test]
fn a_nested_configuration_that_cannot_be_read_is_said() {
    let dir = project(&[("a.sql", BAD), ("m/a.sql", BAD), ("n/a.sql", BAD)]);
    put(dir.path(), "m/.sqlfluff", "[sqlfluff]\nmax_line_length = abc\n");
    put(dir.path(), "n/pyproject.toml", "[tool.sqlfluff\n");
    let (_, out, _) = lint(&dir, &["a.sql", "m", "n"]);
    assert!(out.contains("`core:max_line_length` cannot be `abc`"), "{out}");
    assert!(out.lines().any(|line| line.starts_with("note: ") && line.contains("pyproject.toml")), "{out}");
}

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
    assert!(out.contains("in 1 file;"), "{out}");
}

/// The entries of the cache in a folder of premerge's own.
fn entries(cache: &Path) -> Vec<PathBuf> {
    let files = fs_err::read_dir(cache.join("lint")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.file_name().unwrap().len() == 64).collect()
}

#[test]
fn results_are_kept_by_content_and_nobody_else_s_are_taken() {
    let (dir, cache) = (project(&[("a.sql", BAD)]), tempfile::tempdir().unwrap());
    let own = cache.path().to_str().unwrap().to_owned();
    let linted = || document(&dir, &["--cache-dir", &own, "a.sql"]);
    let first = linted();
    assert_eq!(entries(cache.path()).len(), 1);
    assert_eq!(linted(), first);
    let entry = entries(cache.path()).remove(0);
    // An entry without findings, as an author would like to leave one.
    let json = r#"{"findings": [], "unparsable": null, "unparsable_warns": false, "crashed": 0, "notes": []}"#;
    let sealed = fs_err::read(&entry).unwrap();
    for forged in [json.as_bytes().to_vec(), [&sealed[..32], json.as_bytes()].concat(), b"{".to_vec()] {
        fs_err::write(&entry, forged).unwrap();
        assert_eq!(linted(), first, "linted anew");
    }
    assert_eq!(fs_err::read(&entry).unwrap(), sealed, "and kept again");
    put(dir.path(), ".sqlfluff", &format!("{CONFIG}exclude_rules = CP01\n"));
    assert!(!codes(&linted()).contains(&"2:CP01".to_owned()), "another configuration, another entry");
}

#[test]
fn nothing_is_read_from_or_written_to_the_checkout() {
    let dir = project(&[("a.sql", BAD), ("dbt_project.yml", "name: shop\n"), ("target/premerge/lint/key", "k")]);
    let before = document(&dir, &["a.sql"]);
    assert!(!codes(&before).is_empty());
    let left: Vec<_> = fs_err::read_dir(dir.path().join("target/premerge/lint")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    // A folder in the checkout is not a cache, whoever names it.
    let found = document(&dir, &["--cache-dir", "target/premerge", "a.sql"]);
    assert_eq!((found, fs_err::read_dir(dir.path().join("target/premerge/lint")).unwrap().count()), (before, 1));
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

/// What a runner would take for the beginning of a command: it reads a carriage return as a line's end, and `##[`
/// wherever it stands.
#[test]
fn no_name_of_a_file_commands_the_runner() {
    let found = "x\r::set-env name=A::b##[group]y\u{202e}z.sql";
    let unread = "u\r::add-mask::b ##vso[task]\u{200b}z.sql";
    let dir = project(&[(found, BAD)]);
    fs_err::write(dir.path().join(unread), [0xff, 0xfe, 0x00]).unwrap();
    let (_, log, _) = lint(&dir, &["--format", "annotations", found, unread]);
    assert!(log.contains("::error file=x") && log.contains("not linted"), "{log}");
    for line in log.split(['\r', '\n']).filter(|line| !line.is_empty()) {
        assert!(line.starts_with("::error file=") || line.starts_with("::warning::"), "{line:?}");
        assert!(!line.contains("##[") && !line.contains("##vso["), "{line:?}");
        assert!(!line.chars().any(|c| c != '\u{200b}' && escape::is_invisible(c)), "{line:?}");
    }
}

#[test]
fn forges_get_paths_from_the_root_of_the_repository() {
    let dir = project(&[("dbt/models/m.sql", BAD), (".git/HEAD", "")]);
    let (_, out, log) = lint(&dir, &["--project-dir", "dbt", "--format", "annotations", "dbt/models/m.sql"]);
    assert!((out + &log).contains("::error file=dbt/models/m.sql,line=2"), "{log}");
    let (_, out, _) = lint(&dir, &["--project-dir", "dbt", "--format", "sarif", "dbt/models/m.sql"]);
    assert!(out.contains("\"uri\": \"dbt/models/m.sql\""), "{out}");
    assert_eq!(document(&dir, &["--project-dir", "dbt", "dbt/models/m.sql"])["violations"][0]["path"], "models/m.sql");
}

// ---- only what is new ----

/// The findings of style rules.
fn style(document: &Value) -> Vec<String> {
    codes(document).into_iter().filter(|code| !code.contains("PM")).collect()
}

#[test]
fn edits_that_were_not_compiled_are_not_production_s() {
    let old = "SELECT a\nFROM t\n";
    let dir = project(&[("models/m.sql", "SELECT a\nfrom t\n")]);
    put(dir.path(), "target/manifest.json", &manifest(old));
    put(dir.path(), "state.json", &manifest(old));
    let found = document(&dir, &["--state", "state.json"]);
    assert_eq!(style(&found), ["2:CP01"]);
    assert!(found["notes"].to_string().contains("1 file edited since dbt compiled"), "{found}");
    put(dir.path(), "models/m.sql", old);
    let found = document(&dir, &["--state", "state.json"]);
    assert!(style(&found).is_empty() && !found["notes"].to_string().contains("edited since dbt compiled"), "{found}");
    assert_eq!(found["style_off"], Value::Null, "no file changed, which says nothing about the configuration");
}

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
