//! Relations of an earlier run replaced one by one while somebody reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use premerge::config::AtStart;
use premerge::warehouse::{ColumnDef, Protected, TempSchema, Write};

use crate::cluster::SHARED;
use crate::ferry::{Checkout, Content, content, fingerprint, ours};
use crate::relay::{Mishap, Moment, Relay};
use crate::rough::{ROUGH, finish, run, statuses, times, turn};
use crate::warehouse::{owner, plain, schema, table, warehouse};

/// Relations in the schema, without the register.
fn relations(schema: &str) -> BTreeSet<String> {
    let sql = format!(
        "select relname from pg_class where relnamespace = '{schema}'::regnamespace and relkind in ('r', 'v') \
         and relname !~ '^_premerge_(runs|objects)$'"
    );
    ROUGH.sql("ferry", &sql).into_iter().map(|row| row[0].clone().unwrap()).collect()
}

fn registered(schema: &str) -> BTreeSet<String> {
    let sql = format!("select distinct identifier from {schema}._premerge_objects");
    ROUGH.sql("ferry", &sql).into_iter().map(|row| row[0].clone().unwrap()).collect()
}

/// Without what stands behind views, whose names are the run's.
fn contents(schema: &str) -> BTreeMap<String, Content> {
    let shown = relations(schema).into_iter().filter(|name| !name.starts_with("_premerge_behind_"));
    shown.map(|name| (name.clone(), content(&ROUGH, "ferry", schema, &name))).collect()
}

fn replace(number: u64, name: &str) -> Checkout {
    Checkout::with_settings(name, ROUGH.port, "at_start: replace\n").numbered(number)
}

