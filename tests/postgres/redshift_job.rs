//! The whole job as on Redshift, by the real binary, on a real PostgreSQL behind a shim that takes away the few
//! clauses which PostgreSQL lacks; and every form of statement that was sent, for reading against Redshift's
//! grammar: `tests/postgres/redshift_statements.sql`, rewritten by `PREMERGE_BLESS=1`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use premerge::config::Env;
use premerge::warehouse::{ColumnDef, FaultClass, RelationConfigs, SeedFile, SeedKind, Write};
use regex::Regex;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::ferry::{Checkout, fingerprint, ours, with_production};
use crate::shim::{Shim, like_redshift};
use crate::warehouse::{limits, schema, target, try_open};
use crate::whole_job::{as_dbt, only_the_temporary_schemas_were_written_to};

static PRODUCTION: LazyLock<Cluster> = LazyLock::new(|| {
    let cluster = with_production(like_redshift(&[
        "log_statement=all",
        "log_line_prefix=%u|%d|%a|",
        "log_min_error_statement=panic",
    ]));
    let getdate = "create function getdate() returns timestamp language sql as 'select now()::timestamp'";
    cluster.sql("ferry", getdate);
    // Redshift's view of all databases, in place: one more schema, in another database.
    cluster.sql(
        "ferry",
        "create view svv_all_schemas as select 'beside'::text as database_name, 'analytics_gone'::text as schema_name; \
         grant select on svv_all_schemas to public",
    );
    cluster
});

