//! premerge's `state:` selectors give dbt's own answers, on recorded pairs of manifests.
//!
//! `fixtures/corpus` always runs. The whole corpus runs where it is at hand: in `../shared/corpus`, or where
//! `PREMERGE_CORPUS` points. Its README tells the format; dbt-core 1.11.16 gave the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use premerge::artifacts::{Manifest, ManifestFile, ResourceType};
use premerge::changes::{Changes, CompareOptions, compare};
use premerge::project::{Graph, IndirectSelection, Selection, SelectionContext, StateCheck, select};
use serde::Deserialize;

/// Differences where dbt is wrong: `case | mode | selector | why`. None is known.
const KNOWN: &str = include_str!("state_corpus_known.txt");

#[derive(Deserialize)]
struct Case {
    name: String,
    base: String,
    #[serde(default)]
    flags: BTreeMap<String, serde_json::Value>,
    manifest: Option<String>,
    #[serde(default)]
    answers: BTreeMap<String, Answer>,
    #[serde(default)]
    answers_indirect_empty: BTreeMap<String, Answer>,
    #[serde(default)]
    answers_from_stored_manifests: BTreeMap<String, BTreeMap<String, Answer>>,
    #[serde(default)]
    warnings: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize, Clone, PartialEq, Debug)]
#[serde(untagged)]
enum Answer {
    Ids { ids: BTreeSet<String> },
    Error { error: String },
}

#[derive(Default)]
struct Tally {
    cases: usize,
    selectors: usize,
    differences: Vec<String>,
}

#[test]
fn the_committed_corpus_gives_dbts_answers() {
    let tally = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/corpus"));
    assert!(tally.cases >= 10, "the committed corpus lost its cases");
    assert_eq!(tally.differences, Vec::<String>::new());
}

#[test]
fn the_whole_corpus_gives_dbts_answers() {
    let root = std::env::var_os("PREMERGE_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    if !root.is_dir() {
        return;
    }
    let tally = run(&root);
    assert!(tally.cases > 0, "{} holds no cases", root.display());
    let report = tally.differences.join("\n");
    assert!(report.is_empty(), "{} cases, {} selectors; differences:\n{report}", tally.cases, tally.selectors);
}

/// Runs every case below `root`, the cases that share a base together.
fn run(root: &Path) -> Tally {
    let mut projects = vec![root.join("own")];
    if let Ok(folder) = std::fs::read_dir(root.join("real")) {
        projects.extend(folder.map(|entry| entry.expect("readable").path()));
    }
    let mut by_base: BTreeMap<PathBuf, Vec<(PathBuf, Case)>> = BTreeMap::new();
    for project in projects {
        let Ok(cases) = std::fs::read_dir(project.join("cases")) else { continue };
        for folder in cases.map(|entry| entry.expect("readable").path()) {
            let text = fs_err::read(folder.join("case.json")).expect("every case has a case.json");
            let case: Case = serde_json::from_slice(&text).expect("case.json has the known form");
            by_base.entry(project.join(&case.base)).or_default().push((folder, case));
        }
    }
    let tally = Mutex::new(Tally::default());
    for (base, cases) in by_base {
        let base = ManifestFile::read(&base).expect("the base can be read");
        let state = base.parse().expect("the base is a manifest");
        let half = cases.len().div_ceil(2).max(1);
        std::thread::scope(|scope| {
            for part in cases.chunks(half) {
                let (state, tally) = (&state, &tally);
                scope.spawn(move || {
                    for (folder, case) in part {
                        let mut own = Tally::default();
                        check(folder, case, state, &mut own);
                        let mut all = tally.lock().expect("no check panicked");
                        all.cases += own.cases;
                        all.selectors += own.selectors;
                        all.differences.extend(own.differences);
                    }
                });
            }
        });
    }
    let mut tally = tally.into_inner().expect("no check panicked");
    tally.differences.sort();
    tally
}

