//! The report's renderings, from the outside: what a reviewer, a terminal, a program and a CI log get to see.

#[path = "report/for_tools.rs"]
mod for_tools;
#[path = "report/markdown.rs"]
mod markdown;
#[path = "report/sample.rs"]
mod sample;

use std::collections::BTreeSet;

use premerge::publish::github::FLAVOUR;
use premerge::report::{self, Draft, Report, Verdict, json, terminal};
use proptest::prelude::*;
use sample::{HOSTILE, large, made_of, worked_example};

/// What every comment must hold, whatever it is about.
fn check_comment(report: &Report, body: &str, cap: usize) -> Result<(), String> {
    let must = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}\n---\n{body}")) };
    must(body.len() <= cap, "larger than its cap")?;
    let start: String = body.chars().take(200).collect();
    must(start.contains(report.verdict().words()), "no verdict in the first 200 characters")?;
    let first = body.lines().next().unwrap_or_default();
    must(first == premerge::report::markdown::marker(report), "no marker in the first line")?;
    must(body.matches("<!--").count() == 1, "more than one HTML comment")?;
    must(
        body.matches("premerge:pr-comment").count() <= 1 + body.matches("&lt;!").count() + body.matches('`').count(),
        "x",
    )?;

    let seen = markdown::parse(body);
    let tags = seen.tags();
    must(markdown::unbalanced(&tags).is_none(), &format!("HTML: {:?}", markdown::unbalanced(&tags)))?;
    let ours = ["!--", "details", "/details", "summary", "/summary", "b", "/b", "br", "sub", "/sub", "code", "/code"];
    let foreign: BTreeSet<_> = tags.iter().filter(|tag| !ours.contains(&tag.as_str())).collect();
    must(foreign.is_empty(), &format!("HTML that is not ours: {foreign:?}"))?;
    must(seen.images == 0, "an image")?;
    must(seen.code_blocks == 0, "a code block")?;
    must(seen.headings.len() == 1, &format!("headings: {:?}", seen.headings))?;
    for link in &seen.links {
        must(link.starts_with("https://github.com/acme/analytics/"), &format!("a link to {link}"))?;
    }
    for (number, line) in seen.prose.lines().enumerate() {
        let name = |next: char| next.is_alphanumeric() || next == '_';
        let pings = line.chars().zip(line.chars().skip(1)).any(|(c, next)| matches!(c, '@' | '#') && name(next));
        must(!pings, &format!("prose line {number} pings or links: {line}"))?;
        must(!line.contains("://") && !line.to_lowercase().contains("www."), &format!("prose line {number}: {line}"))?;
    }
    let invisible = |c: char| {
        c != '\u{200b}' && c != '\u{fe0f}' && (premerge::text::escape::is_invisible(c) || c.is_control() && c != '\n')
    };
    must(!body.contains(invisible), "an invisible or control character")?;

    // Every table keeps its columns.
    let mut width = None;
    for row in markdown::rows(body) {
        let heads = row.first().is_some_and(|cell| [" Build ", " Changed ", " Rule "].contains(&cell.as_str()));
        if heads {
            width = Some(row.len());
        }
        must(Some(row.len()) == width, &format!("a row of {} cells in a table of {width:?}: {row:?}", row.len()))?;
    }
    Ok(())
}

fn comment(draft: Draft, cap: usize) -> (Report, String) {
    let report = Report::conclude(draft);
    let body = report::markdown::body(&report, FLAVOUR, cap);
    check_comment(&report, &body, cap).expect("a comment as it should be");
    (report, body)
}

