//! The pull request does not set its own gate: `premerge check` in CI, in a repository that git made.
#![cfg(feature = "duckdb")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may")]

mod common;

use std::path::Path;
use std::process::Command;

use common::Checkout;
use serde_json::{Value, json};

/// A pull request's checkout: the target branch has the project without the pull request's change of settings.
struct Repository {
    checkout: Checkout,
    base: String,
}

fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]);
    command.args(args).current_dir(folder).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Repository {
    /// The target branch with these files, and the pull request's with those; paths below the project.
    fn new(fixture: &str, base: &[(&str, &str)], head: &[(&str, &str)]) -> Self {
        let checkout = Checkout::of(fixture);
        let root = checkout.dir.path().to_owned();
        fs_err::write(root.join(".gitignore"), "*.duckdb\nreport.json\nevent.json\nout\n").unwrap();
        git(&root, &["init", "-q", "-b", "main"]);
        let commit = |files: &[(&str, &str)]| {
            for (path, text) in files {
                fs_err::write(checkout.project().join(path), text).unwrap();
            }
            git(&root, &["add", "-A"]);
            git(&root, &["commit", "-q", "--allow-empty", "-m", "x"]);
            git(&root, &["rev-parse", "HEAD"])
        };
        let base = commit(base);
        git(&root, &["checkout", "-q", "-b", "head"]);
        commit(head);
        Self { checkout, base }
    }

    /// The target branch without a profile, and the pull request's with this one, if it is anything.
    fn without_profile(head: &str) -> Self {
        let mut repository = Self::new("new_column", &[], &[]);
        let root = repository.checkout.dir.path().to_owned();
        let profile = repository.checkout.project().join("profiles.yml");
        fs_err::remove_file(&profile).unwrap();
        git(&root, &["commit", "-q", "-a", "-m", "x"]);
        repository.base = git(&root, &["rev-parse", "HEAD"]);
        if !head.is_empty() {
            fs_err::write(&profile, head).unwrap();
            git(&root, &["add", "-A"]);
            git(&root, &["commit", "-q", "-m", "x"]);
        }
        repository
    }

    /// `premerge check` as a step of the pull request's workflow, where the event names this base.
    fn check(&self, base: &str) -> Value {
        let run = self.run(base, &[]);
        run.report.unwrap_or_else(|| panic!("{}", run.error))
    }

    /// The same with these variables.
    fn run(&self, base: &str, vars: &[(&str, &str)]) -> Run {
        self.run_command(self.checkout.check(), base, vars)
    }

    fn run_command(&self, mut command: assert_cmd::Command, base: &str, vars: &[(&str, &str)]) -> Run {
        let root = self.checkout.dir.path();
        let side = |sha: &str| json!({"sha": sha, "repo": {"id": 1}});
        let event =
            json!({"pull_request": {"number": self.checkout.number, "head": side("0badc0de"), "base": side(base)}});
        fs_err::write(root.join("event.json"), event.to_string()).unwrap();
        command
            .arg("--no-comment")
            .env("CI", "true")
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_EVENT_NAME", "pull_request")
            .env("GITHUB_EVENT_PATH", root.join("event.json"))
            .env("GITHUB_REPOSITORY", "acme/ferry")
            .env("GITHUB_WORKSPACE", root)
            .envs(vars.iter().copied());
        let output = command.output().unwrap();
        let report = self.checkout.report().is_file().then(|| self.checkout.read_report());
        Run { code: output.status.code(), report, error: String::from_utf8(output.stderr).unwrap() }
    }
}

/// What a check came to.
struct Run {
    code: Option<i32>,
    /// `None`: it wrote none.
    report: Option<Value>,
    error: String,
}

fn said(report: &Value) -> Vec<(String, String)> {
    let of_gate = |finding: &&Value| finding["rule"] == "gate-changed";
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter().filter(of_gate);
    findings.map(|finding| (text(&finding["severity"]), text(&finding["message"]))).collect()
}

fn not_run(report: &Value) -> usize {
    let left = |entry: &&Value| entry["reason"].as_str().unwrap().contains("indirect_selection");
    report["not_checked"].as_array().unwrap().iter().filter(left).count()
}

const OFF: &str = "indirect_selection: empty\nlint: {style: never}\nthreads: 2\n";

