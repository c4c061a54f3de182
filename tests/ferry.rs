//! The main job against dbt: for every fixture pull request, the same nodes built, the same statuses and
//! failure counts of tests, and the same rows in every built relation as real dbt on the same change.
//! dbt's results are committed (`fixtures/regenerate.py` makes them); premerge never writes them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]
#![cfg(feature = "duckdb")]

mod common;
#[path = "common/places.rs"]
mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use common::{Checkout, Expected, ExpectedColumn, ExpectedRelation, fixtures, production, pull_requests};
use duckdb::Connection;
use places::places;
use serde_json::Value;

/// dbt's columns of a snapshot that hold the time of its run.
const VOLATILE: [&str; 4] = ["dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"];

/// What premerge knowingly does otherwise than dbt, by pull request and unique_id, and why.
fn exceptions(pull_request: &str) -> BTreeSet<&'static str> {
    match pull_request {
        // Python models need Python; what reads one that is new has nothing to read.
        "new_python_model" => ["model.ferry.ops_lane_use", "model.ferry.ops_lane_ranking"].into(),
        // Unit tests are not run yet, so the failing one does not stop its model.
        "failing_unit_test" => ["*"].into(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn production_is_what_dbt_built() {
    let db = Connection::open(production()).unwrap();
    let expected = Expected::read(&fixtures().join("production.expected.json"));
    let mut compared = 0;
    for relation in expected.relations.iter().filter(|r| !r.schema.ends_with("dbt_test__audit")) {
        let name = format!("\"{}\".\"{}\"", relation.schema, relation.name);
        same_content(&db, "ferry", &relation.schema, &relation.name, relation, &name);
        compared += 1;
    }
    assert!(compared > 40, "only {compared} relations were compared");
}

#[test]
fn every_pull_request_comes_out_as_with_dbt() {
    let mut failures = Vec::new();
    for name in pull_requests() {
        if let Err(error) = std::panic::catch_unwind(|| one(&name)) {
            let text = error.downcast_ref::<String>().cloned().unwrap_or_default();
            failures.push(format!("{name}: {text}"));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

fn one(name: &str) {
    let checkout = Checkout::of(name);
    let before = fs_err::read(checkout.production()).unwrap();
    let output = checkout.check().args(["--changes", "dbt"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = checkout.expected();
    let exceptions = exceptions(name);
    if !exceptions.contains("*") {
        assert_eq!(output.status.code(), Some(expected.exit_code), "exit code\n{said}");
    }
    assert!(before == fs_err::read(checkout.production()).unwrap(), "production's file was written to");
    let report = checkout.read_report();
    statuses(&report, &expected, &exceptions);
    contents(&checkout, &report, &expected, &exceptions);
}

/// What the compiled SQL leaves out of dbt's build set has the same rows as production, so nothing is missed.
#[test]
fn what_is_not_built_because_its_sql_is_the_same_is_the_same() {
    let (mut dbts, mut ours, mut differing) = (0, 0, 0);
    for name in pull_requests() {
        let (checkout, expected) =
            (Checkout::of(&name), Expected::read(&fixtures().join("prs").join(&name).join("expected.json")));
        checkout.check().output().unwrap();
        let report = checkout.read_report();
        let built: BTreeSet<&str> =
            report["nodes"].as_array().unwrap().iter().filter_map(|node| node["unique_id"].as_str()).collect();
        let production = Expected::read(&fixtures().join("production.expected.json"));
        for (unique_id, _, (schema, identifier)) in places(
            &fixtures().join("production.manifest.json.gz"),
            &checkout.manifest(),
            &format!("premerge_pr_{}", checkout.number),
        ) {
            let theirs = |list: &[ExpectedRelation], schema: &str| {
                let found = list.iter().find(|r| (r.schema.as_str(), r.name.as_str()) == (schema, &identifier));
                found.map(|relation| (relation.rows, relation.content_hash.clone(), columns_of(relation)))
            };
            let Some(pr) = theirs(&expected.relations, &schema) else { continue };
            dbts += 1;
            ours += usize::from(built.contains(unique_id.as_str()));
            let same = theirs(&production.relations, &schema.replacen("ci", "analytics", 1)) == Some(pr);
            differing += usize::from(!same);
            assert!(same || built.contains(unique_id.as_str()), "{name}: {unique_id} differs and was not built");
        }
    }
    println!("built by dbt {dbts}, by premerge {ours}, really different {differing}");
    assert!(differing > 30 && ours < dbts, "{dbts} {ours} {differing}");
}

fn columns_of(relation: &ExpectedRelation) -> Vec<(String, String)> {
    relation.columns.iter().map(|column| (column.name.clone(), column.data_type.clone())).collect()
}

/// Nodes and data tests: who ran, how it ended, how many failures.
fn statuses(report: &Value, expected: &Expected, exceptions: &BTreeSet<&str>) {
    if exceptions.contains("*") {
        return;
    }
    let mut ours: BTreeMap<String, (String, Option<u64>)> = BTreeMap::new();
    for node in report["nodes"].as_array().unwrap() {
        let status = match node["status"].as_str().unwrap() {
            "built" => "success",
            "failed" => "error",
            other => other,
        };
        ours.insert(node["unique_id"].as_str().unwrap().to_owned(), (status.to_owned(), None));
    }
    for test in report["tests"].as_array().unwrap() {
        let status = test["status"].as_str().unwrap().to_owned();
        ours.insert(test["unique_id"].as_str().unwrap().to_owned(), (status, test["failures"].as_u64()));
    }
    let kinds = ["model.", "seed.", "snapshot.", "test."];
    let theirs: BTreeMap<String, (String, Option<u64>)> = expected
        .results
        .iter()
        .filter(|result| kinds.iter().any(|kind| result.unique_id.starts_with(kind)))
        .filter(|result| !exceptions.contains(result.unique_id.as_str()))
        .filter(|result| !reads_an_exception(report, &result.unique_id, exceptions))
        .map(|result| {
            let failures = result.failures.filter(|_| result.unique_id.starts_with("test."));
            (result.unique_id.clone(), (result.status.clone(), failures))
        })
        .collect();
    assert_eq!(ours, theirs, "left: premerge, right: dbt");
}

/// Tests of a node that premerge does not check are listed as such.
fn reads_an_exception(report: &Value, unique_id: &str, exceptions: &BTreeSet<&str>) -> bool {
    !exceptions.is_empty()
        && report["not_checked"].as_array().is_some_and(|list| list.iter().any(|entry| entry["unique_id"] == unique_id))
}

/// Rows, columns and content of every relation that both built.
fn contents(checkout: &Checkout, report: &Value, expected: &Expected, exceptions: &BTreeSet<&str>) {
    let built: BTreeSet<&str> = report["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["status"] == "built")
        .filter_map(|node| node["unique_id"].as_str())
        .collect();
    if built.is_empty() {
        return;
    }
    let db = Connection::open_in_memory().unwrap();
    let schema = format!("premerge_pr_{}", checkout.number);
    let temporary = format!("ferry_{schema}");
    db.execute_batch(&format!(
        "attach '{}' as ferry (read_only); attach '{}' as {temporary} (read_only);",
        checkout.production().display(),
        checkout.temporary().display()
    ))
    .unwrap();
    let mut compared = 0;
    for (unique_id, relation, dbts) in places(
        &fixtures().join("production.manifest.json.gz"),
        &checkout.manifest(),
        &format!("premerge_pr_{}", checkout.number),
    ) {
        if !built.contains(unique_id.as_str()) || exceptions.contains("*") {
            continue;
        }
        let theirs = expected.relations.iter().find(|r| (r.schema.as_str(), r.name.as_str()) == (&dbts.0, &dbts.1));
        let theirs = theirs.unwrap_or_else(|| panic!("dbt built no {}.{} ({unique_id})", dbts.0, dbts.1));
        let name = format!("\"{temporary}\".\"{schema}\".\"{relation}\"");
        same_content(&db, &temporary, &schema, &relation, theirs, &name);
        compared += 1;
    }
    assert!(compared == built.len() || exceptions.contains("*"), "{compared} of {} relations compared", built.len());
}

fn same_content(
    db: &Connection,
    database: &str,
    schema: &str,
    identifier: &str,
    theirs: &ExpectedRelation,
    name: &str,
) {
    let mut statement = db
        .prepare(
            "select column_name, data_type from information_schema.columns \
             where table_catalog = ? and table_schema = ? and table_name = ? order by ordinal_position",
        )
        .unwrap();
    let columns: Vec<ExpectedColumn> = statement
        .query_map([database, schema, identifier], |row| {
            Ok(ExpectedColumn { name: row.get(0)?, data_type: row.get(1)? })
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(columns, theirs.columns, "columns of {name}");
    let (rows, hash) = content(db, name, &columns);
    assert_eq!((rows, hash.as_str()), (theirs.rows, theirs.content_hash.as_str()), "rows and content of {name}");
}

/// The number of rows, and the sum of the first 15 hex digits of the MD5 of each row's text.
fn content(db: &Connection, name: &str, columns: &[ExpectedColumn]) -> (u64, String) {
    let texts: Vec<_> = columns
        .iter()
        .filter(|column| !VOLATILE.contains(&column.name.as_str()))
        .map(|column| format!("coalesce(cast(\"{}\" as varchar), chr(30))", column.name))
        .collect();
    let sql = format!("select substr(md5({}), 1, 15) from {name}", texts.join(" || chr(31) || "));
    let mut statement = db.prepare(&sql).unwrap();
    let hashes = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let (mut rows, mut sum) = (0, 0_u128);
    for hash in hashes {
        rows += 1;
        sum += u128::from_str_radix(&hash.unwrap(), 16).unwrap();
    }
    (rows, sum.to_string())
}

#[test]
fn a_second_run_of_the_same_pull_request_replaces_the_first() {
    let checkout = Checkout::of("new_column");
    for _ in 0..2 {
        checkout.check().assert().success();
    }
    let db = Connection::open(checkout.temporary()).unwrap();
    let runs: u64 = db.query_row("select count(*) from premerge_pr_101._premerge_runs", [], |row| row.get(0)).unwrap();
    assert_eq!(runs, 2, "the register keeps both runs");
}

/// Object by object: after any run in place of any other, the schema is what it would be after that run alone.
#[test]
fn relations_of_the_last_run_are_replaced_one_by_one() {
    let checkout = Checkout::of("new_column");
    let schema = |database: &Path| {
        let db = Connection::open(database).unwrap();
        let list = |sql: &str| -> BTreeSet<String> {
            let mut statement = db.prepare(sql).unwrap();
            statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap).collect()
        };
        let there = list(
            "select concat(table_type, ' ', table_name) from information_schema.tables where table_name not like '_premerge_%'",
        );
        let registered = list("select distinct identifier from premerge_pr_101._premerge_objects");
        (there, registered)
    };
    for name in ["new_column", "materialization_change", "broken_sql", "new_column"] {
        let manifest = fixtures().join("prs").join(name).join("pr.manifest.json.gz");
        let check = |checkout: &Checkout| {
            let args: Vec<_> = checkout.check().get_args().map(ToOwned::to_owned).collect();
            let args =
                args.into_iter().map(|arg| if arg == checkout.manifest() { manifest.clone().into() } else { arg });
            common::premerge().args(args).args(["--at-start", "replace"]).output().unwrap().status.code()
        };
        let alone = Checkout::of("new_column");
        assert_eq!(check(&checkout), check(&alone), "{name}");
        let (there, registered) = schema(&checkout.temporary());
        assert_eq!(there, schema(&alone.temporary()).0, "{name}");
        assert!(registered.len() >= there.len(), "{name}: {registered:?}");
    }
    let (there, registered) = schema(&checkout.temporary());
    assert_eq!(there.len(), registered.len());
}

#[test]
fn nothing_of_the_warehouse_words_reaches_the_report() {
    let checkout = Checkout::of("broken_sql");
    checkout.check().assert().code(1);
    let report = fs_err::read_to_string(checkout.report()).unwrap();
    assert!(!report.contains("Binder Error") && !report.contains("Candidate bindings"), "{report}");
    let text = checkout.check().args(["--format", "markdown"]).output().unwrap().stdout;
    let comment = String::from_utf8(text).unwrap();
    assert!(!comment.contains("Binder Error"), "{comment}");
    assert!(Path::new(&checkout.report()).exists());
}

/// A check of `name` whose manifest is changed so; its report.
fn edited(name: &str, prepare: impl FnOnce(&Checkout), change: impl FnOnce(&mut Value)) -> Value {
    let checkout = Checkout::of(name);
    prepare(&checkout);
    let mut manifest = common::read_manifest(&checkout.manifest());
    change(&mut manifest);
    let file = checkout.dir.path().join("manifest.json");
    fs_err::write(&file, manifest.to_string()).unwrap();
    let mut command = common::premerge();
    command.current_dir(checkout.dir.path()).args(["check", "--project-dir", "project", "--profiles-dir", "project"]);
    command.arg("--state").arg(fixtures().join("production.manifest.json.gz")).arg("--manifest").arg(file);
    let output = command.args(["--pr", "3", "--output", "report.json"]).output().unwrap();
    assert!(checkout.report().is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    checkout.read_report()
}

fn findings(report: &Value, rule: &str) -> Vec<(String, String, String)> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let of_rule = report["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == rule);
    of_rule.map(|f| (text(f, "severity"), text(f, "unique_id"), text(f, "message"))).collect()
}

/// `snap_customers` did not change and reads a model that does: every customer is there twice now.
#[test]
fn keys_of_a_snapshot_below_a_change_are_counted() {
    let report = edited(
        "new_column",
        |_| {},
        |manifest| {
            let model = &mut manifest["nodes"]["model.ferry.stg_customers"];
            let code = model["compiled_code"].as_str().unwrap().to_owned();
            model["compiled_code"] =
                format!("select * from ({code}\n) as a union all select * from ({code}\n) as b").into();
            model["raw_code"] = format!("{} -- twice", model["raw_code"].as_str().unwrap()).into();
            model["checksum"]["checksum"] = "another".into();
        },
    );
    let customers = report["nodes"].as_array().unwrap().iter().find(|node| node["name"] == "stg_customers").unwrap();
    let count = customers["production_rows"].as_u64().unwrap();
    let message =
        format!("{count} keys of its `unique_key` occur more than once; dbt's next run repeats rows or fails");
    assert_eq!(
        findings(&report, "snapshot-keys"),
        [("warning".to_owned(), "snapshot.ferry.snap_customers".to_owned(), message)]
    );
}

/// One side's fault does not lose the other's number, nor go unsaid.
#[test]
fn a_relation_whose_rows_cannot_be_counted_is_named_and_the_other_side_counts() {
    let without = |checkout: &Checkout| {
        let production = Connection::open(checkout.production()).unwrap();
        production.execute_batch("drop table analytics_core.dim_routes").unwrap();
    };
    let report = edited("new_column", without, |_| {});
    let routes = report["nodes"].as_array().unwrap().iter().find(|node| node["name"] == "dim_routes").unwrap();
    assert_eq!((routes["rows"].as_u64(), routes["production_rows"].as_u64()), (Some(10), None));
    assert_eq!(
        findings(&report, "rows-not-counted"),
        [(
            "notice".to_owned(),
            "model.ferry.dim_routes".to_owned(),
            "the rows of production's relation could not be counted".to_owned()
        )]
    );
}

/// A run killed at any moment leaves a schema that the next run of the same pull request replaces.
#[cfg(unix)]
#[test]
fn a_killed_run_is_replaced_by_the_next() {
    use std::process::{Command, Stdio};
    let checkout = Checkout::of("ephemeral_edit");
    let before = fs_err::read(checkout.production()).unwrap();
    for milliseconds in [20, 60, 120, 180, 240, 300, 400] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_premerge"))
            .args(checkout.check().get_args())
            .env_clear()
            .env("PREMERGE_CACHE_DIR", common::cache_dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    checkout.check().assert().success();
    let report = checkout.read_report();
    let expected = checkout.expected();
    statuses(&report, &expected, &BTreeSet::new());
    contents(&checkout, &report, &expected, &BTreeSet::new());
    assert!(before == fs_err::read(checkout.production()).unwrap(), "production's file was written to");
}

/// Promise 1: whatever the pull request's SQL says, what would leave the temporary schema is not sent.
#[test]
fn sql_that_leaves_the_temporary_schema_is_not_sent() {
    let checkout = Checkout::of("new_column");
    let manifest = common::read_manifest(&checkout.manifest());
    for (sql, word) in [
        ("select * from \"ferry\".\"analytics_growth\".\"grw_loyalty\"", "analytics_growth"),
        ("select * from ferry.ci_growth.grw_loyalty", "ci_growth"),
        ("select 1 as route_id); drop table t; --", "closing bracket"),
        ("select 1 as route_id; select 2", "`;`"),
        // Alone at the end, too: dbt closes its bracket behind it.
        ("select 1 as route_id;", "`;`"),
        ("select 1 as route_id; -- done\n", "`;`"),
    ] {
        let mut manifest = manifest.clone();
        manifest["nodes"]["model.ferry.dim_routes"]["compiled_code"] = sql.into();
        let file = checkout.dir.path().join("edited.json");
        serde_json::to_writer(fs_err::File::create(&file).unwrap(), &manifest).unwrap();
        let mut command = common::premerge();
        let args: Vec<_> = checkout.check().get_args().map(ToOwned::to_owned).collect();
        let args = args.into_iter().map(|arg| if arg == checkout.manifest() { file.clone().into() } else { arg });
        command.args(args).assert().code(1);
        let report = checkout.read_report();
        let node = report["nodes"].as_array().unwrap().iter().find(|n| n["unique_id"] == "model.ferry.dim_routes");
        let message = node.unwrap()["message"].as_str().unwrap();
        assert!(message.contains(word), "{sql}: {message}");
    }
}

/// Two runs of one pull request at once: the one that started later has DuckDB's file as soon as the other has let
/// go of it, and comes to its end; the other was over before, or says that it was superseded.
#[test]
fn of_two_runs_of_one_pull_request_the_newer_counts() {
    let mut met = 0;
    let rounds = 6 * std::env::var("PREMERGE_TEST_REPEATS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let checkout = Checkout::of("demo");
    let expected = Some(checkout.expected().exit_code);
    for round in 0..rounds {
        let child = |report: &str| {
            let args: Vec<_> = checkout.check().get_args().map(ToOwned::to_owned).collect();
            let report = checkout.dir.path().join(report);
            let args = args.into_iter().map(|arg| if arg == checkout.report() { report.clone().into() } else { arg });
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_premerge"));
            let output = std::process::Stdio::piped;
            command
                .args(args)
                .env_clear()
                .env("PREMERGE_CACHE_DIR", common::cache_dir())
                .env("PREMERGE_LOG", "info")
                .stdout(output())
                .stderr(output());
            command.spawn().unwrap()
        };
        let (first, pause) = (child("first.json"), (round % 6) * 40);
        std::thread::sleep(std::time::Duration::from_millis(pause));
        let second = child("second.json");
        let (first, second) = (first.wait_with_output().unwrap(), second.wait_with_output().unwrap());
        let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
        let all = format!("after {pause} ms\n{}\n--\n{}", said(&first), said(&second));
        let report = |name: &str| -> Value {
            serde_json::from_slice(&fs_err::read(checkout.dir.path().join(name)).unwrap()).unwrap()
        };
        let (of_first, of_second) = (report("first.json"), report("second.json"));
        // Processes need not begin in the order in which they were started.
        let started = |report: &Value| report["timings"]["started_at"].as_str().unwrap().parse::<jiff::Timestamp>();
        let swapped = started(&of_first).unwrap() > started(&of_second).unwrap();
        let runs = [(first, of_first), (second, of_second)];
        let [older, newer] = if swapped {
            let [a, b] = runs;
            [b, a]
        } else {
            runs
        };
        assert_eq!(newer.0.status.code(), expected, "the newer run, {all}");
        if older.0.status.code() != expected {
            assert_eq!(older.0.status.code(), Some(3), "the older run, {all}");
            assert_eq!(older.1["interruption"]["kind"], "superseded", "{all}");
            met += 1;
        }
    }
    println!("{met} of {rounds} older runs were superseded");
    assert!(met > 0);
}

/// Two repositories that check into one folder with the same number: each has a file of its own.
#[test]
fn two_repositories_with_the_same_number_never_share_a_file() {
    let checkout = Checkout::of("new_column");
    let spawn = |repository: &str| {
        let args: Vec<_> = checkout.check().get_args().map(ToOwned::to_owned).collect();
        let report = checkout.dir.path().join(repository);
        let args = args.into_iter().map(|arg| if arg == checkout.report() { report.clone().into() } else { arg });
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_premerge"));
        command
            .args(args)
            .env_clear()
            .env("PREMERGE_CACHE_DIR", common::cache_dir())
            .env("GITHUB_REPOSITORY", repository)
            .stderr(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let name = |repository: &str| -> String {
        let report: Value =
            serde_json::from_slice(&fs_err::read(checkout.dir.path().join(repository)).unwrap()).unwrap();
        report["temporary_schema"]["name"].as_str().unwrap().to_owned()
    };
    let mut before = None;
    for _ in 0..3 {
        for child in [spawn("east"), spawn("west")] {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let names = (name("east"), name("west"));
        assert_ne!(names.0, names.1);
        assert!(before.is_none_or(|before| before == names), "{names:?}");
        before = Some(names);
    }
    for repository in ["east", "west"] {
        let mut cleanup = common::premerge();
        cleanup
            .arg("cleanup")
            .arg("--project-dir")
            .arg(checkout.project())
            .arg("--profiles-dir")
            .arg(checkout.project());
        cleanup.args(["--pr", &checkout.number.to_string()]).env("GITHUB_REPOSITORY", repository);
        let output = cleanup.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.matches("dropped premerge_pr_").count(), 1, "{said}");
    }
}

#[test]
fn names_and_types_that_rows_may_have_given_are_in_no_comment() {
    let checkout = Checkout::of("contract_break");
    let mut manifest = common::read_manifest(&checkout.manifest());
    let node = &mut manifest["nodes"]["model.ferry.port_directory"];
    // As `pivot` over rows names columns, and as its type holds values.
    let sql = node["compiled_code"].as_str().unwrap().replace(
        "ports.port_name,\n    ports.harbour",
        "1 as \"jane@example.com\", cast('joe@example.com' as enum('joe@example.com')) as port_name,\n    ports.harbour",
    );
    assert!(sql.contains("jane"), "{sql}");
    node["compiled_code"] = sql.into();
    let path = checkout.dir.path().join("manifest.json");
    fs_err::write(&path, manifest.to_string()).unwrap();
    let mut command = common::premerge();
    command.current_dir(checkout.dir.path()).args(["check", "--project-dir", "project", "--profiles-dir", "project"]);
    command.arg("--state").arg(common::fixtures().join("production.manifest.json.gz")).arg("--manifest").arg(&path);
    command.args(["--pr", "3", "--output", "report.json", "--format", "markdown"]);
    let output = command.output().unwrap();
    let (comment, report) = (String::from_utf8(output.stdout).unwrap(), checkout.read_report().to_string());
    for text in [&comment, &report] {
        assert!(!text.contains("jane") && !text.contains("joe"), "{text}");
        assert!(text.contains("1 column that the contract does not declare"), "{text}");
        assert!(!text.contains(&*checkout.dir.path().to_string_lossy()), "a path of this machine: {text}");
    }
}

/// What a reviewer and the author see of a real run: the demo's pull request, whose join repeats bookings.
#[test]
fn a_real_run_reads_as_designed() {
    let checkout = checked_on_github("demo");
    for (name, format) in [("comment", "markdown"), ("terminal", "text")] {
        insta::assert_snapshot!(name, rendered(&checkout, format));
    }
}

/// Pull requests of the fixtures whose comments people can read in `docs/examples`: one of each kind.
const EXAMPLES: [&str; 10] = [
    "broken_sql",
    "comment_only",
    "contract_break",
    "failing_test",
    "incremental_edit",
    "macro_edit",
    "new_python_model",
    "remove_model",
    "seed_edit",
    "snapshot_edit",
];

/// After a wanted change: `PREMERGE_BLESS=1 cargo test --test ferry examples`.
#[test]
fn examples_are_the_comments_of_real_runs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples");
    let outdated = std::thread::scope(|scope| {
        let runs = EXAMPLES.map(|name| scope.spawn(move || (name, rendered(&checked_on_github(name), "markdown"))));
        let comments = runs.map(|run| run.join().unwrap());
        comments
            .into_iter()
            .filter(|(name, comment)| {
                let file = folder.join(format!("{name}.md"));
                if std::env::var_os("PREMERGE_BLESS").is_some() {
                    fs_err::write(&file, comment).unwrap();
                }
                fs_err::read_to_string(&file).unwrap_or_default() != *comment
            })
            .map(|(name, comment)| format!("{name}.md:\n{comment}"))
            .collect::<Vec<_>>()
    });
    assert!(outdated.is_empty(), "docs/examples is out of date: run with PREMERGE_BLESS=1\n{}", outdated.join("\n"));
}

/// A checkout whose pull request was checked as on GitHub.
fn checked_on_github(name: &str) -> Checkout {
    let checkout = Checkout::of(name);
    let base = committed(&checkout);
    let event = serde_json::json!({
        "pull_request": {
            "number": checkout.number,
            "head": {"sha": "7c1f0ab2d1e9f00c6b7a8d9e0f1a2b3c4d5e6f70", "repo": {"id": 1}},
            "base": {"sha": base, "repo": {"id": 1}},
        },
    });
    let event_file = checkout.dir.path().join("event.json");
    fs_err::write(&event_file, event.to_string()).unwrap();
    let mut check = checkout.check();
    check.env("GITHUB_ACTIONS", "true").env("GITHUB_EVENT_NAME", "pull_request").env("GITHUB_EVENT_PATH", event_file);
    check.env("GITHUB_REPOSITORY", "ferry/analytics").env("GITHUB_WORKSPACE", checkout.dir.path());
    let output = check.arg("--no-comment").output().unwrap();
    // dbt's exit code, which is 0 or 1.
    let expected = checkout.expected().exit_code;
    assert_eq!(output.status.code(), Some(expected), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    checkout
}

/// Puts the checkout under git: production's project, and the pull request's change on it. The first commit.
fn committed(checkout: &Checkout) -> String {
    let git = |folder: &Path, args: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]);
        git.args(args).current_dir(folder).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", checkout.dir.path());
        let output = git.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (root, project) = (checkout.dir.path(), checkout.project());
    fs_err::write(root.join(".gitignore"), "*.duckdb\nreport.json\nevent.json\n").unwrap();
    git(root, &["init", "-q"]);
    let patch = fixtures().join("prs").join(&checkout.name).join("change.patch");
    let apply = |way: &[&str]| {
        let mut args = vec!["apply", "--whitespace=nowarn", "--directory=project"];
        args.extend(way);
        args.push(patch.to_str().unwrap());
        git(root, &args);
    };
    let commit = || {
        git(&project, &["add", "-A", root.to_str().unwrap()]);
        git(root, &["commit", "-q", "-m", "x"]);
        git(root, &["rev-parse", "HEAD"])
    };
    apply(&["-R"]);
    let base = commit();
    apply(&[]);
    commit();
    base
}

/// The report of the last check, in a format.
fn rendered(checkout: &Checkout, format: &str) -> String {
    let output = common::premerge().arg("render").arg(checkout.report()).args(["--format", format]).output().unwrap();
    redacted(&String::from_utf8(output.stdout).unwrap())
}

/// Without what is another on every run.
fn redacted(text: &str) -> String {
    let changes = [
        (r"\b[0-9.]+ (ms|s|min [0-9]+ s|h|days)\b( old)?", "[duration]$2"),
        (r"until [0-9-]{10} [0-9:]{5} UTC", "until [time]"),
        (r"premerge [0-9]+\.[0-9]+\.[0-9]+", "premerge [version]"),
    ];
    changes.iter().fold(text.to_owned(), |text, (pattern, into)| {
        regex::Regex::new(pattern).unwrap().replace_all(&text, *into).into_owned()
    })
}
