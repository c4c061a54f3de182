//! The temporary schema: whose it is, what is in it, and who has it.

use std::time::{Duration, Instant};

use premerge::config::AtStart;
use premerge::warehouse::{FaultClass, GuardError, Lease, Protected, TempSchema};
use tokio::sync::watch;

use crate::cluster::SHARED;
use crate::warehouse::{limits, owner, schema, table, warehouse};

const OURS: &str = "select string_agg(relname, ',' order by relname) from pg_class c join pg_namespace n \
                    on n.oid = relnamespace where nspname = 'pr_1' and relkind in ('r', 'v')";

#[tokio::test]
async fn everything_is_registered_before_it_is_made_and_dropped_by_the_register() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let (first, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    first.register(&mut session, &["planned"]).await.unwrap();
    table(&first, &mut session, "made", "select 1 as a").await.unwrap();
    let run =
        SHARED.sql(&db, "select repository, pull_request, commit_sha, run_id, who, ended_at from pr_1._premerge_runs");
    let shown: Vec<_> = run[0].iter().map(|value| value.as_deref().unwrap_or("-")).collect();
    assert_eq!(shown, ["harbour/ferry", "1", "c0ffee", "r1", "tests", "-"]);
    assert_eq!(SHARED.value(&db, OURS), "_premerge_objects,_premerge_runs,made");

    // The same pull request's next run begins anew.
    let (second, mut session) = schema(house.as_ref(), 1, "r2").await.unwrap();
    assert_eq!(SHARED.value(&db, OURS), "_premerge_objects,_premerge_runs");
    table(&second, &mut session, "again", "select 1 as a").await.unwrap();
    second.drop(&mut session).await.unwrap();
    assert_eq!(SHARED.value(&db, "select count(*) from pg_namespace where nspname = 'pr_1'"), "0");
}

#[tokio::test]
async fn what_is_not_ours_is_never_touched() {
    let db = SHARED.database();
    SHARED.sql(&db, "create schema pr_1; create table pr_1.precious as select 1 as a");
    let house = warehouse(&SHARED, &db);
    assert!(matches!(schema(house.as_ref(), 1, "r1").await, Err(GuardError::NotOurs { .. })));

    let (kept, mut session) = schema(house.as_ref(), 2, "r1").await.unwrap();
    let protected = Protected::default();
    let mut other = house.connect().await.unwrap();
    let theirs = TempSchema::open(house.as_ref(), &mut other, "pr_2", &protected, owner(3, "r2"), AtStart::Drop).await;
    assert!(matches!(theirs, Err(GuardError::SomebodyElses { .. })));
    let protected = Protected::new(["analytics"]);
    let guarded =
        TempSchema::open(house.as_ref(), &mut other, "Analytics", &protected, owner(3, "r2"), AtStart::Drop).await;
    assert!(matches!(guarded, Err(GuardError::Protected { .. })));

    // What somebody else made in our schema, or on top of it, stays.
    table(&kept, &mut session, "t", "select 1 as a").await.unwrap();
    SHARED.sql(&db, "create table pr_2.reviewers as select 1 as a");
    kept.drop(&mut session).await.unwrap();
    let left = "select string_agg(relname, ',' order by relname) from pg_class c join pg_namespace n on n.oid = relnamespace where nspname = 'pr_2' and relkind = 'r'";
    assert_eq!(SHARED.value(&db, left), "_premerge_objects,_premerge_runs,reviewers");

    let (kept, mut session) = schema(house.as_ref(), 4, "r1").await.unwrap();
    table(&kept, &mut session, "t", "select 1 as a").await.unwrap();
    SHARED.sql(&db, "create view public.dashboard as select * from pr_4.t");
    let error = kept.drop(&mut session).await.unwrap_err();
    assert!(error.remedy.unwrap().contains("outside the temporary schema"));
    assert_eq!(SHARED.value(&db, "select count(*) from public.dashboard"), "1");
}

#[tokio::test]
async fn a_newer_run_takes_the_schema_and_ends_what_the_older_was_running() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let (older, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let (stop, mut stopped) = watch::channel(false);
    let older_house = warehouse(&SHARED, &db);
    let lease = Lease::keep(older_house, &older, limits().heartbeat, limits().give_way, 2, stop).await.unwrap();
    let mut idle = older.connect(house.as_ref()).await.unwrap();
    let long = tokio::spawn(async move {
        let result = table(&older, &mut session, "slow", "select pg_sleep(18)::text as a").await;
        (older, session, result)
    });
    tokio::time::sleep(Duration::from_millis(300)).await;

    let newer_house = warehouse(&SHARED, &db);
    let began = Instant::now();
    let (newer, mut theirs) = schema(newer_house.as_ref(), 1, "r2").await.unwrap();
    let (older, mut session, result) = long.await.unwrap();
    assert_eq!(result.unwrap_err().class, FaultClass::Superseded);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    tokio::time::timeout(Duration::from_secs(5), stopped.changed()).await.unwrap().unwrap();
    assert!(lease.is_lost());
    lease.end().await.unwrap();

    // Nothing more of the older run: neither a write nor a read, in any session.
    for session in [&mut session, &mut idle] {
        assert_eq!(table(&older, session, "late", "select 1 as a").await.unwrap_err().class, FaultClass::Superseded);
        assert_eq!(session.read("select 1").await.unwrap_err().class, FaultClass::Superseded);
    }
    assert_eq!(table(&newer, &mut theirs, "t", "select 1 as a").await.unwrap(), Some(1));
    assert_eq!(SHARED.value(&db, OURS), "_premerge_objects,_premerge_runs,t");
    let runs =
        SHARED.sql(&db, "select run_id, superseded_by, ended_at is not null from pr_1._premerge_runs order by 1");
    let shown: Vec<Vec<_>> = runs.iter().map(|row| row.iter().map(|v| v.as_deref().unwrap_or("-")).collect()).collect();
    assert_eq!(shown, [["r1", "r2", "t"], ["r2", "-", "f"]]);
}

#[tokio::test]
async fn of_runs_that_start_together_exactly_one_has_the_schema() {
    let db = SHARED.database();
    for round in 0..8 {
        let mut tasks = tokio::task::JoinSet::new();
        for racer in 0..3 {
            let house = warehouse(&SHARED, &db);
            tasks.spawn(async move {
                let (schema, mut session) = schema(house.as_ref(), 1, &format!("r{round}-{racer}")).await?;
                let fail = |source| GuardError::Warehouse { schema: "pr_1".to_owned(), source };
                for n in 0..4 {
                    table(&schema, &mut session, &format!("t{n}"), "select 1 as a").await.map_err(fail)?;
                }
                Ok::<_, GuardError>(racer)
            });
        }
        let results = tasks.join_all().await;
        let winners = results.iter().filter(|result| result.is_ok()).count();
        // One may have ended before the next began; but at least one came through, and the rest say why.
        assert!(winners >= 1, "{results:?}");
        for result in results {
            match result {
                Ok(_) | Err(GuardError::Superseded { .. }) => {}
                Err(GuardError::Warehouse { source, .. }) if source.class == FaultClass::Superseded => {}
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        assert_eq!(SHARED.value(&db, OURS), "_premerge_objects,_premerge_runs,t0,t1,t2,t3");
        let holders = "select count(*) from pr_1._premerge_runs where superseded_by is null";
        assert_eq!(SHARED.value(&db, holders), "1");
    }
}
