//! The headline and other sentences about a report. Nothing in them needs escaping, but where it is said.

use std::collections::BTreeMap;

use super::concluded::Report;
use super::facts::{Interruption, LeftOut};
use super::finding::{Severity, rules};
use super::outcome::{NodeOutcome, NodeStatus, TestStatus, Why};
use super::verdict::Verdict;
use crate::artifacts::ResourceType;
use crate::plan::Reasons;
use crate::text::escape::{self, CELL};
pub(super) use crate::text::words::{age, count, duration, len, noun, short_commit, some_of, thousands, utc};

/// `, 3 proxy views`, where there are any.
pub(super) fn proxies(number: u64) -> String {
    if number == 0 { String::new() } else { format!(", {}", count(number, "proxy view")) }
}

/// Why nodes changed, where one thing concerns many of them; in names, to be escaped.
pub(super) fn reasons(report: &Report) -> Vec<String> {
    let Reasons { settings, macros, from_outside, undecided } = &report.reasons;
    let plain = |text: String| text.replace('`', "");
    let mut lines: Vec<String> = settings.iter().map(|change| plain(change.to_string())).collect();
    lines.extend(macros.iter().map(|change| plain(change.to_string())));
    lines.extend(from_outside.iter().map(|outside| plain(outside.to_string())));
    if let Some(first) = undecided.first() {
        let nodes = count(len(undecided), "node");
        let name = first.unique_id.name();
        lines.push(format!(
            "{nodes} not built: no file changed, and the SQL differs only where it depends on the command, the target or the time of the compile ({} in {name})",
            first.because
        ));
    }
    lines
}

/// `5 models changed and their SQL is the same (…), so they were not built`.
pub(super) fn cosmetic(report: &Report) -> Option<String> {
    let all = &report.cosmetic;
    let noun = if all.iter().all(|node| node.unique_id.kind() == ResourceType::Model) { "model" } else { "node" };
    let rest = if all.len() == 1 { "its SQL is the same, so it was" } else { "their SQL is the same, so they were" };
    let how =
        if all.iter().flat_map(|node| &node.why).all(Why::is_body) { " only in comments or whitespace" } else { "" };
    (!all.is_empty()).then(|| format!("{} changed{how}: {rest} not built", count(len(all), noun)))
}

/// `28 post-hooks of 20 nodes, 3 on-run-end, as in production`: what is counted; nothing when there is none.
pub(super) fn left_out_counted(left_out: &[LeftOut]) -> Option<String> {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for item in left_out {
        if let Some(kind) = item.kind.as_deref() {
            *kinds.entry(kind).or_default() += item.count.unwrap_or(1);
        }
    }
    let words = kinds.iter().map(|(kind, number)| match *kind {
        "pre-hook" => count(*number, "pre-hook"),
        "post-hook" => count(*number, "post-hook"),
        "grants" => count(*number, "grant"),
        "storing failures" => format!("storing failures of {}", count(*number, "test")),
        // `on-run-end`, and what a later version may leave out.
        other => format!("{} {}", thousands(*number), escape::prose(other, CELL)),
    });
    let words: Vec<_> = words.collect();
    (!words.is_empty()).then(|| format!("{}, all as in production", words.join(", ")))
}

/// `semantic model`: what stands before a name; nothing before a model's, which is what people expect. To be escaped.
pub(super) fn kind(resource_type: &str) -> Option<String> {
    (!matches!(resource_type, "" | "model")).then(|| resource_type.replace('_', " "))
}

/// What the report's nodes are: `model` if all are, `node` otherwise.
fn node_word(report: &Report) -> &'static str {
    if report.nodes.iter().all(|node| node.unique_id.kind() == ResourceType::Model) { "model" } else { "node" }
}

/// Why the verdict is what it is, in counts: `1 test fails, 2 models failed to build`.
pub(super) fn headline(report: &Report) -> String {
    let parts = match report.verdict() {
        Verdict::Running => vec![],
        Verdict::Passed => passed(report),
        Verdict::Warned => warned(report),
        Verdict::Failed => failed(report),
        Verdict::Incomplete => incomplete(report),
    };
    parts.join(", ")
}

