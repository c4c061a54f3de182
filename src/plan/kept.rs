//! Tables whose rows production keeps while they are built anew here, and what of the run reads them.
//!
//! An unchanged incremental model below a change is built in full; in production dbt only adds the new rows to those
//! that are there. An unchanged snapshot is read from production; there its next run adds rows. What reads such a table
//! is built and tested on other rows than production will have. That does not matter where it can be shown not to:
//!
//! - Production's table is, after the next run, a mixture of the rows it has (`P`) and of those of the full build (`F`):
//!   an increment takes from `F` what its filter lets through.
//! - A test that judges each row by itself (`not_null`, `accepted_values`; `relationships` to a parent that is not
//!   built) and that did not change has passed on `P` when production ran last, passes on `F` here, and so passes on any
//!   mixture. So does `unique` of the column that the strategy replaces rows by.
//! - Where every row of `P` is also in `F`, the mixture lies between the two. What did not change, and reads nothing
//!   that changed but through this table, ends well at both ends: between them too. What can fail only of rows that
//!   are there (`not_null`, casts) needs no more than `F`.
//! - Where `P` and `F` are the same rows, everything ran on what production will have.
//!
//! So each reader has what it [needs](Needs); the run compares the rows, and names those whose need is not met.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::build_set::BuildSet;
use super::data_tests::DataTests;
use super::document::{KeptReader, KeptTable, Materialization, Needs};
use super::facts::Facts;
use crate::artifacts::{Node, NodeConfig, TestConfig};
use crate::changes::is_dbts_own;
use crate::project::NodeId;

/// The kept tables that something in the run reads.
pub(super) fn kept_tables(facts: &Facts<'_>, order: &[NodeId], set: &BuildSet, tests: &DataTests) -> Vec<KeptTable> {
    let tables = Tables::of(facts, set);
    if tables.all().next().is_none() {
        return Vec::new();
    }
    let below = tables.below(facts, order);
    let built = set.built.iter().filter(|(_, materialization)| **materialization != Materialization::View);
    let readers = built.map(|(id, _)| *id).chain(tests.run.keys().copied());
    let mut found: BTreeMap<NodeId, Vec<KeptReader>> = BTreeMap::new();
    for reader in readers {
        let Some(upstream) = below.get(&reader) else { continue };
        let around = tables.is_changed_around(facts, set, reader);
        for table in upstream {
            let needs = Case { facts, set, tables: &tables, reader, table: *table, around, alone: upstream.len() == 1 };
            if let Some(needs) = needs.needs() {
                found.entry(*table).or_default().push(KeptReader { unique_id: facts.name(reader).into(), needs });
            }
        }
    }
    let kept = found.into_iter().map(|(table, readers)| KeptTable { unique_id: facts.name(table).into(), readers });
    kept.collect()
}

/// Whether an unchanged incremental model reads a changed text that its own column comparison does not show: that of
/// an ephemeral model, or of a source. Its later runs are another statement then, whose columns nobody has tried.
pub(super) fn reads_changed_text(facts: &Facts<'_>, id: NodeId) -> bool {
    let mut open: Vec<NodeId> = facts.graph.parents(id).to_vec();
    let mut seen = BTreeSet::new();
    while let Some(parent) = open.pop() {
        if facts.is_ephemeral(parent) && seen.insert(parent) {
            open.extend_from_slice(facts.graph.parents(parent));
        } else if !facts.is_source(parent) {
            continue;
        }
        if facts.change(parent).is_some() {
            return true;
        }
    }
    false
}

/// Whether an incremental model's later runs may run another text than its first.
pub(super) fn has_later_text(node: &Node<'_>) -> bool {
    node.raw_code.get().contains("is_incremental") || node.depends_on.macros.iter().any(|id| !is_dbts_own(id))
}

/// The tables whose rows production keeps.
struct Tables {
    incremental: BTreeSet<NodeId>,
    snapshots: BTreeSet<NodeId>,
}

impl Tables {
    /// A changed one's next run is named as not tried anyway.
    fn of(facts: &Facts<'_>, set: &BuildSet) -> Self {
        let is_kept = |id: &NodeId| {
            facts.change(*id).is_none()
                && facts.production(*id).is_some()
                && facts.node(*id).is_some_and(|node| !is_always_full(&node.config()))
        };
        let built = set.built.iter().filter(|(_, made)| **made == Materialization::IncrementalAsTable);
        Self { incremental: built.map(|(id, _)| *id).filter(is_kept).collect(), snapshots: set.tried.clone() }
    }

    fn all(&self) -> impl Iterator<Item = NodeId> {
        self.incremental.iter().chain(&self.snapshots).copied()
    }

    fn has(&self, id: NodeId) -> bool {
        self.incremental.contains(&id) || self.snapshots.contains(&id)
    }

    /// What is downstream of them, with all that it is downstream of.
    fn below(&self, facts: &Facts<'_>, order: &[NodeId]) -> BTreeMap<NodeId, BTreeSet<NodeId>> {
        let mut found: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
        for &id in order {
            let mut own = BTreeSet::new();
            for parent in facts.graph.parents(id) {
                own.extend(found.get(parent).into_iter().flatten());
                own.extend(Some(*parent).filter(|parent| self.has(*parent)));
            }
            if !own.is_empty() {
                found.insert(id, own);
            }
        }
        found
    }

