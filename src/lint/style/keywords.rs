//! RF04 (keywords as identifiers), in place of the library's.
//!
//! The library's rule asks whether any ancestor of the identifier is an alias or a `with`, sqlfluff's only
//! whether the parent is (`utils/identifers.py`), so the library reports every column inside a CTE whose
//! name is a keyword. This one asks the parent.

use regex::Regex;
use sqruff_lib::core::rules::context::RuleContext;
use sqruff_lib::core::rules::crawlers::{Crawler, SegmentSeekerCrawler};
use sqruff_lib::core::rules::{Erased as _, ErasedRule, LintResult, Rule, RuleGroups};
use sqruff_lib_core::dialects::syntax::{SyntaxKind, SyntaxSet};
use sqruff_lib_core::parser::segments::ErasedSegment;

use super::values::list;
use sqruff_lib::core::config::Value;

#[derive(Debug, Clone, Default)]
pub(super) struct Keywords {
    unquoted: String,
    quoted: String,
    ignored: Vec<String>,
    ignored_patterns: Vec<Regex>,
}

impl Rule for Keywords {
    fn load_from_config(&self, config: &hashbrown::HashMap<String, Value>) -> Result<ErasedRule, String> {
        let text = |key: &str| config.get(key).and_then(Value::as_string).map(str::to_owned);
        let patterns = list(config.get("ignore_words_regex"));
        Ok(Self {
            unquoted: text("unquoted_identifiers_policy").unwrap_or_else(|| "aliases".to_owned()),
            quoted: text("quoted_identifiers_policy").unwrap_or_else(|| "none".to_owned()),
            ignored: list(config.get("ignore_words")).iter().map(|word| word.to_lowercase()).collect(),
            ignored_patterns: patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect(),
        }
        .erased())
    }

    fn code(&self) -> &'static str {
        "RF04"
    }

    fn name(&self) -> &'static str {
        "references.keywords"
    }

    fn description(&self) -> &'static str {
        "Keywords should not be used as identifiers."
    }

    fn long_description(&self) -> &'static str {
        "Keywords should not be used as identifiers."
    }

    fn groups(&self) -> &'static [RuleGroups] {
        &[RuleGroups::All, RuleGroups::References]
    }

    fn eval(&self, context: &RuleContext<'_>) -> Vec<LintResult> {
        let raw = context.segment.raw();
        // One letter is a date part more often than a mistake.
        if raw.chars().count() == 1
            || self.ignored.contains(&raw.to_lowercase())
            || self.ignored_patterns.iter().any(|pattern| pattern.is_match(raw))
        {
            return Vec::new();
        }
        let in_set = |set: &str, word: &str| context.dialect.sets(set).contains(word);
        let found = if context.segment.is_type(SyntaxKind::NakedIdentifier) {
            applies(&self.unquoted, &context.parent_stack) && in_set("unreserved_keywords", &raw.to_uppercase())
        } else {
            let mut inner = raw.chars();
            inner.next();
            inner.next_back();
            let word = inner.as_str().to_uppercase();
            applies(&self.quoted, &context.parent_stack)
                && ["unreserved_keywords", "reserved_keywords", "future_reserved_keywords"]
                    .iter()
                    .any(|set| in_set(set, &word))
        };
        if !found {
            return Vec::new();
        }
        vec![LintResult::new(Some(context.segment.clone()), Vec::new(), None, None)]
    }

    fn crawl_behaviour(&self) -> Crawler {
        SegmentSeekerCrawler::new(
            const { SyntaxSet::new(&[SyntaxKind::NakedIdentifier, SyntaxKind::QuotedIdentifier]) },
        )
        .into()
    }
}

/// sqlfluff's `identifiers_policy_applicable`.
fn applies(policy: &str, parents: &[ErasedSegment]) -> bool {
    let alias_kinds = [SyntaxKind::AliasExpression, SyntaxKind::ColumnDefinition, SyntaxKind::WithCompoundStatement];
    let is_alias = parents.last().is_some_and(|parent| alias_kinds.iter().any(|kind| parent.is_type(*kind)));
    let nearest = parents
        .iter()
        .rev()
        .find(|parent| parent.is_type(SyntaxKind::SelectClause) || parent.is_type(SyntaxKind::FromClause));
    let inside_from = nearest.is_some_and(|parent| parent.is_type(SyntaxKind::FromClause));
    match policy {
        "all" => true,
        "aliases" => is_alias,
        "column_aliases" => is_alias && !inside_from,
        "table_aliases" => is_alias && inside_from,
        _ => false,
    }
}
