//! How far a changed macro reaches.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Change, Changes, Reason};
use crate::artifacts::{ResourceType, UniqueId};

/// What reaches a changed macro, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MacroUse {
    /// Models whose text calls it, themselves or through other macros.
    pub models: usize,
    /// Of those: models whose compiled SQL changed, for whichever reason.
    pub sql_changed: usize,
    /// Of those: models whose SQL cannot be compared: new, not compiled, or dependent on when it is compiled.
    pub sql_unknown: usize,
    /// Tests that call it.
    pub tests: usize,
    /// Nodes that are built by it: it is a materialization, or a macro that one calls.
    pub builds: usize,
    /// Everything else that calls it.
    pub others: usize,
}

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