fn check(folder: &Path, case: &Case, state: &Manifest<'_>, tally: &mut Tally) {
    if case.manifest.is_none() {
        return;
    }
    tally.cases += 1;
    let file = ManifestFile::read(&folder.join("pr.manifest.json.gz")).expect("the PR's manifest can be read");
    let pr = file.parse().expect("the PR's manifest is one");
    let graph = Graph::new(&pr);
    let flag = case.flags.get("state_modified_compare_more_unrendered_values") == Some(&serde_json::Value::Bool(true));
    let options = CompareOptions {
        more_unrendered_values: Some(flag),
        now: "2026-11-21T00:00:00Z".parse().ok(),
        ..CompareOptions::default()
    };
    let changes = compare(state, &pr, &options);
    let mut differ = |mode: &str, selector: &str, what: String| {
        let line = format!("{} | {mode} | {selector} | {what}", case.name);
        let known = KNOWN.lines().any(|known| line.starts_with(known.rsplit_once(" | ").map_or(known, |(key, _)| key)));
        if KNOWN.trim().is_empty() || !known {
            tally.differences.push(line);
        }
    };

    for (mode, indirect) in [("eager", IndirectSelection::Eager), ("empty", IndirectSelection::Empty)] {
        let mut expected = case.answers.clone();
        if mode == "empty" {
            expected.extend(case.answers_indirect_empty.clone());
        }
        expected.extend(case.answers_from_stored_manifests.get(mode).cloned().unwrap_or_default());
        for (selector, expected) in expected {
            tally.selectors += 1;
            let answer = ask(&pr, &graph, &changes, &selector, indirect);
            if answer != expected {
                differ(mode, &selector, describe(&answer, &expected));
            }
        }
    }
    for check in StateCheck::ALL {
        let selector = format!("state:{}", check.as_str());
        let refused = matches!(case.answers.get(&selector), None | Some(Answer::Error { .. }));
        if refused {
            continue;
        }
        let expected: BTreeSet<String> = case.warnings.get(&selector).into_iter().flatten().cloned().collect();
        let given: BTreeSet<String> = changes
            .notices
            .iter()
            .filter(|notice| notice.kind.arises_in(check))
            .map(|notice| format!("{}:{}", notice.kind.as_str(), notice.name))
            .collect();
        if given != expected {
            differ("warnings", &selector, format!("gave {given:?}, dbt {expected:?}"));
        }
    }
    let guessed = compare(state, &pr, &CompareOptions { more_unrendered_values: None, ..options });
    if guessed.nodes != changes.nodes {
        differ("guess", "flag", "the guessed flag gives other changes".to_owned());
    }
}

fn ask(pr: &Manifest<'_>, graph: &Graph<'_>, changes: &Changes, selector: &str, indirect: IndirectSelection) -> Answer {
    let selection = Selection {
        select: vec![selector.to_owned()],
        indirect,
        // What dbt calls `--resource-type all`.
        resource_types: ResourceType::ALL.into_iter().filter(|kind| *kind != ResourceType::Operation).collect(),
        ..Selection::default()
    };
    let context = SelectionContext { state: Some(changes), ..SelectionContext::new(pr, graph) };
    match select(context, &selection) {
        Ok(selected) => {
            Answer::Ids { ids: selected.nodes.into_iter().map(|node| graph.unique_id(node).to_owned()).collect() }
        }
        Err(error) => Answer::Error { error: error.to_string().lines().next().unwrap_or_default().to_owned() },
    }
}

fn describe(answer: &Answer, expected: &Answer) -> String {
    match (answer, expected) {
        (Answer::Ids { ids }, Answer::Ids { ids: expected }) => format!(
            "extra {:?}, missing {:?}",
            ids.difference(expected).collect::<Vec<_>>(),
            expected.difference(ids).collect::<Vec<_>>()
        ),
        (answer, expected) => format!("gave {answer:?}, dbt {expected:?}"),
    }
}
