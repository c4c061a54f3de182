//! PM012: a join without `on` or `using`. A product that is meant is written `cross join`.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{JoinConstraint, Query, SetExpr, Spanned, TableFactor, TableWithJoins, Visit, Visitor};

use super::columns::{constraint, factors, name_of};
use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM012", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let (Some(tree), Some(tokens)) = (&model.tree, &model.tokens) else { return Vec::new() };
    let mut joins = Joins(Vec::new());
    let _ = tree.query.visit(&mut joins);
    let places = joins.0.into_iter().filter_map(|before| {
        // The word itself: what is joined is mostly a `ref`, which no author wrote.
        let word = tokens.0.iter().rev().find(|item| item.word == "JOIN" && (item.line, item.column) < before)?;
        model.written(word.line, word.column)
    });
    places.map(|line| Hit::at(Some(line), "this join has no condition")).collect()
}

/// Where the right sides of joins without a condition begin.
struct Joins(Vec<(u64, u64)>);

impl Visitor for Joins {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.body(&query.body);
        ControlFlow::Continue(())
    }
}

impl Joins {
    fn body(&mut self, body: &SetExpr) {
        let mut bodies = vec![body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::Select(select) => {
                    let aliases = factors(select).filter_map(name_of).collect();
                    select.from.iter().for_each(|from| self.joined(from, &aliases));
                }
                SetExpr::SetOperation { left, right, .. } => bodies.extend([left.as_ref(), right.as_ref()]),
                // Visited as a query of its own.
                _ => {}
            }
        }
    }

    fn joined(&mut self, from: &TableWithJoins, aliases: &HashSet<String>) {
        for factor in std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)) {
            if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
                self.joined(table_with_joins, aliases);
            }
        }
        for join in &from.joins {
            if is_plain(&join.relation, aliases)
                && matches!(constraint(&join.join_operator), Some(JoinConstraint::None))
            {
                let place = join.relation.span().start;
                self.0.push((place.line, place.column));
            }
        }
    }
}

/// Whether a factor needs a condition: table functions, `lateral` subqueries and the arrays of an alias belong to
/// the row before them.
fn is_plain(factor: &TableFactor, aliases: &HashSet<String>) -> bool {
    match factor {
        TableFactor::Table { name, args: None, .. } => {
            let first = name.0.first().and_then(|part| part.as_ident()).map(|ident| ident.value.to_lowercase());
            name.0.len() == 1 || !first.is_some_and(|first| aliases.contains(&first))
        }
        TableFactor::Derived { lateral, .. } => !lateral,
        TableFactor::NestedJoin { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::tests::hits;
    use super::RULE;

    #[test]
    fn a_join_needs_a_condition_unless_it_says_cross() {
        let lines = |sql: &str| hits(&RULE, sql).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(lines("select a.x\nfrom a\njoin b"), [Some(3)]);
        assert_eq!(lines("select a.x\nfrom a\njoin b on a.x = b.x").len(), 0);
        assert_eq!(lines("select a.x\nfrom a cross join b").len(), 0);
    }
}
