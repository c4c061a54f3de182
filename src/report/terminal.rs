//! The report as `premerge check` prints it: the verdict first, then what to fix, then the rest.
//!
//! The only rendering that shows the warehouse's own words: whoever reads a terminal has the credentials
//! that produced them. No line is wider than [`WIDTH`], and no control character of foreign text gets out.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::check::{Check, CheckState};
use super::concluded::Report;
use super::finding::{Finding, Severity};
use super::not_yours::NotYoursFate;
use super::outcome::{NodeOutcome, NodeStatus, Why};
use super::verdict::Verdict;
use super::words::{self, count, len, thousands};
use crate::text::escape;

/// Widest line, in characters.
pub const WIDTH: usize = 100;
/// Most lines of the warehouse's words for one problem.
const DETAIL_LINES: usize = 12;
/// Most items of one list; a terminal can scroll, so more than in a comment.
const ITEMS: usize = 200;

/// Writes the report; with ANSI colours only if `colours`.
///
/// # Errors
/// When `out` fails.
pub fn write(report: &Report, colours: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut screen = Screen { out, colours };
    verdict(report, &mut screen)?;
    scoreboard(report, &mut screen)?;
    problems(report, Severity::Error, "Must fix", &mut screen)?;
    problems(report, Severity::Warning, "Review", &mut screen)?;
    problems(report, Severity::Notice, "Notes", &mut screen)?;
    not_looked_at(report, &mut screen)?;
    models(report, &mut screen)?;
    removed(report, &mut screen)?;
    impact(report, &mut screen)?;
    reasons(report, &mut screen)?;
    not_yours(report, &mut screen)?;
    how(report, &mut screen)
}

/// Colours by meaning, so that a theme is one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    Plain,
    Bold,
    Dim,
    Good,
    Warn,
    Bad,
}

struct Screen<'o> {
    out: &'o mut dyn Write,
    colours: bool,
}

impl Screen<'_> {
    /// One line, cut to the width.
    fn line(&mut self, paint: Paint, text: &str) -> io::Result<()> {
        let text = escape::cut(text, WIDTH);
        let code = match paint {
            _ if !self.colours => "",
            Paint::Plain => "",
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Good => "32",
            Paint::Warn => "33",
            Paint::Bad => "31",
        };
        if code.is_empty() { writeln!(self.out, "{text}") } else { writeln!(self.out, "\u{1b}[{code}m{text}\u{1b}[0m") }
    }

    /// Text in as many lines as it takes, each after `indent` spaces.
    fn wrapped(&mut self, paint: Paint, indent: usize, text: &str) -> io::Result<()> {
        for line in wrap(text, WIDTH.saturating_sub(indent)) {
            self.line(paint, &format!("{}{line}", " ".repeat(indent)))?;
        }
        Ok(())
    }

    fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out)?;
        self.line(Paint::Bold, text)
    }

    fn hidden(&mut self, total: usize) -> io::Result<()> {
        match total.saturating_sub(ITEMS) {
            0 => Ok(()),
            hidden => self.line(Paint::Dim, &format!("  and {hidden} more: see the JSON report")),
        }
    }
}

/// Breaks text at spaces; a word longer than the width is broken where it must be.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let mut letters: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + letters.len() > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        while used + letters.len() > width {
            let rest = letters.split_off(width - used);
            line.extend(letters);
            lines.push(std::mem::take(&mut line));
            used = 0;
            letters = rest;
        }
        used += letters.len();
        line.extend(letters);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

fn verdict(report: &Report, screen: &mut Screen<'_>) -> io::Result<()> {
    let verdict = report.verdict();
    let paint = match verdict {
        Verdict::Passed => Paint::Good,
        Verdict::Warned | Verdict::Incomplete | Verdict::Running => Paint::Warn,
        Verdict::Failed => Paint::Bad,
    };
    let headline = words::headline(report);
    let colon = if headline.is_empty() { "" } else { ": " };
    screen.line(paint, &format!("{} {}{colon}{headline}", verdict.icon(), verdict.words()))?;
    if let Some(interruption) = &report.interruption {
        screen.wrapped(Paint::Plain, 3, &escape::terminal(interruption.reason(), false))?;
    }
    let facts = &report.facts;
    let mut parts = Vec::new();
    parts.extend(facts.repository.clone());
    parts.extend(facts.pull_request.map(|number| format!("pull request {number}")));
    parts.extend(facts.project.as_ref().map(|project| format!("project {project}")));
    parts.extend(facts.commit.as_deref().and_then(words::short_commit).map(|commit| format!("commit {commit}")));
    if parts.is_empty() {
        return Ok(());
    }
    screen.line(Paint::Dim, &format!("   {}", escape::terminal(&parts.join(" · "), false)))
}