#[test]
fn the_job_comes_out_as_with_dbt_and_speaks_redshifts_language() {
    let before = fingerprint(&PRODUCTION, "ferry");
    // Here and no test of its own, because below no schema of ours may be left.
    proxies_reach_across_databases();
    let shim = Shim::before(PRODUCTION.port);
    let mut statements = Vec::new();
    for name in ["seed_edit", "incremental_edit", "snapshot_edit", "contract_break", "failing_test", "broken_sql"] {
        let checkout = Checkout::on_redshift(name, shim.port);
        let compared = as_dbt(&checkout, &PRODUCTION);
        for (identifier, columns, theirs) in &compared.columns {
            let names = |list: &[(String, String)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
            assert_eq!(names(columns), names(theirs), "columns of {identifier}");
        }
        let number = checkout.number.to_string();
        let cleaned = checkout.premerge("cleanup").args(["--pr", &number]).output().unwrap();
        assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
        statements = shim.sent();
    }
    assert_eq!(ours(&PRODUCTION, "ferry"), "");
    assert_eq!(fingerprint(&PRODUCTION, "ferry"), before);
    only_the_temporary_schemas_were_written_to(&PRODUCTION.log());

    let checkout = Checkout::on_redshift("new_column", shim.port);
    let output = checkout.premerge("debug").arg("--state").arg(checkout.state()).output().unwrap();
    let page = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{page}");
    assert!(page.contains("may read schema `analytics_core`") && page.contains("cannot write to production"), "{page}");
    statements.extend(shim.sent().into_iter().skip(statements.len()));

    assert!(statements.len() > 100, "only {} messages", statements.len());
    for statement in &statements {
        let foreign = not_in_redshift(statement);
        assert!(foreign.is_empty(), "{foreign:?} in:\n{statement}");
    }
    let proxies = statements.iter().filter(|sql| sql.contains("select * from \"ferry\".\"analytics"));
    let late = proxies.filter(|sql| sql.contains(") with no schema binding")).count();
    assert!(late > 0, "no proxy was late-binding");
}

/// Production in another database of the cluster: every proxy is a late-binding view over it, rows are counted in
/// it, and nothing else names it.
fn proxies_reach_across_databases() {
    let shim = Shim::before(PRODUCTION.port);
    let mut checkout = Checkout::on_redshift("changed_filter", shim.port).numbered(77);
    checkout.state_database = Some("beside");
    let output = checkout.check().args(["--changes", "dbt"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), checkout.expected()["exit_code"].as_i64().map(|code| code as i32), "{said}");
    let report = checkout.report();
    let built = report["nodes"].as_array().unwrap().iter().filter(|node| node["status"] == "built").count();
    assert!(built > 0, "{said}");
    let across: Vec<_> = shim.sent().into_iter().filter(|sql| sql.contains("\"beside\".")).collect();
    assert!(!across.is_empty(), "no statement names the other database");
    for message in across {
        for statement in message.split(";\n").filter(|statement| statement.contains("\"beside\".")) {
            let late = statement.contains("create view \"ferry\".\"premerge_pr_77\".")
                && statement.trim_end().ends_with("with no schema binding");
            let counts = statement.starts_with("select (select count(*) from ");
            // What production's table has for columns, where dbt goes on writing into one.
            let columns = statement.starts_with("create temporary table premerge_columns as select * from (");
            // The rows that production keeps, beside those built.
            let compares = statement.starts_with("with theirs as (select ");
            assert!(late || counts || columns || compares, "{statement}");
        }
    }
    checkout.premerge("cleanup").args(["--pr", "77"]).output().unwrap();
}

/// `debug` where the role can write, and where it can do nothing.
#[test]
fn debug_tells_rights_by_redshifts_functions() {
    PRODUCTION.sql("ferry", "create role writer login in role test; create role stranger login");
    let mut checkout = Checkout::on_redshift("new_column", PRODUCTION.port);
    checkout.state_schema = Some(("analytics_core", "analytics_gone"));
    let profile = fs_err::read_to_string(checkout.profiles()).unwrap().replace(", query_group: gate", "");
    fs_err::write(checkout.profiles(), profile).unwrap();
    let output = checkout.premerge("debug").arg("--state").arg(checkout.state()).output().unwrap();
    let page = String::from_utf8_lossy(&output.stdout);
    assert!(page.contains("schema `analytics_gone` is in database `beside`"), "{page}");
    for (user, code, part) in [
        ("writer", 0, "the role can write to schema `analytics_core`"),
        ("writer", 0, "create user premerge password"),
        ("stranger", 1, "may not use schema `raw`"),
    ] {
        let checkout = Checkout::on_redshift("new_column", PRODUCTION.port);
        let text = fs_err::read_to_string(checkout.profiles()).unwrap();
        let text = text.replace("user: ci", &format!("user: {user}")).replace(", query_group: gate", "");
        fs_err::write(checkout.profiles(), text).unwrap();
        let output = checkout.premerge("debug").arg("--state").arg(checkout.state()).output().unwrap();
        let page = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{user}: {page}");
        assert!(page.contains(part), "{user}: {page}");
    }
}

/// Each form of statement, from small parts, so that a person can read them all.
#[tokio::test]
async fn every_form_of_statement_is_on_record() {
    let cluster = like_redshift(&[]);
    let db = cluster.database();
    cluster.sql(&db, "create schema prod; create table prod.orders as select 1 as id");
    let shim = Shim::before(cluster.port);
    let fields = json!({"sslmode": "disable", "search_path": "public", "role": "test", "query_group": "gate"});
    let house = try_open(&target("redshift", shim.port, &db, fields), limits(), &Env::default()).unwrap();
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    schema.register(&mut session, &["proxy", "late", "Shown", "made", "typed", "seed"]).await.unwrap();

    let configs = |value: Value| {
        RelationConfigs::read(&serde_json::from_value(value).unwrap(), premerge::sql::Dialect::Redshift).unwrap()
    };
    let (late, bound) = (configs(json!({"bind": false})), configs(json!({})));
    let physical = configs(json!({"backup": false, "dist": "ID", "sort": ["id"], "sort_type": "interleaved"}));
    let even = configs(json!({"dist": "even", "sort": "id"}));
    let [proxy, late_view, shown, made, typed, seed] =
        ["proxy", "late", "Shown", "made", "typed", "seed"].map(|name| schema.relation(name));
    let from = "select * from \"prod\".\"orders\"";
    let columns = [ColumnDef { name: "id".to_owned(), definition: "integer not null".to_owned() }];
    for write in [
        Write::Proxy { at: &proxy, select: from },
        Write::View { at: &late_view, header: None, select: from, configs: &late },
        Write::View { at: &shown, header: None, select: from, configs: &bound },
        Write::Table { at: &made, header: Some("set extra_float_digits to 0;"), select: from, configs: &physical },
        Write::TypedTable {
            at: &typed,
            columns: &columns,
            constraints: &["primary key (id)".to_owned()],
            header: None,
            select: from,
            configs: &even,
        },
    ] {
        session.write(&[write]).await.unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seed.csv");
    fs_err::write(&path, "id,price,day,at,open,note\n1,1.5,2020-01-01,2020-01-01 10:00:00,true,it's \\ x\n,,,,,\n")
        .unwrap();
    let kinds = [
        ("id integer", SeedKind::Integer),
        ("price float8", SeedKind::Float),
        ("day date", SeedKind::Date),
        ("at timestamp without time zone", SeedKind::Timestamp),
        ("open boolean", SeedKind::Boolean),
        ("note varchar(8)", SeedKind::Text),
    ];
    let column = |(column, _): (&str, SeedKind)| {
        let (name, definition) = column.split_once(' ').unwrap();
        ColumnDef { name: format!("\"{name}\""), definition: definition.to_owned() }
    };
    let (columns, kinds) = (kinds.map(column).to_vec(), kinds.map(|(_, kind)| kind).to_vec());
    let file = SeedFile { path, delimiter: ',', columns, kinds };
    assert_eq!(session.write(&[Write::Seed { at: &seed, seed: &file }]).await.unwrap().rows, Some(2));
    assert_eq!(cluster.value(&db, "select note from pr_1.seed where id = 1"), "it's \\ x");
    session.read("select count(*) from \"prod\".\"orders\" -- all").await.unwrap();
    let kinds = session.columns_of("select 1::bigint as a, 'x'::varchar(3) as b, 1::smallint as c").await.unwrap();
    let kinds: Vec<_> = kinds.iter().map(|c| c.data_type.as_str()).collect();
    assert_eq!(kinds, ["BIGINT", "STRING", "SMALLINT"]);
    session.privileges(&["prod".to_owned()]).await.unwrap();
    let write = [Write::Table { at: &made, header: None, select: from, configs: &bound }];
    assert_eq!(session.find_written(&write).await.unwrap().and_then(|written| written.rows), Some(1));
    schema.drop(&mut session).await.unwrap();

    let mut forms = BTreeSet::new();
    for statement in shim.sent() {
        let foreign = not_in_redshift(&statement);
        assert!(foreign.is_empty(), "{foreign:?} in:\n{statement}");
        forms.insert(anonymous(&statement).replace(&db, "ferry"));
    }
    let record: String = forms.iter().map(|form| format!("{form};\n\n")).collect();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres/redshift_statements.sql");
    if std::env::var_os("PREMERGE_BLESS").is_some() {
        fs_err::write(file, &record).unwrap();
    }
    let committed = fs_err::read_to_string(file).unwrap_or_default();
    assert!(committed == record, "redshift_statements.sql is out of date: run with PREMERGE_BLESS=1\n{record}");
}

/// The server is told as well that reading is all that is wanted, and the session is of use afterwards.
#[tokio::test]
async fn a_query_that_writes_is_refused_by_the_server() {
    let cluster = like_redshift(&[]);
    let db = cluster.database();
    cluster.sql(
        &db,
        "create sequence counter; \
         create function public.next() returns bigint language sql volatile as $$ select nextval('counter') $$",
    );
    let fields = json!({"sslmode": "disable"});
    let house = try_open(&target("redshift", cluster.port, &db, fields), limits(), &Env::default()).unwrap();
    let mut session = house.connect().await.unwrap();
    let error = session.read("select public.next()").await.unwrap_err();
    assert!(error.class == FaultClass::Permission && error.message.contains("read-only transaction"), "{error}");
    assert_eq!(session.read("select 1 as a").await.unwrap().scalar(), Some("1"));
}

/// Without what differs from run to run.
fn anonymous(statement: &str) -> String {
    let tag = Regex::new(r"premerge [0-9a-f]{16}").unwrap().replace_all(statement, "premerge tag").into_owned();
    Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z").unwrap().replace_all(&tag, "TIME").into_owned()
}

/// Constructs of PostgreSQL that Redshift has not, or not so.
/// <https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-features.html> and the pages on
/// functions and data types beside it.
fn not_in_redshift(statement: &str) -> Vec<&'static str> {
    static FOREIGN: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
        [
            r"\bcreate (unique )?index\b",
            r"\bunlogged\b",
            r"\bon conflict\b",
            r"\bcopy\b[^;]*\bfrom stdin\b",
            r"\breturning\b",
            r"\[\s*\]|\barray\s*\[",
            r"\bgenerate_series\b",
            r"\bpg_typeof\b",
            r"\bpg_stat_activity\b",
            r"advisory",
            r"\bset_config\b|\bset transaction\b",
            r"\bto_regclass\b|::reg[a-z]+",
            r"\bstring_agg\b|\bfilter \(",
            r"\bpg_has_role\b|'TRUNCATE'",
            r"\block table [^;]* in [a-z ]*mode\b",
            r"\bcomment on schema\b",
            r"\bmaterialized view if exists\b[^;]*,",
            r"\b(lateral|tablesample|distinct on|with ordinality)\b",
            r"\bserial\b|\bbytea\b|\buuid\b|\bjsonb?\b",
        ]
        .map(|pattern| (pattern, Regex::new(&format!("(?i){pattern}")).unwrap()))
        .to_vec()
    });
    FOREIGN.iter().filter(|(_, regex)| regex.is_match(statement)).map(|(pattern, _)| *pattern).collect()
}

#[test]
fn the_list_finds_what_it_lists() {
    for sql in [
        "create unique index on t (a)",
        "insert into t values (1) on conflict do nothing",
        "copy t (a) from stdin",
        "select array[1]",
        "select pg_advisory_lock(1)",
        "lock table a.b in exclusive mode",
        "select 't'::regclass",
    ] {
        assert!(!not_in_redshift(sql).is_empty(), "{sql}");
    }
    assert!(not_in_redshift("create view v as (\nselect 1\n) with no schema binding").is_empty());
}
