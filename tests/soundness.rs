//! Nothing that differs is left alone: the ferry project mutated at random, by real dbt, and everything built
//! both ways. Every relation whose columns or rows are not production's must be in premerge's build set.
//!
//! The committed mutants are `fixtures/ferry/mutants.jsonl.gz`. `PREMERGE_MUTANTS=FOLDER` runs on all
//! `*.jsonl.gz` of a folder instead, `PREMERGE_MUTANT_PAIRS=N` takes N pairs of a mutant and another one, each
//! against the other and each with a merge base (`fixtures/README.md`).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr, reason = "a test may")]
#![cfg(feature = "duckdb")]

mod common;
#[path = "common/delta.rs"]
mod delta;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::time::Instant;

use common::{copy, fixtures};
use delta::patched;
use duckdb::Connection;
use premerge::artifacts::{Manifest, ManifestFile};
use premerge::changes::{Base, Changes, CompareOptions, compare, compare_compiled};
use premerge::commands::demo::{SourceTypes, whole_build};
use premerge::plan::{Plan, PlanOptions, SkipReason, plan};
use premerge::project::{Graph, IndirectSelection};
use serde_json::{Map, Value};

/// One edited project.
struct Mutant {
    name: String,
    done: String,
    manifest: ManifestFile,
    contents: BTreeMap<String, Content>,
    /// What dbt's own build of the whole found different from production's, where that says more.
    by_dbt: Vec<String>,
}

/// A relation's columns, rows and their hash; `None` if it cannot be built.
type Content = Option<(Vec<(String, String)>, u64, String)>;

/// The three numbers, and the misses.
#[derive(Default)]
struct Tally {
    cases: usize,
    dbt: usize,
    premerge: usize,
    changed: usize,
    /// Changed, and said to be production's or not checked: Python, unknown materializations, snapshots downstream.
    told: usize,
    undecided: usize,
    missed: Vec<String>,
}

#[test]
fn every_relation_that_differs_is_built() {
    let files = match std::env::var_os("PREMERGE_MUTANTS") {
        Some(folder) => packed(Path::new(&folder)),
        None => vec![fixtures().join("mutants.jsonl.gz")],
    };
    let began = Instant::now();
    let production = Mutant {
        name: "production".to_owned(),
        done: String::new(),
        manifest: ManifestFile::read(&fixtures().join("production.manifest.json.gz")).unwrap(),
        contents: BTreeMap::new(),
        by_dbt: Vec::new(),
    };
    let contents = build(&production.manifest.parse().unwrap(), &fixtures().join("project"));
    let production = Mutant { contents, ..production };
    assert!(production.contents.len() > 45 && production.contents.values().all(Option::is_some));

    let mut tally = Tally::default();
    let mutants: Vec<Mutant> = files.iter().flat_map(|file| read(file)).collect();
    eprintln!("{} mutants built in {:.0?}", mutants.len(), began.elapsed());
    for mutant in &mutants {
        judge(&production, mutant, &mut tally);
    }
    tally.say("mutants against production", "dbt");
    let against_production = tally.cases;
    for (state, pr) in pairs(mutants.len()) {
        judge(&mutants[state], &mutants[pr], &mut tally);
    }
    tally.say("with mutants against each other", "dbt");
    let mut apart = Tally::default();
    for (number, (other, pr)) in pairs(mutants.len()).into_iter().enumerate() {
        // Production is ahead of the merge base, or behind it.
        let (state, base) =
            if number % 2 == 0 { (&mutants[other], &production) } else { (&production, &mutants[other]) };
        judge_apart(state, base, &mutants[pr], &mut apart);
    }
    apart.say("with a merge base", "premerge without it");
    assert!(apart.changed > 0);
    tally.missed.append(&mut apart.missed);
    assert!(against_production >= 30, "only {against_production} mutants");
    assert!(tally.changed > 0);
    assert!(tally.missed.is_empty(), "{} missed\n{}", tally.missed.len(), tally.missed.join("\n"));
}

impl Tally {
    /// Adds one case, with what `theirs` and `ours` build.
    fn count(&mut self, changed: &BTreeSet<&str>, theirs: &Plan, ours: &Plan, case: impl Fn() -> String) {
        let (built, told) = (built(ours), told(ours));
        self.cases += 1;
        self.dbt += self::built(theirs).len() + self::told(theirs).len();
        self.premerge += built.len() + told.len();
        self.changed += changed.len();
        self.told += changed.iter().filter(|id| told.contains(**id)).count();
        let missed = changed.iter().filter(|id| !built.contains(**id) && !told.contains(**id));
        self.missed.extend(missed.map(|unique_id| format!("{unique_id}: {}", case())));
    }

