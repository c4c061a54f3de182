//! premerge is never greener than dbt, on DuckDB: what dbt refuses, fails at or does otherwise after the merge is
//! caught, or named as not checked (`tests/common/breakages.rs`; `fixtures/README.md` says how cases are made).
#![allow(clippy::unwrap_used, reason = "a test may")]
#![cfg(feature = "duckdb")]

mod common;
#[path = "common/breakages.rs"]
mod cases;
#[path = "common/dbt.rs"]
mod dbt;

use cases::{Case, Checked, Sql, run};
use common::{copy, fixtures, premerge, production};

#[test]
fn nothing_that_dbt_fails_at_is_safe_to_merge() {
    run("duckdb", &fixtures().join("breakages.jsonl.gz"), 67, check);
}

fn check(case: &Case, sql: Sql) -> Checked {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("project");
    copy(&fixtures().join("project"), &project);
    let manifest = case.lay_out(dir.path());
    fs_err::copy(production(), project.join("ferry.duckdb")).unwrap();
    let report = dir.path().join("report.json");
    let mut command = premerge();
    command.current_dir(dir.path()).arg("check").arg("--state").arg(fixtures().join("production.manifest.json.gz"));
    command.args(sql.arguments(manifest)).arg("--project-dir").arg(&project).arg("--profiles-dir").arg(&project);
    command.args(["--pr", &case.number.to_string()]).arg("--output").arg(&report);
    Checked::new(&command.output().unwrap(), &report)
}
