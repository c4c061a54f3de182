//! Random statements from the engines' grammars at each place: what is taken is one query, whatever it is made of.

use premerge::sql::{Dialect, ProjectText, judge};
use proptest::prelude::*;

/// Reads, as PostgreSQL and DuckDB share them.
fn query(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("select 1 as a".to_owned()),
        Just("values (1)".to_owned()),
        Just("select a from t1".to_owned()),
        Just("select count(*) as a from (select 1 as b) x where b > 0".to_owned()),
    ];
    leaf.prop_recursive(depth, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) union all ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("with c as ({a}) select * from c, ({b}) d")),
            inner.clone().prop_map(|a| format!("select * from ({a}) e where exists ({a})")),
            inner.clone().prop_map(|a| format!("select (select 1 from ({a}) f limit 1) as a /* ) ; */")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.prop_map(|a| format!("select a -- ;)\nfrom ({a}) as g(a) order by 1")),
        ]
    })
    .boxed()
}

/// Statements that write or do something else.
fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("delete from prod.orders returning 1"),
        Just("update prod.orders set a = 1 returning 1"),
        Just("insert into prod.orders select 1 returning 1"),
        Just("merge into prod.orders o using t1 on o.a = t1.a when matched then delete"),
        Just("truncate prod.orders"),
        Just("copy prod.orders to 'x'"),
        Just("create table prod.made as select 1"),
        Just("drop table prod.orders"),
        Just("call prod.wipe()"),
        Just("set search_path to prod"),
        Just("rollback to x"),
    ]
    .prop_map(str::to_owned)
}

/// A statement put where a query may stand, in one way of many.
fn smuggled() -> impl Strategy<Value = String> {
    (query(2), statement(), 0..12_usize).prop_map(|(query, statement, way)| match way {
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

fn dialects() -> Vec<Dialect> {
    let mut all = vec![Dialect::Postgres, Dialect::Redshift];
    if cfg!(feature = "duckdb") {
        all.push(Dialect::DuckDb);
    }
    all
}

fn cases() -> u32 {
    std::env::var("PREMERGE_ATTACKS").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn queries_are_taken(text in query(4)) {
        for dialect in dialects() {
            prop_assert!(judge(ProjectText::Query(&text), dialect).is_ok(), "{dialect:?}: {text}");
        }
    }

    #[test]
    fn statements_are_not(text in smuggled()) {
        for dialect in dialects() {
            for place in [
                ProjectText::Query(&text),
                ProjectText::Column { name: "a", definition: &text },
                ProjectText::Constraint(&text),
                ProjectText::Key(&text),
                ProjectText::IndexMethod(&text),
            ] {
                // `truncate prod.orders` is a column and the class of its operators.
                let is_key = matches!(place, ProjectText::Key(_)) && text == "truncate prod.orders";
                prop_assert!(is_key || judge(place, dialect).is_err(), "{dialect:?}: {text}");
            }
        }
    }

    /// No text of random pieces is taken that holds a statement which writes: it is a string, a comment, or refused.
    #[test]
    fn pieces_do_not_add_up_to_a_statement(pieces in prop::collection::vec(prop::sample::select(PIECES), 1..14)) {
        let text = pieces.join(" ");
        for dialect in dialects() {
            if let Ok(facts) = judge(ProjectText::Query(&text), dialect) {
                // Whatever was taken for a query names no function that writes, and is one statement.
                prop_assert!(!facts.functions.iter().any(|f| f.parts.last().is_some_and(|f| f == "query")), "{text}");
                let again = format!("select * from (\n{text}\n) as y");
                prop_assert!(judge(ProjectText::Query(&again), dialect).is_ok(), "{dialect:?}: {text}");
            }
        }
    }
}

const PIECES: &[&str] = &[
    "select",
    "1",
    "from",
    "(",
    ")",
    "with",
    "g",
    "as",
    "delete",
    "insert into",
    "t",
    "returning",
    "*",
    ";",
    ",",
    "--",
    "\n",
    "/*",
    "*/",
    "'",
    "\"",
    "$$",
    "e'\\'",
    "union",
    "values",
    "(1)",
    "where",
    "true",
    "query",
    "'x'",
    "pivot",
    "on",
    "using",
    "qualify",
    "minus",
    "top 1",
    "x",
];
