//! Text of the project stays in its statement, and its session what it was, whatever it is made to look like.

use std::path::PathBuf;
use std::sync::Arc;

use premerge::config::Env;
use premerge::warehouse::{FaultClass, Session, TempSchema, Warehouse, WarehouseError, Write};
use serde_json::json;

use crate::cluster::SHARED;
use crate::warehouse::{limits, plain, schema, table, target, try_open, warehouse};

/// What would be carried out if it left its brackets. Behind a quote that PostgreSQL ends elsewhere than premerge.
const EVIL: &str = ") ; create schema evil; create table evil.t as (select 1 as a";

/// Under `standard_conforming_strings` one string, and without it a string, a bracket and two statements.
const BACKSLASH: &str =
    r"select 1 as route_id, '\'' as leg ) ; create schema evil; create table evil.t as (select 1 as a --' as z";

fn evil(database: &str) -> String {
    SHARED.value(database, "select count(*) from pg_namespace where nspname = 'evil'")
}

#[tokio::test]
async fn a_string_that_the_server_ends_elsewhere_is_not_sent() {
    let db = SHARED.database();
    let house = warehouse(&SHARED, &db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    for text in [
        format!("select E'a'\n'\\'' as x {EVIL} --' as y"),
        format!("select e'a' -- note\n  '\\'' as x {EVIL} --' as y"),
        format!("select E'a'\n\n'b'\n'\\'' as x {EVIL} --' as y"),
        format!("select $€$ ' $€$ as x {EVIL} --'"),
        format!("select X'\\' {EVIL} --'"),
    ] {
        let error = table(&schema, &mut session, "x", &text).await.unwrap_err();
        let refused = matches!(error.class, FaultClass::Unsupported | FaultClass::Syntax);
        assert!(refused && evil(&db) == "0", "{text}: {}", error.message);
    }
}

/// A function of the database may set what the project's text may not, also one that is declared not to write.
fn with_setter(database: &str, name: &str, setting: &str, value: &str) {
    let sql = format!(
        "create function public.{name}() returns text language sql stable \
         as $$ select set_config('{setting}', '{value}', false) $$"
    );
    SHARED.sql(database, &sql);
}

#[tokio::test]
async fn strings_are_read_alike_whatever_a_model_has_set() {
    let db = SHARED.database();
    with_setter(&db, "off", "standard_conforming_strings", "off");
    with_setter(&db, "sjis", "client_encoding", "SJIS");
    let house = warehouse(&SHARED, &db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let session = &mut session;
    let named = "select set_config('standard_conforming_strings', 'off', false)";
    assert_eq!(table(&schema, session, "named", named).await.unwrap_err().class, FaultClass::Unsupported);

    table(&schema, session, "a", "select public.off() as x").await.unwrap();
    assert_eq!(table(&schema, session, "b", BACKSLASH).await.unwrap(), Some(1));
    session.read("select public.off() as x").await.unwrap();
    session.columns_of("select public.off() as x").await.unwrap();
    assert_eq!(table(&schema, session, "c", BACKSLASH).await.unwrap(), Some(1));
    // What failed has set nothing either.
    table(&schema, session, "d", "select public.off(), 1 / (select count(*) from pg_class where false)")
        .await
        .unwrap_err();
    assert_eq!(table(&schema, session, "e", BACKSLASH).await.unwrap(), Some(1));
    session.read("select public.sjis() as x").await.unwrap();
    assert_eq!(session.read("select current_setting('client_encoding')").await.unwrap().scalar(), Some("UTF8"));
    assert_eq!(evil(&db), "0");
}

#[tokio::test]
async fn strings_are_read_alike_whatever_the_database_says() {
    let db = SHARED.database();
    SHARED.sql(&db, &format!("alter database {db} set standard_conforming_strings = off"));
    let house = warehouse(&SHARED, &db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    assert_eq!(table(&schema, &mut session, "a", BACKSLASH).await.unwrap(), Some(1));
    assert_eq!(table(&schema, &mut session, "b", BACKSLASH).await.unwrap(), Some(1));
    assert_eq!(evil(&db), "0");
}

/// The warehouse of the powerful user of the tests, who takes a role on that may only make schemas.
fn in_role(database: &str) -> Arc<dyn Warehouse> {
    let role = format!("weak_{database}");
    SHARED.sql(database, &format!("create role {role}; grant create on database {database} to {role}"));
    let changes = json!({"role": role, "search_path": "public, \"Odd \\\\ name\""});
    let env = Env::new::<&str, &str>([], PathBuf::from("/"));
    try_open(&target("postgres", SHARED.port, database, changes), limits(), &env).unwrap()
}

async fn who(session: &mut Session) -> Vec<Option<String>> {
    let sql = "select current_user, session_user, current_setting('search_path'), current_setting('work_mem'), \
               current_setting('statement_timeout'), current_setting('standard_conforming_strings')";
    session.read(sql).await.unwrap().rows.remove(0)
}

async fn under(
    schema: &TempSchema,
    session: &mut Session,
    header: &str,
) -> Result<premerge::warehouse::Written, WarehouseError> {
    let at = schema.relation("headed");
    schema.register(session, &["headed"]).await.unwrap();
    let table = Write::Table { at: &at, header: Some(header), select: "select 1 as a", configs: plain() };
    session.write(&[Write::Drop { at: &at }, table]).await
}

#[tokio::test]
async fn a_role_is_not_put_down() {
    let db = SHARED.database();
    with_setter(&db, "shed", "role", "none");
    with_setter(&db, "wander", "search_path", "pg_catalog");
    with_setter(&db, "linger", "statement_timeout", "0");
    let house = in_role(&db);
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    let session = &mut session;
    let before = who(session).await;
    assert_eq!(before[0].as_deref(), Some(format!("weak_{db}").as_str()));
    assert_eq!(before[2].as_deref(), Some("public, \"Odd \\\\ name\""));
    for header in [
        "set local role none;",
        "set \"role\" to none;",
        "set local session authorization default;",
        "set session role none",
        "reset role",
    ] {
        assert_eq!(under(&schema, session, header).await.unwrap_err().class, FaultClass::Unsupported, "{header}");
    }
    under(&schema, session, "set work_mem = '7MB'; set timezone to 'Asia/Tokyo';").await.unwrap();
    assert_eq!(who(session).await, before);
    for (name, function) in [("a", "shed"), ("b", "wander"), ("c", "linger")] {
        table(&schema, session, name, &format!("select public.{function}() as x")).await.unwrap();
        assert_eq!(who(session).await, before, "{function} in a table");
        session.read(&format!("select public.{function}() as x")).await.unwrap();
        assert_eq!(who(session).await, before, "{function} in a test");
    }
    let owners = "select distinct pg_get_userbyid(relowner) from pg_class \
                  where relnamespace = 'pr_1'::regnamespace and relname in ('a', 'b', 'c', 'headed')";
    assert_eq!(SHARED.sql(&db, owners), [[before[0].clone()]]);
}