fn terminal_of(report: &Report, colours: bool) -> String {
    let mut out = Vec::new();
    terminal::write(report, colours, &mut out).expect("a vector takes every byte");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn a_comment_is_as_short_as_designed() {
    let (report, body) = comment(worked_example(), FLAVOUR.cap);
    assert_eq!(report.verdict(), Verdict::Failed);
    let open = body.split("<details>").next().unwrap();
    assert!(open.chars().count() <= 1_500, "the open part has {} characters", open.chars().count());
    assert!(body.chars().count() <= 6_000, "the comment has {} characters", body.chars().count());
}

#[test]
fn the_terminal_says_the_verdict_first_and_fits_a_hundred_columns() {
    let mut draft = worked_example();
    draft.tests[0].detail = Some("Binder Error: column \"order_idd\" not found\nLINE 1: select order_idd".into());
    let text = terminal_of(&Report::conclude(draft), false);
    assert!(text.starts_with("❌ Not ready to merge: 1 test fails"), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= terminal::WIDTH, "{line}");
    }
}

#[test]
fn colours_come_only_when_asked_for() {
    let report = Report::conclude(worked_example());
    assert!(!terminal_of(&report, false).contains('\u{1b}'));
    assert!(terminal_of(&report, true).contains("\u{1b}[31m❌ Not ready to merge"));
}

#[test]
fn the_warehouse_s_words_are_shown_in_the_terminal_and_nowhere_else() {
    let secret = "Key (email)=(jane@example.com) already exists";
    let mut draft = worked_example();
    draft.nodes[0].detail = Some(secret.into());
    draft.nodes[0].status = report::NodeStatus::Failed;
    draft.tests[0].detail = Some(secret.into());
    let (report, body) = comment(draft, FLAVOUR.cap);
    let mut document = Vec::new();
    json::write(&report, &mut document).unwrap();
    assert!(terminal_of(&report, false).contains("jane@example.com"));
    assert!(!body.contains("jane"), "{body}");
    assert!(!String::from_utf8(document).unwrap().contains("jane"));
}

#[test]
fn a_comment_while_running_says_so() {
    let report = Report::running(Draft { facts: worked_example().facts, ..Draft::default() });
    let body = report::markdown::body(&report, FLAVOUR, FLAVOUR.cap);
    check_comment(&report, &body, FLAVOUR.cap).unwrap();
    assert!(body.lines().nth(1).unwrap().starts_with("### ⏳ Running"), "{body}");
    assert!(!body.contains('✅'), "{body}");
}

#[test]
fn a_clean_pull_request_gets_a_short_comment() {
    let mut draft = worked_example();
    draft.tests.retain(|test| test.status == report::TestStatus::Pass);
    draft.tally();
    let (report, body) = comment(draft, FLAVOUR.cap);
    assert_eq!(report.verdict(), Verdict::Passed);
    assert!(body.contains("### ✅ Safe to merge: 4 models built, 2 tests passed"), "{body}");
    assert!(body.contains("| ✅ 4 of 4 | ✅ 2 of 2 | 6 models"), "{body}");
    assert!(body.matches("<details>").count() <= 2, "{body}");
}

#[test]
fn a_check_that_fails_and_stopped_half_way_says_both() {
    let mut draft = worked_example();
    draft.tests[3].status = report::TestStatus::Skipped;
    draft.tally();
    let (report, body) = comment(draft, FLAVOUR.cap);
    assert!(body.contains("| ❌ 1 of 4, 1 not checked |"), "{body}");
    assert!(terminal_of(&report, false).contains("1 of 4 failed, 1 not checked"));
}

#[test]
fn what_premerge_cannot_check_is_in_the_first_lines() {
    let mut draft = worked_example();
    draft.tests.retain(|test| test.status == report::TestStatus::Pass);
    draft.tally();
    draft.not_checked.push(report::NotChecked {
        subject: "model forecast".into(),
        unique_id: Some("model.analytics.forecast".into()),
        reason: "Python models are not supported".into(),
    });
    let (report, body) = comment(draft, FLAVOUR.cap);
    assert_ne!(report.verdict(), Verdict::Passed);
    assert!(body.contains("### ⚠️ Review needed: 1 item not checked\n"), "{body}");
    assert!(body.contains("**Review** · `model forecast` was not checked: Python models are not supported"), "{body}");
}

