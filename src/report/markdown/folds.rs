//! The folded sections, in the order of how often they decide a merge.

use super::page::{Page, Rung};
use crate::report::finding::{Finding, Location, RuleId, Severity};
use crate::report::not_yours::NotYoursFate;
use crate::report::outcome::{NodeOutcome, NodeStatus, TestOutcome};
use crate::report::verdict::Verdict;
use crate::report::words::{self, count, len};
use crate::text::escape::{self, CELL};

/// Most rows of one folded list or table.
const ROWS: usize = 25;
/// Most names under `Impact`.
const NAMES: usize = 50;
/// Most rows of the table of lint findings.
const LINT_ROWS: usize = 20;
/// Most notes of lint.
const LINT_NOTES: usize = 5;

/// All sections that have something in them.
pub(super) fn all(page: &Page<'_>) -> String {
    if page.report.verdict() == Verdict::Running {
        return String::new();
    }
    let sections = [
        failures(page),
        warnings(page),
        lint(page),
        findings(page),
        removed(page),
        not_checked(page),
        impact(page),
        reasons(page),
        not_yours(page),
        how(page),
    ];
    sections.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// One fold. The blank lines make GitHub read the inside as Markdown.
fn fold(summary: &str, inside: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n{inside}\n\n</details>")
}

/// At most `limit` lines, and a last one that says how many are hidden.
fn listed(lines: impl IntoIterator<Item = String>, limit: usize, total: usize) -> String {
    let mut lines: Vec<_> = lines.into_iter().take(limit).collect();
    if total > limit {
        lines.push(format!("- and {} more: see `report.json`", total - limit));
    }
    lines.join("\n")
}

/// At most `limit` names in one line, and how many are hidden.
fn names<'a>(names: impl IntoIterator<Item = &'a str>, limit: usize, total: usize) -> String {
    let mut shown: Vec<_> = names.into_iter().take(limit).map(escape::code).collect();
    if total > limit {
        shown.push(format!("and {} more", total - limit));
    }
    shown.join(", ")
}

/// Failed builds and failing tests.
fn failures(page: &Page<'_>) -> Option<String> {
    let nodes: Vec<_> = page.report.nodes.iter().filter(|node| node.status.shuts_gate()).collect();
    let failing = |test: &&TestOutcome| test.status.shuts_gate();
    let tests: Vec<_> = page.report.tests.iter().filter(failing).collect();
    let total = nodes.len() + tests.len();
    if total == 0 {
        return None;
    }
    let summary = match (nodes.len(), tests.len()) {
        (nodes, 0) => format!("<b>❌ Build errors ({nodes})</b>"),
        (0, tests) => format!("<b>❌ Failing tests ({tests})</b>"),
        (nodes, tests) => format!("<b>❌ Build errors ({nodes}) and failing tests ({tests})</b>"),
    };
    let mut inside = if page.rung >= Rung::NamesOnly {
        let all = nodes.iter().map(|node| &node.unique_id).chain(tests.iter().map(|test| &test.unique_id));
        let all = all.map(|id| page.plain_name(id));
        names(all, ROWS, total)
    } else {
        let nodes = nodes.iter().map(|node| {
            let message = node.message.as_deref().unwrap_or("could not be built");
            item(page, &page.name(&node.unique_id), &[], message, node.location.as_ref())
        });
        listed(nodes.chain(tests.iter().map(|test| test_item(page, test))), ROWS, total)
    };
    if let Some(skipped) = skipped(page) {
        inside.push_str("\n\n");
        inside.push_str(&skipped);
    }
    Some(fold(&summary, &inside))
}

/// What the failures kept from being looked at.
fn skipped(page: &Page<'_>) -> Option<String> {
    let nodes: Vec<_> = page.report.nodes.iter().filter(|node| node.status.is_skipped()).collect();
    let tests = page.report.tests.iter().filter(|test| test.status.is_skipped()).count();
    if nodes.is_empty() && tests == 0 {
        return None;
    }
    let mut parts = Vec::new();
    if !nodes.is_empty() {
        parts.push(names(nodes.iter().map(|node| page.plain_name(&node.unique_id)), ROWS, nodes.len()));
    }
    if tests > 0 {
        parts.push(count(u64::try_from(tests).unwrap_or(u64::MAX), "test"));
    }
    Some(format!("Skipped as a result: {}", parts.join("; ")))
}

