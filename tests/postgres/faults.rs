//! Faults of the server, provoked for real: each ends with a clear result, never a false pass, never a hang.

use std::process::Stdio;
use std::time::Duration;

use crate::ferry::{Checkout, ours};
use crate::rough::{ROUGH, finish, run, times, turn};

/// The server is stopped hard and started again in the middle of a run.
#[test]
fn statements_ended_by_the_server_are_repeated_and_the_report_says_so() {
    let _turn = turn();
    let checkout = Checkout::of("new_column", ROUGH.port);
    let mut said_so = 0;
    for round in 0..times(4) {
        let child = checkout.check().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // From its first statement on, every connection of the run is ended every so often.
        let ended = "select count(pg_terminate_backend(pid)) > 0 from pg_stat_activity where usename = 'ci'";
        ROUGH.wait_for("ferry", ended, "t");
        std::thread::sleep(Duration::from_millis((round % 8) as u64 * 40));
        ROUGH.sql("ferry", ended);
        let output = finish(child);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "round {round}\n{said}");
        let report = fs_err::read_to_string(checkout.report_file()).unwrap();
        said_so += usize::from(report.contains("passed on attempt 2"));
    }
    println!("{said_so} of the reports tell of a repetition");
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
    let checkout = Checkout::of("new_column", ROUGH.port);
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
