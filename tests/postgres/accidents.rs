//! Runs that are killed, interrupted, cut off, or meet each other.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::ferry::{Checkout, fingerprint, ours, with_production};

/// How long anything may take on a busy machine before it counts as hanging.
const HANGING: Duration = Duration::from_secs(60);

/// Waits for a run, and kills one that hangs: its exit code is then none.
fn finish(child: Child) -> Output {
    let pid = child.id().to_string();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if ended.recv_timeout(HANGING) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watch.join().unwrap();
    output
}

/// Runs a command to its end.
fn run(mut command: Command) -> Output {
    finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// A server of its own: these tests drop what others would look at.
static ROUGH: LazyLock<Cluster> = LazyLock::new(|| with_production(Cluster::start(&[])));
/// And they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// How often, in the suite; `PREMERGE_TEST_REPEATS` multiplies it for runs by hand.
fn times(count: usize) -> usize {
    count * std::env::var("PREMERGE_TEST_REPEATS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

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
    for signal in ["TERM", "INT"] {
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
        let child = checkout.check().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
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
        release.send(()).unwrap();
        lock.join().unwrap();
    }
    assert!(ours(&ROUGH, "ferry").contains(&checkout.schema()));
    checkout.premerge("cleanup").args(["--pr", &checkout.number.to_string()]).output().unwrap();
    assert_eq!(ours(&ROUGH, "ferry"), "");
}

/// What a relay does to the traffic once so many bytes have gone through it.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// Both directions end at once.
    Cut,
    /// The server's answer is lost, but what was sent arrived.
    LoseAnswer,
}

/// A relay to the server that has one mishap at the n-th message from the client.
struct Relay {
    port: u16,
    messages: Arc<AtomicUsize>,
}

impl Relay {
    fn start(server: u16, at: usize, mishap: Mishap) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let messages = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&messages);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
                for (mut from, mut to, is_client) in
                    [(client.try_clone().unwrap(), server.try_clone().unwrap(), true), (server, client, false)]
                {
                    let counted = Arc::clone(&counted);
                    std::thread::spawn(move || {
                        let mut buffer = [0; 65536];
                        while let Ok(read @ 1..) = from.read(&mut buffer) {
                            let struck = is_client && counted.fetch_add(1, Ordering::Relaxed) + 1 == at;
                            if struck && matches!(mishap, Mishap::LoseAnswer) {
                                // Away from the client first, so that no answer gets through.
                                let _ = from.shutdown(Shutdown::Both);
                                let _ = to.write_all(&buffer[..read]);
                                std::thread::sleep(Duration::from_millis(200));
                                let _ = to.shutdown(Shutdown::Both);
                                return;
                            }
                            if struck || to.write_all(&buffer[..read]).is_err() {
                                break;
                            }
                        }
                        let _ = from.shutdown(Shutdown::Both);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { port, messages }
    }
}

/// Whatever message the connection breaks at: the result is that of an undisturbed run, or the run says that
/// it is incomplete. Never a false pass, never a hang, never a schema that cleanup does not know.
#[test]
fn a_connection_that_breaks_at_any_message_never_makes_a_false_result() {
    let _turn = turn();
    let quiet = Relay::start(ROUGH.port, usize::MAX, Mishap::Cut);
    let checkout = Checkout::of("new_column", quiet.port);
    assert!(run(checkout.check()).status.success());
    let expected = statuses(&checkout);
    let messages = quiet.messages.load(Ordering::Relaxed);
    assert!(messages > 20, "only {messages} messages");
    let (mut passed, mut incomplete, mut repeated) = (0, 0, 0);
    // In the suite every third; by hand all of them.
    let step = if times(1) > 1 { 1 } else { 3 };
    for mishap in [Mishap::Cut, Mishap::LoseAnswer] {
        for at in (1..=messages).step_by(step) {
            let relay = Relay::start(ROUGH.port, at, mishap);
            let checkout = Checkout::of("new_column", relay.port);
            let began = Instant::now();
            let output = run(checkout.check());
            assert!(began.elapsed() < Duration::from_secs(60), "{mishap:?} at {at} took {:?}", began.elapsed());
            let said = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => {
                    passed += 1;
                    assert_eq!(statuses(&checkout), expected, "{mishap:?} at {at}\n{said}");
                    repeated += usize::from(relay.messages.load(Ordering::Relaxed) > messages);
                }
                Some(3) => incomplete += 1,
                code => panic!("{mishap:?} at {at}: exit code {code:?}\n{said}"),
            }
        }
    }
    println!("{messages} messages; {passed} passed ({repeated} after a repetition), {incomplete} incomplete");
    assert!(passed > incomplete, "{passed} passed, {incomplete} incomplete");
    let direct = Checkout::of("new_column", ROUGH.port);
    direct.premerge("cleanup").args(["--pr", &direct.number.to_string()]).output().unwrap();
    assert_eq!(ours(&ROUGH, "ferry"), "");
}

/// What a report says of every node and test, without times.
fn statuses(checkout: &Checkout) -> Vec<String> {
    let report = checkout.report();
    let mut list = Vec::new();
    for part in ["nodes", "tests"] {
        for entry in report[part].as_array().unwrap() {
            list.push(format!("{} {} {}", entry["unique_id"], entry["status"], entry["rows"]));
        }
    }
    list
}

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