fn scoreboard(report: &Report, screen: &mut Screen<'_>) -> io::Result<()> {
    writeln!(screen.out)?;
    for (name, check) in report.checks.all() {
        if check.state == CheckState::Absent {
            continue;
        }
        let (paint, words) = check_words(check);
        screen.line(paint, &format!("  {name:<8}{}", escape::terminal(&words, false)))?;
    }
    Ok(())
}

fn check_words(check: &Check) -> (Paint, String) {
    let total = thousands(check.total);
    let left = match check.total.saturating_sub(check.done) {
        0 => String::new(),
        left => format!(", {} not checked", thousands(left)),
    };
    let of = |number: u64, verb: &str| {
        check.summary.clone().unwrap_or_else(|| format!("{} of {total} {verb}", thousands(number)))
    };
    match check.state {
        CheckState::Passed if check.total == 0 && check.summary.is_none() => (Paint::Good, "nothing to do".to_owned()),
        CheckState::Passed => (Paint::Good, of(check.done, "passed")),
        CheckState::Warned => (Paint::Warn, format!("{}{left}", of(check.warned, "with warnings"))),
        CheckState::Failed => (Paint::Bad, format!("{}{left}", of(check.failed, "failed"))),
        CheckState::NotChecked => {
            let reason = check.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            (Paint::Warn, format!("not checked{reason}"))
        }
        CheckState::Absent => (Paint::Dim, "not checked".to_owned()),
    }
}

fn problems(report: &Report, severity: Severity, title: &str, screen: &mut Screen<'_>) -> io::Result<()> {
    let problems: Vec<_> = report.problems().into_iter().filter(|problem| problem.severity() == severity).collect();
    if problems.is_empty() {
        return Ok(());
    }
    screen.heading(&format!("{title} ({})", problems.len()))?;
    for problem in problems.iter().take(ITEMS) {
        one_problem(report, problem, screen)?;
    }
    screen.hidden(problems.len())
}

fn one_problem(report: &Report, problem: &Finding, screen: &mut Screen<'_>) -> io::Result<()> {
    let (icon, paint) = match problem.severity() {
        Severity::Error => ("✗", Paint::Bad),
        Severity::Warning => ("!", Paint::Warn),
        Severity::Notice => ("·", Paint::Plain),
    };
    let location = problem.location().map(ToString::to_string);
    let named = problem.unique_id().map(|id| name_of(report, id).to_owned());
    let subject = match (named, &location) {
        (Some(name), Some(location)) => format!("{name}  {location}"),
        (Some(name), None) => name,
        (None, _) => problem.subject(),
    };
    screen.line(paint, &format!("  {icon} {}", escape::terminal(&subject, false)))?;
    screen.wrapped(
        Paint::Plain,
        6,
        &escape::terminal(&format!("{} [{}]", problem.message(), problem.rule()), false),
    )?;
    if let Some(detail) = problem.detail() {
        let detail = escape::terminal(detail, true);
        let lines: Vec<_> = detail.lines().filter(|line| !line.trim().is_empty()).collect();
        for line in lines.iter().take(DETAIL_LINES) {
            screen.wrapped(Paint::Dim, 8, line)?;
        }
        if lines.len() > DETAIL_LINES {
            screen.line(Paint::Dim, &format!("        … {} more lines", lines.len() - DETAIL_LINES))?;
        }
    }
    match problem.remedy() {
        Some(remedy) => screen.wrapped(Paint::Plain, 6, &format!("hint: {}", escape::terminal(remedy, false))),
        None => Ok(()),
    }
}

fn name_of<'a>(report: &'a Report, unique_id: &'a str) -> &'a str {
    let node = report.nodes.iter().find(|node| node.unique_id == unique_id).map(|node| node.name.as_str());
    let test = || report.tests.iter().find(|test| test.unique_id == unique_id).map(|test| test.name.as_str());
    node.or_else(test).unwrap_or(unique_id)
}