#[test]
fn a_run_that_broke_says_why_and_is_not_green() {
    let draft = Draft {
        interruption: Some(report::Interruption::Broken { reason: "the warehouse could not be reached".into() }),
        ..Draft::default()
    };
    let (report, body) = comment(draft, FLAVOUR.cap);
    assert_eq!(report.verdict().exit_code(), 3);
    assert!(body.contains("### ◻️ Not checked: the run could not finish"), "{body}");
    assert!(body.contains("**Why** · the warehouse could not be reached"), "{body}");
}

#[test]
fn hostile_text_is_data_in_every_rendering() {
    for text in HOSTILE {
        let (report, body) = comment(made_of(text), FLAVOUR.cap);
        let screen = terminal_of(&report, false);
        let control = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2066}' | '\u{200b}');
        assert!(!screen.contains(control), "{text:?}: {screen}");
        assert!(screen.lines().all(|line| line.chars().count() <= terminal::WIDTH), "{text:?}: {screen}");

        let mut document = Vec::new();
        json::write(&report, &mut document).unwrap();
        let again = json::read(&document).unwrap();
        assert_eq!(report::markdown::body(&again, FLAVOUR, FLAVOUR.cap), body, "{text:?}");
    }
}

#[test]
fn a_comment_shrinks_step_by_step_and_says_what_it_hides() {
    let report = Report::conclude(large(60, 200));
    let mut sizes = BTreeSet::new();
    for cap in (1_000..=120_000).step_by(500) {
        let body = report::markdown::body(&report, FLAVOUR, cap);
        check_comment(&report, &body, cap).unwrap();
        assert!(body.contains(" more") || body.contains("do not fit"), "{body}");
        sizes.insert(body.len());
    }
    assert!(sizes.len() >= 5, "only {} different sizes: {sizes:?}", sizes.len());
}

#[test]
fn long_tables_are_cut_and_say_by_how_much() {
    let (_, body) = comment(large(60, 200), 120_000);
    let models = body.lines().filter(|line| line.contains(" SQL body |")).count();
    assert_eq!(models, 15, "{body}");
    assert!(body.contains("\nand 48 more\n"), "{body}");
    assert!(body.contains("- and 191 more: see `report.json`"), "{body}");
}

/// The budgets of the layout, for a pull request of ten models with names as long as real ones.
#[test]
fn a_usual_pull_request_stays_within_its_budgets() {
    let mut draft = worked_example();
    let node = draft.nodes[0].clone();
    draft.nodes = (0..10)
        .map(|number| {
            let name = format!("int_payments_pivoted_{number}");
            let place = report::Location::file(format!("models/intermediate/finance/{name}.sql"));
            report::NodeOutcome {
                unique_id: format!("model.analytics.{name}").into(),
                name,
                location: Some(place),
                ..node.clone()
            }
        })
        .collect();
    let test = draft.tests[0].clone();
    draft.tests.extend((0..4).map(|number| report::TestOutcome {
        unique_id: format!("test.analytics.accepted_values_{number}").into(),
        name: format!("accepted_values_int_payments_pivoted_{number}_status__placed__shipped"),
        ..test.clone()
    }));
    draft.tally();
    let (_, body) = comment(draft, FLAVOUR.cap);
    let open = body.split("<details>").next().unwrap().chars().count();
    assert!(open <= 1_500, "the open part has {open} characters: {body}");
    assert!(body.chars().count() <= 6_000, "the comment has {} characters", body.chars().count());
}

