//! Redshift's dialect on PostgreSQL: what goes over the wire, and the parts of the protocol that both share.
//! No Redshift is at hand here; docs/redshift.md says what that leaves untested.

use std::path::PathBuf;

use premerge::config::Env;
use premerge::warehouse::{ColumnDef, FaultClass, RedshiftConfigs, RelationConfigs, Repeat, SeedFile, SeedKind, Write};
use serde_json::json;

use crate::shim::like_redshift;
use crate::warehouse::{limits, plain, schema, target, try_open};

fn env() -> Env {
    Env::new::<&str, &str>([], PathBuf::from("/"))
}

/// The register, batched inserts, types by temporary table: statements that both servers take.
#[tokio::test]
async fn the_shared_part_of_the_dialect_works() {
    let cluster = like_redshift(&["log_statement=all", "log_min_error_statement=panic"]);
    let db = cluster.database();
    let house = try_open(
        &target("redshift", cluster.port, &db, json!({"method": "database", "sslmode": "disable"})),
        limits(),
        &env(),
    )
    .unwrap();
    assert!(house.describe().starts_with("Redshift 127.0.0.1"));
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    schema.register(&mut session, &["seed", "t", "v"]).await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seed.csv");
    fs_err::write(&path, "id,note\n1,it's\n2,null\n$3,\"a\\b\"\n").unwrap();
    let seed = SeedFile {
        path,
        delimiter: ',',
        columns: ["id integer", "note text"]
            .map(|column| column.split_once(' ').unwrap())
            .map(|(name, kind)| ColumnDef { name: name.to_owned(), definition: kind.to_owned() })
            .to_vec(),
        kinds: vec![SeedKind::Integer, SeedKind::Text],
    };
    let at = schema.relation("seed");
    assert_eq!(session.write(&[Write::Seed { at: &at, seed: &seed }]).await.unwrap().rows, Some(3));
    assert_eq!(cluster.value(&db, "select count(*) from pr_1.seed where note = 'it''s'"), "1");

    let columns = session.columns_of("select 1 as a, 'x'::varchar(3) as b, 1.5::numeric(4, 1) as c").await.unwrap();
    let shown: Vec<_> = columns.iter().map(|c| format!("{} {}", c.name, c.data_type)).collect();
    assert_eq!(shown, ["a INTEGER", "b STRING", "c NUMERIC"]);

    let table = schema.relation("t");
    let write = Write::Table { at: &table, header: None, select: "select 1 as a", configs: plain() };
    session.write(&[write]).await.unwrap();
    // A newer run takes over without `pg_terminate_backend`: the older says itself that it is over.
    schema.drop(&mut session).await.unwrap();
    assert_eq!(cluster.value(&db, "select count(*) from pg_namespace where nspname = 'pr_1'"), "0");

    let log = cluster.log();
    assert!(!log.contains("COPY") && !log.contains("copy \""), "Redshift has no copy from stdin");
    assert!(!log.contains("advisory") && !log.contains("execute <unnamed>"), "simple protocol only, no advisory locks");
}

/// PostgreSQL does not know the clause, so its complaint proves that it was sent.
#[tokio::test]
async fn proxies_are_late_binding_and_other_views_as_configured() {
    let cluster = like_redshift(&["log_statement=all"]);
    let db = cluster.database();
    let house =
        try_open(&target("redshift", cluster.port, &db, json!({"sslmode": "disable"})), limits(), &env()).unwrap();
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let at = schema.relation("v");
    let late = RelationConfigs::Redshift(RedshiftConfigs { bind: Some(false), ..RedshiftConfigs::default() });
    let select = "select * from \"prod\".\"analytics\".\"orders\"";
    session.write(&[Write::View { at: &at, header: None, select, configs: &late }]).await.unwrap_err();
    let expected = "create view \"d0\".\"pr_1\".\"v\" as (";
    let log = cluster.log();
    assert!(log.contains(&expected.replace("d0", &db)) && log.contains(") with no schema binding"), "{log}");
    let write = Write::View { at: &at, header: None, select: "select 1 as a", configs: plain() };
    session.write(&[write]).await.unwrap();
}

#[test]
fn what_is_not_supported_is_said() {
    for (changes, part) in [
        (json!({"cluster_id": "c"}), "`cluster_id` belongs to `method: iam`"),
        (json!({"method": "magic"}), "unknown to dbt-redshift"),
    ] {
        let error = try_open(&target("redshift", 5439, "d", changes), limits(), &env()).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// Redshift puts the matter of some faults into the detail, behind a number; here a function says so.
#[tokio::test]
async fn faults_are_read_from_message_and_detail() {
    let cluster = like_redshift(&[]);
    let db = cluster.database();
    let house =
        try_open(&target("redshift", cluster.port, &db, json!({"sslmode": "disable"})), limits(), &env()).unwrap();
    let mut session = house.connect().await.unwrap();
    for (name, state, message, detail, class, repeat) in [
        ("a", "XX000", "1023", "Serializable isolation violation on table - 1", FaultClass::Conflict, Repeat::Safe),
        ("b", "40001", "1023", "Serializable isolation violation on table - 1", FaultClass::Conflict, Repeat::Safe),
        ("c", "XX000", "Invalid digit", "context: premerge-superseded", FaultClass::Superseded, Repeat::Never),
        ("d", "XX000", "Disk Full", "code: 1016", FaultClass::Resources, Repeat::Never),
        ("e", "XX000", "Assert", "code: 1000", FaultClass::Other, Repeat::Never),
    ] {
        let body = format!("raise exception using errcode = '{state}', message = '{message}', detail = '{detail}';");
        let sql = format!("create function {name}() returns int language plpgsql as $$ begin {body} end $$");
        cluster.sql(&db, &sql);
        let error = session.read(&format!("select {name}()")).await.unwrap_err();
        assert_eq!((error.class, error.repeat), (class, repeat), "{error}");
    }
}
