//! What is fuzzed: each function takes any bytes, and panics when premerge does what it never may.
//!
//! Used by `tests/fuzz.rs`, which mutates the corpus by itself, and by the cargo-fuzz crate in this folder.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use premerge::artifacts::{Manifest, ManifestFile, check_compiled, check_pair};
use premerge::changes::{CompareOptions, compare, compare_compiled};
use premerge::plan::{PlanOptions, plan, render_text};
use premerge::project::{Graph, IndirectSelection, Selection, SelectionContext, select};
use premerge::sql::{
    Dialect, OneSided, ProjectText, RelationName, Relocation, Spelling, by_unique_id, equal_but_names, judge,
    normalize, relocate, same_meaning,
};

const WHOLE: &[u8] = include_bytes!("corpus/manifest/whole.json");

fn whole() -> &'static Manifest<'static> {
    static FILE: OnceLock<ManifestFile> = OnceLock::new();
    static MANIFEST: OnceLock<Manifest<'static>> = OnceLock::new();
    let file = FILE.get_or_init(|| ManifestFile::from_bytes(Path::new("whole.json"), WHOLE.to_vec()));
    MANIFEST.get_or_init(|| file.parse().expect("the corpus holds a manifest"))
}

/// Reads a manifest, compares it with another in both directions, and plans.
pub(crate) fn manifest(bytes: &[u8]) {
    let file = ManifestFile::from_bytes(Path::new("m"), bytes.to_vec());
    let Ok(other) = file.parse() else { return };
    for (state, pr) in [(whole(), &other), (&other, whole())] {
        let _ = check_pair(state, pr);
        let graph = Graph::new(pr);
        let mut changes = compare(state, pr, &CompareOptions::default());
        let context = SelectionContext { state: Some(&changes), ..SelectionContext::new(pr, &graph) };
        for selector in ["@state:modified", "config.materialized:table+", "path:models/**", "version:latest"] {
            let _ = select(context, &Selection { select: vec![selector.to_owned()], ..Selection::default() });
        }
        for name in pr.selectors.keys() {
            let _ = select(context, &Selection { selector: Some(name.to_string()), ..Selection::default() });
        }
        compare_compiled(state, pr, &changes).apply(&mut changes);
        let options = PlanOptions {
            schema: "pr".to_owned(),
            select: None,
            exclude: BTreeSet::new(),
            indirect: IndirectSelection::Buildable,
            at_turn: None,
        };
        if let Ok(plan) = plan(state, pr, &graph, &changes, &options) {
            let _ = check_compiled(pr, plan.nodes.iter().map(|node| node.unique_id.as_str()));
            render_text(&plan, 100, false, &mut std::io::sink()).expect("a sink takes everything");
            let text = serde_json::to_string(&plan).expect("a plan is JSON");
            assert_eq!(serde_json::from_str::<premerge::plan::Plan>(&text).expect("and back"), plan);
        }
    }
}

/// Reads a selector and evaluates it.
pub(crate) fn selector(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    static GRAPH: OnceLock<Graph<'static>> = OnceLock::new();
    let graph = GRAPH.get_or_init(|| Graph::new(whole()));
    let changes = compare(whole(), whole(), &CompareOptions::default());
    let context = SelectionContext { state: Some(&changes), ..SelectionContext::new(whole(), graph) };
    let selection = Selection { select: vec![text.clone()], ..Selection::default() };
    let selected = select(context, &selection);
    if let Ok(selected) = &selected {
        // What is selected is not there any more once it is excluded, tests that come along aside.
        let indirect = IndirectSelection::Empty;
        let nothing = Selection { select: vec![text.clone()], exclude: vec![text], indirect, ..Selection::default() };
        let nothing = select(context, &nothing).expect("the same text was legal before");
        assert!(nothing.nodes.is_empty(), "{:?} of {:?}", nothing.nodes.len(), selected.nodes.len());
    }
}

/// sqlfluff's names of the dialects whose files are linted.
#[cfg(feature = "lint")]
const LINTED: [&str; 10] =
    ["duckdb", "postgres", "redshift", "snowflake", "bigquery", "databricks", "trino", "athena", "clickhouse", "tsql"];