#[test]
fn settings_that_weaken_the_gate_are_the_base_s() {
    let repository = Repository::new("demo", &[("premerge.yml", "lint: {style: never}\n")], &[("premerge.yml", OFF)]);
    let report = repository.check(&repository.base);
    assert_eq!(report["verdict"], "failed", "the test that the pull request breaks is run");
    let [(severity, message)] = said(&report).try_into().unwrap();
    assert_eq!(severity, "notice");
    assert!(message.contains("changes `indirect_selection`") && message.contains(&repository.base), "{message}");
}

#[test]
fn a_file_that_only_the_pull_request_has_does_not_count_either() {
    let repository = Repository::new("demo", &[], &[("premerge.yml", OFF)]);
    let report = repository.check(&repository.base);
    assert_eq!(report["verdict"], "failed");
    assert!(said(&report)[0].1.contains("`indirect_selection` and `lint`"), "{:?}", said(&report));
}

#[test]
fn where_no_base_can_be_had_its_own_settings_count_and_are_never_green() {
    let repository = Repository::new("demo", &[], &[("premerge.yml", OFF)]);
    let report = repository.check("0000000000000000000000000000000000000001");
    assert_eq!(report["verdict"], "warned", "no test was run");
    assert!(not_run(&report) > 0, "{report:#}");
    let [(severity, message), profile] = said(&report).try_into().unwrap();
    assert_eq!(severity, "warning");
    assert!(message.contains("premerge.yml: the checkout does not have commit 000"), "{message}");
    assert!(profile.1.contains("the profile is the pull request's own"), "{profile:?}");
}

#[test]
fn tests_that_a_setting_leaves_out_are_not_checked() {
    let checkout = Checkout::of("new_column");
    let verdict = |mode: &str| {
        checkout.check().args(["--indirect-selection", mode]).output().unwrap();
        let report = checkout.read_report();
        (report["verdict"].as_str().unwrap().to_owned(), not_run(&report))
    };
    assert_eq!(verdict("eager"), ("passed".to_owned(), 0));
    let (verdict, left) = verdict("empty");
    assert!(verdict == "warned" && left > 0, "{verdict}, {left}");
}

#[test]
fn what_changes_lint_is_listed() {
    let repository = Repository::new(
        "new_column",
        &[("setup.cfg", "[tool]\na = 1\n")],
        &[
            (".sqlfluff", "[sqlfluff]\ndialect = duckdb\nexclude_rules = all\n"),
            (".sqlfluffignore", "models/\n"),
            ("setup.cfg", "[tool]\na = 2\n"),
        ],
    );
    let report = repository.check(&repository.base);
    let found: Vec<String> = said(&report).into_iter().map(|(_, message)| message).collect();
    assert!(found.iter().any(|message| message.contains("`project/.sqlfluff`")), "{found:?}");
    assert!(found.iter().any(|message| message.contains("`project/.sqlfluffignore`")), "{found:?}");
    assert!(!found.iter().any(|message| message.contains("setup.cfg")), "it holds nothing of sqlfluff: {found:?}");
    assert!(said(&report).iter().all(|(severity, _)| severity == "notice"), "the base's apply");
    assert_eq!(report["verdict"], "passed");
    let report = repository.check("0000000000000000000000000000000000000001");
    let own = ("warning".to_owned(), "sqlfluff's settings are the pull request's own".to_owned());
    let found = said(&report);
    assert!(found.iter().any(|(severity, message)| *severity == own.0 && message.starts_with(&own.1)), "{found:?}");
}

#[test]
fn sqlfluff_s_settings_are_the_base_s() {
    let strict = "[sqlfluff]\ndialect = duckdb\nrules = CP01\n\n[sqlfluff:rules:capitalisation.keywords]\n\
                  capitalisation_policy = upper\n";
    let of_lint = |head: &[(&str, &str)]| {
        let repository = Repository::new("new_column", &[(".sqlfluff", strict)], head);
        let report = repository.check(&repository.base);
        let findings = report["findings"].as_array().unwrap();
        (findings.iter().filter(|finding| finding["rule"] == "CP01").count(), report["verdict"].clone())
    };
    let (found, verdict) = of_lint(&[]);
    assert!(found > 0 && verdict == "failed", "{found}, {verdict}");
    for head in [
        (".sqlfluff", "[sqlfluff]\ndialect = duckdb\nexclude_rules = all\n"),
        ("models/.sqlfluff", "[sqlfluff]\nwarnings = all\n"),
        (".sqlfluffignore", "models/\n"),
        ("pyproject.toml", "[tool.sqlfluff.core]\nignore_paths = ['models/']\nexclude_rules = 'all'\n"),
        ("tox.ini", "[sqlfluff]\nexclude_rules = all\n"),
    ] {
        assert_eq!(of_lint(&[head]), (found, verdict.clone()), "{head:?}");
    }
}

