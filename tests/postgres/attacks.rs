//! Attacks within a pull request, run as a role that *may* write to production.

use std::collections::BTreeSet;
use std::process::Command;

use premerge::config::Env;
use serde_json::{Value, json};

use crate::attack_table::{POSTGRES, POSTGRES_SECOND, Place, REDSHIFT};
use crate::cluster::Cluster;
use crate::ferry::{Checkout, fingerprint, with_production};
use crate::shim::{Shim, like_redshift};
use crate::warehouse::{limits, schema, table, target, try_open};
use crate::whole_job::writes_to_temporary_schemas;

/// What the attacks are after, in a schema that no manifest names.
const PRIZES: &str = "create schema prod; create table prod.orders (id int primary key, note text); \
    insert into prod.orders values (1, 'a'), (2, 'b'); create sequence prod.numbers; \
    create schema other; create table other.secrets as select 1 as a; \
    create function prod.wipe_function() returns int language sql volatile as 'delete from prod.orders returning 1'; \
    create function public.wipe_row(pg_class) returns int language sql volatile as 'delete from prod.orders returning 1'; \
    create function public.wipe_row_twice(pg_class, int default 1) returns int language sql volatile \
        as 'delete from prod.orders returning 1'; \
    create function public.wipe_step(int, int) returns int language sql volatile as 'delete from prod.orders returning 1'; \
    create aggregate public.wipe_sum(int) (sfunc = public.wipe_step, stype = int, initcond = '0'); \
    create procedure prod.wipe() language sql as 'delete from prod.orders'";

/// Everything of a database that is not premerge's: rows, objects, rights, settings.
fn everything(cluster: &Cluster) -> String {
    let catalogue = "select string_agg(line, E'\\n' order by line) from (\
        select 'relation ' || n.nspname || '.' || c.relname || ' ' || c.relkind::text || coalesce(c.relacl::text, '') || \
            c.relhastriggers::text || c.relhasrules::text as line \
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname !~ '^(pg_|premerge_|information)' \
        union all select 'schema ' || nspname || coalesce(nspacl::text, '') from pg_namespace where nspname !~ '^(pg_|premerge_)' \
        union all select 'function ' || p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace \
            where n.nspname !~ '^(pg_|information)' \
        union all select 'trigger ' || tgname from pg_trigger \
        union all select 'role ' || rolname || rolsuper::text from pg_roles \
        union all select 'extension ' || extname from pg_extension \
        union all select 'object ' || oid::text from pg_largeobject_metadata \
        union all select 'sequence ' || last_value::text || is_called::text from prod.numbers \
        union all select 'row ' || id::text || note from prod.orders) lines";
    format!("{}\n{}", cluster.value("ferry", catalogue), fingerprint(cluster, "ferry"))
}

fn attacked(checkout: &Checkout, attacks: &[(Place, &str)]) -> (Command, BTreeSet<String>) {
    let bytes = fs_err::read(checkout.manifest()).unwrap();
    // That of another adapter is written plain.
    let mut manifest: Value = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| serde_json::from_reader(flate2::read::GzDecoder::new(bytes.as_slice())).unwrap());
    let nodes = manifest["nodes"].as_object().unwrap();
    let like =
        nodes.values().find(|node| node["resource_type"] == "model" && node["config"]["materialized"] == "table");
    let like = like.unwrap().clone();
    let schema = like["schema"].as_str().unwrap().to_owned();
    let mut ids = BTreeSet::new();
    for (number, (place, text)) in attacks.iter().enumerate() {
        let (mut node, name) = (like.clone(), format!("attack_{number}"));
        let id = format!("model.ferry.{name}");
        node["unique_id"] = json!(id);
        node["name"] = json!(name);
        node["alias"] = json!(name);
        node["fqn"] = json!(["ferry", name]);
        node["relation_name"] = json!(format!("\"ferry\".\"{schema}\".\"{name}\""));
        node["depends_on"] = json!({"macros": [], "nodes": []});
        for list in ["refs", "sources"] {
            node[list] = json!([]);
        }
        node["checksum"] = json!({"name": "sha256", "checksum": name});
        node["raw_code"] = json!(text);
        node["compiled_code"] = json!("select 1 as a");
        node["config"]["materialized"] = json!(if number.is_multiple_of(2) { "table" } else { "view" });
        let contracted = |node: &mut Value, data_type: &str, constraints: Value| {
            node["config"]["contract"] = json!({"enforced": true, "alias_types": true});
            node["config"]["materialized"] = json!("table");
            node["contract"] = json!({"enforced": true, "alias_types": true, "checksum": "x"});
            node["columns"] = json!({"a": {"name": "a", "data_type": data_type, "constraints": []}});
            node["constraints"] = constraints;
        };
        match place {
            Place::Query => node["compiled_code"] = json!(text),
            Place::Header => node["config"]["sql_header"] = json!(text),
            Place::Column => contracted(&mut node, text, json!([])),
            Place::Constraint => contracted(&mut node, "integer", json!([{"type": "custom", "expression": text}])),
            Place::Key => {
                node["config"]["materialized"] = json!("table");
                node["config"]["indexes"] = json!([{"columns": [text]}]);
                node["config"]["sort"] = json!([text]);
            }
        }
        manifest["nodes"][&id] = node;
        ids.insert(id);
    }
    let edited = checkout.report_file().with_file_name("attacked.json");
    fs_err::write(&edited, manifest.to_string()).unwrap();
    let mut command = checkout.premerge("check");
    command.arg("--state").arg(checkout.state()).arg("--manifest").arg(edited);
    command.args(["--pr", &checkout.number.to_string()]).arg("--output").arg(checkout.report_file());
    (command, ids)
}

