//! Faults of the server, provoked for real: each ends with a clear result, never a false pass, never a hang.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::ferry::{Checkout, fingerprint, ours, with_production};
use crate::rough::{ROUGH, finish, run, statuses, times, turn};

const MODEL: &str = "model.ferry.dim_routes";

/// A server that has said that a transaction is committed still knows it after a crash.
const DURABLE: &[&str] = &["synchronous_commit=on"];

/// Whether a statement of the run is asleep, as [`Checkout::check_that_sleeps`] makes it.
const ASLEEP: &str = "select count(*) > 0 from pg_stat_activity where usename = 'ci' and wait_event = 'PgSleep'";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Server processes are ended in the middle of a run.
#[test]
fn statements_ended_by_the_server_are_repeated_and_the_report_says_so() {
    let _turn = turn();
    let checkout = Checkout::of("new_column", ROUGH.port);
    let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'ci'";
    let mut in_all = 0;
    for round in 0..times(4) {
        let mut command = checkout.check_that_sleeps(MODEL, 1);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // At any moment, then while the model's statement runs for sure.
        std::thread::sleep(Duration::from_millis((round % 8) as u64 * 40));
        in_all += ROUGH.value("ferry", ended).parse::<u32>().unwrap();
        ROUGH.wait_for("ferry", ASLEEP, "t");
        assert_ne!(ROUGH.value("ferry", ended), "0");
        let output = finish(child);
        assert_eq!(output.status.code(), Some(0), "round {round}\n{}", said(&output));
        let report = fs_err::read_to_string(checkout.report_file()).unwrap();
        assert!(report.contains("succeeded on attempt"), "round {round}\n{report}");
    }
    println!("{in_all} connections were ended at other moments");
    checkout.premerge("cleanup").args(["--pr", &checkout.number.to_string()]).output().unwrap();
}

/// More connections than the role may have: the run waits, then says that it could not.
#[test]
fn too_many_connections_make_the_run_incomplete() {
    let _turn = turn();
    let checkout = Checkout::of("new_column", ROUGH.port);
    ROUGH.sql("ferry", "alter role ci connection limit 0");
    let output = run(checkout.check());
    ROUGH.sql("ferry", "alter role ci connection limit -1");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs_err::read_to_string(checkout.report_file()).unwrap();
    assert!(report.contains("no connection left"), "{report}");
}

/// Roles that may not, databases that are not there: each its own words and exit code 3, never a pass.
#[test]
fn what_the_role_may_not_do_makes_the_run_incomplete() {
    let _turn = turn();
    let checkout = Checkout::of("new_column", ROUGH.port).numbered(314);
    ROUGH.sql("ferry", "revoke create on database ferry from ci");
    let output = run(checkout.check());
    ROUGH.sql("ferry", "grant create on database ferry to ci");
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs_err::read_to_string(checkout.report_file()).unwrap();
    assert!(report.contains("lacks a permission") && report.contains("premerge debug"), "{report}");
    assert_eq!(ours(&ROUGH, "ferry"), "");

    let profiles = fs_err::read_to_string(checkout.profiles()).unwrap();
    fs_err::write(checkout.profiles(), profiles.replace("dbname: ferry", "dbname: nowhere")).unwrap();
    let output = run(checkout.check());
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The whole server stops and starts again while a model's statement runs: hard, in order, and twice.
#[test]
fn a_restart_in_the_middle_of_a_statement_is_waited_for_and_the_report_says_so() {
    let server = with_production(Cluster::start(DURABLE));
    let calm = Checkout::of("new_column", server.port);
    assert!(run(calm.check()).status.success());
    let expected = statuses(&calm);
    for modes in [&["immediate"][..], &["fast"], &["fast", "immediate"]] {
        let checkout = Checkout::of("new_column", server.port);
        let mut command = checkout.check_that_sleeps(MODEL, 2);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        server.wait_for("ferry", ASLEEP, "t");
        modes.iter().for_each(|mode| server.restart(mode));
        let output = finish(child);
        assert_eq!(output.status.code(), Some(0), "{modes:?}\n{}", said(&output));
        assert_eq!(statuses(&checkout), expected, "{modes:?}");
        let report = fs_err::read_to_string(checkout.report_file()).unwrap();
        assert!(report.contains("succeeded on attempt"), "{modes:?}\n{report}");
    }
}

/// The same at any moment, between statements too: the same result, or a run that says it is incomplete.
#[test]
fn a_restart_at_any_moment_never_makes_a_false_result() {
    let server = with_production(Cluster::start(DURABLE));
    let production = fingerprint(&server, "ferry");
    let calm = Checkout::of("new_column", server.port);
    let whole = Instant::now();
    assert!(run(calm.check()).status.success());
    let (whole, expected) = (whole.elapsed(), statuses(&calm));
    let mut passed = 0;
    let rounds = times(4);
    for round in 0..rounds {
        let checkout = Checkout::of("new_column", server.port);
        let child = checkout.check().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64((round % 8 + 1) as f64 / 9.0));
        server.restart(if round % 2 == 0 { "immediate" } else { "fast" });
        let output = finish(child);
        match output.status.code() {
            Some(0) => {
                assert_eq!(statuses(&checkout), expected, "round {round}");
                passed += 1;
            }
            Some(3) => {}
            code => panic!("round {round}: exit code {code:?}\n{}", said(&output)),
        }
    }
    println!("{passed} of {rounds} runs came through a restart");
    assert!(passed > 0);
    let cleaned = calm.premerge("cleanup").args(["--pr", &calm.number.to_string()]).output().unwrap();
    assert!(cleaned.status.success(), "{}", said(&cleaned));
    assert_eq!((ours(&server, "ferry"), fingerprint(&server, "ferry")), (String::new(), production));
}

