//! Writes as SQL for PostgreSQL and Redshift.

use super::clauses;
use crate::sql::Dialect;
use crate::warehouse::register::{MARK, MARKED, RUNS};
use crate::warehouse::{RelationConfigs, TempRelation, Write, statement};

/// What the guard of a superseded run fails with; it stands in the server's message.
pub(super) const SUPERSEDED: &str = "premerge-superseded";

/// The statements of one write.
pub(super) struct Rendered {
    pub(super) statements: Vec<String>,
    /// The place, from the end, of the statement whose row count is the write's.
    pub(super) counted_from_end: usize,
}

impl Rendered {
    fn of(statements: Vec<String>) -> Self {
        Self { statements, counted_from_end: 0 }
    }
}

/// Renders a write. Seeds give their `create table` only, drops nothing: they need the server's answer.
pub(super) fn render(write: &Write<'_>, dialect: Dialect) -> Rendered {
    match write {
        // Names of schemas have one part: a database in front is a syntax error.
        Write::CreateSchema { schema } => {
            let name = dialect.quote(schema.name());
            let mut statements = vec![format!("create schema {name}")];
            if dialect == Dialect::Postgres {
                statements.push(format!("comment on schema {name} is {}", dialect.literal(MARK)));
            }
            Rendered::of(statements)
        }
        // Without `cascade`: what others made in it, or on top of it, is not ours to drop.
        Write::DropSchema { schema } => {
            let registers = schema.register_tables();
            let registers: Vec<_> = registers.iter().map(TempRelation::sql).collect();
            Rendered::of(vec![
                format!("drop table if exists {}", registers.join(", ")),
                format!("drop schema if exists {}", dialect.quote(schema.name())),
            ])
        }
        // Production's relation may be rebuilt under the view, or lie in another Redshift database.
        Write::Proxy { at, select } => Rendered::of(vec![match dialect {
            Dialect::Redshift => statement::view(at, None, select, clauses::LATE),
            _ => statement::view(at, None, &not_updatable(select), ""),
        }]),
        Write::View { at, header, select, configs } => {
            Rendered::of(vec![statement::view(at, *header, select, clauses::view_suffix(configs))])
        }
        // Where nothing stands behind it: Redshift, which has a clause for it.
        Write::LateView { at, select, .. } => Rendered::of(vec![statement::view(
            at,
            None,
            select,
            if dialect == Dialect::Redshift { clauses::LATE } else { "" },
        )]),
        Write::Table { at, header, select, configs } => {
            let select = if dialect == Dialect::Postgres { &in_a_subquery(select) } else { *select };
            let create = statement::table(at, *header, select, &clauses::table_clauses(configs));
            with_indexes(vec![create], at, configs)
        }
        Write::TypedTable { at, columns, constraints, header, select, configs } => {
            let clauses = clauses::table_clauses(configs);
            let made = statement::typed_table(at, columns, constraints, *header, select, &clauses);
            with_indexes(made.into(), at, configs)
        }
        Write::Seed { at, seed } => Rendered::of(vec![statement::seed_table(at, &seed.columns)]),
        Write::Drop { .. } => Rendered::of(Vec::new()),
        Write::Register { at, columns, rows } => {
            let mut statements = statement::register(at, columns, rows, dialect);
            // Redshift has no comments on schemas. Runs are written so when the schema is made, and not again.
            if dialect == Dialect::Redshift && at.identifier() == RUNS {
                let (table, name) = (at.sql(), dialect.quote(MARKED));
                let of = format!("alter table {table} add constraint {name} unique ({})", dialect.quote("run_id"));
                let says = format!("comment on constraint {name} on {table} is {}", dialect.literal(MARK));
                statements.splice(1..1, [of, says]);
            }
            Rendered::of(statements)
        }
        Write::Bookkeeping { sql, .. } => Rendered::of(vec![sql.0.clone()]),
    }
}

/// A query where the server lets no `with` change rows: dbt's `create table as (…)` has it at the top, where it may.
/// Views refuse such a `with` anyway, dbt's tests and contracts have their query in a subquery of their own, and
/// Redshift has no such `with`.
fn in_a_subquery(select: &str) -> String {
    format!("select * from (\n{select}\n) as model_subq")
}

/// A view's query through which nobody can write: PostgreSQL takes a view of one relation for updatable. The join
/// with one row of no columns costs nothing, and keeps no condition from the relation, as `offset 0` would.
fn not_updatable(select: &str) -> String {
    format!("select premerge_proxy.* from (\n{select}\n) as premerge_proxy cross join (select) as premerge_one_row")
}

fn with_indexes(mut statements: Vec<String>, at: &TempRelation, configs: &RelationConfigs) -> Rendered {
    let indexes = clauses::after_table(configs, at.sql());
    let counted_from_end = indexes.len();
    statements.extend(indexes);
    Rendered { statements, counted_from_end }
}

/// Drops, by what they drop: views before tables, all of a kind in one statement, so that their order among
/// each other does not matter. Nothing outside is dropped with them.
pub(super) fn drops(relations: &[(String, RelationKind)]) -> Vec<String> {
    [
        (RelationKind::View, "view"),
        (RelationKind::MaterializedView, "materialized view"),
        (RelationKind::Function, "function"),
        (RelationKind::Table, "table"),
    ]
    .into_iter()
    .filter_map(|(kind, word)| {
        let names: Vec<_> =
            relations.iter().filter(|(_, other)| *other == kind).map(|(name, _)| name.as_str()).collect();
        (!names.is_empty()).then(|| format!("drop {word} if exists {}", names.join(", ")))
    })
    .collect()
}

/// What a relation is, as far as `drop` asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RelationKind {
    Table,
    /// What stands behind a view, beside the table of its row type.
    Function,
    View,
    MaterializedView,
}

/// Stands for a function where the catalogue says what a relation is.
pub(super) const FUNCTION: &str = "function";

impl RelationKind {
    /// By `pg_class.relkind`; `None` for what goes with its table.
    pub(super) fn of(relkind: &str) -> Option<Self> {
        Some(match relkind {
            "r" | "p" | "f" => Self::Table,
            "v" => Self::View,
            "m" => Self::MaterializedView,
            FUNCTION => Self::Function,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::{Owner, TempSchema};

    /// What premerge itself puts onto production is looked up when it is read; a model's own view is as its `bind` says.
    #[test]
    fn no_proxy_of_redshift_is_bound() {
        let owner = Owner {
            repository: String::new(),
            project: String::new(),
            pull_request: None,
            commit: None,
            run: "r1".to_owned(),
            who: String::new(),
            started_at: String::new(),
            expires_at: String::new(),
        };
        let schema = TempSchema::found(None, "premerge_pr_1".to_owned(), Dialect::Redshift, owner);
        let at = schema.relation("a");
        let behind = schema.behind(&at);
        let select = "select * from prod.a -- all";
        for write in [Write::Proxy { at: &at, select }, Write::LateView { at: &at, behind: &behind, select }] {
            let statements = render(&write, Dialect::Redshift).statements;
            assert_eq!(statements.len(), 1);
            for statement in statements {
                assert!(statement.starts_with("create view "), "{statement}");
                assert!(statement.ends_with(") with no schema binding"), "{statement}");
            }
        }
    }
}
