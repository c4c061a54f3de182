//! What a table can and a view cannot, and names within strings: dbt's own slim CI and premerge build the same.

use std::process::Output;

use crate::harbour::{File, Harbour};

const PRODUCTION: &[(&str, &str)] = &[
    (
        "dbt_project.yml",
        "name: harbour\nversion: '1.0'\nprofile: harbour\nflags: {send_anonymous_usage_stats: false}\n\
         on-run-start: \"create or replace function {{ target.schema }}.cents(n int) returns int language sql immutable as 'select n'\"\n",
    ),
    ("models/sources.yml", "sources: [{name: raw, tables: [{name: events}, {name: people}]}]\n"),
    ("models/t_1.sql", "{{ config(materialized='table') }} select id, kind from {{ source('raw', 'events') }}"),
];

const MODELS: &[(&str, &str)] = &[
    ("sample", "select count(*) as n from {{ source('raw', 'events') }} tablesample system (100)"),
    (
        "hidden",
        "select count(distinct tableoid) as n, min(ctid::text) as first, count(xmin) as x from {{ ref('t_1') }}",
    ),
    ("grouped", "select id, kind, amount from {{ source('raw', 'events') }} group by id"),
    ("row_type", "select raw.label(e) as label from {{ source('raw', 'events') }} e"),
    ("some_columns", "select id, name from {{ source('raw', 'people') }}"),
    (
        "size",
        "select pg_relation_size('{{ ref(\"t_1\") }}') as bytes, pg_total_relation_size('{{ ref(\"t_1\") }}'::regclass) as total, \
         cast('{{ ref(\"t_1\") }}' as regclass)::text as name",
    ),
    ("size_of_own", "select pg_relation_size('{{ ref(\"grouped\") }}') as bytes from {{ ref('grouped') }} limit 1"),
];

fn harbour() -> Harbour {
    let production: Vec<File> = PRODUCTION.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    let path = |name: &str| -> &'static str { Box::leak(format!("models/{name}.sql").into_boxed_str()) };
    let table = |text: &str| format!("{{{{ config(materialized='table') }}}} {text}");
    let models = MODELS.iter().map(|(name, text)| (path(name), table(text))).collect();
    let hooked = vec![(path("hooked"), table("select {{ target.schema }}.cents(1) as n"))];
    Harbour::new(
        "create table raw.events (id int primary key, kind text, amount numeric); \
         insert into raw.events select i, chr(97 + i % 3), i % 100 from generate_series(1, 2000) i; \
         create table raw.people (id int, name text, secret text); insert into raw.people values (1, 'a', 'b'); \
         revoke select on raw.people from ci; grant select (id, name) on raw.people to ci; \
         create function raw.label(e raw.events) returns text language sql immutable as $$ select e.kind || e.id $$",
        &production,
        &[("models", models), ("hooks", hooked)],
    )
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_dbt_builds_of_productions_own_tables_premerge_builds_too() {
    let harbour = harbour();
    let slim = harbour.slim("models").output().unwrap();
    assert!(slim.status.success(), "{}", said(&slim));
    let rows = |schema: &str, name: &str| {
        let sql = format!("select coalesce(json_agg(t order by t::text), '[]')::text from {schema}.{name} t");
        harbour.server.value("harbour", &sql)
    };
    // Compiled as it is, and by `--defer`.
    let state = harbour.project("state");
    for (number, defers) in [(1, false), (2, true)] {
        if defers {
            let mut compile =
                harbour.dbt("models", &["compile", "--target", "ci", "--defer", "--favor-state", "--state"]);
            assert!(compile.arg(&state).output().unwrap().status.success());
        }
        let code = harbour.check("models", number).status().unwrap().code();
        let report = harbour.report(number);
        assert_eq!(code, Some(0), "{report}");
        for (name, _) in MODELS {
            let expected = rows("ci", name);
            assert_ne!(expected, "[]", "{name}");
            assert_eq!(rows(&format!("premerge_pr_{number}"), name), expected, "{name}");
        }
    }
}

/// dbt makes the function first; premerge does not, and does not take one that an older run of CI has left.
#[test]
fn a_function_that_a_hook_makes_is_named_and_not_taken_from_an_older_run() {
    let harbour = harbour();
    for leftover in [false, true] {
        let left =
            "select count(*)::text from pg_proc where proname = 'cents' and pronamespace = to_regnamespace('ci')";
        assert_eq!(harbour.server.value("harbour", left), u8::from(leftover).to_string());
        let code = harbour.check("hooks", 3).status().unwrap().code();
        let report = harbour.report(3);
        assert_eq!(code, Some(3), "{report}");
        assert!(report.to_string().contains("which an `on-run-start` hook makes"), "{report}");
        let slim = harbour.slim("hooks").output().unwrap();
        assert!(slim.status.success(), "{}", said(&slim));
    }
}