#[test]
fn a_saved_report_is_rendered_in_every_format() {
    use premerge::commands::ResultFile;
    use premerge::commands::render::{Format, RenderArgs, run};
    let folder = tempfile::tempdir().unwrap();
    let report = Report::conclude(worked_example());
    let path = folder.path().join("report.json");
    json::write(&report, &mut fs_err::File::create(&path).unwrap()).unwrap();
    let rendered = |format: Format| {
        let mut out = Vec::new();
        run(&RenderArgs { report: path.clone(), format, output: vec![] }, false, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(rendered(Format::Text), terminal_of(&report, false));
    assert_eq!(rendered(Format::Markdown), report::markdown::body(&report, FLAVOUR, FLAVOUR.cap));
    assert_eq!(rendered(Format::Json), fs_err::read_to_string(&path).unwrap());
    let sarif: serde_json::Value = serde_json::from_str(&rendered(Format::Sarif)).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), report.problems().len());
    assert!(rendered(Format::Annotations).lines().all(|line| line.starts_with("::")));

    let output = folder.path().join("comment.md");
    let args = RenderArgs {
        report: path.clone(),
        format: Format::Markdown,
        output: vec![ResultFile { format: None, path: output.clone() }],
    };
    run(&args, true, &mut Vec::new()).unwrap();
    assert_eq!(fs_err::read_to_string(output).unwrap(), rendered(Format::Markdown));

    let missing = RenderArgs { report: folder.path().join("absent.json"), format: Format::Text, output: vec![] };
    assert!(run(&missing, false, &mut Vec::new()).unwrap_err().to_string().contains("absent.json"));
    fs_err::write(&path, "{}").unwrap();
    let broken = RenderArgs { report: path, format: Format::Text, output: vec![] };
    let error = run(&broken, false, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("report.json: this is not a premerge report"), "{error}");
}

fn premerge() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_premerge"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PREMERGE_") || name == "GITHUB_ACTIONS") {
        command.env_remove(name);
    }
    command
}

#[test]
fn outputs_are_as_many_files_as_are_named_and_no_link_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    json::write(&Report::conclude(worked_example()), &mut fs_err::File::create(file("report.json")).unwrap()).unwrap();
    let render = |outputs: &[&str]| {
        let mut command = premerge();
        command.current_dir(folder.path()).args(["render", "report.json", "--format", "markdown"]);
        outputs.iter().for_each(|output| {
            command.args(["--output", output]);
        });
        command.output().unwrap()
    };
    #[cfg(unix)]
    {
        fs_err::write(file("kept"), "as it was").unwrap();
        std::os::unix::fs::symlink(file("kept"), file("junit.xml")).unwrap();
    }
    let done = render(&["junit=junit.xml", "gitlab-codequality=quality.json", "comment.md", "json=again.json"]);
    assert!(done.status.success() && done.stdout.is_empty() && done.stderr.is_empty(), "{done:?}");
    let read = |name: &str| fs_err::read_to_string(file(name)).unwrap();
    assert!(read("junit.xml").starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"premerge\""));
    assert!(read("quality.json").starts_with("[\n") && read("comment.md").starts_with("<!-- premerge"));
    assert_eq!(read("again.json"), read("report.json"));
    #[cfg(unix)]
    assert_eq!(read("kept"), "as it was");

    for (outputs, code, says) in [
        (&["juint=x.xml"][..], 2, "`juint` is not one of"),
        (&["junit=x.xml", "json=x.xml"], 2, "--output names x.xml twice"),
        (&["junit=nowhere/x.xml"], 2, "nowhere/x.xml"),
    ] {
        let refused = render(outputs);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(code) && said.contains(says), "{outputs:?}: {refused:?}");
        assert!(!file("x.xml").exists());
    }
}

#[test]
fn a_reader_that_goes_away_ends_nothing_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let mut document = Vec::new();
    json::write(&Report::conclude(large(300, 300)), &mut document).unwrap();
    assert!(document.len() > 300_000, "more than a pipe holds: {}", document.len());
    fs_err::write(&path, document).unwrap();
    for format in ["text", "json", "annotations", "junit"] {
        let mut command = premerge();
        command.arg("render").arg(&path).args(["--format", format]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success() && done.stderr.is_empty(), "{format}: {done:?}");
    }
}

