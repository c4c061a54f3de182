//! Random statements from the engines' grammars at each place: what is taken is one query, whatever it is made of.

use premerge::sql::{Dialect, ProjectText, judge};
use proptest::prelude::*;

use super::kinds::{READS, cases, query, smuggled};

fn dialects() -> Vec<Dialect> {
    let mut all = vec![Dialect::Postgres, Dialect::Redshift];
    if cfg!(feature = "duckdb") {
        all.push(Dialect::DuckDb);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn queries_are_taken(text in query(READS.to_vec(), 4)) {
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

#[cfg(feature = "duckdb")]
mod on_duckdb {
    use duckdb::Connection;

    use super::super::kinds::{DUCKDB_READS, READS, cases, query, smuggled};
    use super::*;

    /// Whether the engine takes the text for one query that reads: it is a view's, and nothing else happened.
    fn is_one_query(text: &str) -> bool {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "create table t1 (a int); insert into t1 values (1), (2); create schema prod; \
                 create table prod.orders (a int); insert into prod.orders values (1), (2); \
                 set enable_external_access = false",
            )
            .unwrap();
        let state = || -> String {
            let sql = "select string_agg(line, ';' order by line) from (
                select 'row ' || a as line from prod.orders
                union all select table_schema || '.' || table_name || column_name from information_schema.columns
                union all select 'schema ' || schema_name from information_schema.schemata
                union all select 'comment ' || comment from duckdb_tables() where comment is not null
                union all select 'sequence ' || sequence_name from duckdb_sequences()
                union all select 'prepared ' || name from duckdb_prepared_statements() where name = 'made'
                union all select current_setting('search_path')) where line not like '%.view_of_the_test%'";
            // A text may have dropped what is asked for.
            connection.query_row(sql, [], |row| row.get(0)).unwrap_or_default()
        };
        let before = state();
        // Behind a text of several statements another transaction may be open, or none.
        connection.execute_batch(&format!("create temp view view_of_the_test as {text}")).is_ok()
            && before == state()
            && connection.execute_batch("begin; rollback").is_ok()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases(), ..ProptestConfig::default() })]

        #[test]
        fn the_engine_agrees(text in prop_oneof![query([READS, DUCKDB_READS].concat(), 4), smuggled()]) {
            let ours = judge(ProjectText::Query(&text), Dialect::DuckDb);
            prop_assert_eq!(ours.is_ok(), is_one_query(&text), "{}: {:?}", text, ours);
        }
    }
}