/// The fixture's profile, with other words in place of its path and its target.
fn profile(path: &str, target: &str) -> String {
    format!("ferry: {{target: {target}, outputs: {{{target}: {{type: duckdb, path: '{path}', schema: ci}}}}}}\n")
}

const OF_JOB: &str = "{{ env_var(\"WAREHOUSE\") }}";

#[test]
fn a_profile_is_the_base_s() {
    let before = profile(OF_JOB, "ci");
    let said_of = |head: &[(&str, &str)]| {
        let repository = Repository::new("new_column", &[("profiles.yml", &before)], head);
        let run = repository.run(&repository.base, &[("WAREHOUSE", "ferry.duckdb")]);
        let report = run.report.unwrap();
        assert_eq!(report["verdict"], "passed", "{report:#}");
        said(&report)
    };
    assert_eq!(said_of(&[]), []);
    // Another production, and a host that the job's variable would be sent to.
    for path in ["other.duckdb", "https://made-up.example/{{ env_var(\"WAREHOUSE\") }}"] {
        let [(severity, message)] = said_of(&[("profiles.yml", &profile(path, "ci"))]).try_into().unwrap();
        assert_eq!(severity, "notice");
        assert!(message.contains("profiles.yml in the checkout is not that of commit"), "{message}");
    }
    let project = fs_err::read_to_string(common::fixtures().join("project/dbt_project.yml")).unwrap();
    let other = project.replace("profile: ferry", "profile: other");
    assert_ne!(project, other);
    let [(severity, message)] = said_of(&[("dbt_project.yml", &other)]).try_into().unwrap();
    assert!(severity == "notice" && message.contains("`profile` of dbt_project.yml"), "{message}");
}

#[test]
fn a_target_that_only_the_pull_request_has_is_told_to_be_merged_first() {
    let (before, after) = (profile(OF_JOB, "ci"), profile("ferry.duckdb", "gate"));
    let repository = Repository::new("new_column", &[("profiles.yml", &before)], &[("profiles.yml", &after)]);
    let run = repository.run(&repository.base, &[("WAREHOUSE", "ferry.duckdb"), ("DBT_TARGET", "gate")]);
    assert_eq!((run.code, &run.report), (Some(2), &None));
    assert!(
        run.error.contains("has no target `gate`; it has ci") && run.error.contains("merge it first"),
        "{}",
        run.error
    );
    let none = Repository::without_profile(&after);
    let run = none.run(&none.base, &[]);
    assert_eq!(run.code, Some(2));
    assert!(run.error.contains("does not count before it is merged"), "{}", run.error);
}

#[test]
fn without_a_base_no_variable_gets_into_the_pull_request_s_profile() {
    let unknown = "0000000000000000000000000000000000000001";
    let repository = Repository::new("new_column", &[("profiles.yml", &profile(OF_JOB, "ci"))], &[]);
    let run = repository.run(unknown, &[("WAREHOUSE", "ferry.duckdb")]);
    assert_eq!((run.code, &run.report), (Some(2), &None));
    assert!(run.error.contains("`env_var('WAREHOUSE')` is not filled in"), "{}", run.error);
    assert!(!run.error.contains("ferry.duckdb"), "{}", run.error);
    // One that needs none counts, and is never green.
    let repository = Repository::new("new_column", &[("profiles.yml", &profile("ferry.duckdb", "ci"))], &[]);
    let report = repository.run(unknown, &[]).report.unwrap();
    let [(severity, message)] =
        said(&report).into_iter().filter(|said| said.0 != "notice").collect::<Vec<_>>().try_into().unwrap();
    assert!(severity == "warning" && message.contains("the profile is the pull request's own"), "{message}");
    assert_eq!(report["verdict"], "warned");
}

