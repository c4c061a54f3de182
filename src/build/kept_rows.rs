//! Rows that production's table keeps: whether they are those that were built.

use super::existing_table::{ExistingTable, ExistingTableKind};
use crate::artifacts::UniqueId;
use crate::plan::Needs;
use crate::sql::{Dialect, RelationName};
use crate::warehouse::{ColumnType, Session};

/// Built nodes and tests that ran on other rows than production's table will have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRows {
    /// The table's node.
    pub unique_id: UniqueId,
    /// How dbt writes into it.
    pub kind: ExistingTableKind,
    /// Whether its rows could be compared.
    pub compared: bool,
    /// The nodes and tests; never none.
    pub readers: Vec<UniqueId>,
}

/// Different rows, each counted once however often it occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Differing {
    /// Rows that production has more often than what was built.
    only_in_production: u64,
    /// Rows that what was built has more often than production.
    only_here: u64,
}

impl Differing {
    fn meets(self, needs: Needs) -> bool {
        match needs {
            Needs::AllOfProductions => self.only_in_production == 0,
            Needs::SameRows => self.only_in_production == 0 && self.only_here == 0,
        }
    }
}

/// Compares all rows of both, by all columns; those that dbt adds to a snapshot are left out, and so are its old rows.
/// `None` where every reader has what it needs.
pub(super) async fn kept_rows(
    existing: &ExistingTable,
    columns: &[ColumnType],
    dialect: Dialect,
    session: &mut Session,
) -> Option<KeptRows> {
    let sql = statement(existing, columns, dialect);
    let answer = match sql {
        Some(sql) => session.read(&sql).await.ok(),
        None => None,
    };
    let row = answer.and_then(|answer| answer.rows.into_iter().next()).unwrap_or_default();
    let number = |at: usize| row.get(at)?.as_deref()?.parse().ok();
    let found = number(0).zip(number(1));
    let found = found.map(|(only_in_production, only_here)| Differing { only_in_production, only_here });
    unmet(existing, found)
}

/// What reads a table whose rows could not be compared.
pub(super) fn not_compared(existing: &ExistingTable) -> Option<KeptRows> {
    unmet(existing, None)
}

/// Those of the readers that do not have what they need; all where nothing could be compared.
fn unmet(existing: &ExistingTable, found: Option<Differing>) -> Option<KeptRows> {
    let readers = existing.readers.iter().filter(|reader| !found.is_some_and(|found| found.meets(reader.needs)));
    let readers: Vec<UniqueId> = readers.map(|reader| reader.unique_id.clone()).collect();
    (!readers.is_empty()).then(|| KeptRows {
        unique_id: existing.unique_id.clone(),
        kind: existing.kind,
        compared: found.is_some(),
        readers,
    })
}

/// `None` where there is nothing to compare by.
fn statement(existing: &ExistingTable, columns: &[ColumnType], dialect: Dialect) -> Option<String> {
    let is_snapshot = existing.kind == ExistingTableKind::Snapshot;
    let columns = columns.iter().filter(|column| !is_snapshot || !column.name.starts_with("dbt_"));
    let columns: Vec<String> = columns.map(|column| dialect.quote(&column.name)).collect();
    if columns.is_empty() {
        return None;
    }
    let (list, positions) = (columns.join(", "), (1..=columns.len()).map(|at| at.to_string()).collect::<Vec<_>>());
    let grouped = |name: &RelationName, rows: &str| {
        format!(
            "select {list}, count(*) as premerge_times from {}{rows} group by {}",
            name.quoted(dialect),
            positions.join(", ")
        )
    };
    let current = if is_snapshot { " where dbt_valid_to is null" } else { "" };
    let (theirs, own) = (grouped(&existing.production, current), grouped(&existing.pull_request, ""));
    // `except` takes nulls for equal. A row that is there more often counts on both sides.
    Some(format!(
        "with theirs as ({theirs}), own as ({own}) select \
         (select count(*) from (select * from theirs except select * from own) as gone), \
         (select count(*) from (select * from own except select * from theirs) as come)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::KeptReader;

    fn reader(id: &str, needs: Needs) -> KeptReader {
        KeptReader { unique_id: id.into(), needs }
    }

    #[test]
    fn a_snapshot_is_compared_by_its_current_rows_without_dbts_columns() {
        let name = |schema: &str| RelationName::parse(&format!(r#""wh"."{schema}"."s""#), Dialect::DuckDb).unwrap();
        let existing = ExistingTable {
            unique_id: "snapshot.p.s".into(),
            production: name("core"),
            pull_request: name("pr"),
            kind: ExistingTableKind::Snapshot,
            parents: Vec::new(),
            later_text: None,
            readers: vec![reader("test.p.a", Needs::AllOfProductions), reader("test.p.b", Needs::SameRows)],
        };
        let column = |name: &str| ColumnType { name: name.to_owned(), data_type: "INTEGER".to_owned() };
        let columns = [column("id"), column("dbt_scd_id"), column("dbt_valid_to")];
        let sql = statement(&existing, &columns, Dialect::DuckDb).unwrap();
        assert!(
            sql.contains(r#"select "id", count(*) as premerge_times from "wh"."core"."s" where dbt_valid_to is null"#)
        );
        assert!(sql.contains(r#"from "wh"."pr"."s" group by 1"#), "{sql}");
        assert_eq!(statement(&existing, &columns[1..], Dialect::DuckDb), None);

        let readers = |found: Option<(u64, u64)>| {
            let found = found.map(|(only_in_production, only_here)| Differing { only_in_production, only_here });
            unmet(&existing, found).map(|unmet| unmet.readers.len()).unwrap_or_default()
        };
        assert_eq!([Some((0, 0)), Some((0, 3)), Some((1, 0)), None].map(readers), [0, 1, 2, 2]);
    }
}