    fn say(&self, what: &str, whose: &str) {
        eprintln!(
            "{what}: {} cases; {} built by {whose}, {} by premerge, {} really changed ({} of them told to be left to \
             production or unchecked), {} missed; {} undecided",
            self.cases,
            self.dbt,
            self.premerge,
            self.changed,
            self.told,
            self.missed.len(),
            self.undecided
        );
    }
}

fn packed(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().ends_with(".jsonl.gz"));
    found.sort();
    found
}

/// Each mutant against the next, or as many pairs as asked for, spread evenly over all.
fn pairs(mutants: usize) -> Vec<(usize, usize)> {
    let wanted = std::env::var("PREMERGE_MUTANT_PAIRS").ok().and_then(|number| number.parse().ok()).unwrap_or(mutants);
    (0..wanted)
        .map(|number| (number % mutants, (number + 1 + number / mutants * 7) % mutants))
        .filter(|(state, pr)| state != pr)
        .collect()
}

fn read(file: &Path) -> Vec<Mutant> {
    let unpacked = flate2::read::MultiGzDecoder::new(fs_err::File::open(file).unwrap());
    // A file that is still being written ends in the middle; what there is counts.
    let mut lines = std::io::BufReader::new(unpacked).lines().map_while(Result::ok);
    let base: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    let base = &base["base"];
    let types = file.file_stem().unwrap().to_string_lossy().into_owned();
    lines
        .map_while(|line| serde_json::from_str::<Value>(&line).ok())
        .map(|line| {
            let name = format!("{types} {}", line["seed"]);
            let manifest = serde_json::to_vec(&patched(base, &line["manifest"])).unwrap();
            let manifest = ManifestFile::from_bytes(Path::new("mutant.json"), manifest);
            let project = project(line.get("seeds").and_then(Value::as_object));
            let contents = build(&manifest.parse().unwrap(), project.path());
            let texts = |value: &Value| -> Vec<String> {
                value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
            };
            let done = line["mutations"].as_array().unwrap().iter();
            let done = done.map(|one| format!("{}: {}", one["kind"].as_str().unwrap(), one["what"].as_str().unwrap()));
            Mutant {
                name,
                done: done.collect::<Vec<_>>().join("; "),
                manifest,
                contents,
                by_dbt: texts(&line["by_dbt"]),
            }
        })
        .collect()
}

/// The seeds of a project, some of them others.
fn project(seeds: Option<&Map<String, Value>>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&fixtures().join("project/seeds"), &dir.path().join("seeds"));
    for (path, text) in seeds.into_iter().flatten() {
        match text.as_str() {
            Some(text) => fs_err::write(dir.path().join(path), text).unwrap(),
            None => fs_err::remove_file(dir.path().join(path)).unwrap(),
        }
    }
    dir
}

/// Builds everything in a database of its own and reads it back.
fn build(manifest: &Manifest<'_>, project: &Path) -> BTreeMap<String, Content> {
    let raw = fixtures().join("project/raw");
    let types: SourceTypes = serde_json::from_slice(&fs_err::read(raw.join("types.json")).unwrap()).unwrap();
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("attach ':memory:' as ferry; use ferry; set threads = 1").unwrap();
    let mut broken = BTreeSet::new();
    let mut names = BTreeSet::new();
    for statement in whole_build(manifest, project, &raw, &types).unwrap() {
        let made = db.execute_batch(&statement.sql);
        if let Some(unique_id) = statement.unique_id {
            if made.is_err() {
                broken.insert(unique_id.clone());
            }
            names.insert(unique_id);
        } else {
            made.unwrap();
        }
    }
    names
        .into_iter()
        .map(|unique_id| {
            let name = manifest.nodes[unique_id.as_str()].relation_name.as_deref().unwrap();
            let content = if broken.contains(&unique_id) { None } else { content(&db, name) };
            (unique_id, content)
        })
        .collect()
}

