//! The open part of the comment: verdict, what to do, scoreboard, changed models; and the last line.

use std::collections::HashMap;

use super::page::Page;
use crate::report::check::{Check, CheckName, CheckState};
use crate::report::finding::Severity;
use crate::report::impact::{OtherChange, OtherFate};
use crate::report::outcome::{NodeOutcome, NodeStatus, TestStatus, Why};
use crate::report::verdict::Verdict;
use crate::report::words::{self, count, thousands};
use crate::text::escape::{self, CELL};

/// Most rows of the table of changed models.
const ROWS: usize = 15;
/// Most things to do in the second line.
const TO_DO: usize = 2;
/// Longest second line with more than one thing in it, in characters of Markdown.
const TO_DO_LENGTH: usize = 300;

/// `### ❌ Not ready to merge: 1 test fails`.
pub(super) fn verdict_line(page: &Page<'_>) -> String {
    let verdict = page.report.verdict();
    let headline = words::headline(page.report);
    let colon = if headline.is_empty() { "" } else { ": " };
    format!("### {} {}{colon}{headline}", verdict.icon(), verdict.words())
}

/// The one or two things to do, each a link to its place.
pub(super) fn to_do(page: &Page<'_>) -> String {
    let (words, severity) = match page.report.verdict() {
        Verdict::Failed => ("Must fix", Severity::Error),
        Verdict::Warned => ("Review", Severity::Warning),
        Verdict::Incomplete => return why_incomplete(page),
        Verdict::Passed | Verdict::Running => return String::new(),
    };
    let problems: Vec<_> = page.problems.iter().filter(|problem| problem.severity() == severity).collect();
    let mut parts = Vec::new();
    let mut length = 0;
    for problem in problems.iter().take(TO_DO) {
        let subject = page.linked(&page.subject(problem), problem.location());
        let part = format!("{subject} {}", escape::prose(problem.message(), CELL));
        length += part.chars().count();
        // The first always; another only where the line stays one.
        if !parts.is_empty() && length > TO_DO_LENGTH {
            break;
        }
        parts.push(part);
    }
    let only_unchecked = parts.is_empty() && page.report.verdict() == Verdict::Warned;
    if let (true, Some(item)) = (only_unchecked, page.report.other_not_checked().first()) {
        parts.push(format!("{} was not checked: {}", escape::code(&item.subject), escape::prose(&item.reason, CELL)));
    } else if problems.len() > parts.len() {
        parts.push(format!("and {} more below", problems.len() - parts.len()));
    }
    if parts.is_empty() { String::new() } else { format!("**{words}** · {}", parts.join(" · ")) }
}

fn why_incomplete(page: &Page<'_>) -> String {
    let reason = page.report.interruption.as_ref().map(|interruption| interruption.reason().to_owned());
    let required = page.report.checks.all();
    let reason =
        reason.or_else(|| page.report.not_checked.first().map(|item| format!("{}: {}", item.subject, item.reason)));
    let reason = reason.or_else(|| {
        let missing = required.iter().find(|(_, check)| check.required && !check.is_complete());
        missing.and_then(|(name, check)| check.reason.as_ref().map(|reason| format!("{name}: {reason}")))
    });
    match reason {
        Some(reason) => format!("**Why** · {}", escape::prose(&reason, 2 * CELL)),
        None => String::new(),
    }
}

/// The six checks in one row.
pub(super) fn scoreboard(page: &Page<'_>) -> String {
    let running = page.report.verdict() == Verdict::Running;
    // A check that this version or this configuration does not have says nothing.
    let checks = page.report.checks.all().into_iter().filter(|(_, check)| check.state != CheckState::Absent);
    let checks: Vec<_> = checks.collect();
    let names: Vec<_> = checks.iter().map(|(name, _)| name.to_string()).collect();
    let cells: Vec<_> = checks.iter().map(|(name, check)| cell(*name, check, running)).collect();
    format!("| {} |\n|{}\n| {} |", names.join(" | "), ":--|".repeat(names.len()), cells.join(" | "))
}

