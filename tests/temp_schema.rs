//! The guard around every write, on a real DuckDB: promises 1 and 3 of the design.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]
#![cfg(feature = "duckdb")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use premerge::config::{AtStart, Checkout, Env, ProfileQuery, Target};
use premerge::warehouse::{
    self, FaultClass, GuardError, Limits, OpenContext, Owner, Protected, RelationConfigs, Session, TempSchema,
    Warehouse, Write,
};

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let profiles = "p:\n  target: ci\n  outputs:\n    ci: {type: duckdb, path: prod.duckdb, schema: ci}\n";
        fs_err::write(dir.path().join("profiles.yml"), profiles).unwrap();
        let make = ["create schema analytics", "create table analytics.t as (select 1 as a union all select 2)"];
        warehouse::create_database(&dir.path().join("prod.duckdb"), make).unwrap();
        Self { dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn production(&self) -> PathBuf {
        self.path().join("prod.duckdb")
    }

    fn warehouse(&self, schema: &str) -> Arc<dyn Warehouse> {
        let env = Env::new([("HOME", "/nowhere")], self.path().to_owned());
        let target = Target::find(&ProfileQuery::default(), &env, &Checkout::Own).unwrap();
        let temp_dir = self.path().join("target");
        let context = OpenContext {
            project_dir: self.path(),
            schema: Some(schema),
            temp_dir: &temp_dir,
            env: &env,
            limits: Limits::default(),
            run: None,
        };
        warehouse::open(&target, context).unwrap()
    }
}

fn owner(pull_request: u64, run: &str) -> Owner {
    Owner {
        repository: "skerry/ferry".to_owned(),
        project: "ferry".to_owned(),
        pull_request: Some(pull_request),
        commit: Some("abc".to_owned()),
        run: run.to_owned(),
        who: "tests".to_owned(),
        started_at: "2026-11-21T09:00:00Z".to_owned(),
        expires_at: "2026-11-24T09:00:00Z".to_owned(),
    }
}

async fn open(bench: &Bench, schema: &str, owner: Owner) -> Result<(TempSchema, Session), GuardError> {
    let warehouse = bench.warehouse(schema);
    let mut session = warehouse.connect().await.unwrap();
    let protected = Protected::new(["analytics", "ci"]);
    let opened = TempSchema::open(warehouse.as_ref(), &mut session, schema, &protected, owner, AtStart::Drop).await?;
    Ok((opened, session))
}

/// Whether a statement was not sent at all.
fn is_refused(error: &warehouse::WarehouseError) -> bool {
    matches!(error.class, FaultClass::Unsupported | FaultClass::Syntax) && error.message.contains("does not send")
}

async fn relations(session: &mut Session) -> Vec<String> {
    let sql = "select table_name from information_schema.tables where table_schema = 'premerge_pr_7' order by 1";
    session.read(sql).await.unwrap().rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect()
}

