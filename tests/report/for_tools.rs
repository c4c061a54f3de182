//! JUnit and code quality, read back as their readers do.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what is read back may be wrong only in a test"
)]

use std::collections::{BTreeMap, BTreeSet};

use premerge::report::*;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::sample::{HOSTILE, large, made_of, worked_example};

/// What the XSD of Jenkins' xunit plugin allows; GitLab and CircleCI read a subset.
const ATTRIBUTES: &[(&str, &[&str], &[&str])] = &[
    ("testsuites", &[], &["name", "time", "tests", "failures", "errors"]),
    ("testsuite", &["name", "tests", "failures", "errors"], &["time", "skipped", "timestamp", "hostname"]),
    ("testcase", &["name"], &["time", "classname", "group"]),
    ("failure", &[], &["message", "type"]),
    ("error", &[], &["message", "type"]),
    ("skipped", &[], &["message", "type"]),
    ("system-out", &[], &[]),
];

fn attributes(element: &BytesStart<'_>) -> BTreeMap<String, String> {
    let of = |attribute: quick_xml::events::attributes::Attribute<'_>| {
        let name = attribute.key.as_ref().to_owned();
        let raw = attribute.value.into_owned();
        (name, quick_xml::escape::unescape(&raw).unwrap().into_owned())
    };
    element.attributes().map(|attribute| of(attribute.unwrap())).collect()
}