fn cell(name: CheckName, check: &Check, running: bool) -> String {
    let summary = check.summary.as_deref().map(|summary| escape::prose(summary, CELL));
    let of = |number: u64| format!("{} of {}", thousands(number), thousands(check.total));
    // A check that found something and also stopped half-way says both.
    let left = match check.total.saturating_sub(check.done) {
        0 => String::new(),
        left => format!(", {} not checked", thousands(left)),
    };
    match check.state {
        CheckState::NotChecked if running => "⏳".to_owned(),
        CheckState::NotChecked if check.done > 0 => format!("◻️ only {}", of(check.done)),
        CheckState::NotChecked | CheckState::Absent => "◻️ not checked".to_owned(),
        CheckState::Passed => match summary {
            // It only counts; a tick would claim more.
            Some(summary) if name == CheckName::Impact => summary,
            Some(summary) => format!("✅ {summary}"),
            // Nothing was proved by it.
            None if check.total == 0 => "none".to_owned(),
            None => format!("✅ {}", of(check.done)),
        },
        CheckState::Warned => format!("⚠️ {}{left}", summary.unwrap_or_else(|| of(check.warned))),
        CheckState::Failed => format!("❌ {}{left}", summary.unwrap_or_else(|| of(check.failed))),
    }
}

/// One row for each thing that changed, and for each downstream node that has a problem.
pub(super) fn changed_models(page: &Page<'_>) -> String {
    if page.report.verdict() == Verdict::Running {
        return String::new();
    }
    let tests = tests_by_node(page);
    let mut rows: Vec<_> = page
        .report
        .nodes
        .iter()
        .map(|node| (node, Row::of(node, tests.get(node.unique_id.as_str()).copied().unwrap_or_default())))
        .filter(|(node, row)| node.changed || row.rank < Row::FINE)
        .collect();
    rows.sort_by(|(a, row_a), (b, row_b)| {
        let by_weight = row_a.rank.cmp(&row_b.rank).then(b.downstream.cmp(&a.downstream));
        by_weight.then(a.name.cmp(&b.name)).then(a.unique_id.cmp(&b.unique_id))
    });
    let built = rows.iter().map(|(node, row)| {
        format!("| {} | {} | {} | {} |", page.name(&node.unique_id), why(&node.why), rows_cell(node), row.words)
    });
    let others = page.report.other_changes.iter().map(|change| other_row(page, change));
    let mut lines: Vec<_> = built.chain(others).collect();
    if lines.is_empty() {
        return String::new();
    }
    let hidden = lines.len().saturating_sub(ROWS);
    lines.truncate(ROWS);
    let head = "| Changed | Why it is in scope | Rows, production → PR | Verdict |\n|:--|:--|--:|:--|";
    let mut table = format!("{head}\n{}", lines.join("\n"));
    if hidden > 0 {
        table.push_str(&format!("\n\nand {} more", thousands(u64::try_from(hidden).unwrap_or(u64::MAX))));
    }
    table
}

/// What changed but has nothing to build.
fn other_row(page: &Page<'_>, change: &OtherChange) -> String {
    let kind = words::kind(&change.resource_type).map(|kind| escape::prose(&kind, CELL) + " ").unwrap_or_default();
    let status = page.report.tests.iter().find(|test| test.unique_id == change.unique_id).map(|test| test.status);
    let verdict = match change.fate {
        OtherFate::Definition => "nothing to build",
        OtherFate::Inlined => "inlined where it is read",
        OtherFate::Empty => "no SQL",
        OtherFate::NotChecked => "◻️ not checked",
        OtherFate::Test => match status {
            Some(TestStatus::Pass) => "✅ passed",
            Some(TestStatus::Warn) => "⚠️ warned",
            Some(TestStatus::Fail) => "❌ failed",
            Some(TestStatus::Error) => "❌ error",
            Some(TestStatus::Skipped | TestStatus::NotRun) | None => "◻️ not checked",
        },
    };
    format!("| {kind}{} | {} | – | {verdict} |", page.name(&change.unique_id), why(&change.why))
}

