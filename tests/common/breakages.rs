//! Pull requests that break something, with what real dbt did about each (`fixtures/break.py`), and the judgement
//! of what premerge says: whatever dbt refuses or fails at is caught, or named as not checked.
//!
//! Cases are those of `fixtures/ferry` unless `PREMERGE_BREAKAGES` says otherwise: a number lets dbt make as many
//! now, a folder holds cases made before (`duckdb.jsonl.gz`, `postgres.jsonl.gz`). With `PREMERGE_BREAKAGES_COMPILE`
//! each case is checked a second time, with the SQL from dbt itself (`--compile`), and counted apart.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::zombie_processes,
    reason = "a test may"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use serde_json::Value;

#[path = "delta.rs"]
mod delta;
use crate::dbt::dbt;
use delta::patched;

/// What premerge knowingly refuses though dbt does not: `engine breakage: reason`.
const KNOWN: &str = include_str!("../breakages_known.txt");

/// A pull request, and dbt's answers.
pub struct Case {
    pub number: u64,
    /// Names in the catalogue.
    pub breakages: Vec<String>,
    pub what: String,
    /// Files of the project that are others; `None` where one is gone.
    pub files: BTreeMap<String, Option<String>>,
    /// The pull request's manifest; `None` where dbt refuses to compile, so that no check begins.
    pub manifest: Option<Value>,
    /// The step of dbt that failed: what did, by unique_id, and dbt's first words. `None` where all went well.
    pub failed: Option<Failed>,
}

pub struct Failed {
    pub step: String,
    pub unique_ids: BTreeSet<String>,
    pub said: String,
}

/// Where the SQL of a case comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sql {
    /// The case's manifest, which dbt compiled before anything was built.
    Given,
    /// dbt, at each node's turn: the command that starts it is in `PREMERGE_DBT`.
    FromDbt,
}

impl Sql {
    /// `premerge check`'s arguments for it.
    pub fn arguments(self, manifest: PathBuf) -> Vec<std::ffi::OsString> {
        match self {
            Self::Given => vec!["--manifest".into(), manifest.into()],
            Self::FromDbt => vec!["--compile".into(), "--dbt".into(), dbt().join("dbt").into()],
        }
    }
}

/// What premerge made of a case: its exit code, and its report where it wrote one.
pub struct Checked {
    pub code: i32,
    pub report: Option<Value>,
    pub said: String,
}

impl Checked {
    pub fn new(output: &Output, report: &Path) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            report: fs_err::read(report).ok().map(|text| serde_json::from_slice(&text).unwrap()),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn verdict(&self) -> &str {
        self.report.as_ref().map_or("no report", |report| report["verdict"].as_str().unwrap())
    }

    /// Whether the report says of one of these that it was not checked, or has something to say about it.
    /// What is below something that was not checked is not checked either, so `unique_ids` are those that failed and
    /// what they read.
    fn names(&self, unique_ids: &BTreeSet<String>) -> bool {
        let Some(report) = &self.report else { return true };
        let entries = |key: &str| report[key].as_array().into_iter().flatten();
        // A hook that is not run belongs to a node that is checked, so its entry has the node's name only.
        let of_one = |subject: &str| {
            unique_ids
                .iter()
                .filter_map(|id| id.splitn(3, '.').nth(2))
                .any(|name| subject.ends_with(&format!(" of {name}")))
        };
        let concerns = |entry: &&Value| {
            unique_ids.is_empty()
                || match entry["unique_id"].as_str() {
                    Some(id) => unique_ids.contains(id),
                    None => entry["subject"].as_str().is_some_and(of_one),
                }
        };
        entries("not_checked").any(|entry| concerns(&entry))
            || entries("findings").any(|entry| entry["severity"] != "notice" && concerns(&entry))
            || entries("nodes").any(|entry| entry["status"] != "built" && concerns(&entry))
            || entries("tests").any(|entry| entry["status"] != "pass" && concerns(&entry))
    }
}