/// Every case by suite and name: the element that says how it ended, or none.
fn read(xml: &str) -> BTreeMap<(String, String), Option<(String, String)>> {
    let forbidden = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{fffe}' | '\u{ffff}');
    assert!(!xml.contains(forbidden), "{xml:?}");
    let mut reader = Reader::from_str(xml);
    let (mut open, mut suite, mut cases) = (Vec::new(), String::new(), BTreeMap::new());
    let mut promised = BTreeMap::new();
    loop {
        let event = reader.read_event().unwrap();
        let (element, empty) = match &event {
            Event::Start(element) => (element, false),
            Event::Empty(element) => (element, true),
            Event::End(_) => {
                open.pop();
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        let name = element.name().as_ref().to_owned();
        let has = attributes(element);
        let (_, required, optional) = ATTRIBUTES.iter().find(|(known, ..)| *known == name).expect("a known element");
        assert!(required.iter().all(|key| has.contains_key(*key)), "{name}: {has:?}");
        assert!(has.keys().all(|key| required.contains(&key.as_str()) || optional.contains(&key.as_str())), "{has:?}");
        let parent: Option<&String> = open.last();
        match name.as_str() {
            "testsuites" => assert_eq!(parent, None),
            "testsuite" => {
                assert_eq!(parent.unwrap(), "testsuites");
                suite.clone_from(&has["name"]);
                assert!(promised.insert(suite.clone(), has.clone()).is_none(), "suite {suite} twice");
            }
            "testcase" => {
                assert_eq!(parent.unwrap(), "testsuite");
                assert_eq!(has["classname"], format!("premerge.{suite}"));
                let new = cases.insert((suite.clone(), has["name"].clone()), None).is_none();
                assert!(new, "two cases of one name: {}", has["name"]);
                open.extend((!empty).then(|| has["name"].clone()));
                continue;
            }
            _ => {
                let end = cases.get_mut(&(suite.clone(), parent.unwrap().clone())).expect("its case");
                assert_eq!(*end, None, "a case ends once");
                *end = Some((name.clone(), has.get("message").cloned().unwrap_or_default()));
            }
        }
        open.extend((!empty).then_some(name));
    }
    for (suite, has) in promised {
        let ends: Vec<_> = cases.iter().filter(|((of, _), _)| *of == suite).map(|(_, end)| end).collect();
        let number = |tag: &str| ends.iter().filter(|end| end.as_ref().is_some_and(|end| end.0 == tag)).count();
        assert_eq!(has["tests"], ends.len().to_string());
        for (attribute, tag) in [("failures", "failure"), ("errors", "error"), ("skipped", "skipped")] {
            assert_eq!(has[attribute], number(tag).to_string(), "{suite}: {attribute}");
        }
    }
    cases
}

fn junit_of(draft: Draft) -> BTreeMap<(String, String), Option<(String, String)>> {
    let mut out = Vec::new();
    junit::write(&Report::conclude(draft), &mut out).unwrap();
    read(&String::from_utf8(out).unwrap())
}

fn end<'a>(
    cases: &'a BTreeMap<(String, String), Option<(String, String)>>,
    suite: &str,
    name: &str,
) -> Option<(&'a str, &'a str)> {
    let end = cases.get(&(suite.to_owned(), name.to_owned())).unwrap_or_else(|| panic!("{suite}/{name}: {cases:#?}"));
    end.as_ref().map(|(tag, message)| (tag.as_str(), message.as_str()))
}

#[test]
fn junit_tells_failures_errors_and_skipped_apart() {
    let mut draft = worked_example();
    let node = |name: &str, status| NodeOutcome {
        message: Some(format!("about {name}")),
        ..NodeOutcome::new(format!("model.analytics.{name}"), name, status)
    };
    draft.nodes.push(node("broken", NodeStatus::Failed));
    draft.nodes.push(node("below", NodeStatus::Skipped));
    draft.nodes.push(node("python", NodeStatus::NotChecked));
    draft.nodes[3].reads_unbuilt = vec!["model.analytics.python".into()];
    draft.tests.push(TestOutcome::new("test.analytics.refused", "refused", TestStatus::Error));
    draft.tests.push(TestOutcome::new("test.analytics.later", "later", TestStatus::NotRun));
    draft.findings.push(Finding::at(Severity::Error, RuleId::lint("PM001"), Location::line("models/a.sql", 3), "x"));
    draft.findings.push(Finding::at(Severity::Error, RuleId::lint("PM001"), Location::line("models/a.sql", 8), "x"));
    draft.findings.push(Finding::about(Severity::Warning, rules::STATE_OLD, "model.analytics.fct_orders", "40 days"));
    draft.tally();
    let cases = junit_of(draft);
    for (suite, name, tag, message) in [
        ("build", "model.analytics.broken", "failure", "about broken"),
        ("build", "model.analytics.below", "skipped", "about below"),
        ("build", "model.analytics.python", "skipped", "about python"),
        (
            "build",
            "model.analytics.mart_sales",
            "skipped",
            "built on production's data: model.analytics.python was not built",
        ),
        ("tests", "test.analytics.unique_fct_orders_order_id.0f1e2d", "failure", "37 keys occur more than once"),
        ("tests", "test.analytics.refused", "error", "it could not run"),
        ("tests", "test.analytics.later", "skipped", "not run"),
        ("lint", "PM001 models/a.sql", "failure", "models/a.sql:3: x"),
        ("lint", "PM001 models/a.sql (2)", "failure", "models/a.sql:8: x"),
    ] {
        assert_eq!(end(&cases, suite, name), Some((tag, message)), "{suite}/{name}");
    }
    for (suite, name, tag) in [
        ("build", "model.analytics.fct_orders", None),
        ("tests", "test.analytics.not_null_fct_orders_order_id.0f1e2d", None),
        ("tests", "test.analytics.not_null_dim_customers_region.0f1e2d", Some("system-out")),
        ("findings", "state-old model.analytics.fct_orders", Some("system-out")),
        ("run", "run", None),
    ] {
        assert_eq!(end(&cases, suite, name).map(|(tag, _)| tag), tag, "{suite}/{name}");
    }
}

#[test]
fn junit_of_a_run_that_broke_is_an_error_and_of_one_that_did_nothing_is_not_green() {
    let reason = "the warehouse could not be reached";
    let broken = Draft { interruption: Some(Interruption::Broken { reason: reason.into() }), ..Draft::default() };
    let cases = junit_of(broken);
    assert_eq!(end(&cases, "run", "run"), Some(("error", reason)));
    assert_eq!(end(&cases, "build", "build"), Some(("skipped", "nothing was built")));
    let cases = junit_of(Draft::default());
    assert_eq!(end(&cases, "tests", "tests"), Some(("skipped", "no test was run")));
    // Only the scoreboard says that something failed.
    let mut draft = worked_example();
    draft.tests.retain(|test| test.status == TestStatus::Pass);
    draft.tally();
    assert!(junit_of(draft.clone()).values().flatten().all(|(tag, _)| tag == "system-out"));
    draft.checks.schema = Check::ran(3, 3, 1, 0);
    assert_eq!(end(&junit_of(draft), "schema", "schema"), Some(("failure", "the check failed")));
}

#[test]
fn hostile_text_is_data_in_junit_and_code_quality() {
    let worst = ["]]>", "<?xml", "&#0;", "\u{fffe}\u{ffff}", "\"'<&>"];
    let schema = serde_json::json!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["description", "check_name", "fingerprint", "severity", "location"],
            "properties": {
                "description": {"type": "string", "minLength": 1},
                "check_name": {"type": "string", "minLength": 1},
                "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                "location": {
                    "type": "object",
                    "required": ["path", "lines"],
                    "properties": {
                        "path": {"type": "string", "pattern": "^[^/]"},
                        "lines": {"required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}},
                    },
                },
            },
        },
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    for draft in HOSTILE.iter().chain(&worst).map(|text| made_of(text)).chain([large(40, 200)]) {
        assert!(junit_of(draft.clone()).len() > 5);
        let list = FindingList::of_report(&Report::conclude(draft));
        let mut out = Vec::new();
        codequality::write(&list, &mut out).unwrap();
        assert!(out.starts_with(b"["), "no byte-order mark");
        let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?} {document:#}");
        let entries = document.as_array().unwrap();
        let prints: BTreeSet<_> = entries.iter().map(|entry| entry["fingerprint"].to_string()).collect();
        assert_eq!(prints.len(), entries.len());
        assert_eq!(entries.len(), list.findings.len() + list.missing.len(), "nothing is left out");
        assert!(!document.to_string().contains("\"path\":\"../"), "{document:#}");
    }
}
