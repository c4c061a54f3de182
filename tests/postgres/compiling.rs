//! `check --compile` on PostgreSQL, beside the slim build of real dbt.

use crate::cluster::Cluster;
use crate::shelf::{Shelf, same};

struct OnPostgres {
    server: Cluster,
    shelf: Shelf,
}

impl OnPostgres {
    fn new(files: &[(String, String)]) -> Self {
        let server = Cluster::start(&[]);
        server.sql("postgres", "create database shelf");
        server.sql("postgres", "create role prod login; create role ci login");
        server.sql(
            "shelf",
            "create schema prod authorization prod; grant create on database shelf to ci; grant usage on schema prod to ci; \
             set role prod; alter default privileges in schema prod grant select on tables to ci",
        );
        let target = |role: &str| {
            let port = server.port;
            format!(
                "    {role}: {{type: postgres, host: 127.0.0.1, port: {port}, user: {role}, password: x, dbname: shelf, schema: {role}}}\n"
            )
        };
        let profiles = format!("shelf:\n  target: ci\n  outputs:\n{}{}", target("prod"), target("ci"));
        let shelf = Shelf::new(&profiles, Vec::new(), files);
        shelf.build_production();
        Self { server, shelf }
    }

    /// Columns and rows of a relation.
    fn content(&self, schema: &str, name: &str) -> (String, String) {
        let columns = format!(
            "select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum) from pg_attribute \
             where attrelid = '{schema}.{name}'::regclass and attnum > 0 and not attisdropped"
        );
        // What a snapshot stamps on its rows is another moment.
        let rows = format!(
            "select string_agg(r, ' ' order by r) from (select (to_jsonb(t) - 'dbt_scd_id' - 'dbt_updated_at' - \
             'dbt_valid_from')::text as r from {schema}.{name} t) x"
        );
        (self.server.value("shelf", &columns), self.server.value("shelf", &rows))
    }
}

fn as_dbt(name: &str, left_to_production: &[&str], more: &[&str]) {
    let on = OnPostgres::new(&Shelf::pull_request(name));
    let mut dbts = on.shelf.slim_build();
    for id in left_to_production {
        dbts.remove(*id).unwrap();
    }
    let written = |on: &OnPostgres| {
        on.server.value("shelf", "select count(*) from pg_class where relnamespace = 'prod'::regnamespace")
    };
    let before = written(&on);
    let output = on.shelf.check().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    same(&dbts, &on.shelf.results(), more);
    let mut compared = 0;
    for (id, _) in dbts.iter().filter(|(id, (status, _))| status == "success" && !id.starts_with("test.")) {
        let name = id.rsplit('.').next().unwrap();
        assert_eq!(on.content("ci", name), on.content("premerge_pr_1", name), "{name}");
        compared += 1;
    }
    assert!(compared > 10, "only {compared} relations were compared");
    assert_eq!(written(&on), before);
}

#[test]
fn what_asks_and_changes_comes_out_as_in_dbts_slim_build() {
    as_dbt("askers", &[], &[]);
}

#[test]
fn what_is_asked_about_changes_and_the_texts_follow() {
    as_dbt("asked", &["snapshot.shelf.kept"], &["model.shelf.taxed", "snapshot.shelf.kept"]);
}
