//! Tests that find less than they did.

use super::document::{Weakening, WeakerTest};
use super::facts::Facts;
use super::gone_tests::gone_tests;
use super::weakenings::weakenings;
use crate::artifacts::ResourceType;
use crate::changes::{Change, ChangeKind, Reason};

/// Tests that the pull request removes or disables while what they test stays, those that fail or warn later, look at
/// fewer rows, or no longer keep what they found, and those that look for something else. What others changed is not
/// among them.
pub(super) fn weaker_tests(facts: &Facts<'_>) -> Vec<WeakerTest> {
    let mut found: Vec<WeakerTest> = gone_tests(facts);
    for (id, new) in &facts.pr.nodes {
        let Some(old) = facts.state.nodes.get(id).filter(|_| new.resource_type == ResourceType::Test) else { continue };
        if facts.changes.not_yours.contains_key(id.as_ref()) {
            continue;
        }
        let same = old.raw_config.map(serde_json::value::RawValue::get)
            == new.raw_config.map(serde_json::value::RawValue::get);
        let mut how = if same { Vec::new() } else { weakenings(old, new) };
        if facts.changes.nodes.get(id.as_ref()).is_some_and(is_other_sql) {
            how.push(Weakening::Sql);
        }
        if !how.is_empty() {
            found.push(WeakerTest { unique_id: id.as_ref().into(), name: new.name.to_string(), how });
        }
    }
    found.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
    found
}

/// Whether a test that both have is written otherwise, by its file or by a macro. No wildcard: a new reason decides.
fn is_other_sql(change: &Change) -> bool {
    change.kind == ChangeKind::Modified
        && change.reasons.iter().any(|reason| match reason {
            Reason::Body | Reason::Macros { .. } | Reason::CompiledSql => true,
            Reason::New
            | Reason::Configs { .. }
            | Reason::Relation
            | Reason::PersistedDescriptions
            | Reason::Contract { .. }
            | Reason::Fqn
            | Reason::Field { .. }
            | Reason::BuildMacros { .. }
            | Reason::RenderedConfigs { .. }
            | Reason::Removed
            | Reason::RenamedTo { .. } => false,
        })
}