/// What became of all cases.
#[derive(Default)]
pub struct Tally {
    cases: usize,
    /// dbt does not even compile it, so the job ends before premerge is called.
    refused: usize,
    broken: usize,
    caught: usize,
    named: usize,
    passed: usize,
    known: usize,
    verdicts: BTreeMap<String, usize>,
    /// Entries of all reports' lists of what was not checked.
    not_checked: usize,
    missed: Vec<String>,
    too_strict: Vec<String>,
}

impl Tally {
    pub fn count(&mut self, engine: &str, case: &Case, checked: Option<&Checked>) {
        self.cases += 1;
        let Some(checked) = checked else {
            self.refused += 1;
            return;
        };
        let about = |failed: &str| {
            let last: Vec<_> = checked.said.lines().rev().filter(|line| !line.trim().is_empty()).take(1).collect();
            format!(
                "{engine} {} [{}] {}: {failed}; premerge: {} ({}) {last:?}",
                case.number,
                case.breakages.join(" + "),
                case.what,
                checked.verdict(),
                checked.code
            )
        };
        *self.verdicts.entry(checked.verdict().to_owned()).or_default() += 1;
        let entries = |report: &Value| report["not_checked"].as_array().map_or(0, Vec::len);
        self.not_checked += checked.report.as_ref().map_or(0, entries);
        match &case.failed {
            Some(failed) => {
                self.broken += 1;
                match checked.verdict() {
                    "failed" => self.caught += 1,
                    "passed" => self.missed.push(about(&failed.words())),
                    _ if checked.names(&case.and_upstream(&failed.unique_ids)) => self.named += 1,
                    _ => self.missed.push(about(&failed.words())),
                }
            }
            None => {
                self.passed += 1;
                if checked.verdict() == "failed" || checked.report.is_none() {
                    let of = engine.split(' ').next().unwrap_or_default();
                    let known = |name: &String| KNOWN.lines().any(|line| line.starts_with(&format!("{of} {name}: ")));
                    if case.breakages.iter().any(known) {
                        self.known += 1;
                    } else {
                        self.too_strict.push(about("dbt passes"));
                    }
                }
            }
        }
    }

    /// Prints the figures, and fails on what is not allowed.
    pub fn conclude(&self, engine: &str, at_least: usize) {
        eprintln!(
            "{engine}: {} cases; {} that dbt does not compile; {} broken: {} caught, {} named as not checked, {} missed; \
             {} that dbt builds: {} failed by premerge for a known reason, {} for none; {}; {} entries not checked",
            self.cases,
            self.refused,
            self.broken,
            self.caught,
            self.named,
            self.missed.len(),
            self.passed,
            self.known,
            self.too_strict.len(),
            self.verdicts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect::<Vec<_>>().join(", "),
            self.not_checked,
        );
        assert!(self.cases >= at_least && self.caught > 0 && self.passed > 0, "only {} cases", self.cases);
        let wrong: Vec<_> = self
            .missed
            .iter()
            .map(|case| format!("missed: {case}"))
            .chain(self.too_strict.iter().map(|case| format!("too strict: {case}")))
            .collect();
        assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    }
}

impl Failed {
    fn words(&self) -> String {
        let names: Vec<_> = self.unique_ids.iter().take(2).map(String::as_str).collect();
        format!("dbt fails at {} ({}): {}", self.step, names.join(", "), self.said)
    }
}