/// Tests that warn.
fn warnings(page: &Page<'_>) -> Option<String> {
    let tests: Vec<_> = page.report.tests.iter().filter(|test| test.status.warns()).collect();
    if tests.is_empty() {
        return None;
    }
    let inside = if page.rung >= Rung::NamesOnly {
        names(tests.iter().map(|test| page.plain_name(&test.unique_id)), ROWS, tests.len())
    } else {
        listed(tests.iter().map(|test| test_item(page, test)), ROWS, tests.len())
    };
    Some(fold(&format!("<b>⚠️ Tests that warn ({})</b>", tests.len()), &inside))
}

fn test_item(page: &Page<'_>, test: &TestOutcome) -> String {
    let mut subject = page.name(&test.unique_id);
    if let Some(node) = &test.attached_node {
        subject = format!("{subject} on {}", page.name(node));
    }
    let severity = if test.severity == Severity::Error { "severity error" } else { "severity warn" };
    let mut facts = Vec::new();
    if let Some(failures) = test.failures {
        facts.push(format!("**{}** {}", words::thousands(failures), words::noun(failures, "failure")));
    }
    facts.push(severity.to_owned());
    item(page, &subject, &facts, test.message.as_deref().unwrap_or_default(), test.location.as_ref())
}

/// One list item: subject, facts and place in the first line, the message in a second.
fn item(page: &Page<'_>, subject: &str, facts: &[String], message: &str, location: Option<&Location>) -> String {
    let mut line = format!("- {subject}");
    for fact in facts.iter().cloned().chain(location.map(|location| page.location(location))) {
        line.push_str(" · ");
        line.push_str(&fact);
    }
    if !message.is_empty() {
        line.push_str("<br>");
        line.push_str(&escape::prose(message, 2 * CELL));
    }
    line
}

/// Findings of style and project rules, and what of them is known or gone.
fn lint(page: &Page<'_>) -> Option<String> {
    let facts = page.report.lint.as_ref()?;
    let mut findings: Vec<_> =
        page.report.own_findings().into_iter().filter(|finding| matches!(finding.rule(), RuleId::Lint(_))).collect();
    if findings.is_empty() && facts.fixed == 0 && facts.notes.is_empty() {
        return None;
    }
    findings.sort_by_key(|finding| finding.severity());
    let icon = match findings.first().map(|finding| finding.severity()) {
        Some(Severity::Error) => "❌ ",
        Some(Severity::Warning) => "⚠️ ",
        _ => "",
    };
    let counts = [(facts.new, "new"), (facts.fixed, "fixed"), (facts.known, "known and hidden")];
    let counts: Vec<_> = counts.iter().map(|(number, word)| format!("{} {word}", words::thousands(*number))).collect();
    let summary = format!("<b>{icon}Lint ({})</b>", counts.join(", "));
    let mut parts = Vec::new();
    if page.rung >= Rung::NamesOnly {
        let mut rules: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
        findings.iter().for_each(|finding| *rules.entry(finding.rule().as_str()).or_default() += 1);
        let rules = rules.into_iter().map(|(rule, number)| format!("{} {number}", escape::code(rule)));
        parts.push(rules.collect::<Vec<_>>().join(", "));
    } else if !findings.is_empty() {
        let mut table = vec!["| Rule | Where | Message |".to_owned(), "|:--|:--|:--|".to_owned()];
        table.extend(findings.iter().take(LINT_ROWS).map(|finding| {
            let location = finding.location().map_or_else(|| page.subject(finding), |location| page.location(location));
            format!("| {} | {location} | {} |", finding.rule(), escape::prose(finding.message(), CELL))
        }));
        parts.push(table.join("\n"));
        if findings.len() > LINT_ROWS {
            parts.push(format!("and {} more: see `report.json`", findings.len() - LINT_ROWS));
        }
    }
    if page.rung < Rung::NotesCounted {
        let notes = facts.notes.iter().map(|note| format!("- {}", escape::prose(note, 2 * CELL)));
        let notes = listed(notes, LINT_NOTES, facts.notes.len());
        parts.extend((!notes.is_empty()).then_some(notes));
    }
    Some(fold(&summary, &parts.join("\n\n")))
}

