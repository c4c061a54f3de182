//! Runs that end early: by a signal, and by `--fail-fast`. What was not reached is said, and is never green.
#![cfg(all(feature = "duckdb", unix))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::Checkout;

/// The checkout's `check`, with one model's SQL replaced.
fn edited(checkout: &Checkout, model: &str, sql: &str) -> Vec<std::ffi::OsString> {
    let mut manifest = common::read_manifest(&checkout.manifest());
    manifest["nodes"][model]["compiled_code"] = sql.into();
    let file = checkout.dir.path().join("edited.json");
    serde_json::to_writer(fs_err::File::create(&file).unwrap(), &manifest).unwrap();
    let args = checkout.check().get_args().map(ToOwned::to_owned).collect::<Vec<_>>();
    args.into_iter().map(|arg| if arg == checkout.manifest() { file.clone().into() } else { arg }).collect()
}

#[test]
fn a_signal_stops_the_running_statement_and_the_run_is_incomplete() {
    for signal in ["TERM", "INT"] {
        let checkout = Checkout::of("new_column");
        let endless = "select count(*) as n from range(100000000000) a, range(100000000000) b where a.range = -b.range";
        let args = edited(&checkout, "model.ferry.dim_routes", endless);
        let mut child = Command::new(env!("CARGO_BIN_EXE_premerge"))
            .args(args)
            .env_clear()
            .env("PREMERGE_CACHE_DIR", common::cache_dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Until the register exists, the endless statement cannot have begun.
        let began = Instant::now();
        while !checkout.temporary().exists() && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(700));
        let sent = Instant::now();
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(3), "after SIG{signal}");
        assert!(sent.elapsed() < Duration::from_secs(15), "it took {:?} to stop", sent.elapsed());
        let report = checkout.read_report();
        assert_eq!(report["verdict"], "incomplete");
        assert_eq!(report["interruption"]["kind"], "cancelled");
        let node = &report["nodes"][0];
        assert_eq!(
            (node["unique_id"].as_str(), node["status"].as_str()),
            (Some("model.ferry.dim_routes"), Some("not_checked"))
        );
    }
}

/// `--drop` holds after a pass, after failures, and after a signal.
#[test]
fn what_is_to_be_dropped_is_dropped_however_the_run_ends() {
    let schemas = |checkout: &Checkout| -> u64 {
        let db = duckdb::Connection::open(checkout.temporary()).unwrap();
        let sql = "select count(*) from information_schema.schemata where schema_name like 'premerge_pr_%'";
        db.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    for (name, code) in [("new_column", 0), ("failing_test", 1), ("broken_sql", 1)] {
        let checkout = Checkout::of(name);
        checkout.check().arg("--drop").assert().code(code);
        assert_eq!(checkout.read_report()["temporary_schema"]["dropped"], true, "{name}");
        assert_eq!(schemas(&checkout), 0, "{name}");
        let kept = checkout
            .check()
            .env("PREMERGE_KEEP", "none")
            .args(["--keep", "tables", "--format", "text"])
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&kept.stdout).contains("kept until"), "{name}");
        assert_eq!(schemas(&checkout), 1, "{name}");
    }
    let checkout = Checkout::of("new_column");
    let endless = "select count(*) as n from range(100000000000) a, range(100000000000) b where a.range = -b.range";
    let args = edited(&checkout, "model.ferry.dim_routes", endless);
    let mut child = Command::new(env!("CARGO_BIN_EXE_premerge"))
        .args(args)
        .arg("--drop")
        .env_clear()
        .env("PREMERGE_CACHE_DIR", common::cache_dir())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !checkout.temporary().exists() && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(700));
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(checkout.read_report()["temporary_schema"]["dropped"], true);
    assert_eq!(schemas(&checkout), 0);
}

#[test]
fn fail_fast_stops_at_the_first_failure() {
    let checkout = Checkout::of("failing_test");
    checkout.check().args(["--fail-fast", "--threads", "1"]).assert().code(1);
    let report = checkout.read_report();
    assert_eq!(report["verdict"], "failed");
    let tests = report["tests"].as_array().unwrap();
    let count = |status: &str| tests.iter().filter(|test| test["status"] == status).count();
    assert_eq!(count("fail"), 1);
    assert!(count("not_run") > 10, "what was not reached says so: {tests:#?}");
    assert_eq!(report["interruption"]["kind"], "cancelled");
}

/// Texts that keep an engine busy where it does not look whether it shall stop.
const DEAF: [&str; 3] = [
    "select list_resize([1], 10000000000) as n",
    "select format('{:1000000000}', 1) as n",
    "select json_pretty(repeat('[', 1000000) || repeat(']', 1000000)) as n",
];

/// `premerge check` of a model with this SQL, with so much memory that the machine is not in want of it.
fn with_little_memory(checkout: &Checkout, sql: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 12000000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_premerge")]);
    command.args(edited(checkout, "model.ferry.dim_routes", sql)).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("PREMERGE_CACHE_DIR", common::cache_dir());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// 3, or 1 where the engine itself gave up; with a report, and never green.
fn assert_ended(checkout: &Checkout, code: Option<i32>, what: &str) {
    assert!(matches!(code, Some(1 | 3)), "{what}: {code:?}");
    let report = checkout.read_report();
    let expected = if code == Some(3) { "incomplete" } else { "failed" };
    assert_eq!(report["verdict"], expected, "{what}");
}

#[test]
fn an_engine_that_does_not_listen_ends_at_the_statement_limit() {
    for sql in DEAF {
        let checkout = Checkout::of("new_column");
        fs_err::write(checkout.project().join("premerge.yml"), "statement_timeout_seconds: 2\n").unwrap();
        let began = Instant::now();
        let code = with_little_memory(&checkout, sql).status().unwrap().code();
        println!("{sql}: {code:?} after {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(60), "{sql}: {:?}", began.elapsed());
        assert_ended(&checkout, code, sql);
    }
}

#[test]
fn an_engine_that_does_not_listen_ends_at_the_second_signal() {
    for sql in DEAF {
        let checkout = Checkout::of("new_column");
        let mut child = with_little_memory(&checkout, sql).spawn().unwrap();
        let began = Instant::now();
        while !checkout.temporary().exists() && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(700));
        let sent = Instant::now();
        for _ in 0..2 {
            // It may have ended by itself.
            let _ = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).stderr(Stdio::null()).status();
            std::thread::sleep(Duration::from_millis(500));
        }
        let code = child.wait().unwrap().code();
        println!("{sql}: {code:?} {:?} after the first signal", sent.elapsed());
        assert!(sent.elapsed() < Duration::from_secs(30), "{sql}: {:?}", sent.elapsed());
        assert_ended(&checkout, code, sql);
    }
}