#[test]
fn a_profile_that_the_job_makes_in_the_checkout_is_the_job_s() {
    let repository = Repository::without_profile("");
    let path = repository.checkout.project().join("profiles.yml");
    fs_err::write(path, profile(OF_JOB, "ci")).unwrap();
    let unknown = "0000000000000000000000000000000000000001";
    for base in [repository.base.as_str(), unknown] {
        let report = repository.run(base, &[("WAREHOUSE", "ferry.duckdb")]).report.unwrap();
        assert!(!said(&report).iter().any(|(_, message)| message.contains("profile")), "{:?}", said(&report));
    }
}

/// dbt's checksum does not see the line, and the warehouse has a row more for it.
#[test]
fn a_seed_whose_last_line_is_empty_is_another_seed() {
    let seed = "seeds/tariff_seasons.csv";
    let text = fs_err::read_to_string(common::fixtures().join("project").join(seed)).unwrap();
    let longer = format!("{text}\n\n");
    let repository = Repository::new("docs_only", &[(seed, &text)], &[(seed, &longer)]);
    let report = repository.check(&repository.base);
    let built: Vec<&str> =
        report["nodes"].as_array().unwrap().iter().filter_map(|node| node["name"].as_str()).collect();
    assert!(built.contains(&"tariff_seasons") && built.contains(&"int_season_days"), "{built:?}");
    let repository = Repository::new("docs_only", &[(seed, &text)], &[(seed, &text)]);
    assert!(repository.check(&repository.base)["nodes"].as_array().unwrap().is_empty());
}

#[test]
fn a_comment_that_silences_a_file_is_listed() {
    let (_, report) = of_a_model(|node| {
        node["raw_code"] = json!(format!("-- noqa: disable=all\n{}", node["raw_code"].as_str().unwrap()));
    });
    let [(severity, message)] = said(&report).try_into().unwrap();
    assert!(severity == "warning" && message.contains("`noqa: disable=all`"), "{message}");
}

#[test]
fn a_name_of_the_register_s_is_an_error() {
    let (code, report) = of_a_model(|node| node["alias"] = json!("_Premerge_runs"));
    assert_eq!((code, report["verdict"].as_str()), (Some(1), Some("failed")));
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["rule"] == "reserved-name").unwrap();
    assert_eq!(found["severity"], "error");
}

/// A pull request that decides for itself which tests fail.
#[test]
fn macros_that_judge_tests_are_the_first_finding_and_shut_the_gate() {
    let change = |manifest: &mut Value| {
        manifest["macros"]["macro.ferry.get_test_sql"] = json!({
            "unique_id": "macro.ferry.get_test_sql", "package_name": "ferry", "name": "get_test_sql",
            "macro_sql": "{% macro get_test_sql() %}select 0 as failures{% endmacro %}",
            "original_file_path": "macros/build.sql", "depends_on": {"macros": []}
        });
        manifest["nodes"]["model.ferry.dim_routes"]["compiled_code"] = json!("select nowhere");
    };
    let (code, report) = edited("", change);
    assert_eq!((code, report["verdict"].as_str()), (Some(1), Some("failed")));
    let first = &report["findings"][0];
    assert_eq!((first["rule"].as_str(), first["severity"].as_str()), (Some("test-macros-changed"), Some("error")));
    assert_eq!(first["message"], "this pull request changes how data tests are judged: `get_test_sql`");
    assert_eq!(first["place"]["path"], "macros/build.sql");
    assert!(report["tests"].as_array().unwrap().is_empty(), "none is run");
    assert!(report["not_checked"].as_array().unwrap().len() > 1);

    let (_, report) = edited("test_macros_changed: warn\n", change);
    assert_eq!(report["findings"][0]["severity"], "warning");
}

/// dbt_project.yml of the fixture, with a line among its flags.
fn with_flag(line: &str) -> String {
    let text = fs_err::read_to_string(common::fixtures().join("project/dbt_project.yml")).unwrap();
    text.replace("flags:\n", &format!("flags:\n  {line}\n"))
}

const OVERRIDES: &str = "require_explicit_package_overrides_for_builtin_materializations: false";

/// A package's materialization `test`.
type Judge<'j> = Option<&'j str>;

