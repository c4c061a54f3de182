//! A session is what dbt's driver would make of it: the environment, and what an administrator has set for the role.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use premerge::config::Env;
use premerge::warehouse::FaultClass;
use serde_json::json;

use crate::cluster::{Cluster, SHARED};
use crate::ferry::{Checkout, with_production};
use crate::warehouse::{limits, schema, table, target, try_open};

fn env(variables: &[(&str, &str)]) -> Env {
    Env::new(variables.iter().copied(), PathBuf::from("/"))
}

/// libpq's `PGOPTIONS` and `PGTZ`; what psycopg2 shows there.
#[tokio::test]
async fn the_environment_is_read_as_libpq_reads_it() {
    let db = SHARED.database();
    let all = &[
        ("PGTZ", "Asia/Kolkata"),
        (
            "PGOPTIONS",
            "-c intervalstyle=iso_8601 -c timezone=UTC -c statement_timeout=1s -c default_transaction_read_only=off",
        ),
        ("PGHOSTADDR", "127.0.0.1"),
    ];
    let shown = "select concat_ws(' ', current_setting('timezone'), current_setting('intervalstyle'), \
                 current_setting('transaction_read_only'), interval '1 day')";
    let house = try_open(&target("postgres", SHARED.port, &db, json!({})), limits(), &env(all)).unwrap();
    let mut session = house.connect().await.unwrap();
    for _ in 0..2 {
        assert_eq!(session.read(shown).await.unwrap().scalar(), Some("Asia/Kolkata iso_8601 on P1D"));
    }
    assert_eq!(session.read("select pg_sleep(3)").await.unwrap_err().class, FaultClass::Timeout);
    let notices = house.notices().join("\n");
    assert!(notices.contains("`PGHOSTADDR` is set, and premerge does not read it"), "{notices}");
    // The driver's `options` are the search path's, where the profile has one.
    let target = target("postgres", SHARED.port, &db, json!({"search_path": "public"}));
    let house = try_open(&target, limits(), &env(all)).unwrap();
    let mut session = house.connect().await.unwrap();
    assert_eq!(session.read(shown).await.unwrap().scalar(), Some("Asia/Kolkata postgres on 1 day"));
}

#[tokio::test]
async fn a_role_that_only_reads_builds_nothing() {
    let db = SHARED.database();
    let (reads, writes) = (format!("reads_{db}"), format!("writes_{db}"));
    for role in [&reads, &writes] {
        SHARED.sql(&db, &format!("create role {role} login; grant create on database {db} to {role}"));
        SHARED.sql(&db, &format!("alter role {role} set default_transaction_read_only = on"));
    }
    // What is said for one database counts more.
    SHARED.sql(&db, &format!("alter role {writes} in database {db} set default_transaction_read_only = off"));
    let open = |user: &str, variables: &[(&str, &str)]| {
        try_open(&target("postgres", SHARED.port, &db, json!({"user": user})), limits(), &env(variables)).unwrap()
    };
    let options = [("PGOPTIONS", "-c default_transaction_read_only=on")];
    for (user, variables) in [(&reads, &[][..]), (&writes, &options[..])] {
        let house = open(user, variables);
        assert_eq!(house.connect().await.unwrap().read("select 1").await.unwrap().scalar(), Some("1"));
        let error = schema(house.as_ref(), 1, "r1").await.err().unwrap();
        assert!(error.to_string().contains("`default_transaction_read_only` is on for the user"), "{error}");
    }
    for (user, variables) in [(&writes, &[][..]), (&reads, &[("PGOPTIONS", "-c default_transaction_read_only=off")])] {
        let house = open(user, variables);
        let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
        assert_eq!(table(&schema, &mut session, "t", "select 1 as n").await.unwrap(), Some(1));
        schema.drop(&mut session).await.unwrap();
    }
}

/// Others' sessions look for deadlocks when the server says, whatever the role has.
#[tokio::test]
async fn a_deadlock_timeout_of_the_role_does_not_make_others_the_victim() {
    let db = SHARED.database();
    let role = format!("slow_{db}");
    SHARED.sql(&db, &format!("create role {role} login; alter role {role} set deadlock_timeout = '10s'"));
    let house = try_open(&target("postgres", SHARED.port, &db, json!({"user": role})), limits(), &env(&[])).unwrap();
    let mut session = house.connect().await.unwrap();
    let lock_timeout = session.read("select current_setting('lock_timeout')").await.unwrap();
    assert_eq!(lock_timeout.scalar(), Some("800ms"));
}

/// The server ends the statement of a check that was killed, and so nobody waits for what it read.
#[test]
fn the_statement_of_a_killed_check_ends() {
    let production = with_production(Cluster::start(&[]));
    let checkout = Checkout::of("changed_filter", production.port);
    assert!(checkout.check().status().unwrap().success());
    let model = checkout.report()["nodes"][0]["unique_id"].as_str().unwrap().to_owned();
    let mut child = checkout.check_that_sleeps(&model, 30).stderr(Stdio::null()).spawn().unwrap();
    let running = "select count(*)::text from pg_stat_activity where query like '%pg_sleep(30)%' and state = 'active' \
                   and pid <> pg_backend_pid()";
    production.wait_for("ferry", running, "1");
    child.kill().unwrap();
    child.wait().unwrap();
    let began = Instant::now();
    production.wait_for("ferry", running, "0");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
