//! What the merge meets in production: tables that dbt goes on writing into, and whose columns may be others than
//! those that were built.

use super::contract::without_arguments;
use crate::artifacts::UniqueId;
use crate::plan::KeptReader;
use crate::sql::RelationName;
use crate::text::whole_word::has_word;
use crate::text::words::count_of;
use crate::warehouse::ColumnType;

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
    /// The built nodes that it reads, whose columns an incremental model's later runs may read too.
    pub parents: Vec<ReadParent>,
    /// The text of which an incremental model's later runs are made; `None` where they run the text that was built.
    pub later_text: Option<LaterText>,
    /// What was built or tested on these rows and may end otherwise on production's.
    pub readers: Vec<KeptReader>,
}

/// A built node that a table reads.
#[derive(Debug)]
pub struct ReadParent {
    /// dbt's name.
    pub name: String,
    /// Its relation in production.
    pub production: RelationName,
    /// What was built.
    pub pull_request: RelationName,
}

/// What an incremental model says beyond its first run.
#[derive(Debug)]
pub enum LaterText {
    /// All of it stands in the model's file.
    OfFile(String),
    /// A macro of the project's writes some of it.
    OfMacros,
}

impl LaterText {
    /// Whether it may name a column.
    fn may_read(&self, column: &str) -> bool {
        match self {
            Self::OfMacros => true,
            Self::OfFile(text) => has_word(&text.to_lowercase(), &column.to_lowercase()),
        }
    }
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

/// Columns of a parent that are gone, or of another type, and that the text of later runs may read. The first run, which
/// was built, has read all that it reads.
pub(super) fn taken_away(parent: &str, theirs: &[ColumnType], own: &[ColumnType], text: &LaterText) -> Vec<String> {
    let read = theirs.iter().filter(|column| text.may_read(&column.name));
    read.filter_map(|column| match own.iter().find(|other| other.name.eq_ignore_ascii_case(&column.name)) {
        None => Some(format!("its later runs may read `{}` of {parent}, which is gone", column.name)),
        Some(other) if other.data_type != column.data_type => {
            Some(format!("its later runs may read `{}` of {parent}, which has another type", column.name))
        }
        Some(_) => None,
    })
    .collect()
}

/// How columns that were built do not fit production's.
pub(super) fn differences(production: &[ColumnType], built: &[ColumnType], kind: ExistingTableKind) -> Vec<String> {
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
    fn a_column_of_a_parent_counts_where_the_text_may_read_it() {
        let theirs = columns(&[("id", "INTEGER"), ("loaded_at", "TIMESTAMP"), ("note", "VARCHAR")]);
        let own = columns(&[("ID", "INTEGER"), ("note", "DATE")]);
        let file = LaterText::OfFile("select id from x {% if is_incremental() %} where LOADED_AT > 1".to_owned());
        assert_eq!(
            taken_away("stg", &theirs, &own, &file),
            ["its later runs may read `loaded_at` of stg, which is gone"]
        );
        assert_eq!(taken_away("stg", &theirs, &own, &LaterText::OfMacros).len(), 2);
        let other = LaterText::OfFile("select id, loaded_at_utc, unloaded_at, footnote".to_owned());
        assert!(taken_away("stg", &theirs, &own, &other).is_empty());
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