/// Lints a file, with something as its compiled text, against an older version of itself, and mends it. The first
/// byte chooses the dialect and what dbt made of the file.
#[cfg(feature = "lint")]
pub(crate) fn lint(bytes: &[u8]) {
    use premerge::lint::{LintFile, StyleOptions, style};
    use std::time::Duration;

    let Some((first, rest)) = bytes.split_first() else { return };
    let source = String::from_utf8_lossy(rest).into_owned();
    let choice = usize::from(*first);
    let dialect = LINTED.get(choice % LINTED.len()).copied().unwrap_or("duckdb").to_owned();
    let without_tags = || source.replace("{{", "").replace("}}", "");
    let compiled = match choice / LINTED.len() % 3 {
        0 => None,
        1 => Some(without_tags()),
        _ => Some(source.split("{{").map(|part| part.split("}}").last().unwrap_or(part)).collect::<Vec<_>>().join("x")),
    };
    let half: String = source.chars().take(source.chars().count() / 2).collect();
    let file = LintFile {
        path: "models/m.sql".to_owned(),
        on_disk: true,
        compiled,
        stripped: choice % 2 == 0,
        before: Some((half, None)),
        source: source.clone(),
        unique_id: None,
    };
    let options = StyleOptions {
        dialect: Some(dialect),
        without_configuration: true,
        fix: choice % 2 == 0,
        time_limit: Duration::from_secs(20),
        ..StyleOptions::default()
    };
    let (outcome, fixed) = style(vec![file], &options);
    assert!(outcome.files == 1 || !outcome.not_linted.is_empty(), "neither linted nor named");
    let lines = source.lines().count() + 2;
    for violation in &outcome.violations {
        let line = usize::try_from(violation.line.unwrap_or(1)).unwrap_or(usize::MAX);
        assert!(line >= 1 && (line <= lines || !fixed.is_empty()), "line {line} of {lines}");
    }
    assert!(fixed.is_empty() || !source.contains("{{"), "templated text was fixed");
}

const DIALECTS: [Dialect; 6] =
    [Dialect::DuckDb, Dialect::Postgres, Dialect::Redshift, Dialect::Snowflake, Dialect::BigQuery, Dialect::Databricks];

/// Relations in two targets; `Q` stands for the dialect's quote.
const NAMES: [(&str, &str, &str); 4] = [
    ("model.p.a", "QwhQ.QprodQ.QaQ", "QwhQ.QciQ.QaQ"),
    ("model.p.ab", "QwhQ.QprodQ.QabQ", "QwhQ.QciQ.QabQ"),
    ("model.p.b", "wh.prod.b", "wh.ci.b"),
    ("model.p.c", "prod.c", "ci.c"),
];

/// Relocates and normalizes a text, and compares it with itself compiled for another target. The first byte
/// chooses the dialect.
pub(crate) fn sql(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest).into_owned();
    let dialect = DIALECTS.get(usize::from(first % 16) % DIALECTS.len()).copied().unwrap_or(Dialect::DuckDb);
    let quoted = |name: &str| name.replace('Q', &dialect.quote_char().to_string());
    let names = NAMES.map(|(id, a, b)| (id, quoted(a), quoted(b)));
    let parse = |name: &str| RelationName::parse(name, dialect);
    let of_state: Vec<_> = names.iter().filter_map(|name| Some((name.0, parse(&name.1)?))).collect();
    let of_pr = names.iter().filter_map(|name| Some((name.0, parse(&name.2)?)));

    let nowhere = Relocation::new(dialect);
    if let Ok(relocated) = relocate(&text, &nowhere) {
        assert_eq!(relocated.sql, text, "a map of nothing moves nothing");
        assert!(normalize(&text, &nowhere).is_ok());
        assert!(same_meaning(&text, &nowhere, &text, &nowhere));
    }
    // Production's names may stand in the pull request's text.
    let pr = by_unique_id(dialect, of_pr.chain(of_state.iter().cloned()));
    let state = by_unique_id(dialect, of_state);
    let other = names.iter().fold(text.clone(), |text, (_, a, b)| text.replace(a.as_str(), b));
    let spellings: Vec<Spelling<'_>> = names.iter().filter_map(|(_, a, b)| Spelling::new(a, b)).collect();
    let one_sided = OneSided::new(names.iter().map(|name| name.1.as_str()), names.iter().map(|name| name.2.as_str()));
    if let Some(one_sided) = one_sided
        && equal_but_names(&text, &other, &spellings, &one_sided, dialect)
        && let (Ok(first), Ok(second)) = (normalize(&text, &state), normalize(&other, &pr))
    {
        assert_eq!(first, second, "{dialect:?}: {text:?}\n{other:?}");
    }
    for text in [ProjectText::Query(&text), ProjectText::Constraint(&text), ProjectText::Header(&text)] {
        let _ = judge(text, dialect);
    }
    let _ = RelationName::parse(&text, dialect);
}
