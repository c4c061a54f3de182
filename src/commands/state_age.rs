//! How old production's manifest is.

use jiff::Timestamp;

use crate::artifacts::{Manifest, StateFacts};
use crate::config::git;
use crate::report::{Finding, Severity, rules};

/// Facts of a manifest at the time `now`.
pub(super) fn facts(manifest: &Manifest<'_>, now: Timestamp) -> StateFacts {
    let generated_at = manifest.metadata.generated_at.as_deref();
    let at = generated_at.and_then(|text| text.parse::<Timestamp>().ok());
    StateFacts {
        generated_at: generated_at.map(str::to_owned),
        age_seconds: at.and_then(|at| seconds(at, now)),
        dbt_version: manifest.metadata.dbt_version.as_deref().map(str::to_owned),
        ..StateFacts::default()
    }
}

/// Adds the commit that production was built from, and what git knows about it.
pub(super) fn add_commit(facts: &mut StateFacts, commit: &str, known: Option<git::Commit>, now: Timestamp) {
    facts.commit = Some(commit.to_owned());
    if let Some(known) = known {
        facts.commit_age_seconds = seconds(known.at, now);
        facts.commits_behind = known.behind;
    }
}

fn seconds(then: Timestamp, now: Timestamp) -> Option<u64> {
    u64::try_from(now.duration_since(then).as_secs()).ok()
}

/// Says so when production's manifest, or the commit that it was made of, is older than `limit` hours: what others
/// merged since then would count as the pull request's. Not when nothing was merged since, and never for a limit of 0.
pub(super) fn old(state: &StateFacts, limit: u64, project: &str) -> Option<Finding> {
    let hours = state.age_seconds.max(state.commit_age_seconds)? / 3600;
    if limit == 0 || hours < limit || state.commits_behind == Some(0) {
        return None;
    }
    let facts = state.in_words();
    let message = format!(
        "{}; what others merged since then counts as this pull request's change",
        if facts.is_empty() { "production's manifest is old".to_owned() } else { facts.join(", ") }
    );
    let finding = Finding::about(Severity::Notice, rules::STATE_OLD, project, message);
    Some(finding.with_remedy("pass the manifest of production's last run, or the merge base's with --base"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn said(state: &StateFacts, limit: u64) -> Option<String> {
        old(state, limit, "shop").map(|finding| finding.message().to_owned())
    }

    #[test]
    fn a_manifest_is_old_from_the_limit_on() {
        let state = |hours: u64| StateFacts { age_seconds: Some(hours * HOUR), ..StateFacts::default() };
        assert_eq!(said(&state(47), 48), None);
        let message = said(&state(48), 48).unwrap();
        assert!(message.starts_with("production's manifest is 2 days old; what others merged"), "{message}");
        assert_eq!(said(&state(9_000), 0), None, "0 switches it off");
        assert_eq!(said(&StateFacts::default(), 48), None, "a manifest that does not say when");
        assert_eq!(old(&state(48), 48, "shop").unwrap().severity(), Severity::Notice);
    }

    #[test]
    fn a_fresh_manifest_of_an_old_commit_is_old_unless_nothing_was_merged_since() {
        let now = at("2026-11-20T00:00:00Z");
        let mut state = StateFacts { age_seconds: Some(HOUR), ..StateFacts::default() };
        let known = |behind| Some(git::Commit { at: at("2026-11-10T00:00:00Z"), behind });
        add_commit(&mut state, "51be0c2aa0", known(Some(12)), now);
        let message = said(&state, 48).unwrap();
        let start = "production's manifest is 1 h old, commit 51be0c2 is 10 days old and 12 commits behind;";
        assert!(message.starts_with(start), "{message}");
        add_commit(&mut state, "51be0c2aa0", known(Some(0)), now);
        assert_eq!(said(&state, 48), None);
        let mut unknown = StateFacts { age_seconds: Some(50 * HOUR), ..StateFacts::default() };
        add_commit(&mut unknown, "51be0c2aa0", None, now);
        assert!(said(&unknown, 48).unwrap().contains("2 days old, commit 51be0c2 (not in this checkout);"));
    }

    #[test]
    fn a_manifest_from_the_future_has_no_age() {
        assert_eq!(seconds(at("2026-11-20T00:00:01Z"), at("2026-11-20T00:00:00Z")), None);
    }
}