/// Findings that are neither a node's or test's outcome nor lint's.
fn findings(page: &Page<'_>) -> Option<String> {
    let of_lint = |finding: &&Finding| page.report.lint.is_some() && matches!(finding.rule(), RuleId::Lint(_));
    let findings: Vec<_> = page.report.own_findings().into_iter().filter(|finding| !of_lint(finding)).collect();
    if findings.is_empty() {
        return None;
    }
    let mut findings = findings;
    findings.sort_by_key(|finding| finding.severity());
    let worst = findings.first().map(|finding| finding.severity());
    let icon = match worst {
        Some(Severity::Error) => "❌ ",
        Some(Severity::Warning) => "⚠️ ",
        _ => "",
    };
    let summary = format!("<b>{icon}Findings ({})</b>", findings.len());
    let mut table = vec!["| Rule | Where | Message |".to_owned(), "|:--|:--|:--|".to_owned()];
    table.extend(findings.iter().take(ROWS).map(|finding| {
        let location = match finding.location() {
            Some(location) => page.location(location),
            None => page.subject(finding),
        };
        let mut message = escape::prose(finding.message(), CELL);
        if let Some(remedy) = finding.remedy().filter(|_| page.rung < Rung::NamesOnly) {
            message.push_str("<br>");
            message.push_str(&escape::prose(remedy, CELL));
        }
        format!("| {} | {location} | {message} |", escape::code(finding.rule().as_str()))
    }));
    let mut inside = table.join("\n");
    if findings.len() > ROWS {
        inside.push_str(&format!("\n\nand {} more: see `report.json`", findings.len() - ROWS));
    }
    Some(fold(&summary, &inside))
}

/// Nodes that production has and the pull request has not.
fn removed(page: &Page<'_>) -> Option<String> {
    let removed = &page.report.removed;
    if removed.is_empty() {
        return None;
    }
    let in_use = removed.iter().filter(|node| !node.still_used_by.is_empty()).count();
    let icon = if in_use > 0 { "⚠️ " } else { "" };
    let summary = format!("<b>{icon}Removed ({})</b>", removed.len());
    if page.rung >= Rung::NotesCounted {
        return Some(fold(&summary, &format!("{in_use} of them still referenced: see `report.json`")));
    }
    let lines = removed.iter().map(|node| {
        let how = if node.disabled { "disabled" } else { "deleted" };
        let kind = words::kind(&node.resource_type).map(|kind| escape::prose(&kind, CELL) + " ").unwrap_or_default();
        let mut line = format!("- {kind}{} {how}", escape::code(&node.name));
        if let Some(new) = &node.renamed_to {
            line.push_str(&format!(", probably renamed to {}", escape::code(new)));
        }
        if !node.still_used_by.is_empty() {
            let users = node.still_used_by.iter().map(String::as_str);
            line.push_str(&format!("; still referenced by {}", names(users, 5, node.still_used_by.len())));
        }
        line
    });
    Some(fold(&summary, &listed(lines, ROWS, removed.len())))
}

