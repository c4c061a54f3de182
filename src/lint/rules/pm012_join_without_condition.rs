//! PM012: a join without `on` or `using`. A product that is meant is written `cross join`.

use std::ops::ControlFlow;

use sqlparser::ast::{JoinConstraint, JoinOperator, Query, SetExpr, Spanned, TableFactor, Visit, Visitor};

use super::{Hit, Model, Rule};
use crate::lint::finding::Severity;

pub(super) const RULE: Rule = Rule { code: "PM012", severity: Severity::Warning, check };

fn check(model: &Model<'_>) -> Vec<Hit> {
    let Some(tree) = &model.tree else { return Vec::new() };
    let mut joins = Joins(Vec::new());
    let _ = tree.query.visit(&mut joins);
    joins
        .0
        .into_iter()
        .map(|(line, column)| Hit::at(model.written(line, column), "this join has no condition"))
        .collect()
}

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
        match body {
            SetExpr::Select(select) => {
                for join in select.from.iter().flat_map(|from| &from.joins) {
                    let constraint = match &join.join_operator {
                        JoinOperator::Join(constraint)
                        | JoinOperator::Inner(constraint)
                        | JoinOperator::Left(constraint)
                        | JoinOperator::LeftOuter(constraint)
                        | JoinOperator::Right(constraint)
                        | JoinOperator::RightOuter(constraint)
                        | JoinOperator::FullOuter(constraint) => constraint,
                        _ => continue,
                    };
                    // Table functions and subqueries of the row before them (`lateral`) need none.
                    let plain = match &join.relation {
                        TableFactor::Table { args, .. } => args.is_none(),
                        TableFactor::Derived { lateral, .. } => !lateral,
                        _ => false,
                    };
                    if plain && matches!(constraint, JoinConstraint::None) {
                        let place = join.relation.span().start;
                        self.0.push((place.line, place.column));
                    }
                }
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            // Visited as a query of its own.
            _ => {}
        }
    }
}