#[tokio::test]
async fn a_schema_of_production_or_of_the_profile_is_refused_in_any_case() {
    let bench = Bench::new();
    for schema in ["analytics", "ANALYTICS", "Ci"] {
        let error = open(&bench, schema, owner(7, "a")).await.err().unwrap();
        assert!(matches!(error, GuardError::Protected { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_name_that_is_no_plain_identifier_is_refused() {
    let bench = Bench::new();
    for schema in ["", "a b", "a\"; drop schema x; --", "7up", "é"] {
        let error = open(&bench, schema, owner(7, "a")).await.err().unwrap();
        assert!(matches!(error, GuardError::Name { .. }), "{schema}: {error}");
    }
}

#[tokio::test]
async fn a_killed_runs_schema_is_replaced_by_the_next_run_of_the_same_pull_request() {
    let bench = Bench::new();
    let (schema, mut session) = open(&bench, "premerge_pr_7", owner(7, "first")).await.unwrap();
    schema.register(&mut session, &["view_left", "table_left", "never_made"]).await.unwrap();
    let configs = RelationConfigs::default();
    let (view, table) = (schema.relation("view_left"), schema.relation("table_left"));
    session
        .write(&[
            Write::Table {
                at: &table,
                header: None,
                select: "select * from \"prod\".\"analytics\".\"t\"",
                configs: &configs,
            },
            Write::View {
                at: &view,
                header: None,
                select: &format!("select * from {}", table.sql()),
                configs: &configs,
            },
        ])
        .await
        .unwrap();
    // Killed: nothing is dropped, the file is closed.
    drop((schema, session));

    let (_, mut session) = open(&bench, "premerge_pr_7", owner(7, "second")).await.unwrap();
    assert_eq!(relations(&mut session).await, ["_premerge_objects", "_premerge_runs"]);
}

/// The check is the session's, not the engine's.
#[tokio::test]
async fn a_text_that_would_leave_its_place_is_not_sent() {
    let bench = Bench::new();
    let (schema, mut session) = open(&bench, "premerge_pr_7", owner(7, "a")).await.unwrap();
    let at = schema.relation("t");
    let configs = RelationConfigs::default();
    let select = "select 1 as a); create table \"prod_premerge_pr_7\".\"premerge_pr_7\".\"stray\" as (select 1 as a";
    for write in [
        Write::Table { at: &at, header: None, select, configs: &configs },
        Write::Table { at: &at, header: Some("create schema stray;"), select: "select 1 as a", configs: &configs },
        Write::Proxy { at: &at, select },
    ] {
        assert!(is_refused(&session.write(&[write]).await.unwrap_err()));
    }
    assert!(is_refused(&session.read("select 1; select 2").await.unwrap_err()));
    assert!(is_refused(&session.columns_of("select 1) as x, (select 2").await.unwrap_err()));
    assert_eq!(relations(&mut session).await, ["_premerge_runs"]);
}

#[tokio::test]
async fn another_pull_requests_schema_is_left_alone() {
    let bench = Bench::new();
    drop(open(&bench, "premerge_pr_7", owner(7, "first")).await.unwrap());
    let error = open(&bench, "premerge_pr_7", owner(8, "other")).await.err().unwrap();
    assert!(matches!(&error, GuardError::SomebodyElses { owner, .. } if owner.contains("pull request 7")), "{error}");
}

#[tokio::test]
async fn a_schema_without_our_register_is_never_touched() {
    let bench = Bench::new();
    fs_err::create_dir(bench.path().join("target")).unwrap();
    let file = bench.path().join("target/prod_premerge_pr_7.duckdb");
    let make = ["create schema premerge_pr_7", "create table premerge_pr_7.precious as (select 1 as a)"];
    warehouse::create_database(&file, make).unwrap();
    let error = open(&bench, "premerge_pr_7", owner(7, "a")).await.err().unwrap();
    assert!(matches!(error, GuardError::NotOurs { .. }), "{error}");
    let mut session = bench.warehouse("premerge_pr_7").connect().await.unwrap();
    assert_eq!(relations(&mut session).await, ["precious"]);
}

#[tokio::test]
async fn dropping_takes_what_was_registered_and_nothing_else() {
    let bench = Bench::new();
    let (schema, mut session) = open(&bench, "premerge_pr_7", owner(7, "a")).await.unwrap();
    schema.register(&mut session, &["mine"]).await.unwrap();
    let (mine, other) = (schema.relation("mine"), schema.relation("not_registered"));
    let configs = RelationConfigs::default();
    for at in [&mine, &other] {
        session.write(&[Write::Table { at, header: None, select: "select 1 as a", configs: &configs }]).await.unwrap();
    }
    assert!(!schema.drop(&mut session).await.unwrap(), "somebody else's table keeps the schema and its register");
    let left = relations(&mut session).await;
    assert_eq!(left, ["_premerge_objects", "_premerge_runs", "not_registered"]);
}

#[tokio::test]
async fn what_would_write_to_production_is_not_sent() {
    let bench = Bench::new();
    let before = fs_err::read(bench.production()).unwrap();
    let (_, mut session) = open(&bench, "premerge_pr_7", owner(7, "a")).await.unwrap();
    for sql in [
        "create table \"prod\".\"analytics\".\"x\" as (select 1)",
        "drop table \"prod\".\"analytics\".\"t\"",
        "insert into \"prod\".\"analytics\".\"t\" values (3)",
    ] {
        let error = session.read(sql).await.unwrap_err();
        assert!(is_refused(&error), "{error}");
    }
    drop(session);
    assert_eq!(before, fs_err::read(bench.production()).unwrap(), "byte-identical");
}

#[tokio::test]
async fn a_running_query_is_stopped_from_another_task() {
    let bench = Bench::new();
    let mut session = bench.warehouse("premerge_pr_7").connect().await.unwrap();
    let mut running = session.begin();
    let canceller = running.canceller();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        canceller.cancel();
    });
    let endless = "select count(*) from range(1000000000000) a, range(1000000000000) b where a.range * b.range = -1";
    let started = std::time::Instant::now();
    let error = running.session().read(endless).await.unwrap_err();
    assert_eq!(error.class, warehouse::FaultClass::Cancelled, "{error}");
    assert!(started.elapsed().as_secs() < 20);
}

/// DuckDB lets one process open the file: a newer run asks for it, and the older stops before its next statement.
#[tokio::test]
async fn a_run_whose_file_another_one_asks_for_is_superseded() {
    let bench = Bench::new();
    let warehouse = bench.warehouse("premerge_pr_7");
    let mut session = warehouse.connect().await.unwrap();
    let (schema, mut held) = {
        let protected = Protected::default();
        let opened = TempSchema::open(
            warehouse.as_ref(),
            &mut session,
            "premerge_pr_7",
            &protected,
            owner(7, "a"),
            AtStart::Drop,
        )
        .await;
        (opened.unwrap(), session)
    };
    assert!(!warehouse.superseded());
    // What another process does when the file is locked.
    fs_err::write(bench.path().join("target/prod_premerge_pr_7.lease"), "99999999999999999999-another").unwrap();
    assert!(warehouse.superseded());
    let error = schema.register(&mut held, &["late"]).await.unwrap_err();
    assert_eq!(error.class, FaultClass::Superseded);
    let mut other = schema.connect(warehouse.as_ref()).await.unwrap();
    assert_eq!(other.read("select 1").await.unwrap_err().class, FaultClass::Superseded);
}
