//! The main job on PostgreSQL against dbt-postgres: the same nodes, statuses, failures, columns, rows and
//! content; and nothing but the temporary schema written to, by the server's own log.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::ferry::{Checkout, PRODUCTION, content, fingerprint, fixtures, pull_requests};
use crate::places::places;

/// What premerge knowingly does otherwise than dbt, as on DuckDB.
fn is_exception(name: &str) -> bool {
    // Unit tests are not run yet, and Python models need Python.
    ["failing_unit_test", "new_python_model"].contains(&name)
}

#[test]
fn every_pull_request_comes_out_as_with_dbt_and_production_is_only_read() {
    let before = fingerprint(&PRODUCTION, "ferry");
    let mut failures = Vec::new();
    let mut compared = 0;
    for name in pull_requests().iter().filter(|name| !is_exception(name)) {
        match std::panic::catch_unwind(|| one(name)) {
            Ok(relations) => compared += relations,
            Err(error) => {
                let text = error.downcast_ref::<String>().cloned().unwrap_or_default();
                failures.push(format!("{name}: {text}"));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
    assert!(compared > 60, "only {compared} relations were compared");
    assert_eq!(fingerprint(&PRODUCTION, "ferry"), before);
    only_the_temporary_schemas_were_written_to(&PRODUCTION.log());
}

#[test]
fn debug_tells_whether_the_role_can_write_to_production() {
    let checkout = Checkout::of("new_column", PRODUCTION.port);
    let state = fixtures().join("postgres/production.manifest.json.gz");
    let debug = |user: &str| {
        let profiles = checkout.profiles();
        let text = fs_err::read_to_string(&profiles).unwrap();
        fs_err::write(&profiles, text.replace("user: ci", &format!("user: {user}"))).unwrap();
        let output = checkout.premerge("debug").arg("--state").arg(&state).output().unwrap();
        fs_err::write(&profiles, text).unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, page) = debug("ci");
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("cannot write to production") && !page.contains("create role"), "{page}");

    PRODUCTION.sql("ferry", "create role writer login in role test; alter role writer inherit");
    let (code, page) = debug("writer");
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("the role can write to schema `analytics_core`"), "{page}");
    assert!(page.contains("only a role that cannot write stops what premerge cannot see"), "{page}");
    assert!(page.contains("grant select on all tables in schema \"analytics_core\" to premerge;"), "{page}");

    // A role that cannot write, and a function that does it with its owner's rights.
    PRODUCTION.sql(
        "ferry",
        "create schema tools; create role caller login in role ci inherit; grant usage on schema tools to caller; \
         create function tools.wipes() returns int language plpgsql stable security definer as 'begin return 1; end'; \
         create function tools.hidden() returns int language plpgsql stable security definer as 'begin return 1; end'; \
         create function tools.loads() returns int language plpgsql volatile security definer as 'begin return 1; end'; \
         revoke execute on all functions in schema tools from public; grant execute on function tools.wipes, tools.loads to caller",
    );
    let (code, page) = debug("caller");
    assert_eq!(code, Some(0), "{page}");
    assert!(
        page.contains("run with their owner's rights: `tools.wipes`. If") && !page.contains("cannot write"),
        "{page}"
    );

    PRODUCTION.sql("ferry", "create role stranger login");
    let (code, page) = debug("stranger");
    assert_eq!(code, Some(1), "{page}");
    assert!(page.contains("may not create schemas") && page.contains("may not use schema `raw`"), "{page}");
    assert_eq!(debug("nobody_there").0, Some(1));
}

/// Rights other than a table's `insert`, `update` or `delete`, and rights that are one `set role` away.
#[test]
fn debug_knows_every_way_to_write_to_production() {
    let checkout = Checkout::of("new_column", PRODUCTION.port);
    let state = fixtures().join("postgres/production.manifest.json.gz");
    let profile = fs_err::read_to_string(checkout.profiles()).unwrap();
    let debug = |user: &str| {
        fs_err::write(checkout.profiles(), profile.replace("user: ci", &format!("user: {user}"))).unwrap();
        let output = checkout.premerge("debug").arg("--state").arg(&state).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    PRODUCTION.sql(
        "ferry",
        "create role of_column login; grant update (status) on raw.bookings to of_column; \
         create role of_trigger login; grant trigger on raw.bookings to of_trigger; \
         create role of_others; grant insert on raw.bookings to of_others; \
         create role of_heir login noinherit in role of_others; \
         create sequence raw.debugged; create role of_sequence login; grant usage on sequence raw.debugged to of_sequence; \
         create role of_nothing login",
    );
    let pages: Vec<_> = ["of_column", "of_trigger", "of_heir", "of_sequence", "test, role: ci", "of_nothing"]
        .map(|user| (user, debug(user)))
        .into();
    PRODUCTION.sql("ferry", "drop sequence raw.debugged");
    for (user, page) in pages {
        let can = page.contains("can write to schema `raw`");
        assert_eq!(
            (can, page.contains("cannot write to production")),
            (user != "of_nothing", user == "of_nothing"),
            "{user}:\n{page}"
        );
    }
}

#[test]
fn production_in_another_database_is_told_apart_from_relations_that_are_missing() {
    let mut checkout = Checkout::of("new_column", PRODUCTION.port).numbered(77);
    checkout.state_database = Some("elsewhere");
    let output = checkout.check().arg("--drop").output().unwrap();
    assert_ne!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report = fs_err::read_to_string(checkout.report_file()).unwrap();
    assert!(report.contains("PostgreSQL cannot read across databases: the profile's `dbname`"), "{report}");
}

/// The number of relations compared.
fn one(name: &str) -> usize {
    let checkout = Checkout::of(name, PRODUCTION.port);
    let compared = as_dbt(&checkout, &PRODUCTION);
    for (identifier, columns, theirs) in compared.columns {
        assert_eq!(columns, theirs, "columns of {identifier}");
    }
    compared.relations
}

/// Names and types, in order.
pub type Columns = Vec<(String, String)>;

/// What was compared.
pub struct Compared {
    pub relations: usize,
    /// Of each relation its name, its columns, and dbt-postgres'.
    pub columns: Vec<(String, Columns, Columns)>,
}

/// Checks a pull request and compares all with dbt-postgres but the columns' types.
pub fn as_dbt(checkout: &Checkout, production: &Cluster) -> Compared {
    let output = checkout.check().args(["--changes", "dbt"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = checkout.expected();
    assert_eq!(output.status.code(), expected["exit_code"].as_i64().map(|code| code as i32), "exit code\n{said}");
    let report = checkout.report();

    let mut ours: BTreeMap<String, (String, Option<u64>)> = BTreeMap::new();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for node in report["nodes"].as_array().unwrap() {
        let status = match node["status"].as_str().unwrap() {
            "built" => "success",
            "failed" => "error",
            other => other,
        };
        ours.insert(text(&node["unique_id"]), (status.to_owned(), None));
    }
    for test in report["tests"].as_array().unwrap() {
        ours.insert(text(&test["unique_id"]), (text(&test["status"]), test["failures"].as_u64()));
    }
    let kinds = ["model.", "seed.", "snapshot.", "test."];
    let theirs: BTreeMap<String, (String, Option<u64>)> = expected["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|result| kinds.iter().any(|kind| result["unique_id"].as_str().unwrap().starts_with(kind)))
        .map(|result| {
            let id = text(&result["unique_id"]);
            let failures = result["failures"].as_u64().filter(|_| id.starts_with("test."));
            (id, (text(&result["status"]), failures))
        })
        .collect();
    assert_eq!(ours, theirs, "left: premerge, right: dbt\n{said}");

    let built: BTreeSet<&str> = report["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["status"] == "built")
        .filter_map(|node| node["unique_id"].as_str())
        .collect();
    let mut compared = Compared { relations: 0, columns: Vec::new() };
    for (unique_id, relation, (schema, identifier)) in
        places(&checkout.state(), &checkout.manifest(), &checkout.schema())
    {
        if !built.contains(unique_id.as_str()) {
            continue;
        }
        let dbts = expected["relations"].as_array().unwrap();
        let dbts = dbts.iter().find(|r| r["schema"] == schema.as_str() && r["name"] == identifier.as_str());
        let dbts = dbts.unwrap_or_else(|| panic!("dbt built no {schema}.{identifier}"));
        let (columns, rows, hash) = content(production, "ferry", &checkout.schema(), &relation);
        let theirs: Vec<_> =
            dbts["columns"].as_array().unwrap().iter().map(|c| (text(&c["name"]), text(&c["type"]))).collect();
        assert_eq!((Some(rows), hash), (dbts["rows"].as_u64(), text(&dbts["content_hash"])), "content of {identifier}");
        compared.columns.push((identifier, columns, theirs));
        compared.relations += 1;
    }
    assert_eq!(compared.relations, built.len());
    compared
}

/// Reads the statements of role `ci` in the server's log: each that could write names a temporary schema as
/// what it writes to.
pub fn only_the_temporary_schemas_were_written_to(log: &str) {
    let writes = writes_to_temporary_schemas(log);
    assert!(writes > 100, "only {writes} writes were found in the log");
}

/// How many writes there are, each to a temporary schema.
pub fn writes_to_temporary_schemas(log: &str) -> usize {
    let mut writes = 0;
    let mut current: Option<String> = None;
    let mut statements = Vec::new();
    for line in log.lines() {
        // Continuation lines begin with a tab.
        if let (Some(rest), Some(statement)) = (line.strip_prefix('\t'), current.as_mut()) {
            statement.push('\n');
            statement.push_str(rest);
            continue;
        }
        statements.extend(current.take());
        if let Some(statement) = line.strip_prefix("ci|ferry|").and_then(|rest| rest.split_once("|LOG:  ")) {
            current = statement.1.split_once(": ").map(|(_, sql)| sql.to_owned());
        }
    }
    statements.extend(current);
    let target = regex::Regex::new(
        r#"(?mi)^\s*(?:create (?:unlogged )?(?:table|view)(?: if not exists)?|insert into|update|delete from|copy|drop (?:table|view)(?: if exists)?|create (?:unique )?index on|lock table|create schema|drop schema if exists|truncate|alter table|alter|grant|merge into|comment on schema|comment on constraint "[^"]+" on|comment on)\s+((?:"[^"]+"|[^\s(]+))(?:\.("[^"]+"))?"#,
    )
    .unwrap();
    for statement in &statements {
        for found in target.captures_iter(statement) {
            writes += 1;
            let (first, second) = (&found[1], found.get(2).map_or("", |m| m.as_str()));
            let ours = |name: &str| name.starts_with("\"premerge_pr_");
            assert!(ours(first) || (first == "\"ferry\"" && ours(second)), "{first}.{second} in:\n{statement}");
        }
    }
    writes
}
