//! How the SQL was made, where it is not the manifest's.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::artifacts::UniqueId;
use crate::compile::{Dbt, Times};
use crate::report::{Draft, NotChecked};
use crate::text::words::count_of;

impl Draft {
    /// Adds how dbt made the SQL: of `at_turn` nodes and tests at their turn. `catalogue`: those whose macros asked which
    /// relations there are.
    pub fn add_compiled(&mut self, dbt: &Dbt, at_turn: usize, catalogue: BTreeSet<UniqueId>) {
        let Times { start, parse, compile, texts } = dbt.times();
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let late = match at_turn {
            0 => String::new(),
            number => format!(", {number} of them from what the warehouse answered during the run"),
        };
        self.notes.push(format!(
            "dbt {} made the SQL of {}{late}: start {}, parse {}, compile {}",
            dbt.version(),
            count_of(texts, "node"),
            seconds(start),
            seconds(parse),
            seconds(compile)
        ));
        self.not_checked.extend(catalogue.into_iter().map(asked_catalogue));
    }
}

/// A node whose macros asked which relations there are.
fn asked_catalogue(unique_id: UniqueId) -> NotChecked {
    let subject = format!("{} {}", unique_id.kind().as_str(), unique_id.name());
    let reason =
        "not checked as built: a macro queried the warehouse's catalog (information_schema or the like), which \
                  lists the temporary schema's relations and not those of the profile's target"
            .to_owned();
    NotChecked { subject, unique_id: Some(unique_id), reason }
}
