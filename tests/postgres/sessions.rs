//! Reading, writing, cancelling.

use std::time::{Duration, Instant};

use premerge::artifacts::NodeConfig;
use premerge::build::seed::seed_file;
use premerge::sql::Dialect;
use premerge::warehouse::{
    ColumnDef, FaultClass, Index, PostgresConfigs, RelationConfigs, Repeat, SeedFile, SeedKind, Write,
};

use crate::cluster::SHARED;
use crate::warehouse::{plain, schema, table, warehouse};

#[tokio::test]
async fn tables_views_and_contracts_are_made_with_their_rows_counted() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let rows = table(&schema, &mut session, "numbers", "select n from generate_series(1, 7) n -- all").await;
    assert_eq!(rows.unwrap(), Some(7));

    let view = schema.relation("numbers_view");
    let select = format!("select * from {}", schema.relation("numbers").sql());
    session.write(&[Write::View { at: &view, header: None, select: &select, configs: plain() }]).await.unwrap();
    assert_eq!(SHARED.value(&db, "select count(*) from pr_1.numbers_view"), "7");

    let typed = schema.relation("typed");
    let columns = [
        ColumnDef { name: "b".to_owned(), definition: "text".to_owned() },
        ColumnDef { name: "a".to_owned(), definition: "bigint not null".to_owned() },
    ];
    let configs = RelationConfigs::Postgres(PostgresConfigs {
        unlogged: true,
        indexes: vec![
            Index { columns: vec!["a".to_owned()], unique: true, method: None },
            Index { columns: vec!["lower(b)".to_owned()], unique: false, method: Some("btree".to_owned()) },
        ],
    });
    let write = Write::TypedTable {
        at: &typed,
        columns: &columns,
        constraints: &["constraint positive check (a > 0)".to_owned()],
        header: Some("set work_mem = '8MB'; -- a header"),
        select: "select n as a, 'x' as b from generate_series(1, 3) n",
        configs: &configs,
    };
    assert_eq!(session.write(&[write]).await.unwrap().rows, Some(3));
    let sql = "select relpersistence, (select count(*) from pg_indexes where tablename = 'typed') from pg_class \
               where relname = 'typed'";
    assert_eq!(SHARED.sql(&db, sql), [[Some("u".to_owned()), Some("2".to_owned())]]);
}

#[tokio::test]
async fn seeds_hold_what_dbt_inserts() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seed.csv");
    fs_err::write(&path, "code;n;note\n005;\"$1,000\";\"a\tb\\\nc\"\nnull;50%;NULL\n;1.0;\n").unwrap();
    let column = |name: &str, definition: &str| ColumnDef { name: name.to_owned(), definition: definition.to_owned() };
    let seed = SeedFile {
        path,
        delimiter: ';',
        columns: vec![column("code", "varchar(3)"), column("n", "integer"), column("note", "text")],
        kinds: vec![SeedKind::Text, SeedKind::Integer, SeedKind::Text],
    };
    let at = schema.relation("seed");
    let written = session.write(&[Write::Seed { at: &at, seed: &seed }]).await.unwrap();
    assert_eq!(written.rows, Some(3));
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        SHARED.sql(&db, "select code, n, note from pr_1.seed order by n desc"),
        [[some("005"), some("1000"), some("a\tb\\\nc")], [None, some("50"), None], [None, some("1"), None]]
    );
    // A value that does not fit leaves no half-filled table and a session that works.
    fs_err::write(dir.path().join("bad.csv"), "code;n;note\n1;99999999999;x\n").unwrap();
    let bad = SeedFile { path: dir.path().join("bad.csv"), ..seed };
    let at = schema.relation("bad");
    assert_eq!(session.write(&[Write::Seed { at: &at, seed: &bad }]).await.unwrap_err().class, FaultClass::Data);
    assert_eq!(session.read("select to_regclass('pr_1.bad')").await.unwrap().scalar(), None);
}

