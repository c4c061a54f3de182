//! Random statements of the kinds that the engines' grammars have.

use proptest::prelude::*;

/// Reads of one column of integers from `t1 (a)`, as PostgreSQL and DuckDB share them.
pub(crate) const READS: &[&str] = &[
    "select 1 as a",
    "values (1)",
    "select a from t1",
    "select count(*) as a from (select 1 as b) x where b > 0",
    "table t1",
    "select rank() over w as a from t1 window w as (order by a desc)",
    "select a from t1 group by grouping sets ((a), ()) having count(*) > 0",
    "with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) select n as a from r",
    "select x.a from t1 x left join t1 y using (a) natural join t1 z",
    "select y.b as a from t1 x, lateral (select x.a as b) y",
    "select distinct on (a) a from t1 order by a limit 1 offset 0",
    "select case when a is distinct from 1 then 2 else coalesce(a, 3) end as a from t1",
    "select length('; delete from prod.orders --') as a",
    "select a::int as a from t1 where a in (select a from t1) and not exists (select 1 where false)",
    "select 1 as \"delete from\"",
];

/// The same in PostgreSQL's own ways.
#[allow(dead_code, reason = "each of the test binaries that have this file asks another engine")]
pub(crate) const POSTGRES_READS: &[&str] = &[
    "select a from t1 tablesample system (10)",
    "select length($x$; delete from prod.orders$x$) as a",
    "select a from only t1 fetch first 1 row only",
    "select generate_series(1, 3) as a",
    "select g::int as a from generate_series(1, 3) with ordinality as s(g, n)",
    "select (array(select a from t1))[1] as a",
    "with recursive r(n) as (select 1 union select n + 1 from r where n < 3) search depth first by n set o select n as a from r",
    "select count(*) filter (where a > 0)::int as a from rows from (generate_series(1, 2), generate_series(1, 3)) as f(a, b)",
    "select (row(1, 2)).f1 as a",
    "select extract(day from date '2026-01-02')::int as a",
];

/// The same in DuckDB's own ways.
#[allow(dead_code, reason = "each of the test binaries that have this file asks another engine")]
pub(crate) const DUCKDB_READS: &[&str] = &[
    "from t1",
    "from t1 select a where a > 0",
    "select * exclude (b) from (select 1 as a, 2 as b)",
    "select a from t1 qualify row_number() over (order by a) = 1",
    "select len([x + 1 for x in [1, 2] if x > 1]) as a",
    "select unnest([1, 2]) as a",
    "select a: 1",
    "select a from range(3) r(a)",
    "select count(*) as a from (pivot t1 on a in (1, 2) using count(*))",
    "select count(*) as a from (summarize t1)",
    "select columns('a') from t1",
    "select a from t1 using sample 10%",
    "select a from t1 asof join (select 1 as b) x on a >= b",
];

/// A query of such parts. Each part is one column, so every query is one that the engine can run.
pub(crate) fn query(leaves: Vec<&'static str>, depth: u32) -> BoxedStrategy<String> {
    let leaf = prop::sample::select(leaves).prop_map(str::to_owned);
    leaf.prop_recursive(depth, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) union all ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) except ({b}) order by 1")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("with c as ({a}) select c.* from c, ({b}) d")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!(
                "with c as materialized ({a}), d(a) as (with c as ({b}) select * from c) table d"
            )),
            inner.clone().prop_map(|a| format!("select e.* from ({a}) e where exists ({a})")),
            inner.clone().prop_map(|a| format!("select (select 1 from ({a}) f limit 1) as a /* ) ; */")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.prop_map(|a| format!("select a -- ;)\nfrom ({a}) as g(a) order by 1")),
        ]
    })
    .boxed()
}

/// Statements that write or do something else.
pub(crate) fn statement() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "delete from prod.orders returning 1",
        "update prod.orders set a = 1 returning 1",
        "insert into prod.orders select 1 returning 1",
        "merge into prod.orders o using t1 on o.a = t1.a when matched then delete",
        "truncate prod.orders",
        "copy prod.orders to 'x'",
        "copy (select 1) to 'x'",
        "create table prod.made as select 1",
        "create view prod.made as select 1",
        "create schema made",
        "create sequence prod.made",
        "drop table prod.orders",
        "alter table prod.orders add column made int",
        "comment on table prod.orders is 'made'",
        "call prod.wipe()",
        "do 'begin end'",
        "lock table prod.orders",
        "grant all on prod.orders to public",
        "select 1 as a into prod.made",
        "explain analyze delete from prod.orders",
        "prepare made as delete from prod.orders",
        "vacuum (full) prod.orders",
        "set search_path to prod",
        "set role test",
        "begin isolation level serializable",
        "prepare transaction 'x'",
        "rollback to x",
        "attach 'x' as made",
        "export database 'x'",
    ])
    .prop_map(str::to_owned)
}

/// A statement put where a query may stand, in one way of many.
pub(crate) fn smuggled() -> impl Strategy<Value = String> {
    (query(READS.to_vec(), 2), statement(), 0..12_usize).prop_map(|(query, statement, way)| match way {
        0 => statement,
        1 => format!("with g as ({statement}) {query}"),
        2 => format!("with g as materialized ({statement}) select * from g"),
        3 => format!("with g as (with h as ({query}) {statement}) select 1"),
        4 => format!("select * from ({statement}) x"),
        5 => format!("select ({statement}) as a"),
        6 => format!("{query}; {statement}"),
        7 => format!("{query}) ; {statement}; --"),
        8 => format!("({query}) union all ({statement})"),
        9 => format!("explain {statement}"),
        10 => format!("select 1 where exists ({statement})"),
        _ => format!("{query}) x; {statement}; select * from ({query}"),
    })
}

/// How many cases each property has.
pub(crate) fn cases() -> u32 {
    std::env::var("PREMERGE_ATTACKS").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}