/// The report of a check before and in whose pull request these hold: dbt_project.yml, and a package's materialization.
fn judged((project, judge): (&str, Judge<'_>), (project_pr, judge_pr): (&str, Judge<'_>), version: &str) -> Value {
    let repository = Repository::new("new_column", &[("dbt_project.yml", project)], &[("dbt_project.yml", project_pr)]);
    let edited = |from: &Path, judge: Judge<'_>, name: &str| {
        let mut manifest = common::read_manifest(from);
        manifest["metadata"]["dbt_version"] = json!(version);
        if let Some(text) = judge {
            manifest["macros"]["macro.pack.materialization_test_default"] = json!({
                "unique_id": "macro.pack.materialization_test_default", "package_name": "pack",
                "name": "materialization_test_default", "macro_sql": text,
                "original_file_path": "macros/test.sql", "depends_on": {"macros": []}
            });
        }
        let path = repository.checkout.dir.path().join(name);
        fs_err::write(&path, manifest.to_string()).unwrap();
        path
    };
    let state = edited(&common::fixtures().join("production.manifest.json.gz"), judge, "out_state.json");
    let pr = edited(&repository.checkout.manifest(), judge_pr, "out_pr.json");
    let run = repository.run_command(repository.checkout.check_of(&state, &pr), &repository.base, &[]);
    run.report.unwrap_or_else(|| panic!("{}", run.error))
}

/// Severities of `test-macros-changed`, how many tests ran, and the verdict.
fn judgement(report: &Value) -> (Vec<&str>, bool, &str) {
    let findings = report["findings"].as_array().unwrap().iter();
    let changed = findings.filter(|finding| finding["rule"] == "test-macros-changed");
    let ran = !report["tests"].as_array().unwrap().is_empty();
    (changed.map(|finding| finding["severity"].as_str().unwrap()).collect(), ran, report["verdict"].as_str().unwrap())
}

#[test]
fn a_package_s_materialization_of_tests_counts_where_dbt_takes_it() {
    let (plain, allowed) = (with_flag("use_colors: false"), with_flag(OVERRIDES));
    let own = "{% materialization test, default %}{% do return({'relations': []}) %}{% endmaterialization %}";
    let wrapper = "{% materialization test, default %}{% do return(dbt.materialization_test_default()) %}{% endmaterialization %}";
    let wrapper_2 = format!("{wrapper}{{# of the next version #}}");
    let new = "1.11.16";

    // The pull request brings both, or one of them.
    let report = judged((&plain, None), (&allowed, Some(own)), new);
    assert_eq!(judgement(&report), (vec!["error"], false, "failed"));
    let report = judged((&plain, Some(own)), (&allowed, Some(own)), new);
    assert_eq!(judgement(&report), (vec!["error"], false, "failed"));
    assert!(
        said(&report).iter().any(|(severity, text)| severity == "warning" && text.contains("`flags.require_explicit"))
    );
    let report = judged((&allowed, None), (&allowed, Some(own)), new);
    assert_eq!(judgement(&report), (vec!["error"], false, "failed"));
    let report = judged((&plain, None), (&plain, Some(own)), "1.7.19");
    assert_eq!(judgement(&report), (vec!["error"], false, "failed"));

    // dbt does not take it, or it was there and hands over to dbt's.
    let green = (Vec::new(), true, "passed");
    assert_eq!(judgement(&judged((&plain, None), (&plain, Some(own)), new)), green);
    let report = judged((&allowed, Some(wrapper)), (&allowed, Some(wrapper)), new);
    assert_eq!(judgement(&report), green);
    assert!(report["findings"].to_string().contains("package `pack` wraps materialization `test`"), "{report:#}");
    let report = judged((&allowed, Some(wrapper)), (&allowed, Some(&wrapper_2)), new);
    assert_eq!(judgement(&report), (vec!["warning"], true, "warned"));
    let report = judged((&allowed, Some(wrapper)), (&plain, Some(wrapper)), new);
    assert_eq!(judgement(&report), (vec!["error"], true, "failed"), "it no longer counts");
    let report = judged((&allowed, Some(own)), (&allowed, Some(own)), new);
    assert_eq!(judgement(&report), (Vec::new(), false, "warned"), "as in production, and not checked");
}

