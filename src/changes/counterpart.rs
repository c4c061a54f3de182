//! The same member under two ids: dbt 1 and dbt 2 name some tests and sources differently.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::artifacts::{Manifest, Node, ResourceType, UniqueIdRef};

use super::drift::Drift;
use super::json::object;

/// Finds the counterpart in state of a member whose id state does not have. Empty unless dbt's major differs.
#[derive(Default)]
pub(super) struct Counterparts<'m> {
    /// The pull request's id → state's.
    found: HashMap<&'m str, &'m str>,
    used: HashSet<&'m str>,
}

impl<'m> Counterparts<'m> {
    pub(super) fn new(state: &'m Manifest<'_>, pr: &'m Manifest<'_>, drift: Drift) -> Self {
        let mut counterparts = Self::default();
        if drift < Drift::Major {
            return counterparts;
        }
        let only_in = |these: &'m Manifest<'_>, others: &Manifest<'_>| -> HashMap<String, Vec<&'m str>> {
            let mut keys: HashMap<String, Vec<&str>> = HashMap::new();
            for (id, node) in &these.nodes {
                if node.resource_type == ResourceType::Test && !others.nodes.contains_key(id) {
                    keys.entry(test_key(id, node)).or_default().push(id);
                }
            }
            for (id, source) in &these.sources {
                if !others.sources.contains_key(id) {
                    let key = format!("source {} {} {}", source.package_name, source.source_name, source.name);
                    keys.entry(key).or_default().push(id);
                }
            }
            keys
        };
        let old = only_in(state, pr);
        for (key, new) in only_in(pr, state) {
            // Where several tests look alike, none is matched: a wrong pair would hide a change.
            if let ([new], Some([old])) = (new.as_slice(), old.get(&key).map(Vec::as_slice)) {
                counterparts.found.insert(new, old);
                counterparts.used.insert(old);
            }
        }
        counterparts
    }

    /// The id in state of the pull request's `unique_id`.
    pub(super) fn of<'i>(&self, unique_id: &'i str) -> Cow<'i, str>
    where
        'm: 'i,
    {
        Cow::Borrowed(self.found.get(unique_id).copied().unwrap_or(unique_id))
    }

    /// Whether state's `unique_id` has a counterpart under another id.
    pub(super) fn is_matched(&self, unique_id: &str) -> bool {
        self.used.contains(unique_id)
    }
}

/// What identifies a test under both: of a generic test its name, subject and arguments; of a singular test the
/// id without the hash that dbt 2 appends.
fn test_key(id: &str, node: &Node<'_>) -> String {
    let Some(metadata) = &node.test_metadata else {
        return format!("singular {}", UniqueIdRef::new(id).without_hash());
    };
    let arguments: Vec<String> = object(metadata.kwargs)
        .into_iter()
        .filter(|(name, _)| name != "model")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let part = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    format!(
        "generic {}.{} {} {} {}",
        part(&metadata.namespace),
        metadata.name,
        part(&node.attached_node),
        part(&node.column_name),
        arguments.join(" ")
    )
}