fn not_looked_at(report: &Report, screen: &mut Screen<'_>) -> io::Result<()> {
    let skipped: Vec<_> = report.nodes.iter().filter(|node| node.status.is_skipped()).collect();
    let tests = report.tests.iter().filter(|test| test.status.is_skipped()).count();
    if !skipped.is_empty() || tests > 0 {
        screen.heading("Skipped because something they need failed")?;
        for node in skipped.iter().take(ITEMS) {
            screen.line(Paint::Plain, &format!("  · {}", escape::terminal(&node.name, false)))?;
        }
        screen.hidden(skipped.len())?;
        if tests > 0 {
            screen.line(Paint::Plain, &format!("  · {}", count(u64::try_from(tests).unwrap_or(u64::MAX), "test")))?;
        }
    }
    let nodes = report.nodes.iter().filter(|node| node.status.is_unchecked() || node.is_unproved());
    let nodes = nodes.map(|node| (node.name.as_str(), node.message.as_deref().unwrap_or("not built")));
    let tests = report.tests.iter().filter(|test| test.status.is_unchecked());
    let tests = tests.map(|test| (test.name.as_str(), test.message.as_deref().unwrap_or("not run")));
    let others = report.other_not_checked();
    let others = others.iter().map(|item| (item.subject.as_str(), item.reason.as_str()));
    let all: Vec<_> = nodes.chain(others).chain(tests).collect();
    if all.is_empty() {
        return Ok(());
    }
    screen.heading(&format!("Not checked ({})", all.len()))?;
    for (name, reason) in all.iter().take(ITEMS) {
        screen.wrapped(Paint::Plain, 2, &escape::terminal(&format!("◻ {name}: {reason}"), false))?;
    }
    screen.hidden(all.len())?;
    // A fault of the warehouse is nobody's failure, and its own words say what to do about it.
    let nodes = report.nodes.iter().filter(|node| node.status.is_unchecked());
    let details = nodes.filter_map(|node| node.detail.as_deref());
    let tests = report.tests.iter().filter(|test| test.status.is_unchecked());
    let details: BTreeSet<_> = details.chain(tests.filter_map(|test| test.detail.as_deref())).collect();
    for detail in details.into_iter().take(DETAIL_LINES) {
        for line in escape::terminal(detail, true).lines().filter(|line| !line.trim().is_empty()).take(DETAIL_LINES) {
            screen.wrapped(Paint::Dim, 8, line)?;
        }
    }
    Ok(())
}

fn models(report: &Report, screen: &mut Screen<'_>) -> io::Result<()> {
    if report.nodes.is_empty() {
        return other_changes(report, screen);
    }
    let changed = report.nodes.iter().filter(|node| node.changed).count();
    screen.heading(&format!("Built and checked ({changed} changed, {} downstream)", report.nodes.len() - changed))?;
    // The longest name sets the column, within reason.
    let width = report.nodes.iter().map(|node| node.name.chars().count()).max().unwrap_or(0).clamp(8, 40);
    for node in report.nodes.iter().take(ITEMS) {
        let (icon, paint) = match node.status {
            NodeStatus::Built if node.is_unproved() => ("◻", Paint::Warn),
            NodeStatus::Built => ("✓", Paint::Good),
            NodeStatus::Failed => ("✗", Paint::Bad),
            NodeStatus::Skipped | NodeStatus::NotChecked => ("◻", Paint::Warn),
        };
        let name = escape::cut(&escape::terminal(&node.name, false), width);
        let why: Vec<_> = node.why.iter().map(|why| why.text()).collect();
        let why = escape::cut(&escape::terminal(&why.join(", "), false), 32);
        screen.line(paint, format!("  {icon} {name:<width$}  {why:<32}  {}", node_facts(node)).trim_end())?;
    }
    screen.hidden(report.nodes.len())?;
    other_changes(report, screen)
}

/// What changed but has nothing to build.
fn other_changes(report: &Report, screen: &mut Screen<'_>) -> io::Result<()> {
    let all = &report.other_changes;
    if all.is_empty() {
        return Ok(());
    }
    screen.heading(&format!("Changed, with nothing to build ({})", all.len()))?;
    for change in all.iter().take(ITEMS) {
        let kind = words::kind(&change.resource_type).map(|kind| kind + " ").unwrap_or_default();
        let why: Vec<_> = change.why.iter().map(Why::text).collect();
        let text = format!("· {kind}{}: {}", change.name, why.join(", "));
        screen.wrapped(Paint::Plain, 2, &escape::terminal(&text, false))?;
    }
    screen.hidden(all.len())
}

fn node_facts(node: &NodeOutcome) -> String {
    let rows = match (node.production_rows, node.rows) {
        (Some(before), Some(after)) if before != after => {
            Some(format!("{} → {} rows", thousands(before), thousands(after)))
        }
        (_, Some(after)) => Some(count(after, "row")),
        (_, None) => None,
    };
    rows.into_iter().chain(node.duration_ms.map(words::duration)).collect::<Vec<_>>().join(", ")
}

fn removed(report: &Report, screen: &mut Screen<'_>) -> io::Result<()> {
    if report.removed.is_empty() {
        return Ok(());
    }
    screen.heading(&format!("Removed ({})", report.removed.len()))?;
    for node in report.removed.iter().take(ITEMS) {
        let kind = words::kind(&node.resource_type).map(|kind| kind + " ").unwrap_or_default();
        let mut text = format!("− {kind}{}", node.name);
        if let Some(new) = &node.renamed_to {
            text.push_str(&format!(", probably renamed to {new}"));
        }
        if !node.still_used_by.is_empty() {
            text.push_str(&format!("; still referenced by {}", node.still_used_by.join(", ")));
        }
        screen.wrapped(Paint::Plain, 2, &escape::terminal(&text, false))?;
    }
    screen.hidden(report.removed.len())
}

