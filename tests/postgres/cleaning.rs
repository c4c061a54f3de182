//! What keeps `premerge cleanup`, and the check that drops before it begins, from their work: locks, rights, signals,
//! clocks, and schemas that only look like ours.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use premerge::config::AtStart;
use premerge::warehouse::{FaultClass, GuardError, Protected, TempSchema};

use crate::cluster::{Cluster, SHARED};
use crate::ferry::{Checkout, ours};
use crate::rough::{ROUGH, finish, run, turn};
use crate::warehouse::{owner, schema, table, warehouse};

/// A transaction that stays open until it is dropped.
struct Held {
    release: Option<std::sync::mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Held {
    fn open(cluster: &Cluster, database: &str, sql: &str) -> Self {
        let config =
            format!("host=127.0.0.1 port={} user=test dbname={database} application_name=reviewer", cluster.port);
        let begin = format!("begin; {sql}");
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.unwrap();
                let connection = tokio::spawn(connection);
                client.batch_execute(&begin).await.unwrap();
                ready.send(()).unwrap();
                tokio::task::spawn_blocking(move || released.recv()).await.unwrap().ok();
                client.batch_execute("rollback").await.ok();
                drop(client);
                let _ = connection.await;
            });
        });
        is_ready.recv().unwrap();
        Self { release: Some(release), thread: Some(thread) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Whether the tests were started by `nohup`: so is everything that they start, and it heeds that.
fn without_hang_up() -> bool {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
    u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 1)
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
}

/// Somebody looks at the schema in a transaction and goes to lunch.
#[tokio::test]
async fn an_open_transaction_is_named_and_not_waited_for() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let (older, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    table(&older, &mut session, "t", "select 1 as a").await.unwrap();
    let reviewer = Held::open(&SHARED, &db, "select count(*) from pr_1.t");
    let began = Instant::now();
    let error = schema(house.as_ref(), 1, "r2").await.map(|_| ()).unwrap_err();
    let GuardError::Warehouse { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.class, FaultClass::Locked, "{}", source.message);
    assert!(source.message.contains("user test, application reviewer"), "{}", source.message);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    // The same where it is replaced, and where the register is what is looked at.
    let mut session = house.connect().await.unwrap();
    let newer = owner(1, "r3");
    let replacing =
        TempSchema::open(house.as_ref(), &mut session, "pr_1", &Protected::default(), newer, AtStart::Replace).await;
    let replacing = replacing.unwrap();
    let error = table(&replacing, &mut session, "t", "select 2 as a").await.unwrap_err();
    assert_eq!(error.class, FaultClass::Locked, "{}", error.message);
    assert!(error.message.contains("application reviewer"), "{}", error.message);
    drop(reviewer);
    table(&replacing, &mut session, "t", "select 2 as a").await.unwrap();
    assert_eq!(SHARED.value(&db, "select a from pr_1.t"), "2");

    let reviewer = Held::open(&SHARED, &db, "select count(*) from pr_1._premerge_runs");
    let error = replacing.clone().drop(&mut session).await.unwrap_err();
    assert_eq!(error.class, FaultClass::Locked, "{}", error.message);
    drop(reviewer);
    assert!(replacing.drop(&mut session).await.unwrap());
}

/// A run that has ended on a machine whose clock is ahead does not count as newer.
#[tokio::test]
async fn a_clock_that_is_ahead_does_not_block_later_runs() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let (_, _session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let ahead = "update pr_1._premerge_runs set started_at = '2999-01-01T00:00:00.000000000Z'";
    SHARED.sql(&db, ahead);
    let error = schema(house.as_ref(), 1, "r2").await.map(|_| ()).unwrap_err();
    assert!(matches!(error, GuardError::Superseded { .. }), "{error}");
    SHARED.sql(&db, &format!("{ahead}, ended_at = '2999-01-01T00:01:00Z' where run_id = 'r1'"));
    schema(house.as_ref(), 1, "r3").await.unwrap();
    let holders = "select string_agg(run_id, ',') from pr_1._premerge_runs where superseded_by is null";
    assert_eq!(SHARED.value(&db, holders), "r3");
}

#[test]
fn a_register_that_cannot_be_read_is_said() {
    let _turn = turn();
    let checkout = Checkout::with_settings("new_column", ROUGH.port, "statement_timeout_seconds: 2\n");
    assert!(run(checkout.check()).status.success());
    let number = checkout.number.to_string();
    let (name, by_number) = (checkout.schema(), ["--pr", number.as_str()]);
    let locked = Held::open(&ROUGH, "ferry", &format!("lock table {name}._premerge_runs in access exclusive mode"));
    for args in [&by_number[..], &["--expired"]] {
        let output = run_with(&checkout, args);
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        assert!(said(&output).contains(&format!("could not read the register of {name}")), "{}", said(&output));
        assert!(!said(&output).contains("nothing to drop"), "{}", said(&output));
    }
    drop(locked);

    // Another role's.
    ROUGH.sql("ferry", "create role colleague login; grant create on database ferry to colleague");
    let theirs = fs_err::read_to_string(checkout.profiles()).unwrap().replace("user: ci", "user: colleague");
    let mine = fs_err::read_to_string(checkout.profiles()).unwrap();
    fs_err::write(checkout.profiles(), theirs).unwrap();
    let cleaned = run_with(&checkout, &by_number);
    let checked = run(checkout.check());
    fs_err::write(checkout.profiles(), mine).unwrap();
    ROUGH.sql("ferry", "drop owned by colleague; drop role colleague");
    assert_eq!(cleaned.status.code(), Some(3), "{}", said(&cleaned));
    assert!(said(&cleaned).contains("the role lacks a permission; another role made it"), "{}", said(&cleaned));
    assert_eq!(checked.status.code(), Some(2), "{}", said(&checked));
    assert!(said(&checked).contains("has a premerge register that this role cannot read"), "{}", said(&checked));

    assert!(run_with(&checkout, &by_number).status.success());
    assert_eq!(ours(&ROUGH, "ferry"), "");
}

