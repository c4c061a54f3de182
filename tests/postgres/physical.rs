//! Indexes, unlogged tables, constraints and names of 63 bytes: the server's catalogue after premerge's build
//! against the one after real dbt-postgres' build (`fixtures/regenerate_physical.py`).

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::rough::run;

/// The rows of a catalogue query for `schema`, as JSON values; premerge's register and proxy views left out.
fn catalogue(server: &Cluster, question: &str, schema: &str) -> Vec<Vec<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/physical/catalogue/{question}.sql"));
    let sql = fs_err::read_to_string(file).unwrap().replace("{schema}", schema);
    let rows = server.sql("harbour", &sql).into_iter();
    let rows = rows.map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>());
    rows.filter(|row| !row[0].starts_with("_premerge_") && row[0] != "berths").collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Bool(true) => "t".to_owned(),
        Value::Bool(false) => "f".to_owned(),
        Value::String(text) => text.clone(),
        other => panic!("{other}"),
    }
}

#[test]
fn tables_have_the_physical_form_that_dbt_gives_them() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/physical");
    let server = Cluster::start(&[]);
    server.sql("postgres", "create database harbour");
    server.sql(
        "harbour",
        "create schema analytics; create table analytics.berths (berth_id integer primary key, pier text); \
         insert into analytics.berths values (1, 'north'), (2, 'south')",
    );
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("project");
    assert!(Command::new("cp").arg("-r").arg(fixtures.join("project")).arg(&project).status().unwrap().success());
    let report = dir.path().join("report.json");
    let expected: Value = serde_json::from_slice(&fs_err::read(fixtures.join("expected.json")).unwrap()).unwrap();
    // Built anew, and in the place of what is there.
    for at_start in ["drop", "replace", "replace"] {
        let mut check = Command::new(env!("CARGO_BIN_EXE_premerge"));
        check.env_clear().env("HOME", dir.path()).env("FERRY_PG_PORT", server.port.to_string());
        check.current_dir(dir.path()).arg("check").stdin(Stdio::null());
        check.arg("--project-dir").arg(&project).arg("--profiles-dir").arg(&project).args(["--pr", "9"]);
        check.arg("--state").arg(fixtures.join("production.manifest.json.gz"));
        check.arg("--manifest").arg(fixtures.join("pr.manifest.json.gz"));
        check.arg("--output").arg(&report).args(["--at-start", at_start]);
        let output = run(check);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        for question in ["relations", "indexes", "constraints", "columns"] {
            let theirs: Vec<Vec<String>> = expected[question]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row.as_array().unwrap().iter().map(text).collect())
                // Foreign keys would point at proxy views; that they are left out is said.
                .filter(|row: &Vec<String>| question != "constraints" || row[1] != "f")
                .collect();
            assert!(theirs.len() >= 4, "{question}");
            assert_eq!(catalogue(&server, question, "premerge_pr_9"), theirs, "{question}, at start {at_start}");
        }
    }
    let report: Value = serde_json::from_slice(&fs_err::read(report).unwrap()).unwrap();
    let left_out = report["left_out"].to_string();
    assert!(left_out.contains("foreign key of column `berth_id`") && left_out.contains("a foreign key"), "{left_out}");
}