fn passed(report: &Report) -> Vec<String> {
    if report.nodes.is_empty() && report.tests.is_empty() {
        return vec!["no models affected".to_owned()];
    }
    let built = format!("{} built", count(len(&report.nodes), node_word(report)));
    let tested = format!("{} passed", count(len(&report.tests), "test"));
    vec![built, tested]
}

fn warned(report: &Report) -> Vec<String> {
    let warn = len_where(&report.tests, |test| test.status.warns());
    let weakened = report.findings.iter().filter(|finding| *finding.rule() == rules::TESTS_WEAKENED).count();
    let weakened = u64::try_from(weakened).unwrap_or(u64::MAX);
    let explicit = explicit_findings(report, Severity::Warning).saturating_sub(weakened);
    let mut parts = Vec::new();
    if weakened > 0 {
        parts.push(format!("weakens {}", count(weakened, "test")));
    }
    if warn > 0 {
        parts.push(format!("{} {}", count(warn, "test"), if warn == 1 { "warns" } else { "warn" }));
    }
    if explicit > 0 {
        parts.push(count(explicit, "warning"));
    }
    let unproved = len_where(&report.nodes, NodeOutcome::is_unproved);
    let unchecked = len(&report.other_not_checked()) + unproved;
    if unchecked > 0 {
        parts.push(format!("{} not checked", count(unchecked, "item")));
    }
    parts
}

fn failed(report: &Report) -> Vec<String> {
    let nodes = len_where(&report.nodes, |node| node.status.shuts_gate());
    let (mut fail, mut error) = (0, 0);
    for test in &report.tests {
        match test.status {
            TestStatus::Fail => fail += 1,
            TestStatus::Error => error += 1,
            TestStatus::Pass | TestStatus::Warn | TestStatus::Skipped | TestStatus::NotRun => {}
        }
    }
    let explicit = explicit_findings(report, Severity::Error);
    let mut parts = Vec::new();
    if nodes > 0 {
        parts.push(format!("{} failed to build", count(nodes, node_word(report))));
    }
    if fail > 0 {
        parts.push(format!("{} {}", count(fail, "test"), if fail == 1 { "fails" } else { "fail" }));
    }
    if error > 0 {
        parts.push(format!("{} could not run", count(error, "test")));
    }
    if explicit > 0 {
        parts.push(count(explicit, "error"));
    }
    if parts.is_empty() {
        // Only the scoreboard says so.
        let checks = report.checks.all();
        let names = checks.iter().filter(|(_, check)| check.shuts_gate()).map(|(name, _)| name.to_string());
        parts.push(format!("{} failed", names.collect::<Vec<_>>().join(", ")));
    }
    parts
}

fn incomplete(report: &Report) -> Vec<String> {
    match &report.interruption {
        Some(Interruption::Superseded) => return vec!["superseded: a newer run took over".to_owned()],
        Some(Interruption::Cancelled { .. }) => return vec!["the run was stopped".to_owned()],
        Some(Interruption::Broken { .. }) => return vec!["the run could not finish".to_owned()],
        None => {}
    }
    let nodes = len_where(&report.nodes, |node| node.status != NodeStatus::Built);
    let tests = len_where(&report.tests, |test| !test.status.ran());
    let other = len(&report.other_not_checked());
    let mut parts = Vec::new();
    if nodes > 0 {
        parts.push(format!("{} not built", count(nodes, node_word(report))));
    }
    if tests > 0 {
        parts.push(format!("{} not run", count(tests, "test")));
    }
    if other > 0 {
        parts.push(format!("{} not checked", count(other, "other item")));
    }
    if parts.is_empty() {
        let checks = report.checks.all();
        let missing =
            checks.iter().filter(|(_, check)| check.required && !check.is_complete() || check.done < check.total);
        parts.push(format!(
            "{} did not finish",
            missing.map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(", ")
        ));
    }
    parts
}

fn explicit_findings(report: &Report, severity: Severity) -> u64 {
    len_where(&report.own_findings(), |finding| finding.severity() == severity)
}

fn len_where<T>(items: &[T], holds: impl Fn(&T) -> bool) -> u64 {
    items.iter().fold(0, |sum, item| sum + u64::from(holds(item)))
}