fn run_with(checkout: &Checkout, args: &[&str]) -> Output {
    let mut command = checkout.premerge("cleanup");
    command.args(args);
    run(command)
}

#[test]
fn a_variable_of_the_ci_does_not_contradict_a_flag() {
    let _turn = turn();
    let checkout = Checkout::of("new_column", ROUGH.port);
    let with = |args: &[&str], value: &str| {
        let mut command = checkout.premerge("cleanup");
        command.args(args).env("PREMERGE_PR", value);
        let output = run(command);
        (output.status.code(), said(&output))
    };
    for number in [5, 6] {
        assert!(run(Checkout::of("new_column", ROUGH.port).numbered(number).check()).status.success());
    }
    let (code, text) = with(&["--expired"], "5");
    assert_eq!((code, text.contains("nothing to drop")), (Some(0), true), "{text}");
    let (code, text) = with(&["--pr", "6"], "5");
    assert_eq!((code, ours(&ROUGH, "ferry").as_str()), (Some(0), "premerge_pr_5"), "{text}");
    assert_eq!(with(&[], "five").0, Some(2));
    assert_eq!(with(&[], "").0, Some(2));
    assert_eq!(with(&["--pr", "5", "--expired"], "").0, Some(2));
    let (code, text) = with(&[], "5");
    assert_eq!((code, ours(&ROUGH, "ferry").as_str()), (Some(0), ""), "{text}");
}

/// A schema of production with a copy of a register in it.
#[test]
fn schemas_that_are_named_elsewhere_are_not_dropped() {
    let _turn = turn();
    let checkout =
        Checkout::with_settings("new_column", ROUGH.port, "expire_after_hours: 0\nprotected_schemas: [Copied]\n");
    assert!(run(checkout.check()).status.success());
    let made = checkout.schema();
    for name in ["copied", "ci"] {
        copy_register(&made, name);
        mark(&made, name);
    }
    let listed = run_with(&checkout, &["--expired", "--dry-run"]);
    let cleaned = run_with(&checkout, &["--expired"]);
    let left = ROUGH.value("ferry", "select count(*) from pg_tables where schemaname in ('copied', 'ci')");
    ROUGH.sql("ferry", "drop schema copied cascade; drop schema ci cascade");
    for (output, did) in [(listed, "would drop"), (cleaned, "dropped")] {
        let text = said(&output);
        assert_eq!(output.status.code(), Some(3), "{text}");
        for name in ["copied", "ci"] {
            assert!(text.contains(&format!("not dropped: {name} (")), "{text}");
        }
        assert!(text.contains(&format!("{did} {made}")), "{text}");
    }
    assert_eq!((left.as_str(), ours(&ROUGH, "ferry").as_str()), ("4", ""));
}

/// What models called as the register is would come to.
fn copy_register(made: &str, name: &str) {
    ROUGH.sql(
        "ferry",
        &format!(
            "create schema {name} authorization ci; create table {name}._premerge_runs as table {made}._premerge_runs; \
             create table {name}._premerge_objects as table {made}._premerge_objects; \
             alter table {name}._premerge_runs owner to ci; alter table {name}._premerge_objects owner to ci"
        ),
    );
}

/// Gives a schema the mark of another.
fn mark(made: &str, name: &str) {
    let sql = format!("select obj_description('{made}'::regnamespace, 'pg_namespace')");
    let mark = ROUGH.value("ferry", &sql);
    assert!(mark.contains("made by premerge"), "{mark}");
    ROUGH.sql("ferry", &format!("comment on schema {name} is '{mark}'"));
}

