//! Style rules against sqlfluff, whose answers are committed (`fixtures/lint/ask_sqlfluff.py` makes them).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, reason = "a test may")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::copy;
use premerge::artifacts::ManifestFile;
use premerge::lint::{LintFile, LintResults, Scope, Severity, StyleOptions, gather};
use serde_json::{Value, json};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lint")
}

fn options(project_dir: &Path) -> StyleOptions {
    StyleOptions {
        files: premerge::config::ToolFiles::Own,
        project_dir: project_dir.to_owned(),
        cwd: project_dir.to_owned(),
        home: None,
        adapter: None,
        dialect: None,
        scope: Scope::All,
        severity: Severity::Error,
        threads: 2,
        time_limit: Duration::from_secs(120),
        without_configuration: false,
        cache: None,
        fix: false,
    }
}

/// (path, line, code) → how often.
type Findings = BTreeMap<(String, u64, String), u64>;

fn ours(outcome: &LintResults) -> Findings {
    let mut found = Findings::new();
    for violation in &outcome.violations {
        let key = (violation.path.clone(), u64::from(violation.line.unwrap_or(0)), violation.code.clone());
        *found.entry(key).or_default() += 1;
    }
    found
}

fn theirs(answers: &Value) -> Findings {
    let mut found = Findings::new();
    for (path, list) in answers.as_object().unwrap() {
        for item in list.as_array().unwrap() {
            let key = (path.clone(), item[0].as_u64().unwrap(), item[1].as_str().unwrap().to_owned());
            *found.entry(key).or_default() += 1;
        }
    }
    found
}

/// sqlfluff's, ours, both: by rule.
#[derive(Default)]
struct Agreement(BTreeMap<String, [u64; 3]>);

impl Agreement {
    fn add(&mut self, theirs: &Findings, ours: &Findings) {
        for (key, count) in theirs {
            let both = ours.get(key).copied().unwrap_or(0).min(*count);
            let row = self.0.entry(key.2.clone()).or_default();
            row[0] += count;
            row[2] += both;
        }
        for (key, count) in ours {
            self.0.entry(key.2.clone()).or_default()[1] += count;
        }
    }

    /// Prints it, and compares with the committed numbers; `PREMERGE_BLESS=1` commits these.
    fn settle(&self, name: &str) {
        let mut total = [0; 3];
        println!("{name}: rule, sqlfluff, ours, both");
        for (rule, row) in &self.0 {
            println!(
                "{rule:<6}{:>6}{:>6}{:>6}{}",
                row[0],
                row[1],
                row[2],
                if row[0] == row[1] && row[1] == row[2] { "" } else { "  *" }
            );
            (0..3).for_each(|column| total[column] += row[column]);
        }
        println!("recall {:.4}, precision {:.4}", total[2] as f64 / total[0] as f64, total[2] as f64 / total[1] as f64);
        let path = fixtures().join("agreement.json");
        let mut committed: Value = fs_err::read(&path).map_or(json!({}), |text| serde_json::from_slice(&text).unwrap());
        if std::env::var_os("PREMERGE_BLESS").is_some() {
            committed[name] = json!(self.0);
            fs_err::write(&path, serde_json::to_string_pretty(&committed).unwrap() + "\n").unwrap();
        }
        let committed = committed[name].as_object().unwrap_or_else(|| panic!("{name} is in agreement.json"));
        for (rule, before) in committed {
            let before: Vec<u64> = before.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            let now = self.0.get(rule).copied().unwrap_or_default();
            assert!(now[2] >= before[2], "{rule}: {} of sqlfluff's findings matched, {} before", now[2], before[2]);
            assert!(now[1] - now[2] <= before[1] - before[2], "{rule}: more findings that sqlfluff has not");
        }
        let new = self.0.iter().find(|(rule, row)| !committed.contains_key(*rule) && row[1] > row[2]);
        assert!(new.is_none(), "{new:?}: findings that sqlfluff has not");
    }
}

/// These files below `fixtures/lint`.
fn files<'p>(paths: impl IntoIterator<Item = &'p String>) -> Vec<LintFile> {
    let file = |path: &String| LintFile {
        path: path.clone(),
        source: fs_err::read_to_string(fixtures().join(path)).unwrap(),
        ..LintFile::default()
    };
    paths.into_iter().map(file).collect()
}

fn answers() -> Value {
    serde_json::from_slice(&fs_err::read(fixtures().join("answers.json")).unwrap()).unwrap()
}

/// Every file that sqlfluff was asked about for DuckDB.
fn corpus() -> Vec<LintFile> {
    files(answers()["duckdb"].as_object().unwrap().keys())
}