/// Columns, number of rows and the sum of their hashes, so that the order of rows does not count.
fn content(db: &Connection, name: &str) -> Content {
    let mut statement = db.prepare(&format!("describe {name}")).ok()?;
    let columns = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).ok()?;
    let columns: Vec<(String, String)> = columns.collect::<Result<_, _>>().ok()?;
    let texts: Vec<_> = columns
        .iter()
        .map(|(column, _)| (column, format!("\"{}\"", column.replace('"', "\"\""))))
        .map(|(column, quoted)| match column.as_str() {
            "dbt_scd_id" | "dbt_updated_at" => "''".to_owned(),
            // The moment of the run, unless the snapshot takes it from its rows.
            "dbt_valid_from" => format!(
                "case when {quoted} > cast(now() as timestamp) - interval 1 hour then 'now' else cast({quoted} as varchar) end"
            ),
            _ => format!("coalesce(cast({quoted} as varchar), chr(30))"),
        })
        .collect();
    let sql = format!(
        "select count(*), cast(coalesce(sum(cast(hash({}) as hugeint)), 0) as varchar) from {name}",
        texts.join(" || chr(31) || ")
    );
    let (rows, hash) = db.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).ok()?;
    Some((columns, rows, hash))
}

fn judge(state: &Mutant, pr: &Mutant, tally: &mut Tally) {
    let (old, new) = (state.manifest.parse().unwrap(), pr.manifest.parse().unwrap());
    let mut changes = compare(&old, &new, &CompareOptions::default());
    let dbts = planned(&old, &new, &changes);
    let verdicts = compare_compiled(&old, &new, &changes);
    tally.undecided += verdicts.undecided.len();
    verdicts.apply(&mut changes);
    let ours = planned(&old, &new, &changes);

    let mut changed = differing(pr, state);
    if state.name == "production" {
        changed.extend(pr.by_dbt.iter().map(String::as_str));
    }
    tally.count(&changed, &dbts, &ours, || format!("{} -> {}: [{}] [{}]", state.name, pr.name, state.done, pr.done));
}

/// With a merge base: what is neither as there nor as in production must be built. What is as in one of them may be
/// left to production, as others' change.
fn judge_apart(state: &Mutant, base: &Mutant, pr: &Mutant, tally: &mut Tally) {
    let (old, middle) = (state.manifest.parse().unwrap(), base.manifest.parse().unwrap());
    let new = pr.manifest.parse().unwrap();
    let changes_from = |from: &Manifest<'_>| {
        let mut changes = compare(from, &new, &CompareOptions::default());
        compare_compiled(from, &new, &changes).apply(&mut changes);
        changes
    };
    let mut changes = changes_from(&old);
    let whole = planned(&old, &new, &changes);
    let base_of = Base { manifest: &middle, changes: &changes_from(&middle), compiled: true };
    changes.set_apart(base_of, &new);
    let ours = planned(&old, &new, &changes);
    let of_base = differing(pr, base);
    let changed = differing(pr, state).into_iter().filter(|id| of_base.contains(id)).collect();
    tally.count(&changed, &whole, &ours, || {
        format!("{} ({}) -> {}: [{}] [{}] [{}]", state.name, base.name, pr.name, state.done, base.done, pr.done)
    });
}

fn planned(state: &Manifest<'_>, pr: &Manifest<'_>, changes: &Changes) -> Plan {
    let options = PlanOptions {
        schema: "premerge_pr_1".into(),
        select: None,
        exclude: BTreeSet::new(),
        indirect: IndirectSelection::Eager,
        at_turn: None,
    };
    plan(state, pr, &Graph::new(pr), changes, &options).unwrap()
}

/// The relations of a project that are others than in another project.
fn differing<'m>(of: &'m Mutant, from: &Mutant) -> BTreeSet<&'m str> {
    let differing = of.contents.iter().filter(|(id, content)| from.contents.get(*id) != Some(content));
    differing.map(|(unique_id, _)| unique_id.as_str()).collect()
}

fn built(plan: &Plan) -> BTreeSet<String> {
    plan.nodes.iter().map(|node| node.unique_id.to_string()).collect()
}

/// What the plan says it does not build though it may have changed.
fn told(plan: &Plan) -> BTreeSet<String> {
    let relations = ["model", "seed", "snapshot"];
    let unchecked = plan.not_checked.iter().filter(|entry| relations.contains(&entry.resource_type.as_str()));
    let snapshots = plan.skipped.iter().filter(|entry| entry.reason == SkipReason::SnapshotNotChanged);
    unchecked
        .map(|entry| &entry.unique_id)
        .chain(snapshots.map(|entry| &entry.unique_id))
        .map(ToString::to_string)
        .collect()
}