fn impact(report: &Report, screen: &mut Screen<'_>) -> io::Result<()> {
    let impact = &report.impact;
    if impact.models.is_empty() && impact.exposures.is_empty() {
        return Ok(());
    }
    let (models, exposures) = (count(len(&impact.models), "model"), count(len(&impact.exposures), "exposure"));
    screen.heading(&format!("Downstream: {models}, {exposures}"))?;
    for exposure in impact.exposures.iter().take(ITEMS) {
        let owner = exposure.owner.as_ref().map(|owner| format!(", owner {owner}")).unwrap_or_default();
        let kind = exposure.kind.as_deref().unwrap_or("exposure");
        let text = format!("{kind} {}{owner}", exposure.name);
        screen.wrapped(Paint::Plain, 2, &escape::terminal(&text, false))?;
    }
    screen.hidden(impact.exposures.len())
}

fn reasons(report: &Report, screen: &mut Screen<'_>) -> io::Result<()> {
    let mut lines = words::reasons(report);
    lines.extend(words::cosmetic(report).map(|said| {
        format!("{said}: {}", words::some_of(report.cosmetic.iter().map(|node| node.name.as_str()), ITEMS))
    }));
    if lines.is_empty() {
        return Ok(());
    }
    screen.heading("How the changes reach the models")?;
    for line in lines.iter().take(ITEMS) {
        screen.wrapped(Paint::Plain, 2, &escape::terminal(line, false))?;
    }
    screen.hidden(lines.len())
}

fn not_yours(report: &Report, screen: &mut Screen<'_>) -> io::Result<()> {
    if report.not_yours.is_empty() {
        return Ok(());
    }
    let nodes = count(len(&report.not_yours), "node");
    screen.heading(&format!("Not yours (changed by others, not in production yet): {nodes}"))?;
    for node in report.not_yours.iter().take(ITEMS) {
        let why: Vec<_> = node.why.iter().map(|why| why.text()).collect();
        let fate = match node.fate {
            NotYoursFate::NotBuilt => "",
            NotYoursFate::Needed => "; built because your change reads it, does not gate",
            NotYoursFate::Downstream => "; built, downstream of your change",
        };
        let text = format!("{}: {}{fate}", node.name, why.join(", "));
        screen.wrapped(Paint::Plain, 2, &escape::terminal(&text, false))?;
    }
    screen.hidden(report.not_yours.len())
}

fn how(report: &Report, screen: &mut Screen<'_>) -> io::Result<()> {
    let mut parts = Vec::new();
    if let Some(state) = &report.state {
        let time = state.generated_at.as_deref().and_then(words::utc).map(|time| format!(" of {time}"));
        let commit = state.commit.as_deref().and_then(words::short_commit).map(|commit| format!(", commit {commit}"));
        let behind = state.commits_behind.map(|number| format!(", {} behind", count(number, "commit")));
        let parts_of = [time, commit, behind].map(Option::unwrap_or_default).concat();
        parts.push(format!("compared with the production manifest{parts_of}"));
    }
    if let Some(base) = &report.base {
        let time = base.generated_at.as_deref().and_then(words::utc).map(|time| format!(" of {time}"));
        parts.push(format!("with the merge base's manifest{}", time.unwrap_or_default()));
    }
    if let Some(schema) = &report.temporary_schema {
        let kept = match schema.expires_at.as_deref().and_then(words::utc) {
            _ if schema.dropped => ", dropped".to_owned(),
            Some(time) => format!(", kept until {time}"),
            None => String::new(),
        };
        let proxies = words::proxies(report.proxies);
        parts.push(format!("schema {}{proxies}{kept}", schema.name));
    }
    if let Some(total) = report.timings.total_ms {
        let warehouse = report.timings.warehouse_ms.map(|ms| format!(" ({} in the warehouse)", words::duration(ms)));
        parts.push(format!("{}{}", words::duration(total), warehouse.unwrap_or_default()));
    }
    parts.extend(report.notes.iter().cloned());
    parts.extend(words::left_out_counted(&report.left_out).map(|words| format!("intentionally skipped: {words}")));
    for item in report.left_out.iter().filter(|item| item.kind.is_none()) {
        parts.push(format!("intentionally skipped: {} ({})", item.subject, item.reason));
    }
    if parts.is_empty() {
        return Ok(());
    }
    screen.heading("How this was checked")?;
    for part in parts.iter().take(ITEMS) {
        screen.wrapped(Paint::Dim, 2, &escape::terminal(part, false))?;
    }
    screen.hidden(parts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_broken_at_spaces_and_long_words_where_they_must() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(wrap("a bcdef", 3), ["a", "bcd", "ef"]);
        assert_eq!(wrap("", 3), [""]);
    }
}