/// What should have been looked at and was not.
fn not_checked(page: &Page<'_>) -> Option<String> {
    let is_unchecked = |node: &&NodeOutcome| node.status.is_unchecked() || node.is_unproved();
    let nodes = page.report.nodes.iter().filter(is_unchecked);
    let nodes = nodes.map(|node| (page.plain_name(&node.unique_id), node.message.as_deref().unwrap_or("not built")));
    let tests = page.report.tests.iter().filter(|test| test.status.is_unchecked());
    let tests = tests.map(|test| (page.plain_name(&test.unique_id), test.message.as_deref().unwrap_or("not run")));
    let others = page.report.other_not_checked();
    let others = others.iter().map(|item| (item.subject.as_str(), item.reason.as_str()));
    let all: Vec<_> = nodes.chain(others).chain(tests).collect();
    if all.is_empty() {
        return None;
    }
    let summary = format!("<b>◻️ Not checked ({})</b>", all.len());
    if page.rung >= Rung::NotesCounted {
        return Some(fold(&summary, "see `report.json`"));
    }
    let lines = all.iter().map(|(name, reason)| format!("- {}: {}", escape::code(name), escape::prose(reason, CELL)));
    Some(fold(&summary, &listed(lines, ROWS, all.len())))
}

/// Downstream models and exposures.
fn impact(page: &Page<'_>) -> Option<String> {
    let impact = &page.report.impact;
    if impact.models.is_empty() && impact.exposures.is_empty() {
        return None;
    }
    let models = count(len(&impact.models), "downstream model");
    let exposures = count(len(&impact.exposures), "exposure");
    let summary = format!("<b>Impact</b>: {models}, {exposures}");
    if page.rung >= Rung::ImpactCounted {
        return Some(fold(&summary, "The names are in `report.json`."));
    }
    // Exposures first in the budget: they are fewer, and are what people outside the team look at.
    let for_exposures = impact.exposures.len().min(NAMES / 2);
    let for_models = NAMES - for_exposures;
    let mut parts = Vec::new();
    if !impact.models.is_empty() {
        parts.push(names(impact.models.iter().map(|model| model.name.as_str()), for_models, impact.models.len()));
    }
    if !impact.exposures.is_empty() {
        let lines = impact.exposures.iter().map(|exposure| {
            let mut line = format!("- {}", escape::code(&exposure.name));
            if let Some(kind) = &exposure.kind {
                line.push_str(&format!(" · {}", escape::prose(kind, 20)));
            }
            if let Some(owner) = &exposure.owner {
                line.push_str(&format!(" · owner {}", escape::code(owner)));
            }
            line
        });
        parts.push(listed(lines, for_exposures, impact.exposures.len()));
    }
    Some(fold(&summary, &parts.join("\n\n")))
}

/// How the changes reach the nodes, and which reach none.
fn reasons(page: &Page<'_>) -> Option<String> {
    let reasons = words::reasons(page.report);
    let cosmetic = words::cosmetic(page.report);
    if reasons.is_empty() && cosmetic.is_none() {
        return None;
    }
    let brief = page.rung >= Rung::ImpactCounted;
    let shown = if brief { 3 } else { ROWS };
    let mut lines: Vec<_> =
        reasons.iter().take(shown).map(|line| format!("- {}", escape::prose(line, 2 * CELL))).collect();
    if reasons.len() > shown {
        lines.push(format!("- and {} more: see `report.json`", reasons.len() - shown));
    }
    if let Some(words) = cosmetic {
        let all = &page.report.cosmetic;
        let which = names(all.iter().map(|node| node.name.as_str()), ROWS, all.len());
        lines.push(if brief { format!("- {words}") } else { format!("- {words}: {which}") });
    }
    Some(fold("<b>How the changes reach the models</b>", &lines.join("\n")))
}

/// What others changed.
fn not_yours(page: &Page<'_>) -> Option<String> {
    let all = &page.report.not_yours;
    if all.is_empty() {
        return None;
    }
    let summary = format!("<b>Not yours</b> (changed by others, not in production yet): {}", count(len(all), "node"));
    if page.rung >= Rung::ImpactCounted {
        return Some(fold(&summary, "The names are in `report.json`."));
    }
    let groups = [
        (NotYoursFate::Needed, "Built because your change reads it, without its own tests; it does not gate"),
        (NotYoursFate::Downstream, "Downstream of your change, so built and tested with it"),
        (NotYoursFate::NotBuilt, "Not built"),
    ];
    let lines = groups.iter().filter_map(|(fate, words)| {
        let of_fate: Vec<_> = all.iter().filter(|node| node.fate == *fate).map(|node| node.name.as_str()).collect();
        let total = of_fate.len();
        (total > 0).then(|| format!("{words}: {}", names(of_fate, ROWS, total)))
    });
    Some(fold(&summary, &lines.collect::<Vec<_>>().join("\n\n")))
}

