//! The syntax tree of a model's SQL.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Query, Spanned, Statement, TableFactor, Visit, Visitor};
use sqlparser::dialect as grammars;
use sqlparser::parser::Parser;

use crate::sql::Dialect;

/// sqlparser's grammar of a warehouse.
pub(super) fn grammar(dialect: Option<Dialect>) -> Box<dyn grammars::Dialect> {
    match dialect {
        Some(Dialect::DuckDb) => Box::new(grammars::DuckDbDialect {}),
        Some(Dialect::Postgres) => Box::new(grammars::PostgreSqlDialect {}),
        Some(Dialect::Redshift) => Box::new(grammars::RedshiftSqlDialect {}),
        Some(Dialect::Snowflake) => Box::new(grammars::SnowflakeDialect {}),
        Some(Dialect::BigQuery) => Box::new(grammars::BigQueryDialect {}),
        Some(Dialect::Databricks) => Box::new(grammars::DatabricksDialect {}),
        Some(Dialect::Generic) | None => Box::new(grammars::GenericDialect {}),
    }
}

/// A relation that the SQL reads, where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadRelation {
    pub(super) name: String,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// One query and the relations that it reads from outside itself.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) query: Box<Query>,
    pub(super) relations: Vec<ReadRelation>,
}

impl Tree {
    /// Parses; `None` where sqlparser does not know the SQL.
    pub(super) fn of(sql: &str, dialect: Option<Dialect>) -> Option<Self> {
        let grammar = grammar(dialect);
        let statements = Parser::parse_sql(grammar.as_ref(), sql).ok()?;
        let Statement::Query(query) = statements.into_iter().next()? else { return None };
        let mut collector = Collector::default();
        let _ = query.visit(&mut collector);
        let relations = collector.outside().collect();
        Some(Self { query, relations })
    }
}

/// The names that one query gives.
#[derive(Default)]
struct Names {
    /// Its CTEs, by where their queries are.
    ctes: Vec<(usize, String)>,
    recursive: bool,
    aliases: HashSet<String>,
    /// The query around it, and how many of that one's CTEs are seen from here.
    outer: Option<(usize, usize)>,
}

/// Every relation that is named, with the query that names it.
#[derive(Default)]
struct Collector {
    relations: Vec<(ObjectName, usize)>,
    queries: Vec<Names>,
    open: Vec<usize>,
}

fn address(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}

impl Collector {
    /// The relations that are neither CTEs of an enclosing query nor arrays of an alias (`from t, t.items`).
    fn outside(&self) -> impl Iterator<Item = ReadRelation> {
        self.relations.iter().filter_map(|(name, query)| {
            let first = name.0.first()?.as_ident()?.value.to_lowercase();
            if self.is_inside(&first, name.0.len() == 1, *query) {
                return None;
            }
            let place = name.span().start;
            Some(ReadRelation { name: name.to_string(), line: place.line, column: place.column })
        })
    }

    fn is_inside(&self, first: &str, alone: bool, query: usize) -> bool {
        let mut at = self.queries.get(query).map(|names| (names, names.ctes.len()));
        while let Some((names, seen)) = at {
            let inside = if alone {
                names.ctes.iter().take(seen).any(|(_, cte)| cte == first)
            } else {
                names.aliases.contains(first)
            };
            if inside {
                return true;
            }
            at = names.outer.and_then(|(outer, seen)| Some((self.queries.get(outer)?, seen)));
        }
        false
    }
}

impl Visitor for Collector {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let outer = self.open.last().copied().and_then(|at| Some((at, self.queries.get(at)?)));
        let outer = outer.map(|(at, names)| {
            // A CTE sees those before it: `with orders as (select * from orders)` reads the relation.
            let own = names.ctes.iter().position(|(cte, _)| *cte == address(query) && !names.recursive);
            (at, own.unwrap_or(names.ctes.len()))
        });
        let with = query.with.as_ref();
        let ctes = with.into_iter().flat_map(|with| &with.cte_tables);
        let ctes = ctes.map(|cte| (address(&cte.query), cte.alias.name.value.to_lowercase())).collect();
        self.open.push(self.queries.len());
        self.queries.push(Names {
            ctes,
            recursive: with.is_some_and(|with| with.recursive),
            aliases: HashSet::new(),
            outer,
        });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.open.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let Some(query) = self.open.last().copied() else { return ControlFlow::Continue(()) };
        if let TableFactor::Table { name, args, .. } = factor {
            if let (Some(alias), Some(names)) = (super::columns::name_of(factor), self.queries.get_mut(query)) {
                names.aliases.insert(alias);
            }
            // With arguments it is a table function.
            if args.is_none() {
                self.relations.push((name.clone(), query));
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(sql: &str) -> String {
        let names = Tree::of(sql, Some(Dialect::BigQuery)).unwrap().relations.into_iter().map(|read| read.name);
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_cte_hides_a_relation_only_where_it_is_seen() {
        assert_eq!(reads("with orders as (select * from orders) select * from orders"), "orders");
        assert_eq!(reads("with a as (select 1), b as (select * from a) select * from b"), "");
        assert_eq!(reads("with recursive a as (select 1 union all select * from a) select * from a"), "");
        assert_eq!(reads("select * from (with a as (select 1) select * from a) join a on true"), "a");
    }

    #[test]
    fn an_array_of_an_alias_is_no_relation() {
        assert_eq!(reads("select (select count(*) from o.items) from shop.orders o"), "shop.orders");
        assert_eq!(reads("select * from shop.orders, orders.items"), "shop.orders");
    }
}