#[test]
fn a_reader_of_the_schema_never_finds_a_relation_missing_or_empty() {
    let _turn = turn();
    let production = fingerprint(&ROUGH, "ferry");
    let first = replace(77, "new_column");
    assert!(run(first.check()).status.success());
    let before = contents("premerge_pr_77");
    // A reviewer's query, again and again; what the next run does not make again may go.
    let fresh = replace(78, "new_column");
    assert!(run(fresh.check()).status.success());
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(AtomicUsize::new(0));
    let reader = {
        let (stop, seen) = (Arc::clone(&stop), Arc::clone(&seen));
        let wanted: Vec<_> = before.iter().filter(|(_, (_, rows, _))| *rows > 0).map(|(n, _)| n.clone()).collect();
        let counts: Vec<_> =
            wanted.iter().map(|n| format!("(select count(*) > 0 from premerge_pr_77.\"{n}\")")).collect();
        let sql = format!("select {}", counts.join(" and "));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(ROUGH.value("ferry", &sql), "t", "a relation was empty");
                seen.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    for _ in 0..times(3) {
        let output = run(first.check());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    stop.store(true, Ordering::Relaxed);
    reader.join().unwrap();
    assert!(seen.load(Ordering::Relaxed) > 5, "the reader read {} times", seen.load(Ordering::Relaxed));
    assert_eq!(contents("premerge_pr_77"), before);
    assert_eq!(registered("premerge_pr_77"), relations("premerge_pr_77"));
    for number in ["77", "78"] {
        first.premerge("cleanup").args(["--pr", number]).output().unwrap();
    }
    assert_eq!((ours(&ROUGH, "ferry"), fingerprint(&ROUGH, "ferry")), (String::new(), production));
}

/// After any run in place of any other, the schema is what it would be after that run alone.
#[test]
fn what_is_left_is_what_the_last_run_alone_would_leave() {
    let _turn = turn();
    let sequence = ["new_column", "materialization_change", "ephemeral_edit", "seed_edit", "broken_sql", "new_column"];
    for name in sequence {
        let (over, alone) = (replace(77, name), replace(78, name));
        let (over, alone) = (run(over.check()), run(alone.check()));
        let said = String::from_utf8_lossy(&over.stderr).into_owned();
        assert_eq!(over.status.code(), alone.status.code(), "{name}\n{said}");
        assert_eq!(contents("premerge_pr_77"), contents("premerge_pr_78"), "{name}\n{said}");
        // What failed is registered, and not there.
        assert!(registered("premerge_pr_77").is_superset(&relations("premerge_pr_77")), "{name}");
        let checkout = replace(78, name);
        checkout.premerge("cleanup").args(["--pr", "78"]).output().unwrap();
    }
    replace(77, "new_column").premerge("cleanup").args(["--pr", "77"]).output().unwrap();
    assert_eq!(ours(&ROUGH, "ferry"), "");
}

#[test]
fn a_run_killed_while_it_replaces_leaves_nothing_that_is_not_registered() {
    let _turn = turn();
    let checkout = replace(77, "ephemeral_edit");
    assert!(run(checkout.check()).status.success());
    let expected = contents("premerge_pr_77");
    for round in 0..times(8) {
        let mut child = checkout.check().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(150 + (round % 8) as u64 * 60));
        child.kill().unwrap();
        child.wait().unwrap();
        ROUGH.wait_for("ferry", "select count(*) from pg_stat_activity where usename = 'ci' and state = 'active'", "0");
        assert!(registered("premerge_pr_77").is_superset(&relations("premerge_pr_77")), "round {round}");
        // Nothing of the first run's is missing or empty for who reads it.
        for name in expected.keys() {
            let rows = format!("select count(*) from premerge_pr_77.\"{name}\"");
            assert_eq!(ROUGH.value("ferry", &rows), expected[name].1.to_string(), "{name}, round {round}");
        }
    }
    let output = finish(checkout.check().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((contents("premerge_pr_77"), registered("premerge_pr_77")), (expected, relations("premerge_pr_77")));
    checkout.premerge("cleanup").args(["--pr", "77"]).output().unwrap();
    assert_eq!(ours(&ROUGH, "ferry"), "");
}

/// Whether a replacement whose answer was lost has happened is looked up by what stepped aside.
#[test]
fn a_replacement_whose_answer_was_lost_is_not_made_twice() {
    let _turn = turn();
    let quiet = Relay::start(ROUGH.port, Moment::Never, Mishap::Cut);
    let checkout = |port| Checkout::with_settings("new_column", port, "at_start: replace\n").numbered(77);
    assert!(run(checkout(ROUGH.port).check()).status.success());
    let calm = checkout(quiet.port);
    assert!(run(calm.check()).status.success());
    let expected = statuses(&calm);
    let messages = quiet.traffic.messages();
    let step = if times(1) > 1 { 1 } else { 5 };
    for at in (1..=messages).step_by(step) {
        let relay = Relay::start(ROUGH.port, Moment::Message(at), Mishap::LoseAnswer);
        let checkout = checkout(relay.port);
        let output = run(checkout.check());
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => assert_eq!(statuses(&checkout), expected, "message {at}\n{said}"),
            Some(3) => {}
            code => panic!("message {at}: exit code {code:?}\n{said}"),
        }
    }
    checkout(ROUGH.port).premerge("cleanup").args(["--pr", "77"]).output().unwrap();
    assert_eq!(ours(&ROUGH, "ferry"), "");
}

/// Names of constraints are names of the whole schema; views of the old table go on reading it until the end.
#[tokio::test]
async fn constraints_and_views_do_not_stand_in_the_way() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let columns = [ColumnDef { name: "a".to_owned(), definition: "integer".to_owned() }];
    let constraints = ["constraint keyed primary key (a)".to_owned()];
    for (run, rows) in [("r1", 3_u64), ("r2", 5), ("r3", 4)] {
        let mut session = house.connect().await.unwrap();
        let protected = Protected::default();
        let owner = owner(1, run);
        let schema = TempSchema::open(house.as_ref(), &mut session, "pr_1", &protected, owner, AtStart::Replace).await;
        let schema = schema.unwrap();
        schema.register(&mut session, &["keyed_table", "reader"]).await.unwrap();
        let (at, view) = (schema.relation("keyed_table"), schema.relation("reader"));
        let select = format!("select n as a from generate_series(1, {rows}) n");
        let (columns, constraints) = (&columns, &constraints);
        let write =
            Write::TypedTable { at: &at, columns, constraints, header: None, select: &select, configs: plain() };
        assert_eq!(session.write(&[write]).await.unwrap().rows, Some(rows));
        if run == "r2" {
            assert_eq!(SHARED.value(&db, "select count(*) from pr_1.reader"), "3", "still the first run's");
        }
        let select = format!("select * from {}", at.sql());
        let write = Write::View { at: &view, header: None, select: &select, configs: plain() };
        session.write(&[write]).await.unwrap();
        schema.sweep(&mut session, &["keyed_table", "reader"]).await.unwrap();
        assert_eq!(SHARED.value(&db, "select count(*) from pr_1.reader"), rows.to_string());
        let left =
            "select string_agg(relname, ',' order by relname) from pg_class where relnamespace = 'pr_1'::regnamespace";
        assert_eq!(SHARED.value(&db, left), "_premerge_objects,_premerge_runs,keyed,keyed_table,reader");
    }
}

/// A reviewer's own view on a relation keeps the old one alive and does not stop the run.
#[tokio::test]
async fn what_others_built_on_the_old_relation_stays() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let (first, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    table(&first, &mut session, "t", "select 1 as a").await.unwrap();
    SHARED.sql(&db, "create view public.reviewers as select * from pr_1.t");
    let mut session = house.connect().await.unwrap();
    let protected = Protected::default();
    let owner = owner(1, "r2");
    let second = TempSchema::open(house.as_ref(), &mut session, "pr_1", &protected, owner, AtStart::Replace).await;
    let second = second.unwrap();
    table(&second, &mut session, "t", "select 1 as a, 2 as b").await.unwrap();
    let error = second.sweep(&mut session, &["t"]).await.unwrap_err();
    assert!(error.remedy.unwrap().contains("outside the temporary schema"));
    assert_eq!(SHARED.value(&db, "select b from pr_1.t"), "2");
    assert_eq!(SHARED.value(&db, "select a from public.reviewers"), "1");
    SHARED.sql(&db, "drop view public.reviewers");
    second.drop(&mut session).await.unwrap();
    assert_eq!(SHARED.value(&db, "select count(*) from pg_namespace where nspname = 'pr_1'"), "0");
}
