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

/// Two repositories with a project of the same name and a pull request of the same number, in one database.
#[test]
fn two_repositories_with_the_same_number_never_share_a_schema() {
    let _turn = turn();
    for round in 0..times(4) {
        let run_of = |repository: &str, name: &str| {
            let checkout = Checkout::of(name, ROUGH.port).numbered(5);
            let mut command = checkout.check();
            command.env("GITHUB_REPOSITORY", repository).stdout(Stdio::null()).stderr(Stdio::piped());
            (checkout, command)
        };
        // At once, and again one after the other: each comes to its own schema again.
        let mut names: Vec<Vec<String>> = vec![Vec::new(), Vec::new()];
        for together in [true, false] {
            let mut children = Vec::new();
            let mut checkouts = Vec::new();
            for (repository, name) in [("harbour/east", "new_column"), ("harbour/west", "ephemeral_edit")] {
                let (checkout, mut command) = run_of(repository, name);
                if together {
                    children.push(command.spawn().unwrap());
                } else {
                    children.push(command.spawn().unwrap());
                    let output = finish(children.pop().unwrap());
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                }
                checkouts.push(checkout);
            }
            for child in children {
                let output = finish(child);
                assert!(output.status.success(), "round {round}: {}", String::from_utf8_lossy(&output.stderr));
            }
            for (names, checkout) in names.iter_mut().zip(&checkouts) {
                let report = checkout.report();
                let name = report["temporary_schema"]["name"].as_str().unwrap().to_owned();
                let told = report["findings"].as_array().unwrap().iter().any(|f| f["rule"] == "own-schema");
                assert_eq!(told, name != "premerge_pr_5", "{report}");
                names.push(name);
            }
        }
        assert_eq!((&names[0][0], &names[1][0]), (&names[0][1], &names[1][1]), "round {round}");
        assert_ne!(names[0][0], names[1][0]);
        assert!(names.iter().flatten().any(|name| name == "premerge_pr_5"));
        for (name, repository) in [(&names[0][0], "harbour/east"), (&names[1][0], "harbour/west")] {
            let sql = format!("select string_agg(distinct repository, ',') from {name}._premerge_runs");
            assert_eq!(ROUGH.value("ferry", &sql), repository);
        }
        // Which repository's? That has to be said.
        let checkout = Checkout::of("new_column", ROUGH.port);
        let refused = checkout.premerge("cleanup").args(["--pr", "5"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(3));
        for (at, repository) in ["harbour/east", "harbour/west"].iter().enumerate() {
            assert!(ours(&ROUGH, "ferry").contains(&names[at][0]));
            let mut cleanup = checkout.premerge("cleanup");
            let output = cleanup.args(["--pr", "5"]).env("GITHUB_REPOSITORY", repository).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!(ours(&ROUGH, "ferry"), "");
    }
}
