//! Production goes on as if premerge were not there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use premerge::config::{AtStart, Env};
use premerge::warehouse::{FaultClass, Lease, Protected, TempSchema, Write};
use serde_json::{Value, json};

use crate::cluster::{Cluster, SHARED};
use crate::ferry::{Checkout, PRODUCTION, ours, with_production};
use crate::warehouse::{limits, owner, schema, target, try_open, warehouse};

/// Views of a schema that belong to relations outside of it.
fn bound(cluster: &Cluster, database: &str, schema: &str) -> String {
    cluster.value(
        database,
        &format!(
            "select count(*) from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class v on v.oid = r.ev_class \
             join pg_class t on t.oid = d.refobjid where d.refclassid = 'pg_class'::regclass \
             and d.classid = 'pg_rewrite'::regclass and v.relnamespace::regnamespace::text = '{schema}' \
             and t.relnamespace <> v.relnamespace and t.relnamespace::regnamespace::text !~ '^(pg_|information)'"
        ),
    )
}

/// Views are there, and nothing of them belongs to what they read.
#[test]
fn a_view_of_a_pull_request_holds_nothing_of_production() {
    let production = &*PRODUCTION;
    let checkout = Checkout::with_settings("renamed_model", production.port, "build: {keep: all}\n").numbered(90_101);
    checkout.check().status().unwrap();
    let views = format!("select string_agg(viewname, ',') from pg_views where schemaname = '{}'", checkout.schema());
    let view = production.value("ferry", &views);
    assert_eq!(bound(production, "ferry", &checkout.schema()), "0");
    let rows = format!("select (count(*) > 0)::text from {}.{view}", checkout.schema());
    assert_eq!(production.value("ferry", &rows), "true");
    checkout.premerge("cleanup").args(["--pr", "90101"]).status().unwrap();
    assert!(!ours(production, "ferry").contains("90101"));
}

/// A `sql_header` in front of each model.
fn with_header(manifest: &mut Value) {
    for node in manifest["nodes"].as_object_mut().unwrap().values_mut().filter(|n| n["resource_type"] == "model") {
        node["config"]["sql_header"] = "set local work_mem to '8MB';".into();
    }
}

/// A header may say how a query is read, so its view is made as dbt makes it, and is not kept.
#[test]
fn a_view_with_a_header_is_bound_and_dropped_at_the_end() {
    let production = &*PRODUCTION;
    let all = Checkout::with_settings("renamed_model", production.port, "build: {keep: all}\n").numbered(90_103);
    all.check_of(with_header).status().unwrap();
    assert_ne!(bound(production, "ferry", &all.schema()), "0", "the comparison would be of nothing");
    let kept = Checkout::with_settings("renamed_model", production.port, "build: {keep: tables}\n").numbered(90_104);
    kept.check_of(with_header).status().unwrap();
    assert_eq!(bound(production, "ferry", &kept.schema()), "0");
    let tables = |checkout: &Checkout| {
        let schema = checkout.schema();
        let sql = format!("select count(*) from pg_tables where schemaname = '{schema}' and tablename !~ '^_premerge'");
        production.value("ferry", &sql)
    };
    assert_eq!(tables(&kept), tables(&all));
    assert_ne!(tables(&kept), "0");
    let findings = kept.report()["findings"].clone();
    let said = findings.as_array().unwrap().iter().any(|finding| finding["rule"] == "views-dropped");
    assert!(said, "{findings}");
    for checkout in [&all, &kept] {
        checkout.premerge("cleanup").args(["--pr", &checkout.number.to_string()]).status().unwrap();
    }
}

