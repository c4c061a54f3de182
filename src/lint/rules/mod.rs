//! Project rules: what dbt people miss in sqlfluff, read off the manifest and the syntax tree.
//!
//! A rule is one file with a stable code, a section in docs/rules.md and a test; to add one, write the file
//! and name it in [`ALL`].

mod columns;
mod model;
mod rule;
mod run;
mod tokens;
mod tree;

mod pm001_hard_coded_relation;
mod pm002_staging_reads_one_source;
mod pm003_source_outside_staging;
mod pm004_star_in_mart;
mod pm005_no_description;
mod pm006_no_test;
mod pm007_no_primary_key_test;
mod pm008_documented_not_selected;
mod pm009_selected_not_documented;
mod pm010_name_of_layer;
mod pm011_duplicate_column;
mod pm012_join_without_condition;
mod pm013_union_without_all;
mod pm014_order_or_limit;
mod pm015_non_deterministic;
mod pm016_depends_on_surroundings;
mod pm017_no_unique_key;
mod pm018_group_access;

use super::finding::Severity;
use crate::sql::Dialect;
use model::Model;
use rule::{Hit, Rule};
pub use run::{UnknownRule, project};

/// What a finding of a rule weighs on a warehouse unless configured.
fn default_severity(rule: &Rule, dialect: Option<Dialect>) -> Severity {
    // DuckDB renames the second column of a name where all others refuse it.
    if rule.code == pm011_duplicate_column::RULE.code && dialect == Some(Dialect::DuckDb) {
        return Severity::Warning;
    }
    rule.severity
}

/// Every rule, by code.
const ALL: [Rule; 18] = [
    pm001_hard_coded_relation::RULE,
    pm002_staging_reads_one_source::RULE,
    pm003_source_outside_staging::RULE,
    pm004_star_in_mart::RULE,
    pm005_no_description::RULE,
    pm006_no_test::RULE,
    pm007_no_primary_key_test::RULE,
    pm008_documented_not_selected::RULE,
    pm009_selected_not_documented::RULE,
    pm010_name_of_layer::RULE,
    pm011_duplicate_column::RULE,
    pm012_join_without_condition::RULE,
    pm013_union_without_all::RULE,
    pm014_order_or_limit::RULE,
    pm015_non_deterministic::RULE,
    pm016_depends_on_surroundings::RULE,
    pm017_no_unique_key::RULE,
    pm018_group_access::RULE,
];

/// The codes of every project rule.
pub fn codes() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|rule| rule.code)
}

/// Where a project rule is explained; `None` for an unknown code.
#[must_use]
pub fn help_uri(code: &str) -> Option<String> {
    let rule = ALL.iter().find(|rule| rule.code == code)?;
    Some(format!("{}/blob/main/docs/rules.md#{}", env!("CARGO_PKG_REPOSITORY"), rule.code.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `select 1 as a, 2 as a`: DuckDB names the second `a_1`; `create table` fails elsewhere.
    #[test]
    fn two_columns_of_one_name_are_a_warning_where_the_warehouse_takes_them() {
        let rule = &pm011_duplicate_column::RULE;
        for dialect in Dialect::ALL {
            let expected = if dialect == Dialect::DuckDb { Severity::Warning } else { Severity::Error };
            assert_eq!(default_severity(rule, Some(dialect)), expected, "{dialect:?}");
        }
        assert_eq!(default_severity(rule, None), Severity::Error);
    }

    #[test]
    fn codes_are_unique_ordered_and_documented() {
        let codes: Vec<_> = super::codes().collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
        let docs = fs_err::read_to_string("docs/rules.md").unwrap();
        for code in codes {
            let section = format!("<a id=\"{}\"></a>\n\n## {code} ", code.to_lowercase());
            assert!(docs.contains(&section), "docs/rules.md has a section for {code}");
        }
    }
}