/// Base, schema, time, versions, and what was left out on purpose.
fn how(page: &Page<'_>) -> Option<String> {
    let report = page.report;
    let mut parts = Vec::new();
    if let Some(state) = &report.state {
        let mut base = "Production manifest".to_owned();
        if let Some(time) = state.generated_at.as_deref().and_then(words::utc) {
            base.push_str(&format!(" of {time}"));
        }
        if let Some(age) = state.age_seconds {
            base.push_str(&format!(", {} old", words::age(age)));
        }
        if let Some(commit) = state.commit.as_deref().and_then(words::short_commit) {
            let behind = state.commits_behind.map(|number| format!(", {} behind", count(number, "commit")));
            base.push_str(&format!(" (commit `{commit}`{})", behind.unwrap_or_default()));
        }
        parts.push(base);
    }
    if let Some(base) = &report.base {
        let time = base.generated_at.as_deref().and_then(words::utc).map(|time| format!(" of {time}"));
        parts.push(format!("merge base manifest{}", time.unwrap_or_default()));
    }
    if let Some(schema) = &report.temporary_schema {
        let built = report.nodes.iter().filter(|node| node.status == NodeStatus::Built).count();
        let proxies = words::proxies(report.proxies);
        let mut words = format!("schema {}, {built} built{proxies}", escape::code(&schema.name));
        match schema.expires_at.as_deref().and_then(words::utc) {
            _ if schema.dropped => words.push_str(", dropped"),
            Some(time) => words.push_str(&format!(", kept until {time}")),
            None => {}
        }
        parts.push(words);
    }
    if let Some(total) = report.timings.total_ms {
        let mut time = words::duration(total);
        if let Some(warehouse) = report.timings.warehouse_ms {
            time.push_str(&format!(", of which warehouse {}", words::duration(warehouse)));
        }
        parts.push(time);
    }
    if let Some(statements) = report.timings.statements {
        parts.push(count(statements, "statement"));
    }
    if let Some(version) = &report.facts.dbt_version {
        parts.push(format!("dbt {}", escape::prose(version, 20)));
    }
    let mut inside = parts.join(" · ");
    if page.rung < Rung::NotesCounted {
        let notes = report.notes.iter().map(|note| format!("- {}", escape::prose(note, 2 * CELL)));
        let notes = listed(notes, LINT_NOTES, report.notes.len());
        if !notes.is_empty() {
            inside = if inside.is_empty() { notes } else { format!("{inside}\n\n{notes}") };
        }
    }
    if let Some(left_out) = left_out(page) {
        inside = if inside.is_empty() { left_out } else { format!("{inside}\n\n{left_out}") };
    }
    if inside.is_empty() { None } else { Some(fold("How this was checked", &inside)) }
}

/// What is left out on purpose: what production has just so in one line, the rest by name.
fn left_out(page: &Page<'_>) -> Option<String> {
    let left_out = &page.report.left_out;
    if left_out.is_empty() {
        return None;
    }
    if page.rung >= Rung::NotesCounted {
        return Some(format!("Intentionally skipped: {}.", count(len(left_out), "item")));
    }
    let counted = words::left_out_counted(left_out).map(|line| format!("Intentionally skipped: {line}."));
    let named: Vec<_> = left_out.iter().filter(|item| item.kind.is_none()).collect();
    let lines =
        named.iter().map(|item| format!("- {}: {}", escape::code(&item.subject), escape::prose(&item.reason, CELL)));
    let named = (!named.is_empty()).then(|| format!("Intentionally skipped:\n\n{}", listed(lines, ROWS, named.len())));
    Some(counted.into_iter().chain(named).collect::<Vec<_>>().join("\n\n"))
}