/// Lets premerge check all cases of an engine: `check` lays one out and runs it. At least the committed ones.
pub fn run(engine: &str, committed: &Path, at_least: usize, check: impl Fn(&Case, Sql) -> Checked + Sync) {
    let (lines, at_least): (Box<dyn BufRead + Send>, usize) = match std::env::var("PREMERGE_BREAKAGES") {
        Ok(number) if number.parse::<usize>().is_ok() => (made_now(engine, &number), 1),
        Ok(folder) => (unpacked(&Path::new(&folder).join(format!("{engine}.jsonl.gz"))), 1),
        Err(_) => (unpacked(committed), at_least),
    };
    // A file that is still being written ends in the middle; what there is counts. Python writes numbers that are none
    // in JSON.
    let mut lines = lines.lines().map_while(Result::ok).filter_map(|line| {
        let line =
            [": NaN", ":NaN", ":Infinity", ":-Infinity"].iter().fold(line, |line, none| line.replace(none, ":null"));
        match serde_json::from_str::<Value>(&line) {
            Ok(value) => Some(value),
            Err(error) if error.is_eof() => None,
            Err(error) => panic!("a case is not JSON: {error}"),
        }
    });
    let base = lines.next().expect("the first line is the project's own manifest")["base"].take();
    let with_dbt = std::env::var_os("PREMERGE_BREAKAGES_COMPILE").is_some();
    let (lines, tally, second) = (Mutex::new(lines), Mutex::new(Tally::default()), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(line) = lines.lock().unwrap().next() else { break };
                    let case = Case::read(&line, &base);
                    let checked = |sql: Sql| case.manifest.is_some().then(|| check(&case, sql));
                    let given = checked(Sql::Given);
                    tally.lock().unwrap().count(engine, &case, given.as_ref());
                    if with_dbt {
                        let from_dbt = checked(Sql::FromDbt);
                        second.lock().unwrap().count(&format!("{engine} --compile"), &case, from_dbt.as_ref());
                    }
                }
            });
        }
    });
    if with_dbt {
        second.into_inner().unwrap().conclude(&format!("{engine} --compile"), at_least);
    }
    tally.into_inner().unwrap().conclude(engine, at_least);
}

fn unpacked(file: &Path) -> Box<dyn BufRead + Send> {
    let unpacked = flate2::read::MultiGzDecoder::new(fs_err::File::open(file).unwrap());
    Box::new(BufReader::new(unpacked))
}

/// dbt at work beside the checks; it waits where they are slower.
fn made_now(engine: &str, count: &str) -> Box<dyn BufRead + Send> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/break.py");
    let mut command = match std::env::var_os("PREMERGE_DBT_PYTHON") {
        Some(python) => {
            let mut command = Command::new(python);
            command.arg(&script).arg("--here");
            command
        }
        None => {
            let mut command = Command::new("python3");
            command.arg(&script);
            command
        }
    };
    command.args(["--engine", engine, "--count", count]).stdout(Stdio::piped()).stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    Box::new(BufReader::new(child.stdout.take().unwrap()))
}

impl Case {
    fn read(line: &Value, base: &Value) -> Self {
        let texts = |key: &str| -> Vec<String> {
            line["breakages"].as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
        };
        let failed = line["dbt"].as_object().unwrap().iter().find(|(_, answer)| answer["success"] == false);
        let failed = failed.map(|(step, answer)| Failed {
            step: step.clone(),
            unique_ids: answer["failed"]
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, status)| *status != "skipped")
                .map(|(id, _)| id.clone())
                .collect(),
            said: answer["said"].as_str().unwrap_or_default().to_owned(),
        });
        Self {
            number: line["number"].as_u64().unwrap(),
            breakages: texts("name"),
            what: texts("what").join("; "),
            files: serde_json::from_value(line["files"].clone()).unwrap(),
            manifest: line.get("manifest").map(|change| patched(base, change)),
            failed,
        }
    }

    /// These and everything that they depend on.
    fn and_upstream(&self, unique_ids: &BTreeSet<String>) -> BTreeSet<String> {
        let nodes = &self.manifest.as_ref().unwrap()["nodes"];
        let mut open: Vec<String> = unique_ids.iter().cloned().collect();
        let mut found = BTreeSet::new();
        while let Some(id) = open.pop() {
            let parents = nodes[&id]["depends_on"]["nodes"].as_array().into_iter().flatten();
            open.extend(parents.map(|parent| parent.as_str().unwrap().to_owned()).filter(|id| !found.contains(id)));
            found.insert(id);
        }
        found
    }

    /// Writes the case's project over a copy of the fixture's, and its manifest beside it; the manifest's file.
    pub fn lay_out(&self, dir: &Path) -> PathBuf {
        let project = dir.join("project");
        for (name, text) in &self.files {
            let path = project.join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            match text {
                Some(text) => fs_err::write(path, text).unwrap(),
                None => fs_err::remove_file(path).unwrap(),
            }
        }
        let manifest = dir.join("manifest.json");
        fs_err::write(&manifest, serde_json::to_vec(self.manifest.as_ref().unwrap()).unwrap()).unwrap();
        manifest
    }
}