/// What dbt-postgres 1.11 makes of the same files.
#[tokio::test]
async fn odd_seeds_are_typed_and_loaded_as_dbt_does() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        ("blank", "a,b\n1,2\n\n", "a integer, b integer", "(1,2)/(,)"),
        ("space", "a\n1 000\n", "a text", "(\"1 000\")"),
        ("under", "a\n1_000\n", "a integer", "(1000)"),
        ("cent", "a\n5¢\n", "a integer", "(5)"),
        ("letters", "x,,b\n1,2,3\n", "x integer, b integer, b_2 integer", "(1,2,3)"),
        ("twice", "id,id\n1,2\n", "id integer, id_2 integer", "(1,2)"),
        (
            "nano",
            "a\n2020-01-01T10:00:00.123456789\n",
            "a timestamp without time zone",
            "(\"2020-01-01 10:00:00.123456\")",
        ),
        ("week", "a\n2026-W01-1T10:00\n", "a timestamp without time zone", "(\"2025-12-29 10:00:00\")"),
        ("arabic", "a\n٣\n", "a integer", "(3)"),
        ("nan", "a\n1.5\nInfinity\n", "a double precision", "(1.5)/(NaN)"),
        ("leap", "a\n2020-01-01 00:00:60\n", "a text", "(\"2020-01-01 00:00:60\")"),
    ];
    for (name, text, columns, rows) in cases {
        fs_err::write(dir.path().join(format!("{name}.csv")), text).unwrap();
        let seed = seed_file(dir.path(), &format!("{name}.csv"), &NodeConfig::default(), Dialect::Postgres).unwrap();
        let at = schema.relation(name);
        session.write(&[Write::Seed { at: &at, seed: &seed }]).await.unwrap();
        let found = format!(
            "select (select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum) \
             from pg_attribute where attrelid = 'pr_1.{name}'::regclass and attnum > 0), \
             (select string_agg(t::text, '/') from pr_1.{name} t)"
        );
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(SHARED.sql(&db, &found), [[some(columns), some(rows)]], "{name}");
    }
    fs_err::write(dir.path().join("bad.csv"), "a\n1\nNaN\n").unwrap();
    let seed = seed_file(dir.path(), "bad.csv", &NodeConfig::default(), Dialect::Postgres).unwrap();
    let at = schema.relation("bad");
    assert_eq!(session.write(&[Write::Seed { at: &at, seed: &seed }]).await.unwrap_err().class, FaultClass::Data);
}

#[tokio::test]
async fn many_views_go_in_one_message_and_fail_together() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let places: Vec<_> = (0..300).map(|n| schema.relation(&format!("v{n}"))).collect();
    let views = |select: &'static str| -> Vec<_> {
        places.iter().map(|at| Write::View { at, header: None, select, configs: plain() }).collect()
    };
    let mut broken = views("select 1 as a");
    let at = schema.relation("broken");
    broken.push(Write::View { at: &at, header: None, select: "select * from nowhere", configs: plain() });
    assert_eq!(session.write(&broken).await.unwrap_err().class, FaultClass::MissingRelation);
    assert_eq!(SHARED.value(&db, "select count(*) from pg_views where schemaname = 'pr_1'"), "0");
    assert_eq!(session.write(&views("select 1 as a")).await.unwrap().statements, 300);
    assert_eq!(SHARED.value(&db, "select count(*) from pg_views where schemaname = 'pr_1'"), "300");
    let drops: Vec<_> = places.iter().map(|at| Write::Drop { at }).collect();
    session.write(&drops).await.unwrap();
    assert_eq!(SHARED.value(&db, "select count(*) from pg_views where schemaname = 'pr_1'"), "0");
}

#[tokio::test]
async fn column_types_are_those_that_dbt_compares() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let mut session = house.connect().await.unwrap();
    let query = "select 1 as a, 1::bigint as \"B c\", 'x' as a, 'x'::varchar(3) as d, 1.5 as e, 1.5::float8 as f, \
                 now() as g, date '2020-01-01' as h, true as i, pg_sleep(30)::text as j, array[1] as k -- end";
    let began = Instant::now();
    let columns = session.columns_of(query).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "the query was run");
    let shown: Vec<_> = columns.iter().map(|c| format!("{} {}", c.name, c.data_type)).collect();
    assert_eq!(
        shown,
        [
            "a INTEGER",
            "B c LONGINTEGER",
            "a STRING",
            "d STRING",
            "e DECIMAL",
            "f FLOAT",
            "g DATETIMETZ",
            "h DATE",
            "i BOOLEAN",
            "j STRING",
            "k integer[]"
        ]
    );
}

