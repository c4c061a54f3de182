//! Production as the newest dbt-duckdb of PyPI writes it, and as one on DuckDB 1.x wrote it: `check` opens both
//! and changes no byte of them. `.ci/dbt` installs them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]
#![cfg(feature = "duckdb")]

mod common;
#[path = "common/dbt.rs"]
mod dbt;

use std::path::Path;
use std::process::Command;

use common::{Checkout, fixtures};
use dbt::dbt;

/// Makes the sources: the first argument is the database, the second the folder with the rows.
const LOAD: &str = r#"
import json, sys, duckdb
from pathlib import Path
file, raw = sys.argv[1], Path(sys.argv[2])
db = duckdb.connect(file)
for table, columns in json.loads((raw / "types.json").read_text()).items():
    schema, name = table.split(".")
    db.execute(f'create schema if not exists "{schema}"')
    body = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
    db.execute(f'create table "{schema}"."{name}" ({body})')
    db.execute(f"""copy "{schema}"."{name}" from '{raw / f"{table}.csv"}' (format csv, header true)""")
print(duckdb.__version__)
"#;

/// Which DuckDB dbt runs on.
#[derive(Clone, Copy)]
enum Engine {
    Newest,
    One,
}

/// Runs a command of dbt's environment in a project, and returns what it printed.
fn run(engine: Engine, project: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(dbt().join(program));
    command.args(arguments).current_dir(project).env("FERRY_DUCKDB_PATH", project.join("ferry.duckdb"));
    command.env("DBT_SEND_ANONYMOUS_USAGE_STATS", "false");
    match engine {
        Engine::Newest => command.env_remove("PYTHONPATH"),
        Engine::One => command.env("PYTHONPATH", dbt().parent().unwrap().join("duckdb-1")),
    };
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{arguments:?}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn checks(engine: Engine, major: &str) {
    let checkout = Checkout::of("new_column");
    let project = checkout.project();
    // The pull request is applied to the project; production is built from the project without it.
    let production = checkout.dir.path().join("production");
    common::copy(&fixtures().join("project"), &production);
    let version = run(
        engine,
        &production,
        "python",
        &["-c", LOAD, "ferry.duckdb", fixtures().join("project/raw").to_str().unwrap()],
    );
    assert!(version.starts_with(major), "dbt runs on DuckDB {version}");
    let kinds = ["--resource-type", "model", "--resource-type", "seed", "--resource-type", "snapshot"];
    run(engine, &production, "dbt", &[&["build", "--target", "prod"], &kinds[..]].concat());
    fs_err::copy(production.join("ferry.duckdb"), checkout.production()).unwrap();
    run(engine, &project, "dbt", &["compile", "--target", "ci"]);

    let before = fs_err::read(checkout.production()).unwrap();
    let mut check = common::premerge();
    check.current_dir(&project).arg("check").args(["--pr", "7", "--manifest", "target/manifest.json"]);
    check.arg("--state").arg(production.join("target/manifest.json"));
    check.arg("--output").arg(checkout.report()).env("FERRY_DUCKDB_PATH", checkout.production());
    let output = check.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report = checkout.read_report();
    let built = report["nodes"].as_array().unwrap().iter().filter(|node| node["status"] == "built").count();
    assert!(built > 0, "nothing was built: {report:#}");
    assert!(before == fs_err::read(checkout.production()).unwrap(), "production's file was written to");
}

#[test]
fn what_the_newest_dbt_wrote_is_checked() {
    checks(Engine::Newest, "2.");
}

#[test]
fn what_dbt_on_duckdb_1_wrote_is_checked() {
    checks(Engine::One, "1.");
}