    /// Whether something that changed reaches a reader by a way that leads through none of them.
    fn is_changed_around(&self, facts: &Facts<'_>, set: &BuildSet, reader: NodeId) -> bool {
        let mut open: Vec<NodeId> = facts.graph.parents(reader).to_vec();
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if self.has(id) || !seen.insert(id) {
                continue;
            }
            if is_changed(facts, id) {
                return true;
            }
            if set.is_built(id) || facts.is_ephemeral(id) || facts.is_source(id) {
                open.extend_from_slice(facts.graph.parents(id));
            }
        }
        false
    }
}

fn is_changed(facts: &Facts<'_>, id: NodeId) -> bool {
    facts.change(id).is_some() || facts.is_not_yours(id)
}

/// Whether each of its runs makes it anew.
fn is_always_full(config: &NodeConfig) -> bool {
    config.extra.get("full_refresh").and_then(Value::as_bool) == Some(true)
}

/// A node or test of the run, and a kept table upstream of it.
struct Case<'c, 'a> {
    facts: &'c Facts<'a>,
    set: &'c BuildSet,
    tables: &'c Tables,
    reader: NodeId,
    table: NodeId,
    /// Something that changed reaches the reader otherwise too.
    around: bool,
    /// No other kept table is upstream of the reader.
    alone: bool,
}

impl Case<'_, '_> {
    fn needs(&self) -> Option<Needs> {
        // It has nothing of the snapshot's new rows, and old rows of it are no rows of its first run.
        if self.tables.snapshots.contains(&self.table) {
            return Some(Needs::SameRows);
        }
        let changed = is_changed(self.facts, self.reader);
        let node = self.facts.node(self.reader)?;
        if self.set.is_built(self.reader) {
            // A table of its own rows: what fails is a row that is there.
            return (changed || self.around).then_some(if self.alone {
                Needs::AllOfProductions
            } else {
                Needs::SameRows
            });
        }
        match self.judges_rows(node) {
            Some(RowTest::OfTheTable) if !changed => None,
            Some(_) if self.alone => Some(Needs::AllOfProductions),
            None if self.alone && !changed && !self.around => Some(Needs::AllOfProductions),
            Some(_) | None => Some(Needs::SameRows),
        }
    }

    /// What kind of test of single rows of the table it is, if it is one.
    fn judges_rows(&self, node: &Node<'_>) -> Option<RowTest> {
        let metadata = node.test_metadata.as_ref().filter(|metadata| metadata.namespace.is_none())?;
        let name = metadata.name.as_ref();
        // A project's own macro of that name is another test.
        if !node.depends_on.macros.iter().any(|id| id.strip_prefix("macro.dbt.test_") == Some(name)) {
            return None;
        }
        if node.attached_node.as_deref() != Some(self.facts.name(self.table)) || !fails_at_one(&node.test_config()) {
            return None;
        }
        let others: Vec<NodeId> = self.facts.reads(self.reader).into_iter().filter(|id| *id != self.table).collect();
        // `where` may hold a query.
        let is_plain = match node.config().extra.get("where") {
            None | Some(Value::Null) => true,
            Some(condition) => condition.as_str().is_some_and(|text| !text.to_lowercase().contains("select")),
        };
        match (name, others.as_slice()) {
            ("not_null" | "accepted_values", []) if is_plain => Some(RowTest::OfTheTable),
            ("unique", []) if is_plain && self.replaces_by(node.column_name.as_deref()) => Some(RowTest::OfTheTable),
            ("relationships", [parent]) if is_plain && !self.set.is_built(*parent) && !self.tables.has(*parent) => {
                Some(RowTest::OfTheTable)
            }
            ("relationships", [_]) if is_plain => Some(RowTest::BesideAnother),
            _ => None,
        }
    }

    /// Whether an increment takes the place of the rows that have the same value in this column.
    fn replaces_by(&self, column: Option<&str>) -> bool {
        let Some((column, node)) = column.zip(self.facts.node(self.table)) else { return false };
        let extra = node.config().extra;
        let key = match extra.get("unique_key") {
            Some(Value::String(key)) => key,
            Some(Value::Array(keys)) => match keys.as_slice() {
                [Value::String(key)] => key,
                _ => return false,
            },
            _ => return false,
        };
        let strategy = extra.get("incremental_strategy").and_then(Value::as_str);
        let is_set = |name: &str| extra.get(name).is_some_and(|value| !value.is_null());
        matches!(strategy, None | Some("merge" | "delete+insert"))
            && key.eq_ignore_ascii_case(column)
            && !is_set("incremental_predicates")
            && !is_set("predicates")
    }
}

/// A test that judges each row of a kept table by itself.
enum RowTest {
    /// By nothing else.
    OfTheTable,
    /// By what another relation has, which is built too.
    BesideAnother,
}

/// Whether one row is as bad as many.
fn fails_at_one(config: &TestConfig) -> bool {
    config.fail_calc == "count(*)" && config.warn_if == "!= 0" && config.error_if == "!= 0" && config.limit.is_none()
}