#[test]
fn views_that_were_left_and_hold_production_are_named_and_dropped() {
    let production = with_production(Cluster::start(&[]));
    let checkout = Checkout::with_settings("renamed_model", production.port, "build: {keep: all}\n");
    checkout.check_of(with_header).status().unwrap();
    let said = |arguments: &[&str]| {
        let output = checkout.premerge(arguments[0]).args(&arguments[1..]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let named = format!("{}: 1 view in it holds production's tables", checkout.schema());
    for arguments in [&["debug"][..], &["cleanup", "--expired"]] {
        assert!(said(arguments).contains(&named), "{arguments:?}: {}", said(arguments));
    }
    said(&["cleanup", "--pr", &checkout.number.to_string()]);
    assert!(!said(&["debug"]).contains("holds production"), "{}", said(&["debug"]));
    assert_eq!(bound(&production, "ferry", &checkout.schema()), "0");
}

/// A late-binding view is what dbt's is in columns and plan, and stands in nobody's way.
#[tokio::test]
async fn a_late_binding_view_has_dbts_columns_and_plan() {
    let db = SHARED.database();
    SHARED.sql(
        &db,
        "create schema prod; create table prod.events as select i as id, ('k' || i % 9)::varchar(10) as kind, \
         (i % 7)::numeric(18,2) as amount, ('x' || i)::text collate \"C\" as name from generate_series(1, 200000) i; \
         create index on prod.events (id); analyze prod.events; \
         create function prod.careful(n int) returns int language plpgsql stable as \
         $$ begin return n; exception when others then return null; end $$",
    );
    let house = warehouse(&SHARED, &db);
    // The second run replaces the views of the first.
    for run in ["r1", "r2"] {
        let mut session = house.connect().await.unwrap();
        let (protected, owner) = (Protected::new(["prod"]), owner(1, run));
        let schema =
            TempSchema::open(house.as_ref(), &mut session, "pr_1", &protected, owner, AtStart::Replace).await.unwrap();
        let queries = [
            ("plain", "select id, kind, amount, name, 'a' as letter, null as nothing from prod.events -- all"),
            ("careful", "select prod.careful(id) as id, 'it''s \\ $$ $1' as text from prod.events"),
            ("divided", "select 1 / 0 as never from prod.events"),
            ("ordered", "select kind, count(*) as n from prod.events group by kind order by n, kind limit 3"),
        ];
        for (name, select) in queries {
            let view = schema.relation(name);
            let behind = schema.behind(&view);
            schema.register(&mut session, &[name, behind.identifier()]).await.unwrap();
            session.write(&[Write::LateView { at: &view, behind: &behind, select }]).await.unwrap();
            SHARED.sql(&db, &format!("create view prod.{name} as {select}"));
            let columns = |of: &str| {
                let sql = format!(
                    "select string_agg(format('%s %s %s', attname, format_type(atttypid, atttypmod), attcollation), ', ' order by attnum) \
                     from pg_attribute where attrelid = '{of}'::regclass and attnum > 0"
                );
                SHARED.value(&db, &sql)
            };
            assert_eq!(columns(view.sql()), columns(&format!("prod.{name}")), "{name}");
            if name == "divided" {
                continue;
            }
            for query in ["select count(*) from", "select * from", "select max(id) from"] {
                let of = if name == "ordered" { query.replace("(id)", "(n)") } else { query.to_owned() };
                let plan = |view: &str| {
                    let rows = SHARED.sql(&db, &format!("explain (costs off) {of} {view}"));
                    rows.into_iter().filter_map(|row| row[0].clone()).collect::<Vec<_>>().join("\n")
                };
                // Where a function says that it cannot run beside others, there is one process in both.
                assert_eq!(plan(view.sql()), plan(&format!("prod.{name}")), "{name}");
            }
        }
        assert_eq!(bound(&SHARED, &db, schema.name()), "0");
        SHARED.sql(
            &db,
            "drop view prod.plain, prod.careful, prod.divided, prod.ordered; \
             alter table prod.events alter column amount type numeric(20,2); \
             alter table prod.events alter column amount type numeric(18,2)",
        );
        let made: Vec<_> = queries.iter().map(|(name, _)| schema.relation(name)).collect();
        let behind: Vec<_> = made.iter().map(|view| schema.behind(view)).collect();
        let kept: Vec<_> = made.iter().chain(&behind).map(|at| at.identifier()).collect();
        schema.sweep(&mut session, &kept).await.unwrap();
        let functions = "select count(*) from pg_proc where pronamespace = 'pr_1'::regnamespace";
        assert_eq!(SHARED.value(&db, functions), "4");
        if run == "r2" {
            assert!(schema.drop(&mut session).await.unwrap());
        }
    }
}

/// Where the role may write no functions in SQL, a view is made as dbt makes it.
#[tokio::test]
async fn a_view_that_cannot_be_late_is_bound() {
    let db = SHARED.database();
    SHARED.sql(
        &db,
        &format!(
            "create table public.t as select 1 as a; revoke usage on language sql from public; \
             create role \"{db}_weak\" login; grant create on database \"{db}\" to \"{db}_weak\"; \
             grant select on public.t to \"{db}_weak\""
        ),
    );
    let env = Env::new::<&str, &str>([], PathBuf::from("/"));
    let weak = target("postgres", SHARED.port, &db, json!({"user": format!("{db}_weak")}));
    let house = try_open(&weak, limits(), &env).unwrap();
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let view = schema.relation("v");
    let behind = schema.behind(&view);
    schema.register(&mut session, &["v", behind.identifier()]).await.unwrap();
    let late = |select| [Write::LateView { at: &view, behind: &behind, select }];
    let error = session.write(&late("select b from public.t")).await.unwrap_err();
    assert!(error.message.contains("column \"b\" does not exist"), "{error:?}");
    session.write(&late("select a from public.t")).await.unwrap();
    assert_eq!(bound(&SHARED, &db, "pr_1"), "1");
    assert_eq!(schema.release(&mut session).await.unwrap(), 1);
    assert!(schema.drop(&mut session).await.unwrap());
}

/// While one relation is locked, production can change those whose proxies were to be made with it.
#[tokio::test]
async fn a_proxy_that_waits_holds_nothing_else() {
    let db = SHARED.database();
    SHARED.sql(&db, "create schema prod; create table prod.a as select 1 as n; create table prod.b as select 1 as n");
    let house = warehouse(&SHARED, &db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    schema.register(&mut session, &["a", "b"]).await.unwrap();
    let config = format!("host=127.0.0.1 port={} user=test dbname={db} application_name=other", SHARED.port);
    let (holder, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let (other, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    holder.batch_execute("begin; lock table prod.b").await.unwrap();
    let (a, b) = (schema.relation("a"), schema.relation("b"));
    let proxies = [
        Write::Proxy { at: &a, select: "select * from prod.a" },
        Write::Proxy { at: &b, select: "select * from prod.b" },
    ];
    let production = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        other.batch_execute("lock table prod.a; alter table prod.a add column more int").await.unwrap();
        let waited = began.elapsed();
        tokio::time::sleep(Duration::from_millis(400)).await;
        holder.batch_execute("commit").await.unwrap();
        waited
    };
    let (made, waited) = tokio::join!(session.write(&proxies), production);
    made.unwrap();
    assert!(waited < Duration::from_millis(200), "{waited:?}");
    assert_eq!(SHARED.value(&db, "select count(*) from pg_views where schemaname = 'pr_1'"), "2");
}

/// The server's table of locks holds a few hundred here: neither making nor dropping may need more at once.
#[tokio::test]
async fn many_proxies_are_made_and_dropped_within_the_servers_locks() {
    let cluster = Cluster::start(&["max_locks_per_transaction=10", "max_connections=20"]);
    let db = cluster.database();
    let tables = "do $$ begin for i in 1..60 loop for k in 1..20 loop \
                  execute format('create table t_%s_%s (n int)', i, k); end loop; end loop; end $$";
    // Not in one transaction, for the same reason.
    for i in 1..=60 {
        cluster.sql(&db, &tables.replace("1..60", &format!("{i}..{i}")));
    }
    let house = warehouse(&cluster, &db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let names: Vec<String> = (1..=60).flat_map(|i| (1..=20).map(move |k| format!("t_{i}_{k}"))).collect();
    let identifiers: Vec<&str> = names.iter().map(String::as_str).collect();
    schema.register(&mut session, &identifiers).await.unwrap();
    let made: Vec<_> =
        names.iter().map(|name| (schema.relation(name), format!("select * from public.{name}"))).collect();
    let proxies: Vec<_> = made.iter().map(|(at, select)| Write::Proxy { at, select }).collect();
    session.write(&proxies).await.unwrap();
    assert_eq!(cluster.value(&db, "select count(*) from pg_views where schemaname = 'pr_1'"), "1200");
    assert_eq!(schema.release(&mut session).await.unwrap(), 1200);
    schema.drop(&mut session).await.unwrap();
}

/// psycopg2 makes the style ISO and leaves the order of day and month.
#[tokio::test]
async fn the_session_is_as_dbts_driver_has_it_and_limits_are_not_raised() {
    let db = SHARED.database();
    let role = format!("strict_{db}");
    SHARED.sql(
        &db,
        &format!(
            "create role {role} superuser login; alter role {role} set datestyle = 'SQL, DMY'; \
                              alter role {role} set statement_timeout = '1s'; alter role {role} set lock_timeout = '100ms'"
        ),
    );
    let house = try_open(&target("postgres", SHARED.port, &db, json!({"user": role})), limits(), &Default::default());
    let house = house.unwrap();
    for _ in 0..2 {
        let mut session = house.connect().await.unwrap();
        for _ in 0..2 {
            let settings = "select concat_ws('; ', current_setting('datestyle'), current_setting('statement_timeout'), \
                            current_setting('lock_timeout'))";
            assert_eq!(session.read(settings).await.unwrap().scalar(), Some("ISO, DMY; 1s; 100ms"));
        }
        let error = session.read("select pg_sleep(3)").await.unwrap_err();
        assert_eq!(error.class, FaultClass::Timeout, "{error}");
    }
}

/// Relations of that kind of production's that the pull request's run reads and does not build.
fn read_by(production: &Cluster, checkout: &Checkout, relkind: &str) -> Vec<String> {
    let mut plan = checkout.premerge("plan");
    plan.arg("--state").arg(checkout.state()).arg("--manifest").arg(checkout.manifest()).args(["--format", "json"]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.output().unwrap().stdout).unwrap();
    let names = plan["proxies"].as_array().unwrap().iter().map(|proxy| proxy["production"].as_str().unwrap());
    let names = names.map(|name| name.replace("\"ferry\".", ""));
    let of_kind = |name: &String| {
        let sql = format!("select relkind::text from pg_class where oid = '{name}'::regclass");
        production.value("ferry", &sql) == relkind
    };
    names.filter(of_kind).collect()
}

/// What dbt-postgres does to build a table again.
fn rebuild(name: &str) -> String {
    let (place, short) = name.rsplit_once('.').unwrap();
    let short = short.trim_matches('"');
    format!(
        "create table {place}.{short}__dbt_tmp as select * from {name}; begin; \
         alter table {name} rename to {short}__dbt_backup; \
         alter table {place}.{short}__dbt_tmp rename to {short}; commit; drop table {place}.{short}__dbt_backup cascade; \
         grant select on {name} to ci"
    )
}

/// All rows deleted and inserted again.
fn filled_in_place(name: &str) -> String {
    format!(
        "begin; create temp table kept on commit drop as select * from {name}; delete from {name}; \
         insert into {name} select * from kept; commit"
    )
}

/// A check whose first model sleeps, and what `meanwhile` does then; the exit code.
fn beside(production: &Cluster, checkout: &Checkout, seconds: u32, meanwhile: impl FnOnce()) -> Option<i32> {
    checkout.check().status().unwrap();
    let model = checkout.report()["nodes"][0]["unique_id"].as_str().unwrap().to_owned();
    let mut child = checkout.check_that_sleeps(&model, seconds).stderr(std::process::Stdio::null()).spawn().unwrap();
    let sleeps = format!(
        "select (count(*) > 0)::text from pg_stat_activity where query like '%pg_sleep({seconds})%' \
         and state = 'active' and pid <> pg_backend_pid()"
    );
    production.wait_for("ferry", &sleeps, "true");
    meanwhile();
    child.wait().unwrap().code()
}

/// The node that reads `name` is built again, and the run ends as it would have after the rebuild.
#[test]
fn what_reads_a_relation_that_is_rebuilt_under_the_run_is_built_again() {
    let production = with_production(Cluster::start(&[]));
    let checkout = Checkout::of("changed_filter", production.port);
    for (relkind, sql) in [
        ("r", rebuild as fn(&str) -> String),
        ("r", |name| {
            format!(
                "begin; create temp table kept as select * from {name}; truncate {name}; \
                 insert into {name} select * from kept; commit"
            )
        }),
        ("r", |name| filled_in_place(name)),
    ] {
        let tables = read_by(&production, &checkout, relkind);
        let table = tables.first().expect("the run reads no table of production's").clone();
        let code = beside(&production, &checkout, 3, || {
            production.sql("ferry", &sql(&table));
        });
        let report = checkout.report();
        assert_eq!(code, Some(0), "{report}");
        let findings = report["findings"].as_array().unwrap();
        let said = findings.iter().find(|finding| finding["rule"] == "production-changed");
        let said = said.unwrap_or_else(|| panic!("{}: {report}", sql(&table)));
        assert!(said["message"].as_str().unwrap().contains("again"), "{said}");
    }
}

/// dbt drops what reads a table when it replaces it, and makes it again in its turn.
#[test]
fn a_view_of_production_that_is_gone_for_a_moment_is_waited_for() {
    let production = with_production(Cluster::start(&[]));
    let checkout = Checkout::of("changed_filter", production.port);
    let view = read_by(&production, &checkout, "v").first().expect("the run reads no view of production's").clone();
    let query = production.value("ferry", &format!("select pg_get_viewdef('{view}')"));
    let again = format!("create view {view} as {query} grant select on {view} to ci");
    let code = beside(&production, &checkout, 2, || {
        production.sql("ferry", &format!("drop view {view} cascade"));
        std::thread::sleep(Duration::from_secs(4));
        production.sql("ferry", &again);
    });
    assert_eq!(code, Some(0), "{}", checkout.report());
    // One that does not come again is not the pull request's fault, and nothing that was checked.
    production.sql("ferry", &format!("drop view {view} cascade"));
    let status = checkout.check().status().unwrap();
    let report = checkout.report();
    assert_eq!(status.code(), Some(3), "{report}");
    assert!(report.to_string().contains("production was being rebuilt"), "{report}");
    assert!(!report["nodes"].as_array().unwrap().iter().any(|node| node["status"] == "failed"), "{report}");
}

/// A check whose first model reads the view `stg_vessels`, of a source, and what is done to that source all the time.
fn beside_a_busy_source(change: fn(&str) -> String) -> (Option<i32>, Value) {
    let production = with_production(Cluster::start(&[]));
    let checkout = Checkout::of("changed_filter", production.port);
    let views = read_by(&production, &checkout, "v");
    let view = views.into_iter().find(|name| name.contains("stg_vessels")).unwrap();
    // The view that the sleeping model reads is of this table.
    let below = format!(
        "select distinct d.refobjid::regclass::text from pg_depend d join pg_rewrite r on r.oid = d.objid \
         join pg_class t on t.oid = d.refobjid and t.relkind = 'r' where r.ev_class = '{view}'::regclass \
         and d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass"
    );
    let table = production.value("ferry", &below);
    let over = std::sync::atomic::AtomicBool::new(false);
    let code = std::thread::scope(|scope| {
        let code = beside(&production, &checkout, 1, || {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    production.sql("ferry", &change(&table));
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
        });
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        code
    });
    (code, checkout.report())
}

#[test]
fn production_that_is_rebuilt_all_the_time_makes_the_run_incomplete_and_not_failed() {
    let (code, report) = beside_a_busy_source(|table| {
        format!(
            "begin; create temp table kept on commit drop as select * from {table}; truncate {table}; \
             insert into {table} select * from kept; commit"
        )
    });
    assert_eq!(code, Some(3), "{report}");
    assert!(report.to_string().contains("production was being rebuilt"), "{report}");
    assert!(!report["nodes"].as_array().unwrap().iter().any(|node| node["status"] == "failed"), "{report}");
}

/// Rows come into a source all day long, also below a view.
#[test]
fn rows_that_come_into_a_source_below_a_view_do_not_shut_the_gate() {
    let (code, report) = beside_a_busy_source(filled_in_place);
    assert_eq!(code, Some(0), "{report}");
    let said = report["findings"].to_string();
    assert!(said.contains("rows were loaded into sources, or below views, while the check ran"), "{said}");
    assert!(!said.contains("rebuilt or dropped"), "{said}");
}

/// A source of production that is dropped for a moment is not the pull request's mistake.
#[test]
fn a_source_that_is_gone_is_not_the_pull_requests_mistake() {
    let production = with_production(Cluster::start(&[]));
    let checkout = Checkout::of("changed_filter", production.port);
    production.sql("ferry", "alter table raw.vessels rename to vessels_gone");
    let status = checkout
        .check_of(|manifest| {
            let stg = manifest["nodes"]["model.ferry.stg_vessels"]["compiled_code"].clone();
            manifest["nodes"]["model.ferry.stg_vessels"]["compiled_code"] =
                format!("{} where vessel_id is not null", stg.as_str().unwrap()).into();
        })
        .status()
        .unwrap();
    let report = checkout.report();
    assert_eq!(status.code(), Some(3), "{report}");
    assert!(!report["nodes"].as_array().unwrap().iter().any(|node| node["status"] == "failed"), "{report}");
}

/// A reader keeps an `alter table` waiting, and everybody behind that; it gives way and comes again.
#[test]
fn a_statement_that_holds_production_up_gives_way() {
    let production = with_production(Cluster::start(&[]));
    let checkout = Checkout::of("changed_filter", production.port);
    checkout.check().status().unwrap();
    let model = checkout.report()["nodes"][0]["unique_id"].as_str().unwrap().to_owned();
    let mut child = checkout.check_that_sleeps(&model, 12).stderr(std::process::Stdio::null()).spawn().unwrap();
    let sleeps = "select (count(*) > 0)::text from pg_stat_activity where query like '%pg_sleep(12)%' \
                  and state = 'active' and pid <> pg_backend_pid()";
    production.wait_for("ferry", sleeps, "true");
    let held = "select distinct c.oid::regclass::text from pg_locks l join pg_class c on c.oid = l.relation \
                join pg_stat_activity a on a.pid = l.pid where a.query like '%pg_sleep(12)%' and a.pid <> pg_backend_pid() \
                and l.granted and c.relkind = 'r' and c.relnamespace::regnamespace::text !~ '^(pg_|premerge)'";
    let tables: Vec<String> = production.sql("ferry", held).into_iter().map(|row| row[0].clone().unwrap()).collect();
    assert!(!tables.is_empty(), "the model reads nothing of production's");
    let began = Instant::now();
    for table in &tables {
        production.sql("ferry", &format!("begin; lock table {table}; commit"));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{}", checkout.report());
    assert!(
        checkout.report()["findings"].to_string().contains("statement-repeated"),
        "{}",
        checkout.report()["findings"]
    );
}

/// One waiter stands behind several statements, which all give way and all come again.
#[tokio::test(flavor = "multi_thread")]
async fn all_statements_that_give_way_to_one_waiter_are_sent_again() {
    let db = SHARED.database();
    SHARED.sql(&db, "create schema prod; create table prod.t as select 1 as n");
    let house = warehouse(&SHARED, &db);
    let (schema, _session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let limits = limits();
    let (stop, _stopped) = tokio::sync::watch::channel(false);
    let lease = Lease::keep(Arc::clone(&house), &schema, limits.heartbeat, limits.give_way, 3, stop).await.unwrap();
    let reads = (0..3).map(|_| async {
        let mut session = schema.connect(house.as_ref()).await.unwrap();
        let rows = session.read("select n, pg_sleep(5)::text as nap from prod.t").await;
        (rows.map(|rows| rows.rows.len()).map_err(|error| error.to_string()), session.attempts())
    });
    let production = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (client, connection) = tokio_postgres::connect(
            &format!("host=127.0.0.1 port={} user=test dbname={db} application_name=production", SHARED.port),
            tokio_postgres::NoTls,
        )
        .await
        .unwrap();
        tokio::spawn(connection);
        let began = Instant::now();
        client.batch_execute("alter table prod.t alter column n set default 0").await.unwrap();
        began.elapsed()
    };
    let (read, waited) = tokio::join!(futures::future::join_all(reads), production);
    assert_eq!(read, vec![(Ok(1), 2); 3]);
    assert!(waited < Duration::from_secs(3), "{waited:?}");
    lease.end().await.unwrap();
}

/// Rows that another session, which stays connected, wrote at the end of a check are counted late, and a test has seen
/// them beside what was built before.
#[test]
fn a_test_does_not_fail_for_rows_that_production_deletes_under_it() {
    let production = with_production(Cluster::start(&[]));
    let checkout = Checkout::of("changed_filter", production.port);
    let (over, ended) = std::sync::mpsc::channel::<()>();
    let port = production.port;
    let mut writer = None;
    let code = beside(&production, &checkout, 2, || {
        writer = Some(std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let config = format!("host=127.0.0.1 port={port} user=test dbname=ferry application_name=production");
                let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                // The test that compares sailings with those of the model would find these missing.
                let delete = "delete from raw.sailings where sailing_id % 7 = 0";
                client.batch_execute("select count(*) from raw.sailings").await.unwrap();
                client.batch_execute(delete).await.unwrap();
                tokio::task::spawn_blocking(move || ended.recv()).await.unwrap().ok();
            });
        }));
        std::thread::sleep(Duration::from_millis(300));
    });
    drop(over);
    writer.unwrap().join().unwrap();
    let report = checkout.report();
    assert_eq!(code, Some(0), "{report}");
    let said = report["findings"].as_array().unwrap().iter().any(|found| found["rule"] == "production-changed");
    assert!(said, "{report}");
}

/// A value that cannot be processed while production is emptied and filled says nothing of the pull request.
#[test]
fn a_value_that_fails_while_production_is_rewritten_makes_the_run_incomplete() {
    let production = with_production(Cluster::start(&[]));
    let checkout = Checkout::of("changed_filter", production.port);
    let mut plan = checkout.premerge("plan");
    plan.arg("--state").arg(checkout.state()).arg("--manifest").arg(checkout.manifest()).args(["--format", "json"]);
    let plan: Value = serde_json::from_slice(&plan.output().unwrap().stdout).unwrap();
    let table = read_by(&production, &checkout, "r").first().unwrap().clone();
    let read = plan["proxies"].as_array().unwrap().iter();
    let read = read.clone().find(|proxy| proxy["production"].as_str().unwrap().ends_with(&table)).unwrap();
    let id = read["unique_id"].as_str().unwrap().to_owned();
    assert!(checkout.check().status().unwrap().success());
    let model = checkout.report()["nodes"][0]["unique_id"].as_str().unwrap().to_owned();
    let divides = |manifest: &mut Value| {
        let node = &mut manifest["nodes"][model.as_str()];
        let code = node["compiled_code"].as_str().unwrap();
        let divided = format!(
            "with nap as materialized (select pg_sleep(1.5)) select model.*, 100 / (select count(*) from {table}) as share \
             from (\n{code}\n) as model cross join nap"
        );
        node["compiled_code"] = divided.into();
        node["depends_on"]["nodes"].as_array_mut().unwrap().push(id.clone().into());
    };
    let over = std::sync::atomic::AtomicBool::new(false);
    let code = std::thread::scope(|scope| {
        scope.spawn(|| {
            production.sql("ferry", &format!("create table public.kept as select * from {table}"));
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                production.sql("ferry", &format!("delete from {table}"));
                std::thread::sleep(Duration::from_millis(600));
                production.sql("ferry", &format!("insert into {table} select * from public.kept"));
            }
        });
        std::thread::sleep(Duration::from_millis(400));
        let code = checkout.check_of(divides).status().unwrap().code();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        code
    });
    let report = checkout.report();
    assert_eq!(code, Some(3), "{report}");
    assert!(report.to_string().contains("production was being rebuilt"), "{report}");
    assert!(!report["nodes"].as_array().unwrap().iter().any(|node| node["status"] == "failed"), "{report}");
    // In quiet it is what it is.
    assert_eq!(checkout.check_of(divides).status().unwrap().code(), Some(0), "{}", checkout.report());
}