#[test]
#[cfg(feature = "lint")]
fn the_corpus_has_the_findings_that_sqlfluff_has() {
    let answers = answers();
    let mut agreement = Agreement::default();
    for (dialect, answers) in answers.as_object().unwrap() {
        let options = StyleOptions { dialect: Some(dialect.clone()), ..options(&fixtures()) };
        let (outcome, _) = premerge::lint::style(files(answers.as_object().unwrap().keys()), &options);
        let mut theirs = theirs(answers);
        // A file that sqlfluff cannot parse is named *not linted* here, not found fault with.
        let refused = |path: &str| outcome.not_linted.iter().any(|file| file.path == path);
        theirs.retain(|(path, _, code), _| !(code == "PRS" && refused(path)));
        for (key, _) in theirs.iter().filter(|(key, count)| ours(&outcome).get(*key).copied().unwrap_or(0) < **count) {
            println!("{dialect}: sqlfluff alone has {key:?}");
        }
        for (key, _) in ours(&outcome).iter().filter(|(key, count)| theirs.get(*key).copied().unwrap_or(0) < **count) {
            println!("{dialect}: premerge alone has {key:?}");
        }
        agreement.add(&theirs, &ours(&outcome));
    }
    agreement.settle("corpus");
}

#[test]
#[cfg(feature = "lint")]
fn jinja_models_have_the_findings_of_sqlfluff_s_dbt_templater() {
    let dir = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ferry/project");
    copy(&project.join("models"), &dir.path().join("models"));
    fs_err::copy(fixtures().join("ferry.sqlfluff"), dir.path().join(".sqlfluff")).unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ferry/production.manifest.json.gz");
    let file = ManifestFile::read(&manifest).unwrap();
    let manifest = file.parse().unwrap();
    let mut gathered = gather(&manifest, None, dir.path(), Scope::All);
    gathered.files.retain(|file| file.path.starts_with("models/"));
    let (outcome, _) = premerge::lint::style(gathered.files, &options(dir.path()));
    assert!(outcome.not_linted.is_empty(), "{:?}", outcome.not_linted);
    let answers: Value = serde_json::from_slice(&fs_err::read(fixtures().join("ferry.json")).unwrap()).unwrap();
    let theirs = theirs(&answers);
    let ours = ours(&outcome);
    for (key, _) in theirs.iter().filter(|(key, count)| ours.get(*key).copied().unwrap_or(0) < **count) {
        println!("sqlfluff alone has {key:?}");
    }
    for (key, _) in ours.iter().filter(|(key, count)| theirs.get(*key).copied().unwrap_or(0) < **count) {
        println!("premerge alone has {key:?}");
    }
    println!("{:?}", outcome.notes);
    let mut agreement = Agreement::default();
    agreement.add(&theirs, &ours);
    agreement.settle("ferry");
}

#[test]
#[cfg(feature = "lint")]
fn only_what_the_pull_request_brings_is_shown() {
    let old = "select\n    id ,\n    fee\nfrom orders\n";
    let new = "select\n    id ,\n    FEE\nFROM orders\n";
    let run = |scope| {
        let file = LintFile {
            path: "corpus/x.sql".to_owned(),
            source: new.to_owned(),
            before: Some((old.to_owned(), None)),
            ..LintFile::default()
        };
        let options = StyleOptions { dialect: Some("duckdb".to_owned()), scope, ..options(&fixtures()) };
        premerge::lint::style(vec![file], &options).0
    };
    let outcome = run(Scope::ChangedFiles);
    assert!(outcome.violations.iter().all(|violation| violation.line >= Some(3)), "{:?}", outcome.violations);
    assert!(outcome.violations.iter().any(|violation| violation.code == "CP01"));
    assert_eq!(outcome.known, 1, "the space before the comma");
    assert!(run(Scope::All).violations.iter().any(|violation| violation.code == "LT01"));
}

#[test]
#[cfg(feature = "lint")]
fn broken_text_is_linted_or_named_and_never_panics() {
    // Deterministic: the same texts on every machine.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit.max(1) as u64) as usize
    };
    let parts = [
        "{%",
        "%}",
        "{{",
        "}}",
        "{#",
        "'",
        "\"",
        "(",
        ")",
        ",",
        "--",
        "/*",
        "\n",
        "é",
        "{% if x %}",
        "{% endfor %}",
        ";",
    ];
    let rounds = std::env::var("PREMERGE_LINT_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    for round in 0..rounds {
        let files: Vec<_> = corpus()
            .into_iter()
            .map(|file| {
                let mut text: Vec<char> = file.source.chars().collect();
                for _ in 0..=next(4) {
                    let at = next(text.len() + 1);
                    match next(3) {
                        0 => text.splice(at..at, parts[next(parts.len())].chars()).for_each(drop),
                        1 => drop(text.drain(at..(at + next(6)).min(text.len()))),
                        _ => text.truncate(at.max(1)),
                    }
                }
                let source: String = text.into_iter().collect();
                LintFile {
                    compiled: (round % 2 == 0).then(|| source.replace("{{", "").replace("}}", "")),
                    source,
                    ..file
                }
            })
            .collect();
        let total = files.len() as u64;
        let options = StyleOptions { dialect: Some("duckdb".to_owned()), ..options(&fixtures()) };
        let (outcome, _) = premerge::lint::style(files, &options);
        assert!(outcome.files + outcome.not_linted.len() as u64 >= total, "every file is linted or named");
    }
}
