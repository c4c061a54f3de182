//! Runs that are killed or stopped, and clean-up after them.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::ferry::{Checkout, fingerprint, ours};
use crate::rough::{ROUGH, finish, run, times, turn};

#[test]
fn after_runs_killed_at_random_one_cleanup_leaves_nothing() {
    let _turn = turn();
    let before = fingerprint(&ROUGH, "ferry");
    let checkout = Checkout::with_settings("ephemeral_edit", ROUGH.port, "expire_after_hours: 0\n");
    let whole = Instant::now();
    assert!(run(checkout.check()).status.success());
    let whole = whole.elapsed();
    let mut seed = 20_261_121_u64;
    let mut left = 0;
    for round in 0..times(12) {
        // Different numbers, so that schemas pile up instead of being replaced by the next run.
        let checkout = Checkout::with_settings("ephemeral_edit", ROUGH.port, "expire_after_hours: 0\n")
            .numbered(1000 + (round % 40) as u64);
        let mut child = checkout.check().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(whole.mul_f64((seed >> 33) as f64 / f64::from(1_u32 << 31)));
        child.kill().unwrap();
        child.wait().unwrap();
        left += usize::from(!ours(&ROUGH, "ferry").is_empty());
    }
    assert!(left > 0, "no run was killed while it had a schema");
    let listed = checkout.premerge("cleanup").args(["--expired", "--dry-run"]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("would drop premerge_pr_"));
    let cleaned = checkout.premerge("cleanup").arg("--expired").output().unwrap();
    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
    assert_eq!(ours(&ROUGH, "ferry"), "");
    assert_eq!(fingerprint(&ROUGH, "ferry"), before);
}

#[test]
fn cleanup_takes_the_pull_requests_own_schema_only() {
    let _turn = turn();
    let checkout = Checkout::of("new_column", ROUGH.port);
    let other = Checkout::of("new_column", ROUGH.port).numbered(7);
    for checkout in [&checkout, &other] {
        assert!(run(checkout.check()).status.success());
    }
    ROUGH.sql("ferry", "create schema premerge_pr_8; create table premerge_pr_8.precious as select 1 as a");
    let number = checkout.number.to_string();
    let cleaned = checkout.premerge("cleanup").args(["--pr", &number]).output().unwrap();
    assert!(cleaned.status.success());
    assert_eq!(ours(&ROUGH, "ferry"), "premerge_pr_7,premerge_pr_8");
    // Not expired, and not ours.
    assert!(checkout.premerge("cleanup").arg("--expired").output().unwrap().status.success());
    assert_eq!(ours(&ROUGH, "ferry"), "premerge_pr_7,premerge_pr_8");
    checkout.premerge("cleanup").args(["--pr", "7"]).output().unwrap();
    ROUGH.sql("ferry", "drop schema premerge_pr_8 cascade");
    assert_eq!(ours(&ROUGH, "ferry"), "");
}
#[cfg(unix)]
#[test]
fn a_signal_cancels_on_the_server_and_leaves_a_schema_that_cleanup_knows() {
    let _turn = turn();
    let checkout = Checkout::of("new_column", ROUGH.port);
    let tables = ROUGH.value(
        "ferry",
        "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables \
         where schemaname = 'raw' or schemaname ~ '^analytics'",
    );
    for (signal, at_end) in [("INT", "--drop"), ("TERM", "--keep=tables")] {
        // Production's tables are locked, so that a statement waits for as long as we like.
        let (port, tables) = (ROUGH.port, tables.clone());
        let (release, released) = std::sync::mpsc::channel::<()>();
        let lock = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let config = format!("host=127.0.0.1 port={port} user=test dbname=ferry application_name=lock");
                let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.unwrap();
                let connection = tokio::spawn(connection);
                let lock = format!("begin; lock table {tables} in access exclusive mode");
                client.batch_execute(&lock).await.unwrap();
                tokio::task::spawn_blocking(move || released.recv()).await.unwrap().ok();
                client.batch_execute("rollback").await.unwrap();
                drop(client);
                let _ = connection.await;
            });
        });
        let child = checkout.check().arg(at_end).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let waiting = "select count(*) > 0 from pg_stat_activity where usename = 'ci' and wait_event_type = 'Lock'";
        ROUGH.wait_for("ferry", waiting, "t");
        Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        let began = Instant::now();
        let output = finish(child);
        assert!(began.elapsed() < Duration::from_secs(8));
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(checkout.report()["interruption"]["kind"], "cancelled");
        let active = "select count(*) from pg_stat_activity where usename = 'ci' and state = 'active'";
        ROUGH.wait_for("ferry", active, "0");
        assert_eq!(checkout.report()["temporary_schema"]["dropped"], at_end == "--drop");
        assert_eq!(ours(&ROUGH, "ferry").is_empty(), at_end == "--drop");
        release.send(()).unwrap();
        lock.join().unwrap();
    }
    assert!(ours(&ROUGH, "ferry").contains(&checkout.schema()));
    checkout.premerge("cleanup").args(["--pr", &checkout.number.to_string()]).output().unwrap();
    assert_eq!(ours(&ROUGH, "ferry"), "");
}
