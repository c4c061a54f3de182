//! What the merge meets in production: tables that dbt goes on writing into, and whose columns may be others than
//! those that were built.

use super::contract::without_arguments;
use crate::artifacts::UniqueId;
use crate::sql::{Dialect, RelationName};
use crate::text::words::count_of;
use crate::warehouse::{ColumnType, Session};

/// A table of production that dbt's next run writes into, and what was built of the same node.
#[derive(Debug)]
pub struct ExistingTable {
    /// The node.
    pub unique_id: UniqueId,
    /// What dbt goes on writing into.
    pub production: RelationName,
    /// What was built.
    pub pull_request: RelationName,
    /// How dbt writes into it.
    pub kind: ExistingTableKind,
}

/// How dbt writes into a table that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingTableKind {
    /// A seed's rows go into its columns, unless `--full-refresh` is given.
    Seed,
    /// The new rows of an incremental model go into its columns.
    Incremental,
    /// A snapshot adds columns that are new.
    Snapshot,
}

/// A table of production that does not fit what was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The node.
    pub unique_id: UniqueId,
    /// How dbt writes into it.
    pub kind: ExistingTableKind,
    /// What is different, a phrase a column: names that production or a seed's file has, types without arguments, and
    /// counts, so it may be published.
    pub columns: Vec<String>,
}

/// Compares the columns of both; `None` where they fit, or the warehouse does not tell.
pub(super) async fn misfit(existing: &ExistingTable, dialect: Dialect, session: &mut Session) -> Option<Misfit> {
    let all = |name: &RelationName| format!("select * from {}", name.quoted(dialect));
    let theirs = session.columns_of(&all(&existing.production)).await.ok()?;
    let own = session.columns_of(&all(&existing.pull_request)).await.ok()?;
    let columns = differences(&theirs, &own, existing.kind);
    (!columns.is_empty()).then(|| Misfit { unique_id: existing.unique_id.clone(), kind: existing.kind, columns })
}

fn differences(production: &[ColumnType], built: &[ColumnType], kind: ExistingTableKind) -> Vec<String> {
    // What dbt itself adds to a snapshot is its own affair.
    let own = |column: &&ColumnType| kind != ExistingTableKind::Snapshot || !column.name.starts_with("dbt_");
    let mut found = Vec::new();
    // A new column of a model may be named after a row's value (`pivot`).
    let mut new = 0;
    for column in built.iter().filter(own) {
        match production.iter().find(|other| other.name == column.name) {
            None if kind == ExistingTableKind::Snapshot => {}
            None if kind == ExistingTableKind::Incremental => new += 1,
            None => found.push(format!("`{}` is not in production", column.name)),
            Some(other) if other.data_type != column.data_type => {
                let (there, here) = (without_arguments(&other.data_type), without_arguments(&column.data_type));
                found.push(if there == here {
                    format!("`{}` is {here} on both sides, with other arguments", column.name)
                } else {
                    format!("`{}` is {there} in production and {here} here", column.name)
                });
            }
            Some(_) => {}
        }
    }
    if new > 0 {
        found.push(format!("{} not in production", count_of(new, "column")));
    }
    let names = |columns: &[ColumnType]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    // dbt-duckdb copies a file's columns by their place.
    if kind == ExistingTableKind::Seed
        && found.is_empty()
        && production.len() == built.len()
        && names(production) != names(built)
    {
        found.push(format!("production's columns are in this order: {}", names(production).join(", ")));
    }
    for column in production.iter().filter(own) {
        if kind != ExistingTableKind::Snapshot && !built.iter().any(|other| other.name == column.name) {
            found.push(format!("`{}` is only in production", column.name));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(list: &[(&str, &str)]) -> Vec<ColumnType> {
        list.iter().map(|(name, kind)| ColumnType { name: (*name).to_owned(), data_type: (*kind).to_owned() }).collect()
    }

    #[test]
    fn columns_that_a_table_lacks_has_or_types_otherwise_are_named() {
        let production = columns(&[("a", "INTEGER"), ("b", "VARCHAR"), ("c", "DATE")]);
        let built = columns(&[("b", "INTEGER"), ("a", "INTEGER"), ("d", "DATE")]);
        assert_eq!(
            differences(&production, &built, ExistingTableKind::Seed),
            ["`b` is VARCHAR in production and INTEGER here", "`d` is not in production", "`c` is only in production"]
        );
        assert_eq!(
            differences(&production, &built, ExistingTableKind::Snapshot),
            ["`b` is VARCHAR in production and INTEGER here"]
        );
        assert!(differences(&production, &production, ExistingTableKind::Incremental).is_empty());
        let pivoted = columns(&[
            ("a", "ENUM('somebody@example.org')"),
            ("b", "DECIMAL(18,3)"),
            ("c", "DATE"),
            ("somebody@example.org", "INTEGER"),
        ]);
        let decimal = columns(&[("a", "INTEGER"), ("b", "DECIMAL(10,2)"), ("c", "DATE")]);
        assert_eq!(
            differences(&decimal, &pivoted, ExistingTableKind::Incremental),
            [
                "`a` is INTEGER in production and ENUM here",
                "`b` is DECIMAL on both sides, with other arguments",
                "1 column not in production"
            ]
        );
        let moved = columns(&[("b", "VARCHAR"), ("a", "INTEGER"), ("c", "DATE")]);
        assert_eq!(
            differences(&production, &moved, ExistingTableKind::Seed),
            ["production's columns are in this order: a, b, c"]
        );
        assert!(differences(&production, &moved, ExistingTableKind::Incremental).is_empty());
    }
}