/// Severities and messages of `tests-weakened`, and the verdict.
fn weakened(report: &Value) -> (Vec<(&str, &str)>, &str) {
    let findings = report["findings"].as_array().unwrap().iter();
    let found = findings.filter(|finding| finding["rule"] == "tests-weakened");
    let said = found.map(|one| (one["severity"].as_str().unwrap(), one["message"].as_str().unwrap()));
    (said.collect(), report["verdict"].as_str().unwrap())
}

#[test]
fn tests_that_are_weak_in_production_only_are_named() {
    let plain = with_flag("use_colors: false");
    let weak =
        format!("{plain}\ndata_tests:\n  +severity: \"{{{{ 'warn' if target.name == 'prod' else 'error' }}}}\"\n");
    let new = "1.11.16";
    let report = judged((&plain, None), (&weak, None), new);
    let (said, verdict) = weakened(&report);
    let message = "`severity` depends on `target`: production may test less than this check";
    assert_eq!((said, verdict), (vec![("warning", message)], "warned"), "{}", report["findings"]);
    let report = judged((&weak, None), (&weak, None), new);
    let (said, verdict) = weakened(&report);
    assert_eq!((said.len(), said[0].0, verdict), (1, "notice", "passed"));

    // What only the manifests show: a singular test, and a macro of a generic one.
    let change = |raw: &'static str, of_macro: &'static str| {
        let (_, report) = edited("", |manifest| {
            let nodes = manifest["nodes"].as_object_mut().unwrap();
            let test =
                nodes.values_mut().find(|node| node["resource_type"] == "test" && node["test_metadata"].is_null());
            let test = test.unwrap();
            if !raw.is_empty() {
                test["raw_code"] = json!(format!("{raw} {}", test["raw_code"].as_str().unwrap()));
            }
            if !of_macro.is_empty() {
                test["depends_on"]["macros"] = json!(["macro.ferry.hardness"]);
                manifest["macros"]["macro.ferry.hardness"] = json!({
                    "unique_id": "macro.ferry.hardness", "package_name": "ferry", "name": "hardness",
                    "macro_sql": of_macro, "original_file_path": "macros/x.sql", "depends_on": {"macros": []}
                });
            }
        });
        report
    };
    for (raw, of_macro) in [
        ("{{ config(severity='warn' if target.name == 'prod' else 'error') }}", ""),
        ("{{ config(severity='warn' if 'prod' in this|string else 'error') }}", ""),
        ("{% if env_var('X', '') %}select 1 where false{% endif %}", ""),
        ("", "{% macro hardness() %}{{ return('warn' if target.name == 'prod' else 'error') }}{% endmacro %}"),
    ] {
        let report = change(raw, of_macro);
        let (said, verdict) = weakened(&report);
        assert!(
            said.iter().any(|(severity, text)| *severity == "warning" && text.contains("depends on `")),
            "{raw}: {said:?}"
        );
        assert_eq!(verdict, "warned", "{raw}{of_macro}");
    }
}

#[test]
fn flags_that_no_manifest_records_are_listed() {
    let of = |line: &str| said(&judged((&with_flag(line), None), (&with_flag("use_colors: true"), None), "1.11.16"));
    assert_eq!(of("use_colors: false"), []);
    let [(severity, message)] = of("warn_error: true").try_into().unwrap();
    assert_eq!(severity, "warning");
    assert!(message.contains("changes `flags.warn_error` in dbt_project.yml"), "{message}");
}

/// Exit code and report of a check whose manifest has one model of the project changed so.
fn of_a_model(change: impl FnOnce(&mut Value)) -> (Option<i32>, Value) {
    edited("", |manifest| {
        let nodes = manifest["nodes"].as_object_mut().unwrap();
        let own = |node: &&mut Value| node["resource_type"] == "model" && node["package_name"] == "ferry";
        change(nodes.values_mut().find(own).unwrap());
    })
}