#[test]
fn a_document_reads_back_as_it_was_written() {
    let report = Report::conclude(worked_example());
    let mut document = Vec::new();
    json::write(&report, &mut document).unwrap();
    assert_eq!(json::read(&document).unwrap(), report);
    let value: serde_json::Value = serde_json::from_slice(&document).unwrap();
    assert_eq!((&value["schema_version"], &value["verdict"]), (&1.into(), &"failed".into()));
}

#[test]
fn a_document_cannot_claim_a_verdict_that_it_does_not_bear_out() {
    let mut document = serde_json::to_value(Report::conclude(worked_example())).unwrap();
    document["verdict"] = "passed".into();
    let read = json::read(document.to_string().as_bytes()).unwrap();
    assert_eq!(read.verdict(), Verdict::Failed);
    let bare = json::read(br#"{"schema_version": 1, "verdict": "passed"}"#).unwrap();
    assert_eq!(bare.verdict(), Verdict::Incomplete);
}

#[test]
fn documents_that_are_no_report_are_refused_with_a_reason() {
    for (document, reason) in [
        ("{", "not a premerge report"),
        ("[]", "not a premerge report"),
        ("{}", "missing field `schema_version`"),
        (r#"{"schema_version": 2}"#, "schema version 2"),
        (r#"{"schema_version": 1, "nodes": [{"unique_id": 3}]}"#, "line 1 column"),
        (r#"{"schema_version": 1, "findings": [{"severity":"error","rule":"<b>","message":"x"}]}"#, "rule code"),
    ] {
        let error = json::read(document.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{document}: {error}");
    }
    let deep = format!("{{\"schema_version\": 1, \"x\": {}", "[".repeat(100_000));
    assert!(json::read(deep.as_bytes()).is_err());
    assert!(json::read(&vec![b' '; json::READ_LIMIT + 1]).unwrap_err().to_string().contains("bytes"));
}

#[test]
fn the_committed_schema_is_the_one_of_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json");
    let schema = format!("{}\n", serde_json::to_string_pretty(&json::schema()).unwrap());
    if std::env::var_os("PREMERGE_BLESS").is_some() {
        fs_err::write(path, &schema).unwrap();
    }
    let committed = fs_err::read_to_string(path).unwrap_or_default();
    assert!(committed == schema, "docs/report.schema.json is out of date: run the test with PREMERGE_BLESS=1");
}

#[test]
fn documents_follow_the_committed_schema() {
    let validator = jsonschema::validator_for(&json::schema()).unwrap();
    for draft in [worked_example(), Draft::default(), made_of("x|y"), large(5, 5)] {
        let document = serde_json::to_value(Report::conclude(draft)).unwrap();
        let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    assert!(!validator.is_valid(&serde_json::json!({"schema_version": 1, "verdict": "green"})));
}

/// Text as an author, a warehouse or an attacker might write it.
fn any_text() -> impl Strategy<Value = String> {
    let hostile = prop::sample::select(HOSTILE).prop_map(str::to_owned);
    let glued = prop::collection::vec(prop::sample::select(HOSTILE), 1..6).prop_map(|parts| parts.concat());
    prop_oneof![hostile, glued, any::<String>(), "[|`<>\\\\@#:/*_\\[\\]()!&$~.wGH\\- \n]{0,160}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Promises 5 and 7.
    #[test]
    fn any_report_becomes_a_comment_within_its_cap(text in any_text(), cap in 1_000..70_000_usize, repeat in 1..40_usize) {
        let mut draft = made_of(&text);
        draft.nodes = draft.nodes.iter().cloned().cycle().take(4 * repeat).collect();
        draft.tests = draft.tests.iter().cloned().cycle().take(6 * repeat).collect();
        draft.findings = draft.findings.iter().cloned().cycle().take(3 * repeat).collect();
        draft.facts.pull_request = Some(u64::MAX);
        let report = Report::conclude(draft);
        let body = report::markdown::body(&report, FLAVOUR, cap);
        prop_assert!(check_comment(&report, &body, cap).is_ok(), "{}", check_comment(&report, &body, cap).unwrap_err());
    }
}