#[tokio::test]
async fn a_cancelled_statement_ends_soon_and_the_session_starts_no_other() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let mut session = house.connect().await.unwrap();
    let mut running = session.begin();
    let canceller = running.canceller();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        canceller.cancel();
    };
    let began = Instant::now();
    let (result, ()) = tokio::join!(running.session().read("select pg_sleep(15)"), cancel);
    assert_eq!(result.unwrap_err().class, FaultClass::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(running.session().read("select 1").await.unwrap_err().class, FaultClass::Cancelled);
    drop(running);
    assert_eq!(session.read("select 1").await.unwrap().scalar(), Some("1"));
    let sql = "select count(*) from pg_stat_activity where query like '%pg_sleep(15)%' and state = 'active' \
               and pid <> pg_backend_pid()";
    SHARED.wait_for(&db, sql, "0");
}

#[tokio::test]
async fn a_text_from_the_manifest_cannot_write_elsewhere() {
    let db = SHARED.database();
    SHARED.sql(&db, "create schema analytics; create table analytics.orders as select 1 as id");
    SHARED.sql(
        &db,
        "create function analytics.wipe() returns int language sql as 'delete from analytics.orders returning 1'",
    );
    let house = warehouse(&SHARED, &db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    for select in [
        "select 1); drop table analytics.orders; --",
        "with gone as (delete from analytics.orders returning id) select * from gone",
    ] {
        let error = table(&schema, &mut session, "t", select).await.unwrap_err();
        let refused = matches!(error.class, FaultClass::Unsupported | FaultClass::Syntax);
        assert!(refused && error.repeat == Repeat::Never, "{select}: {error}");
    }
    for sql in ["select 1; delete from analytics.orders", "select analytics.wipe()"] {
        session.read(sql).await.unwrap_err();
    }
    let at = schema.relation("t");
    let header = Some("delete from analytics.orders;");
    let write = Write::Table { at: &at, header, select: "select 1 as a", configs: plain() };
    assert_eq!(session.write(&[write]).await.unwrap_err().class, FaultClass::Unsupported);
    assert_eq!(SHARED.value(&db, "select count(*) from analytics.orders"), "1");
}

#[tokio::test]
async fn faults_have_their_class() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let mut session = house.connect().await.unwrap();
    for (sql, class) in [
        ("selec 1", FaultClass::Syntax),
        ("select a from (select 1 as b) x", FaultClass::Binding),
        ("select nope(1)", FaultClass::Binding),
        ("select * from nowhere", FaultClass::MissingRelation),
        ("select * from nowhere.at_all", FaultClass::MissingRelation),
        ("select * from otherdb.public.t", FaultClass::Unsupported),
        ("select 1 / 0", FaultClass::Data),
        ("select cast('x' as integer)", FaultClass::Data),
    ] {
        assert_eq!(session.read(sql).await.unwrap_err().class, class, "{sql}");
    }
}

#[tokio::test]
async fn the_loser_of_a_deadlock_is_sent_again() {
    let db = SHARED.database();
    SHARED.sql(&db, "create table a as select 1 as n; create table b as select 1 as n");
    let house = warehouse(&SHARED, &db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    schema.register(&mut session, &["t"]).await.unwrap();
    let config = format!("host=127.0.0.1 port={} user=test dbname={db} application_name=other", SHARED.port);
    let (other, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    // It has b and then wants a, patiently; ours has a and wants b, and notices the deadlock first.
    other.batch_execute("set deadlock_timeout = '10s'; begin; lock table b").await.unwrap();
    let at = schema.relation("t");
    let select = "select a.n from public.a as a, public.b as b";
    let write = [Write::Table { at: &at, header: None, select, configs: plain() }];
    let theirs = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        other.batch_execute("lock table a; commit").await.unwrap();
    };
    let (ours, ()) = tokio::join!(session.write(&write), theirs);
    assert_eq!((ours.unwrap().rows, session.attempts()), (Some(1), 2));
}
