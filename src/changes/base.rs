//! Whose change it is: the pull request's, or that of others who merged before.

use super::{ChangeKind, Changes, Notice};
use crate::artifacts::{Manifest, ResourceType};

/// The merge base, and what the pull request changes of it.
#[derive(Clone, Copy)]
pub struct Base<'a> {
    /// The merge base's.
    pub manifest: &'a Manifest<'a>,
    /// From it to the pull request, by the same rules as from state.
    pub changes: &'a Changes,
    /// Whether those rules look at compiled SQL.
    pub compiled: bool,
}

impl Changes {
    /// Moves to `not_yours` what differs from state and not from the merge base: others merged it and production
    /// has not run it yet, or production is ahead of the base.
    ///
    /// A node stays the pull request's unless it is certain that it is not. Where compiled SQL decides, what
    /// the base did not compile is not certain, as what it says may depend on a variable.
    pub fn set_apart(&mut self, base: Base<'_>, pr: &Manifest<'_>) {
        let Base { manifest, changes: own, compiled } = base;
        let certain = |id: &str| {
            let Some(new) = pr.nodes.get(id).or_else(|| pr.functions.get(id)) else { return true };
            let is_compiled = |code: Option<&crate::artifacts::Text<'_>>| code.is_some_and(|code| !code.is_empty());
            !compiled
                || !matches!(
                    new.resource_type,
                    ResourceType::Model | ResourceType::Snapshot | ResourceType::Test | ResourceType::Function
                )
                || new.is_python()
                || !is_compiled(new.compiled_code.as_ref())
                || {
                    let old = manifest.nodes.get(id).or_else(|| manifest.functions.get(id));
                    is_compiled(old.and_then(|old| old.compiled_code.as_ref()))
                }
        };
        let (yours, theirs) = std::mem::take(&mut self.nodes).into_iter().partition(|(id, change)| {
            let in_base = manifest.resource(id).is_some_and(|resource| resource.is_enabled());
            let as_in_base = match change.kind {
                ChangeKind::Added | ChangeKind::Modified | ChangeKind::Renamed { .. } => in_base && certain(id),
                ChangeKind::Removed | ChangeKind::Disabled => !in_base,
            };
            !as_in_base || own.nodes.contains_key(id) || own.undecided.contains_key(id)
        });
        self.nodes = yours;
        self.not_yours = theirs;
        self.macros.clone_from(&own.macros);
        self.build_macros.clone_from(&own.build_macros);
        // A contract that the pull request leaves as the merge base has it was broken by others.
        let is_own = |notice: &Notice| own.notices.iter().any(|other| other.unique_id == notice.unique_id);
        self.notices.retain(|notice| !notice.kind.is_of_contract() || is_own(notice));
        self.as_in_state =
            own.nodes.keys().filter(|id| !self.nodes.contains_key(*id) && pr.resource(id).is_some()).cloned().collect();
        self.cosmetic.retain(|id, _| own.nodes.contains_key(id) || own.cosmetic.contains_key(id) || !certain(id));
    }
}