/// Writes fail with the error of a full disk, and succeed again once there is room.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_makes_the_run_incomplete_and_leaves_what_cleanup_can_drop() {
    let dir = tempfile::tempdir().unwrap();
    let library = dir.path().join("full_disk.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres/full_disk.c");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    assert!(compiled.unwrap().success(), "a C compiler is needed: run `.ci/setup`");
    // The server runs as another user where the tests run as root.
    Command::new("chmod").arg("-R").arg("a+rX").arg(dir.path()).status().unwrap();
    let server = with_production(Cluster::start_with(&["shared_buffers=1MB"], |folder| {
        vec![("LD_PRELOAD", library.clone()), ("FULL_DISK", folder.join("full"))]
    }));
    let production = fingerprint(&server, "ferry");
    let checkout = Checkout::of("new_column", server.port);
    assert!(run(checkout.check()).status.success());
    server.sql("ferry", "checkpoint");
    let child = checkout.check_that_sleeps(MODEL, 2).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    server.wait_for("ferry", ASLEEP, "t");
    fs_err::write(server.dir.join("full"), "").unwrap();
    let output = finish(child);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(server.log().contains("No space left on device"), "{}", server.log());
    let report = fs_err::read_to_string(checkout.report_file()).unwrap();
    assert!(report.contains("ran out of memory, disk or quota"), "{report}");
    assert!(!report.contains("No space left"), "the warehouse's own words are for the terminal");
    fs_err::remove_file(server.dir.join("full")).unwrap();
    assert!(run(checkout.check()).status.success());
    let cleaned = checkout.premerge("cleanup").args(["--pr", &checkout.number.to_string()]).output().unwrap();
    assert!(cleaned.status.success(), "{}", said(&cleaned));
    assert_eq!((ours(&server, "ferry"), fingerprint(&server, "ferry")), (String::new(), production));
}

/// Fewer connections than threads: first none for a while, then never enough.
#[test]
fn a_server_with_few_connections_is_waited_for_but_not_for_ever() {
    // Three of them are kept for superusers, and one is the tests' own.
    let server = with_production(Cluster::start(&["max_connections=7"]));
    let checkout = Checkout::of("new_column", server.port);
    let output = run(checkout.check());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let mut greedy = checkout.check();
    greedy.args(["--threads", "12"]);
    let began = Instant::now();
    let output = run(greedy);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(began.elapsed() < Duration::from_secs(40));
    let report = fs_err::read_to_string(checkout.report_file()).unwrap();
    assert!(report.contains("no connection left") && report.contains("--threads"), "{report}");
    assert_ne!(checkout.report()["verdict"], "passed");
}

#[test]
fn a_statement_that_runs_too_long_makes_the_run_incomplete() {
    let _turn = turn();
    let checkout = Checkout::with_settings("new_column", ROUGH.port, "statement_timeout_seconds: 2\n");
    let began = Instant::now();
    let output = run(checkout.check_that_sleeps(MODEL, 30));
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    let report = fs_err::read_to_string(checkout.report_file()).unwrap();
    assert!(report.contains("ran longer than the time limit"), "{report}");
    checkout.premerge("cleanup").args(["--pr", &checkout.number.to_string()]).output().unwrap();
    assert_eq!(ours(&ROUGH, "ferry"), "");
}
