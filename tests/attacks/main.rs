//! The promise that nothing but the temporary schema is written, attacked.
//!
//! Every attack is judged by the engine's own grammar, and is then part of a pull request for real: production must be
//! the same to the byte afterwards, nothing may lie outside the temporary schema, and the verdict is not green.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]

#[cfg(feature = "duckdb")]
#[path = "../common/mod.rs"]
mod common;
#[cfg(feature = "duckdb")]
mod duckdb;
mod fixtures;
mod generated;
mod honest;
mod kinds;
#[cfg(all(feature = "duckdb", unix))]
mod links;
#[cfg(feature = "duckdb")]
mod profile;
mod table;

use premerge::sql::{Dialect, Facts, ProjectText, Refusal, SchemaName, Territory, judge};
use table::Place;

/// The text at its place.
pub(crate) fn at(place: Place, text: &str) -> ProjectText<'_> {
    match place {
        Place::Query => ProjectText::Query(text),
        Place::Column => ProjectText::Column { name: "a", definition: text },
        Place::Constraint => ProjectText::Constraint(text),
        Place::Key => ProjectText::Key(text),
        Place::Header => ProjectText::Header(text),
    }
}

type Texts = &'static [(Place, &'static str)];

/// Attacks and honest texts of each engine.
fn dialects() -> Vec<(Dialect, Texts, Texts)> {
    let mut all = vec![
        (Dialect::Postgres, table::POSTGRES, honest::POSTGRES),
        (Dialect::Postgres, table::POSTGRES_SECOND, &[]),
        (Dialect::Redshift, table::REDSHIFT, honest::REDSHIFT),
    ];
    if cfg!(feature = "duckdb") {
        all.push((Dialect::DuckDb, table::DUCKDB, honest::DUCKDB));
    }
    all
}

/// What the build makes of it before anything is sent: the grammar, and what may be named.
fn judged(place: Place, text: &str, dialect: Dialect) -> Result<Facts, Refusal> {
    let facts = judge(at(place, text), dialect)?;
    let temporary = Some(SchemaName::new(Some("db".into()), "pr_1".into()));
    let territory = Territory::new(dialect, temporary);
    if place == Place::Query {
        territory.agrees(text, &facts)?;
    } else if let Some(named) = facts.relations.first() {
        return Err(Refusal { rule: format!("names {named:?}"), line: named.line, syntax: false });
    }
    Ok(facts)
}

/// Functions that only the server's catalogue knows.
fn server_knows(facts: &Facts) -> bool {
    let volatile = ["wipe_function", "wipe_row", "wipe_row_twice", "wipe_sum"];
    let names = facts.functions.iter().filter_map(|named| named.parts.last()).chain(&facts.columns);
    names
        .into_iter()
        .any(|name| volatile.contains(&name.as_str()) || name.starts_with("pg_") || name.starts_with("lo_"))
}

#[test]
fn no_attack_passes_the_grammar() {
    let mut passed = Vec::new();
    let mut count = 0;
    for (dialect, attacks, _) in dialects() {
        for (place, text) in attacks {
            count += 1;
            match judged(*place, text, dialect) {
                Ok(facts) if dialect == Dialect::Postgres && server_knows(&facts) => {}
                Ok(facts) => passed.push(format!("{dialect:?} {place:?}: {text}\n    {facts:?}")),
                Err(_) => {}
            }
        }
    }
    assert!(passed.is_empty(), "{} of {count} pass:\n{}", passed.len(), passed.join("\n"));
    assert!(count >= 200, "{count}");
}

#[test]
fn what_projects_really_have_is_taken() {
    let mut refused = Vec::new();
    for (dialect, _, honest) in dialects() {
        for (place, text) in honest {
            if let Err(refusal) = judged(*place, text, dialect) {
                refused.push(format!("{dialect:?} {place:?}: {text}\n    {refusal}"));
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn a_refusal_names_the_rule_and_the_line() {
    let deep = "select 1 as a,\n  (with g as (\n    delete from prod.orders returning 1) select 1)";
    let refusal = judge(ProjectText::Query(deep), Dialect::Postgres).unwrap_err();
    assert_eq!(refusal.to_string(), "a statement inside the query (`delete`) (line 2)");
    let values = "select * from x where email = = 'somebody@example.org'";
    let refusal = judge(ProjectText::Query(values), Dialect::Postgres).unwrap_err();
    assert!(!refusal.to_string().contains("somebody"), "{refusal}");
}

/// No text ends the process: neither ours nor the engines' parsers call themselves without a bound.
#[test]
fn no_text_ends_the_process() {
    let texts = [
        format!("select {}", vec!["1"; 300_000].join("+")),
        format!("select {}", vec!["1"; 9_000].join("+")),
        format!("select {}", vec!["1"; 5_000].join("||")),
        format!("select {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("select {}1{}", "(".repeat(6_000), ")".repeat(6_000)),
        format!("select {}1{}", "abs(".repeat(6_000), ")".repeat(6_000)),
        format!("{}select 1{}", "select * from (".repeat(4_000), ") x".repeat(4_000)),
        format!("select {}1{}", "case when true then ".repeat(4_000), " end".repeat(4_000)),
        format!("select {} 1", "not ".repeat(15_000)),
        format!("select {} 1", "- ".repeat(15_000)),
        format!("select 1{}", "::int".repeat(9_000)),
        vec!["select 1"; 6_000].join(" union all "),
        format!("select {}1{}", "[".repeat(9_000), "]".repeat(9_000)),
        format!("select 1 from t {}", "join t using (a) ".repeat(9_000)),
        format!("select 1 where {}", vec!["a = 1"; 4_900].join(" or ")),
        format!("select * from t where a in ({})", vec!["1"; 100_000].join(",")),
    ];
    for text in &texts {
        for dialect in [Dialect::Postgres, Dialect::Redshift, Dialect::DuckDb] {
            let _ = judge(ProjectText::Query(text), dialect);
            let territory = Territory::new(dialect, None);
            let _ = territory.foreign(text);
        }
    }
}
