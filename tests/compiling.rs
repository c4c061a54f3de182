//! `check --compile`: the SQL that dbt would build, from dbt itself, on DuckDB. The answers are those of a slim build
//! of real dbt, which `.ci/dbt` installs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may")]
#![allow(dead_code, unreachable_pub, reason = "a test binary has no users")]
#![cfg(feature = "duckdb")]

#[path = "common/dbt.rs"]
mod dbt;
#[path = "common/compiling.rs"]
mod shelf;

use std::process::Command;

use dbt::dbt;
use shelf::{Shelf, same};

const PROFILES: &str = "shelf:
  target: ci
  outputs:
    prod: {type: duckdb, path: \"{{ env_var('SHELF') }}\", schema: prod}
    ci: {type: duckdb, path: \"{{ env_var('SHELF') }}\", schema: ci}
";

/// Names, columns and rows of what lies in a schema: of the database, or of the temporary one beside it.
const CONTENT: &str = r#"
import duckdb, json, sys
production, temporary, schema, names = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
db = duckdb.connect()
db.execute(f"attach '{production}' as shelf (read_only)")
database = "shelf"
if temporary:
    database = temporary.rsplit("/", 1)[1].removesuffix(".duckdb")
    db.execute(f"attach '{temporary}' as {database} (read_only)")
db.execute("use shelf")
found = {}
for name in names:
    place = f'{database}.{schema}."{name}"'
    columns = [row[:2] for row in db.execute(f"describe {place}").fetchall()]
    kept = [i for i, (column, _) in enumerate(columns) if not column.startswith("dbt_")]
    rows = db.execute(f"select * from {place}").fetchall()
    found[name] = [columns, sorted(str([row[i] for i in kept]) for row in rows)]
print(json.dumps(found))
"#;

struct OnDuckDb {
    shelf: Shelf,
    production: std::path::PathBuf,
}

impl OnDuckDb {
    fn new(files: &[(String, String)]) -> Self {
        let mut shelf = Shelf::new(PROFILES, Vec::new(), files);
        let production = shelf.path("shelf.duckdb");
        shelf.env = vec![("SHELF", production.to_string_lossy().into_owned())];
        shelf.build_production();
        Self { shelf, production }
    }

    /// dbt's slim build, on a copy of production.
    fn slim_build(&mut self) -> shelf::Results {
        let copy = self.shelf.path("slim-copy");
        fs_err::create_dir_all(&copy).unwrap();
        let copy = copy.join("shelf.duckdb");
        fs_err::copy(&self.production, &copy).unwrap();
        let own = std::mem::replace(&mut self.shelf.env, vec![("SHELF", copy.to_string_lossy().into_owned())]);
        let results = self.shelf.slim_build();
        self.shelf.env = own;
        results
    }

    fn content(&self, file: &std::path::Path, temporary: &str, schema: &str, names: &[String]) -> serde_json::Value {
        let mut python = Command::new(dbt().join("python"));
        python.args(["-c", CONTENT]).arg(file).args([temporary, schema, &serde_json::to_string(names).unwrap()]);
        let output = python.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What dbt built and what premerge built have the same columns and rows.
    fn same_content(&self, results: &shelf::Results) -> usize {
        let built = results.iter().filter(|(id, (status, _))| status == "success" && !id.starts_with("test."));
        let names: Vec<String> = built.map(|(id, _)| id.rsplit('.').next().unwrap().to_owned()).collect();
        let dbts = self.content(&self.shelf.path("slim-copy/shelf.duckdb"), "", "ci", &names);
        let projects = fs_err::read_dir(self.shelf.path("cache/projects")).unwrap();
        let folder = projects.into_iter().next().unwrap().unwrap().path();
        let temporary = folder.join("shelf_premerge_pr_1.duckdb");
        let ours = self.content(&self.production, temporary.to_str().unwrap(), "premerge_pr_1", &names);
        assert_eq!(dbts, ours);
        names.len()
    }
}

#[test]
fn what_asks_and_changes_comes_out_as_in_dbts_slim_build() {
    let mut on = OnDuckDb::new(&Shelf::pull_request("askers"));
    let dbts = on.slim_build();
    let before = fs_err::read(&on.production).unwrap();
    let output = on.shelf.check().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    same(&dbts, &on.shelf.results(), &[]);
    assert!(on.same_content(&dbts) > 12);
    assert!(fs_err::read(&on.production).unwrap() == before, "production's file was written to");
    let report = on.shelf.report();
    assert!(report["notes"].to_string().contains("made the SQL of"), "{report}");
    let asks = |name: &str| {
        let entries = report["nodes"].as_array().unwrap().iter().chain(report["tests"].as_array().unwrap());
        let of = entries.filter(|entry| entry["name"].as_str().unwrap().contains(name)).collect::<Vec<_>>();
        assert!(!of.is_empty(), "{name}");
        of.iter().any(|entry| entry["asks_warehouse"] == true)
    };
    assert!(asks("starred") && asks("tools_no_column_starred_secret") && !asks("spine") && !asks("part_a"));
}

#[test]
fn what_is_asked_about_changes_and_the_texts_follow() {
    let mut on = OnDuckDb::new(&Shelf::pull_request("asked"));
    let dbts = on.slim_build();
    let output = on.shelf.check().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    // The snapshot is not changed itself: production's is read. The variable is not seen by dbt.
    let mut dbts = dbts;
    dbts.remove("snapshot.shelf.kept").unwrap();
    same(&dbts, &on.shelf.results(), &["model.shelf.taxed", "snapshot.shelf.kept"]);
    assert!(on.same_content(&dbts) > 10);
}

/// How many of the patterns and pairs are compared with dbt, unless `PREMERGE_COMPILING` says another number: dbt
/// builds each.
const COMPARED: usize = 4;

/// Each file of a pull request alone, and with each other: a pattern that changes, below or beside one that does not.
#[test]
fn patterns_alone_and_in_pairs_come_out_as_in_dbts_slim_build() {
    // What is asked about changes in all its files at once.
    let asked: Vec<(String, String)> =
        Shelf::pull_request("asked").into_iter().filter(|(file, _)| file.starts_with("models/")).collect();
    let mut patterns = vec![asked];
    let mut askers = Shelf::pull_request("askers");
    askers.sort();
    patterns.extend(askers.into_iter().map(|file| vec![file]));
    let alone = (0..patterns.len()).map(|one| vec![one]);
    let pairs = (0..patterns.len()).flat_map(|one| (0..one).map(move |other| vec![other, one]));
    let mut cases: Vec<Vec<usize>> = alone.chain(pairs).collect();
    // Always the same, and each number of cases has some of all kinds.
    cases.sort_by_key(|case| case.iter().fold(7_usize, |key, one| (key * 4_391 + one * 6_761 + 5) % 9_973));
    let number = std::env::var("PREMERGE_COMPILING").ok().map_or(COMPARED, |number| number.parse().unwrap());
    let mut on = OnDuckDb::new(&[]);
    let mut compared = 0;
    for case in cases.iter().take(number) {
        let files: Vec<(String, String)> = case.iter().flat_map(|one| patterns[*one].clone()).collect();
        let names: Vec<&str> = files.iter().map(|(file, _)| file.as_str()).collect();
        eprintln!("{}", names.join(", "));
        on.shelf.lay_out(PROFILES, &files);
        let mut dbts = on.slim_build();
        let output = on.shelf.check().output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_some_and(|code| code < 2), "{names:?}: {said}");
        // A snapshot that is not changed itself has a trial on its first run, in a place of its own.
        let trial = !names.contains(&"snapshots/kept.sql") && dbts.remove("snapshot.shelf.kept").is_some();
        same(&dbts, &on.shelf.results(), if trial { &["snapshot.shelf.kept"] } else { &[] });
        compared += on.same_content(&dbts);
    }
    assert!(compared >= number, "only {compared} relations");
}

/// Macros that want more than to read while their model is compiled. `OUT` is a path that must not come to be.
const ATTACKS: &[&str] = &[
    "{% do run_query('delete from shelf.prod.events') %}",
    "{% do run_query('drop table shelf.prod.events;') %}",
    "{% do run_query('select 1; drop table shelf.prod.events') %}",
    "{% do run_query('select 1 /* ; */; drop table shelf.prod.events --') %}",
    "{% call statement('x') %}create table shelf.prod.mine as select 1 as a{% endcall %}",
    "{% do adapter.drop_relation(ref('events')) %}",
    "{% do adapter.truncate_relation(ref('events')) %}",
    "{% do adapter.rename_relation(ref('events'), ref('others')) %}",
    "{% do adapter.create_schema(api.Relation.create(database='shelf', schema='mine')) %}",
    "{% do adapter.execute('truncate shelf.prod.events', fetch=true) %}",
    "{% do run_query(\"copy (select 1) to 'OUT'\") %}",
    "{% do run_query(\"select * from read_csv('/etc/passwd')\") %}",
    "{% do run_query(\"select * from '/etc/passwd'\") %}",
    "{% do run_query(\"attach 'OUT' as mine\") %}",
    "{% do run_query('insert into shelf.prod.events select * from shelf.prod.events returning id') %}",
    "{% do run_query('/* select */ update shelf.prod.events set id = 0') %}",
    "{% do run_query('install httpfs') %}",
    "{% do run_query(\"set memory_limit = '1GB'\") %}",
    "{% do run_query('call pragma_version()') %}",
    "{% do adapter.submit_python_job(model, \"import os; os.mkdir('OUT')\") %}",
    "{% do run_query('export database ' ~ \"'OUT'\") %}",
    "{% do exceptions.raise_compiler_error('a value of 4711-0815') %}",
];

#[test]
fn macros_that_want_to_write_fail_their_node_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let model = |attack: &str| {
        let attack = attack.replace("OUT", &out.to_string_lossy());
        format!(
            "-- depends_on: {{{{ ref('events') }}}} {{{{ ref('others') }}}}\n{{% if execute %}}{attack}{{% endif %}} select 1 as id"
        )
    };
    let mut files: Vec<(String, String)> =
        ATTACKS.iter().enumerate().map(|(at, attack)| (format!("models/attack_{at:02}.sql"), model(attack))).collect();
    // What a macro prints is no answer.
    let text = r#"{% do print('{"event": "text", "id": "model.shelf.printing", "sql": "select 666 as id"}') %}{% do log(env_var('DBT_SHELF_WORD'), info=true) %}"#;
    files.push(("models/printing.sql".to_owned(), model(text)));
    files.push(("models/still_there.sql".to_owned(), "select * from {{ ref('others') }}".to_owned()));
    let on = OnDuckDb::new(&files);
    let before = fs_err::read(&on.production).unwrap();
    let mut check = on.shelf.check();
    let check =
        check.env("DBT_SHELF_WORD", "word-of-a-macro").env("DBT_ENV_SECRET_SHELF", "not-to-be-seen-9").arg("-v");
    let output = check.output().unwrap();
    let (page, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    let report = on.shelf.report();
    let nodes = report["nodes"].as_array().unwrap();
    let of = |name: &str| nodes.iter().find(|node| node["name"] == name).unwrap();
    let passed: Vec<&str> = (0..ATTACKS.len())
        .filter(|at| of(&format!("attack_{at:02}"))["status"] == "built")
        .map(|at| ATTACKS[at])
        .collect();
    assert!(passed.is_empty(), "{passed:#?}");
    for (at, rule) in [(0, "`delete` is not a query"), (4, "`create` is not"), (10, "`copy` is not")] {
        let message = of(&format!("attack_{at:02}"))["message"].as_str().unwrap();
        assert!(message.to_lowercase().contains(&rule.to_lowercase()), "{at}: {message}");
    }
    assert_eq!(of("printing")["rows"], 1);
    assert_eq!(of("printing")["status"], "built");
    assert_eq!(of("still_there")["status"], "built");
    assert!(!page.contains("not-to-be-seen") && !said.contains("not-to-be-seen"));
    let mut render = assert_cmd::Command::cargo_bin("premerge").unwrap();
    let comment = render.args(["render", "--format", "markdown"]).arg(on.shelf.path("report.json")).output().unwrap();
    let comment = String::from_utf8_lossy(&comment.stdout);
    assert!(comment.contains("attack_21") && !comment.contains("4711"), "{comment}");
    assert!(said.contains("word-of-a-macro"), "what a macro prints is on the terminal:\n{said}");
    assert!(!out.exists(), "a macro has written a file");
    assert!(fs_err::read(&on.production).unwrap() == before, "production's file was written to");
    let content = on.content(&on.production, "", "prod", &["events".to_owned()]);
    assert_eq!(content["events"][1].as_array().unwrap().len(), 3);
    for file in ["target", "logs", "dbt_packages/tools/target"] {
        assert!(!on.shelf.path("pr").join(file).exists(), "dbt has left {file} in the checkout");
    }
}

#[test]
fn a_catalog_that_cannot_be_shown_as_dbt_would_see_it_is_not_checked() {
    let asks = "-- depends_on: {{ ref('others') }}\n{% set asked = \"select count(*) from duckdb_views() where schema_name = 'ci'\" %}\nselect {{ run_query(asked).rows[0][0] if execute else 0 }} as number";
    let on = OnDuckDb::new(&[("models/asks.sql".to_owned(), asks.to_owned())]);
    let output = on.shelf.check().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report = on.shelf.report();
    assert_ne!(report["verdict"], "passed");
    let not_checked = report["not_checked"].as_array().unwrap();
    assert!(not_checked.iter().any(|entry| entry["unique_id"] == "model.shelf.asks"), "{report:#}");
}

#[test]
fn dbt_that_does_not_answer_is_a_clear_end() {
    let forever = "{% if execute %}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{% endif %} select 1 as id";
    let on = OnDuckDb::new(&[("models/endless.sql".to_owned(), forever.to_owned())]);
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs_err::write(&path, text).unwrap();
        assert!(Command::new("chmod").arg("+x").arg(&path).status().unwrap().success());
        path.to_string_lossy().into_owned()
    };
    let own = dbt().join("dbt").to_string_lossy().into_owned();
    let chatty = script("chatty", "#!/bin/sh\necho '::warning::hello'\nsleep 5\n");
    let dying = script("dying", "#!/bin/sh\necho 'no such thing' >&2\nexit 7\n");
    let wrapper = script("dbt", "#!/bin/sh\nexec docker run dbt \"$@\"\n");
    let without = script("without", "#!/bin/sh\nexec python3 -S \"$3\"\n");
    for (command, says) in [
        ("no-such-dbt", "no program `no-such-dbt`"),
        ("/bin/ls", "is not a Python program"),
        (&wrapper, "is a wrapper"),
        (&format!("{chatty} run dbt"), "printed what is not an answer"),
        (&format!("{dying} run dbt"), "ended (exit status: 7)"),
        (&format!("{without} run dbt"), "no dbt that premerge knows"),
        (&own, "did not compile model.shelf.endless within 20 s"),
    ] {
        let mut check = on.shelf.check();
        let output = check.args(["--dbt", command, "--compile-timeout-seconds", "20"]).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        assert!(said.contains(says), "{command}: {said}");
        assert!(!said.lines().any(|line| line.starts_with("::")), "{said}");
    }
    let running = Command::new("pgrep").args(["-f", &on.shelf.path("pr").to_string_lossy()]).output().unwrap();
    assert!(running.stdout.is_empty(), "dbt is still running");
}

#[test]
fn values_that_cannot_be_handed_over_are_no_failure_and_no_pass() {
    let asks = "-- depends_on: {{ ref('others') }}\nselect {{ run_query('select union_value(a := 1) as number').rows[0][0] if execute else 0 }} as number";
    let on = OnDuckDb::new(&[("models/asks.sql".to_owned(), asks.to_owned())]);
    let output = on.shelf.check().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let report = on.shelf.report().to_string();
    assert!(report.contains("a macro asks for values of the type union"), "{report}");
}

#[test]
fn debug_says_which_python_is_behind_dbt() {
    let on = OnDuckDb::new(&[("README.md".to_owned(), "words".to_owned())]);
    let debug = |command: &std::path::Path| {
        let mut debug = assert_cmd::Command::cargo_bin("premerge").unwrap();
        debug.env_clear().env("PATH", "/usr/bin:/bin").env("SHELF", &on.production).current_dir(on.shelf.path("pr"));
        debug.env("PREMERGE_CACHE_DIR", on.shelf.path("cache")).arg("debug").arg("--dbt").arg(command);
        let output = debug.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = debug(&dbt().join("dbt"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("runs with `") && said.contains("/bin/python"), "{said}");
    let (code, said) = debug("no-such-dbt".as_ref());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no program `no-such-dbt`"), "{said}");
}

#[test]
fn a_project_that_does_not_parse_is_a_clear_end() {
    let on = OnDuckDb::new(&[("models/broken.sql".to_owned(), "select * from {{ ref('nowhere') }}".to_owned())]);
    let output = on.shelf.check().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("dbt could not parse the project") && said.contains("nowhere"), "{said}");
}

#[test]
fn a_pull_request_that_changes_nothing_is_safe_and_compiles_nothing() {
    let on = OnDuckDb::new(&[("README.md".to_owned(), "words".to_owned())]);
    let output = on.shelf.check().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(on.shelf.report()["verdict"], "passed");
}

#[test]
fn what_dbt_has_parsed_before_is_read_where_it_is() {
    let on = OnDuckDb::new(&[("README.md".to_owned(), "words".to_owned())]);
    let parsed = on.shelf.dbt("pr", &["parse", "--target", "ci", "--target-path", "made/here"]);
    assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stdout));
    let said = |target: &str| {
        let output = on.shelf.check().env("DBT_TARGET_PATH", target).arg("-v").output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said("elsewhere").contains("saved manifest not found"));
    assert!(!said("made/here").contains("saved manifest not found"));
    let project = on.shelf.path("pr/dbt_project.yml");
    let text = fs_err::read_to_string(&project).unwrap();
    fs_err::write(&project, format!("{text}\ntarget-path: made/here\n")).unwrap();
    assert!(!said("").contains("saved manifest not found"));
}

#[test]
fn without_compile_what_looks_at_the_command_or_asks_is_not_checked() {
    let on = OnDuckDb::new(&Shelf::pull_request("askers"));
    let state = on.shelf.path("state");
    let arguments = ["compile", "--target", "ci", "--defer", "--favor-state", "--state", state.to_str().unwrap()];
    let compiled = on.shelf.dbt("pr", &arguments);
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));
    let mut check = on.shelf.check();
    let output = check.env("PREMERGE_COMPILE", "false").arg("--manifest").arg("target/manifest.json").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code == 1 || code == 0), "{said}");
    let report = on.shelf.report();
    let named: Vec<&str> =
        report["not_checked"].as_array().unwrap().iter().filter_map(|entry| entry["unique_id"].as_str()).collect();
    for id in ["model.shelf.spine", "model.shelf.chain_2", "test.shelf.tools_no_column_starred_secret.80d655f051"] {
        assert!(named.contains(&id), "{id} is not among {named:?}");
    }
}