/// Models can have the names and the columns of the register; the mark they cannot make, and a time that cannot be read
/// has not come.
#[test]
fn what_looks_like_a_register_is_none() {
    let _turn = turn();
    let checkout = Checkout::with_settings("new_column", ROUGH.port, "expire_after_hours: 0\n");
    assert!(run(checkout.check()).status.success());
    let made = checkout.schema();
    copy_register(&made, "forged");
    ROUGH.sql("ferry", "create table forged.precious as select 1 as a; alter table forged.precious owner to ci");
    ROUGH.sql("ferry", "insert into forged._premerge_objects values ('r', 'precious')");
    let left = || ROUGH.value("ferry", "select count(*) from pg_tables where schemaname = 'forged'");
    let cleaned = run_with(&checkout, &["--expired"]);
    let after_expired = left();
    // A run does not take it for its own either.
    let mut taking = checkout.check();
    taking.args(["--schema", "forged"]);
    let taken = run(taking);
    assert!(run(checkout.check()).status.success());
    mark(&made, "forged");
    ROUGH.sql("ferry", "update forged._premerge_runs set expires_at = 'soon'");
    let timeless = run_with(&checkout, &["--expired"]);
    let after_timeless = left();
    ROUGH.sql("ferry", "drop schema forged cascade");

    assert_eq!(cleaned.status.code(), Some(0), "{}", said(&cleaned));
    assert!(said(&cleaned).contains(&format!("dropped {made}")) && !said(&cleaned).contains("forged"));
    assert_eq!(after_expired, "3");
    assert_eq!(taken.status.code(), Some(2), "{}", said(&taken));
    assert!(said(&taken).contains("premerge did not make it"), "{}", said(&taken));
    assert_eq!(timeless.status.code(), Some(3), "{}", said(&timeless));
    assert!(
        said(&timeless).contains("not dropped: forged: its register has no readable expiry"),
        "{}",
        said(&timeless)
    );
    assert_eq!(after_timeless, "3");
    assert_eq!(ours(&ROUGH, "ferry"), "");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_what_clean_up_waits_for() {
    let _turn = turn();
    let checkout = Checkout::of("new_column", ROUGH.port);
    assert!(run(checkout.check()).status.success());
    let number = checkout.number.to_string();
    let active = "select count(*) from pg_stat_activity where usename = 'ci' and state = 'active'";
    let reviewer = Held::open(&ROUGH, "ferry", &format!("select count(*) from {}.dim_routes", checkout.schema()));
    for name in ["TERM", "INT", "HUP"] {
        if name == "HUP" && without_hang_up() {
            continue;
        }
        let mut command = checkout.premerge("cleanup");
        command.args(["--pr", &number]);
        let child = start(command);
        let waiting = "select count(*) > 0 from pg_stat_activity where usename = 'ci' and wait_event_type = 'Lock'";
        ROUGH.wait_for("ferry", waiting, "t");
        signal(&child, name);
        let began = Instant::now();
        let output = finish(child);
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        assert_eq!(output.status.code(), Some(3), "{name}: {}", said(&output));
        assert!(said(&output).contains("stopped by a signal"), "{}", said(&output));
        ROUGH.wait_for("ferry", active, "0");
    }
    drop(reviewer);
    assert!(run_with(&checkout, &["--pr", &number]).status.success());
    assert_eq!(ours(&ROUGH, "ferry"), "");
}

/// The terminal of a check is closed.
#[cfg(unix)]
#[test]
fn a_hang_up_cancels_a_check_on_the_server() {
    if without_hang_up() {
        return;
    }
    let _turn = turn();
    let checkout = Checkout::of("new_column", ROUGH.port);
    let child = start(checkout.check_that_sleeps("model.ferry.dim_routes", 50));
    let asleep = "select count(*) > 0 from pg_stat_activity where usename = 'ci' and wait_event = 'PgSleep'";
    ROUGH.wait_for("ferry", asleep, "t");
    signal(&child, "HUP");
    let output = finish(child);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    ROUGH.wait_for("ferry", asleep, "f");
    assert!(run_with(&checkout, &["--pr", &checkout.number.to_string()]).status.success());
}

/// A check from under which clean-up takes the schema is not told of a newer run.
#[test]
fn a_check_says_whether_clean_up_or_a_newer_run_took_its_schema() {
    let _turn = turn();
    let checkout = Checkout::of("new_column", ROUGH.port);
    let asleep = "select count(*) > 0 from pg_stat_activity where usename = 'ci' and wait_event = 'PgSleep'";
    let cleaned = start(checkout.check_that_sleeps("model.ferry.dim_routes", 50));
    ROUGH.wait_for("ferry", asleep, "t");
    assert!(run_with(&checkout, &["--pr", &checkout.number.to_string()]).status.success());
    let output = finish(cleaned);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let interruption = checkout.report()["interruption"].clone();
    assert_eq!(interruption["kind"], "cancelled", "{interruption}");
    assert!(interruption["reason"].as_str().unwrap().contains("premerge cleanup"), "{interruption}");
    assert!(!said(&output).contains("superseded"), "{}", said(&output));

    let newer = Checkout::of("new_column", ROUGH.port);
    let older = start(checkout.check_that_sleeps("model.ferry.dim_routes", 50));
    ROUGH.wait_for("ferry", asleep, "t");
    assert!(run(newer.check()).status.success());
    let output = finish(older);
    assert_eq!(checkout.report()["interruption"]["kind"], "superseded");
    assert!(said(&output).contains("superseded"), "{}", said(&output));
    assert!(run_with(&checkout, &["--pr", &checkout.number.to_string()]).status.success());
    assert_eq!(ours(&ROUGH, "ferry"), "");
}
