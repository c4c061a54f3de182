//! Runs that meet in one database.

use std::process::Stdio;
use std::time::Duration;

use crate::ferry::{Checkout, ours};
use crate::rough::{ROUGH, finish, run, times, turn};

#[test]
fn of_two_runs_of_one_pull_request_the_newer_counts_and_the_older_says_so() {
    let _turn = turn();
    let checkout = Checkout::of("ephemeral_edit", ROUGH.port);
    let second = Checkout::of("ephemeral_edit", ROUGH.port);
    let mut superseded = 0;
    for round in 0..times(5) {
        let mut older = checkout.check();
        let older = older.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis((round % 10) as u64 * 60));
        let newer = run(second.check());
        let older = finish(older);
        let codes = [older.status.code(), newer.status.code()];
        let said = String::from_utf8_lossy(&older.stderr);
        assert!(codes.contains(&Some(0)), "round {round}: {codes:?}\n{said}");
        for (code, checkout) in codes.into_iter().zip([&checkout, &second]) {
            match code {
                Some(0) => {}
                Some(3) => {
                    superseded += 1;
                    assert_eq!(checkout.report()["interruption"]["kind"], "superseded", "round {round}\n{said}");
                }
                code => panic!("round {round}: exit code {code:?}\n{said}"),
            }
        }
        let holders = format!("select count(*) from {}._premerge_runs where superseded_by is null", checkout.schema());
        assert_eq!(ROUGH.value("ferry", &holders), "1");
    }
    assert!(superseded > 0, "no two runs met");
    checkout.premerge("cleanup").args(["--pr", &checkout.number.to_string()]).output().unwrap();
}

#[test]
fn ten_pull_requests_at_once_do_not_meet() {
    let _turn = turn();
    let checkouts: Vec<_> = (1..=10).map(|number| Checkout::of("new_column", ROUGH.port).numbered(number)).collect();
    let running: Vec<_> = checkouts
        .iter()
        .map(|checkout| checkout.check().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for child in running {
        let output = finish(child);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for checkout in &checkouts {
        checkout.premerge("cleanup").args(["--pr", &checkout.number.to_string()]).output().unwrap();
    }
    assert_eq!(ours(&ROUGH, "ferry"), "");
}