#[test]
fn production_on_postgres_is_the_same_and_the_verdict_is_not_green() {
    let cluster = Cluster::start(&["log_statement=all", "log_line_prefix=%u|%d|%a|"]);
    attack(
        &with_production(cluster),
        |port| Checkout::of("changed_filter", port),
        &[POSTGRES, POSTGRES_SECOND].concat(),
    );
}

#[test]
fn production_on_redshift_is_the_same_and_the_verdict_is_not_green() {
    let cluster = like_redshift(&["log_statement=all", "log_line_prefix=%u|%d|%a|"]);
    attack(
        &with_production(cluster),
        |port| Checkout::on_redshift("changed_filter", Shim::before(port).port),
        REDSHIFT,
    );
}

fn attack(cluster: &Cluster, checkout: impl Fn(u16) -> Checkout, attacks: &[(Place, &str)]) {
    cluster.sql("ferry", PRIZES);
    cluster.sql("ferry", "alter role ci superuser");
    let before = everything(cluster);
    let checkout = checkout(cluster.port);
    let (mut check, ids) = attacked(&checkout, attacks);
    let run = check.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert_eq!(run.status.code(), Some(1), "{out}\n{err}");
    assert_eq!(everything(cluster), before, "production was written to");
    let report = checkout.report();
    let nodes = report["nodes"].as_array().unwrap();
    let built = nodes.iter().filter(|node| node["status"] == "built").filter_map(|node| node["unique_id"].as_str());
    let number = |id: &str| id.rsplit('_').next().and_then(|number| number.parse::<usize>().ok()).unwrap();
    let built: Vec<_> = built.filter(|id| ids.contains(*id)).map(|id| attacks[number(id)]).collect();
    assert!(built.is_empty(), "{built:#?}");
    assert!(writes_to_temporary_schemas(&cluster.log()) > 0);
}

/// The wall behind the grammar: what the server makes of a text that got past it.
#[test]
fn the_server_refuses_what_the_grammar_would_have() {
    let cluster = Cluster::start(&[]);
    cluster.sql("postgres", "create database ferry");
    cluster.sql("ferry", PRIZES);
    let writes = "with g as (delete from prod.orders returning 1) select * from g";
    for statement in [
        format!("create table made as (select * from (\n{writes}\n) as model_subq)"),
        format!("create view made as (\n{writes}\n)"),
        format!("select count(*) from (\n{writes}\n) dbt_internal_test"),
        format!("insert into other.secrets (a) (select a from (\n{writes}\n) as model_subq)"),
        "create view proxy as (select premerge_proxy.* from (\nselect * from prod.orders\n) as premerge_proxy \
         cross join (select) as premerge_one_row); update proxy set note = 'x'"
            .to_owned(),
    ] {
        assert!(cluster.try_sql("ferry", &statement).is_err(), "{statement}");
    }
    assert_eq!(cluster.value("ferry", "select count(*) from prod.orders where note <> 'x'"), "2");
}

/// A proxy costs nothing: the condition of a query reaches production's index.
#[tokio::test]
async fn a_proxy_cannot_be_written_through_and_keeps_no_condition() {
    let cluster = Cluster::start(&[]);
    cluster.sql("postgres", "create database ferry");
    cluster.sql("ferry", PRIZES);
    let env = Env::default();
    let house = try_open(&target("postgres", cluster.port, "ferry", json!({})), limits(), &env).unwrap();
    let (schema, mut session) = schema(house.as_ref(), 1, "r1").await.unwrap();
    schema.register(&mut session, &["orders"]).await.unwrap();
    let at = schema.relation("orders");
    let proxy = premerge::warehouse::Write::Proxy { at: &at, select: "select * from \"ferry\".\"prod\".\"orders\"" };
    session.write(&[proxy]).await.unwrap();
    assert!(cluster.try_sql("ferry", "update pr_1.orders set note = 'x'").is_err());
    assert!(cluster.try_sql("ferry", "insert into pr_1.orders values (3, 'x')").is_err());
    assert!(cluster.try_sql("ferry", "delete from pr_1.orders").is_err());
    cluster.sql("ferry", "insert into prod.orders select n, 'n' from generate_series(10, 5000) n; analyze prod.orders");
    let plan = cluster.sql("ferry", "explain select note from pr_1.orders where id = 77");
    let plan: String = plan.into_iter().flatten().flatten().collect();
    assert!(plan.contains("Index") && plan.contains("(id = 77)"), "{plan}");
    let reads = session.read("select current_setting('default_transaction_read_only')").await.unwrap();
    assert_eq!(reads.scalar(), Some("on"));
    // A node's own statements still write where they may.
    assert_eq!(table(&schema, &mut session, "t", "select 1 as a").await.unwrap(), Some(1));
}
