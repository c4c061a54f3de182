//! How the SQL was made, where it is not the manifest's.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::artifacts::{ResourceType, UniqueId};
use crate::compile::{Askers, Dbt, Times};
use crate::report::{Draft, NotChecked};
use crate::text::words::{and_list, count_of};

/// How many nodes are named whose SQL came of what the warehouse answered; the JSON report marks all.
const NAMED: usize = 5;

impl Draft {
    /// Adds how dbt made the SQL, and whose macros asked the warehouse for it.
    pub fn add_compiled(&mut self, dbt: &Dbt, askers: Askers) {
        let Askers { all, not_answered_as_dbt } = askers;
        for node in &mut self.nodes {
            node.asks_warehouse = all.contains(&node.unique_id);
        }
        for test in &mut self.tests {
            test.asks_warehouse = all.contains(&test.unique_id);
        }
        let Times { start, parse, compile, texts } = dbt.times();
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        self.notes.push(format!(
            "dbt {} made the SQL of {}{}: start {}, parse {}, compile {}",
            dbt.version(),
            count_of(texts, "node"),
            from_answers(&all),
            seconds(start),
            seconds(parse),
            seconds(compile)
        ));
        self.not_checked.extend(not_answered_as_dbt.into_iter().map(asked_catalogue));
    }
}

/// Whose SQL came of answers.
fn from_answers(all: &BTreeSet<UniqueId>) -> String {
    if all.is_empty() {
        return String::new();
    }
    // A test's name says little, and it says the model's again.
    let (tests, nodes): (Vec<_>, Vec<_>) = all.iter().partition(|id| id.kind() == ResourceType::Test);
    let mut named: Vec<String> = nodes.iter().take(NAMED).map(|id| id.name().to_owned()).collect();
    let more = nodes.len().saturating_sub(NAMED);
    if more > 0 {
        named.push(format!("{more} more"));
    }
    if !tests.is_empty() {
        named.push(count_of(tests.len(), "test"));
    }
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    format!(", {} of them from what the warehouse answered during the run ({})", all.len(), and_list(&named))
}

/// A node whose macros asked the catalog for what cannot be shown.
fn asked_catalogue(unique_id: UniqueId) -> NotChecked {
    let subject = format!("{} {}", unique_id.kind().as_str(), unique_id.name());
    let reason =
        "not checked as built: a macro queried the warehouse's catalog, and not by information_schema.tables or \
                  columns, so that it saw the temporary schema's relations and not those of the profile's target"
            .to_owned();
    NotChecked { subject, unique_id: Some(unique_id), reason }
}
