//! How far a changed macro reaches.

use std::collections::BTreeMap;

use super::{Change, Changes, MacroUse, Reason};
use crate::artifacts::{ResourceType, UniqueId};

/// What the compiled SQL of a node that calls a changed macro says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sql {
    Same,
    Changed,
}

impl Changes {
    /// Counts anew what reaches each changed macro. `sql`: where compiled texts could be compared.
    pub(super) fn count_macros(&mut self, sql: &BTreeMap<UniqueId, Sql>) {
        let mut uses: BTreeMap<UniqueId, MacroUse> = BTreeMap::new();
        for (id, Change { reasons, .. }) in self.nodes.iter().chain(&self.cosmetic) {
            for reason in reasons {
                let (macros, builds) = match reason {
                    Reason::Macros { macros } => (macros, false),
                    Reason::BuildMacros { macros } => (macros, true),
                    _ => continue,
                };
                for unique_id in macros {
                    let count = uses.entry(unique_id.clone()).or_default();
                    match id.kind() {
                        _ if builds => count.builds += 1,
                        ResourceType::Model => {
                            count.models += 1;
                            count.sql_changed += usize::from(sql.get(id) == Some(&Sql::Changed));
                            count.sql_unknown += usize::from(!sql.contains_key(id));
                        }
                        ResourceType::Test | ResourceType::UnitTest => count.tests += 1,
                        _ => count.others += 1,
                    }
                }
            }
        }
        self.macros = uses;
    }
}