/// How many tests of a node fail and warn.
#[derive(Debug, Clone, Copy, Default)]
struct Tests {
    failed: u64,
    warned: u64,
}

fn tests_by_node<'a>(page: &Page<'a>) -> HashMap<&'a str, Tests> {
    let mut tests: HashMap<&str, Tests> = HashMap::new();
    for test in &page.report.tests {
        let Some(node) = test.attached_node.as_deref() else { continue };
        let entry = tests.entry(node).or_default();
        match test.status {
            TestStatus::Fail | TestStatus::Error => entry.failed += 1,
            TestStatus::Warn => entry.warned += 1,
            TestStatus::Pass | TestStatus::Skipped | TestStatus::NotRun => {}
        }
    }
    tests
}

/// The last cell of a model's row, and where that sorts it.
struct Row {
    rank: u8,
    words: String,
}

impl Row {
    const FINE: u8 = 4;

    fn of(node: &NodeOutcome, tests: Tests) -> Self {
        let (rank, words) = match (node.status, tests) {
            (NodeStatus::Built, Tests { failed: 0, .. }) if node.is_unproved() => (2, "◻️ not checked".to_owned()),
            (NodeStatus::Failed, _) => (0, "❌ not built".to_owned()),
            (NodeStatus::Built, Tests { failed: 1.., .. }) => (1, format!("❌ {}", count(tests.failed, "test"))),
            (NodeStatus::NotChecked, _) => (2, "◻️ not checked".to_owned()),
            (NodeStatus::Skipped, _) => (2, "◻️ skipped".to_owned()),
            (NodeStatus::Built, Tests { warned: 1.., .. }) => (3, format!("⚠️ {}", count(tests.warned, "test"))),
            (NodeStatus::Built, _) => (Self::FINE, "✅ built".to_owned()),
        };
        Self { rank, words }
    }
}

fn why(why: &[Why]) -> String {
    let texts: Vec<_> = why.iter().map(|why| why.text()).collect();
    if texts.is_empty() { "–".to_owned() } else { escape::prose(&texts.join(", "), CELL) }
}

fn rows_cell(node: &NodeOutcome) -> String {
    match (node.production_rows, node.rows) {
        (Some(before), Some(after)) => {
            let (sign, difference) = if after >= before { ("+", after - before) } else { ("−", before - after) };
            let difference =
                if difference == 0 { String::new() } else { format!(" ({sign}{})", thousands(difference)) };
            format!("{} → {}{difference}", thousands(before), thousands(after))
        }
        (None, Some(after)) => format!("– → {}", thousands(after)),
        (Some(before), None) => format!("{} → –", thousands(before)),
        (None, None) => "–".to_owned(),
    }
}

/// What stands in the place of everything that did not fit.
pub(super) fn everything_else(page: &Page<'_>) -> String {
    let more = count(words::len(&page.problems), "problem");
    let run = page.report.facts.run.as_ref().and_then(|run| run.url.as_deref());
    let log = match run {
        Some(url) => escape::link("the run", url),
        None => "the run".to_owned(),
    };
    format!("The details ({more}) do not fit into a comment: they are in `report.json` and in the log of {log}.")
}

/// Commit, run and version, in small print.
pub(super) fn footer(page: &Page<'_>) -> String {
    let facts = &page.report.facts;
    let mut parts = Vec::new();
    if let Some(commit) = facts.commit.as_deref().and_then(words::short_commit) {
        parts.push(format!("commit `{commit}`"));
    }
    if let Some(run) = &facts.run {
        let words = run.attempt.map_or_else(|| "run".to_owned(), |attempt| format!("run {attempt}"));
        parts.push(run.url.as_deref().map_or_else(|| words.clone(), |url| escape::link(&words, url)));
    }
    if let Some(version) = &facts.premerge_version {
        parts.push(format!("premerge {}", escape::prose(version, 20)));
    }
    if parts.is_empty() { String::new() } else { format!("<sub>{}</sub>", parts.join(" · ")) }
}