/// Exit code and report of a check with this premerge.yml, whose manifest is changed so.
fn edited(config: &str, change: impl FnOnce(&mut Value)) -> (Option<i32>, Value) {
    let checkout = Checkout::of("new_column");
    fs_err::write(checkout.project().join("premerge.yml"), config).unwrap();
    let mut manifest = common::read_manifest(&checkout.manifest());
    change(&mut manifest);
    let path = checkout.dir.path().join("manifest.json");
    fs_err::write(&path, manifest.to_string()).unwrap();
    let mut command = common::premerge();
    command.current_dir(checkout.dir.path()).args(["check", "--project-dir", "project", "--profiles-dir", "project"]);
    command.arg("--state").arg(common::fixtures().join("production.manifest.json.gz"));
    command.arg("--manifest").arg(&path).args(["--pr", "3", "--output", "report.json"]);
    let output = command.output().unwrap();
    assert!(checkout.report().is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), checkout.read_report())
}

#[test]
fn a_plan_is_of_the_settings_that_a_check_has() {
    let checkout = Checkout::of("new_column");
    fs_err::write(checkout.project().join("premerge.yml"), "schema: gate_{pr}\nindirect_selection: empty\n").unwrap();
    let plan = |args: &[&str]| -> Value {
        let mut command = common::premerge();
        command.current_dir(checkout.dir.path()).args(["plan", "--format", "json", "--project-dir", "project"]);
        command.arg("--state").arg(common::fixtures().join("production.manifest.json.gz"));
        command.arg("--manifest").arg(checkout.manifest());
        let output = command.args(["--target", "ci", "--profiles-dir", "project"]).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let tests = |plan: &Value| plan["tests"].as_array().unwrap().len();
    let settings = plan(&["--pr", "31"]);
    assert_eq!(settings["schema"], "gate_31");
    assert_eq!(plan(&[])["schema"], "gate_local");
    fs_err::write(checkout.dir.path().join("other.yml"), "schema: other_{pr}\n").unwrap();
    let other = plan(&["--pr", "31", "--config", "other.yml"]);
    assert_eq!(other["schema"], "other_31");
    assert!(tests(&settings) < tests(&other), "changed tests are run in any mode, others as premerge.yml says");
}

#[test]
fn what_a_flag_leaves_out_is_not_checked() {
    let checkout = Checkout::of("new_column");
    let check = |args: &[&str]| {
        checkout.check().args(args).output().unwrap();
        checkout.read_report()
    };
    let report = check(&["--exclude", "dim_routes"]);
    assert_eq!(report["verdict"], "warned", "{report:#}");
    let left = |entry: &&Value| entry["unique_id"] == "model.ferry.dim_routes";
    let entry = report["not_checked"].as_array().unwrap().iter().find(left).unwrap();
    assert_eq!(entry["reason"], "it changed, and --select, --exclude or --selector leaves it out");
}

#[test]
fn a_selector_that_the_pull_request_changes_is_listed() {
    let checkout = Checkout::of("new_column");
    let with_selectors = |from: &Path, name: &str, selectors: Value| {
        let mut manifest = common::read_manifest(from);
        manifest["selectors"] = selectors;
        let path = checkout.dir.path().join(name);
        fs_err::write(&path, manifest.to_string()).unwrap();
        path
    };
    let selector = |value: &str| {
        json!({"gate": {"name": "gate", "definition": {"method": "selector", "value": "all"}},
        "all": {"name": "all", "definition": {"method": "fqn", "value": value}}})
    };
    let listed = |before: Value, after: Value| {
        let state = with_selectors(&common::fixtures().join("production.manifest.json.gz"), "state.json", before);
        let pr = with_selectors(&checkout.manifest(), "pr.json", after);
        let mut command = common::premerge();
        command.current_dir(checkout.dir.path()).args([
            "check",
            "--project-dir",
            "project",
            "--profiles-dir",
            "project",
        ]);
        command.arg("--state").arg(state).arg("--manifest").arg(pr).args(["--pr", "3", "--output", "report.json"]);
        let output = command.args(["--selector", "gate"]).output().unwrap();
        assert!(checkout.report().is_file(), "{}", String::from_utf8_lossy(&output.stderr));
        said(&checkout.read_report()).into_iter().map(|(_, message)| message).collect::<Vec<_>>()
    };
    assert_eq!(listed(selector("*"), selector("*")), Vec::<String>::new());
    let changed = "the pull request changes selector `gate`, which says what is checked";
    assert_eq!(listed(selector("*"), selector("dim_routes")), [changed], "by way of the one that it names");
    let own = "selector `gate` is the pull request's own, and says what is checked";
    assert_eq!(listed(json!({}), selector("*")), [own]);
}
