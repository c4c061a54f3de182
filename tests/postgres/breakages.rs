//! premerge is never greener than dbt, on PostgreSQL (`tests/common/breakages.rs`).

use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::cases::{Case, Checked, Sql, run};
use crate::cluster::Cluster;
use crate::ferry::{fixtures, with_production};

/// Production, in a server of its own: other tests look at all that is in theirs.
static PRODUCTION: LazyLock<Cluster> = LazyLock::new(|| with_production(Cluster::start(&[])));

#[test]
fn nothing_that_dbt_fails_at_is_safe_to_merge() {
    run("postgres", &fixtures().join("postgres/breakages.jsonl.gz"), 30, check);
}

fn check(case: &Case, sql: Sql) -> Checked {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("project");
    let copied = Command::new("cp").arg("-r").arg(fixtures().join("project")).arg(&project).status().unwrap();
    assert!(copied.success());
    let manifest = case.lay_out(dir.path());
    let profile = format!(
        "ferry:\n  target: ci\n  outputs:\n    ci: {{type: postgres, host: 127.0.0.1, port: {}, user: ci, password: x, \
         dbname: ferry, schema: ci, threads: 2, connect_timeout: 5}}\n",
        PRODUCTION.port
    );
    fs_err::write(project.join("profiles.yml"), profile).unwrap();
    let report = dir.path().join("report.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_premerge"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", "/nonexistent");
    command.env("PREMERGE_STATE_MAX_AGE_HOURS", "0").current_dir(dir.path()).stdin(Stdio::null());
    command.arg("check").arg("--state").arg(fixtures().join("postgres/production.manifest.json.gz"));
    command.args(sql.arguments(manifest)).arg("--project-dir").arg(&project).arg("--profiles-dir").arg(&project);
    command.args(["--pr", &case.number.to_string()]).arg("--output").arg(&report);
    Checked::new(&command.output().unwrap(), &report)
}
