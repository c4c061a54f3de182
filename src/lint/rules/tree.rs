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
        None => Box::new(grammars::GenericDialect {}),
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
        let mut collector = Collector::default();
        let _ = statements.visit(&mut collector);
        let relations = collector.relations.into_iter().filter_map(|name| {
            let first = name.0.first().and_then(|part| part.as_ident()).map(|ident| ident.value.to_lowercase())?;
            // The name of a CTE, or of an alias whose array is read (`from t, t.items`).
            if collector.ctes.contains(&first) && name.0.len() == 1
                || collector.aliases.contains(&first) && name.0.len() > 1
            {
                return None;
            }
            let place = name.span().start;
            Some(ReadRelation { name: name.to_string(), line: place.line, column: place.column })
        });
        let relations = relations.collect();
        match statements.into_iter().next()? {
            Statement::Query(query) => Some(Self { query, relations }),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Collector {
    relations: Vec<ObjectName>,
    ctes: HashSet<String>,
    aliases: HashSet<String>,
}

impl Visitor for Collector {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            self.ctes.extend(with.cte_tables.iter().map(|cte| cte.alias.name.value.to_lowercase()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, args, .. } = factor {
            if let Some(alias) = alias {
                self.aliases.insert(alias.name.value.to_lowercase());
            } else if let Some(last) = name.0.last().and_then(|part| part.as_ident()) {
                self.aliases.insert(last.value.to_lowercase());
            }
            // With arguments it is a table function.
            if args.is_none() {
                self.relations.push(name.clone());
            }
        }
        ControlFlow::Continue(())
    }
}
