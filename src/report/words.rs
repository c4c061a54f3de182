//! Numbers, times and the headline, as people read them. Nothing here needs escaping: it is made of counts.

use super::draft::Report;
use super::facts::Interruption;
use super::finding::Severity;
use super::outcome::{NodeStatus, TestStatus};
use super::verdict::Verdict;
use crate::plan::Reasons;

/// `1,204,518`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 test`, `2 tests`.
pub(super) fn count(number: u64, one: &str) -> String {
    format!("{} {one}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// The length of a slice as a count.
pub(super) fn len<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// `850 ms`, `4.2 s`, `2 min 41 s`, `1 h 5 min`.
pub(super) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{seconds}.{} s", ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `3 min`, `7 h`, `40 days`: roughly how old something is.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => "less than a minute".to_owned(),
        60..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `2026-11-19 04:12 UTC`; `None` when the text is no RFC 3339 time.
pub(super) fn utc(rfc3339: &str) -> Option<String> {
    let time: jiff::Timestamp = rfc3339.trim().parse().ok()?;
    Some(time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// The first seven characters of a commit's hash; nothing if it is none.
pub(super) fn short_commit(commit: &str) -> Option<String> {
    let hash = commit.len() >= 7 && commit.len() <= 64 && commit.chars().all(|c| c.is_ascii_hexdigit());
    hash.then(|| commit.chars().take(7).collect())
}

/// Why nodes changed, where one thing concerns many of them; in names, to be escaped.
pub(super) fn reasons(report: &Report) -> Vec<String> {
    let Reasons { macros, from_outside, undecided } = &report.reasons;
    let plain = |text: String| text.replace('`', "");
    let mut lines: Vec<String> = macros.iter().map(|change| plain(change.to_string())).collect();
    lines.extend(from_outside.iter().map(|outside| plain(outside.to_string())));
    if let Some(first) = undecided.first() {
        let nodes = count(len(undecided), "node");
        let verb = if undecided.len() == 1 { "differs" } else { "differ" };
        let name = first.unique_id.splitn(3, '.').nth(2).unwrap_or(&first.unique_id);
        lines.push(format!(
            "the SQL of {nodes} {verb} in what may only be when or where it was compiled ({} in {name}), so not \
             built for that",
            first.because
        ));
    }
    lines
}

/// `5 models changed and their SQL is the same (…), so they were not built`.
pub(super) fn cosmetic(report: &Report) -> Option<String> {
    let all = &report.cosmetic;
    let noun = if all.iter().all(|node| node.unique_id.starts_with("model.")) { "model" } else { "node" };
    let rest = if all.len() == 1 { "its SQL is the same, so it was" } else { "their SQL is the same, so they were" };
    (!all.is_empty()).then(|| {
        format!("{} changed in comments, white space or the like only: {rest} not built", count(len(all), noun))
    })
}

/// `semantic model`: what stands before a name; nothing before a model's, which is what people expect. To be escaped.
pub(super) fn kind(resource_type: &str) -> Option<String> {
    (!matches!(resource_type, "" | "model")).then(|| resource_type.replace('_', " "))
}

/// What the report's nodes are: `model` if all are, `node` otherwise.
fn node_word(report: &Report) -> &'static str {
    if report.nodes.iter().all(|node| node.resource_type == "model") { "model" } else { "node" }
}

/// Why the verdict is what it is, in counts: `1 test fails, 2 models do not build`.
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
        return vec!["no model is touched".to_owned()];
    }
    let built = format!("{} built", count(len(&report.nodes), node_word(report)));
    let tested = format!("{} passed", count(len(&report.tests), "test"));
    vec![built, tested]
}

fn warned(report: &Report) -> Vec<String> {
    let warn = len_where(&report.tests, |test| test.status == TestStatus::Warn);
    let explicit = explicit_findings(report, Severity::Warning);
    let mut parts = Vec::new();
    if warn > 0 {
        parts.push(format!("{} {}", count(warn, "test"), if warn == 1 { "warns" } else { "warn" }));
    }
    if explicit > 0 {
        parts.push(count(explicit, "warning"));
    }
    let unchecked = len(&report.other_not_checked());
    if unchecked > 0 {
        parts.push(format!("{} not checked", count(unchecked, "thing")));
    }
    parts
}

fn failed(report: &Report) -> Vec<String> {
    let nodes = len_where(&report.nodes, |node| node.status == NodeStatus::Failed);
    let fail = len_where(&report.tests, |test| test.status == TestStatus::Fail);
    let error = len_where(&report.tests, |test| test.status == TestStatus::Error);
    let explicit = explicit_findings(report, Severity::Error);
    let mut parts = Vec::new();
    if nodes > 0 {
        let verb = if nodes == 1 { "does not build" } else { "do not build" };
        parts.push(format!("{} {verb}", count(nodes, node_word(report))));
    }
    if fail > 0 {
        parts.push(format!("{} {}", count(fail, "test"), if fail == 1 { "fails" } else { "fail" }));
    }
    if error > 0 {
        parts.push(format!("{} cannot be run", count(error, "test")));
    }
    if explicit > 0 {
        parts.push(count(explicit, "error"));
    }
    if parts.is_empty() {
        // Only the scoreboard says so.
        let checks = report.checks.all();
        let names = checks.iter().filter(|(_, check)| check.failed > 0 || is_failed(check)).map(|(name, _)| *name);
        parts.push(format!("{} failed", names.collect::<Vec<_>>().join(", ")));
    }
    parts
}

fn is_failed(check: &super::check::Check) -> bool {
    check.state == super::check::CheckState::Failed
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
        parts.push(format!("{} not checked", count(other, "other thing")));
    }
    if parts.is_empty() {
        let checks = report.checks.all();
        let missing =
            checks.iter().filter(|(_, check)| check.required && !check.is_complete() || check.done < check.total);
        parts.push(format!("{} did not run to the end", missing.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")));
    }
    parts
}

fn explicit_findings(report: &Report, severity: Severity) -> u64 {
    len_where(&report.own_findings(), |finding| finding.severity() == severity)
}

fn len_where<T>(items: &[T], holds: impl Fn(&T) -> bool) -> u64 {
    items.iter().fold(0, |sum, item| sum + u64::from(holds(item)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_204_518, "1,204,518")] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!((count(1, "test"), count(2, "test")), ("1 test".into(), "2 tests".into()));
    }

    #[test]
    fn times_read_well() {
        for (ms, text) in [(850, "850 ms"), (4_230, "4.2 s"), (161_000, "2 min 41 s"), (3_900_000, "1 h 5 min")] {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(utc("2026-11-19T04:12:31.5Z").as_deref(), Some("2026-11-19 04:12 UTC"));
        assert_eq!(utc("2026-11-19T05:12:31+01:00").as_deref(), Some("2026-11-19 04:12 UTC"));
        assert_eq!(utc("yesterday"), None);
        assert_eq!(
            (age(59), age(7_100), age(172_800)),
            ("less than a minute".into(), "118 min".into(), "2 days".into())
        );
    }

    #[test]
    fn a_commit_is_a_hash_or_nothing() {
        assert_eq!(short_commit("7c1f0ab9e1").as_deref(), Some("7c1f0ab"));
        assert_eq!((short_commit("main"), short_commit("../../etc")), (None, None));
    }
}
