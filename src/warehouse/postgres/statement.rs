//! Writes as SQL for PostgreSQL and Redshift.

use crate::sql::Dialect;
use crate::warehouse::{ColumnDef, RelationConfigs, TempRelation, Write};

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
        Write::CreateSchema { schema } => Rendered::of(vec![format!("create schema {}", dialect.quote(schema.name()))]),
        // Without `cascade`: what others made in it, or on top of it, is not ours to drop.
        Write::DropSchema { schema } => {
            let registers = schema.register_tables();
            let registers: Vec<_> = registers.iter().map(TempRelation::sql).collect();
            Rendered::of(vec![
                format!("drop table if exists {}", registers.join(", ")),
                format!("drop schema if exists {}", dialect.quote(schema.name())),
            ])
        }
        // The closing bracket stands on a line of its own because the query may end in a line comment.
        Write::View { at, header, select, configs } => {
            let late = dialect == Dialect::Redshift && configs.bind == Some(false);
            let suffix = if late { " with no schema binding" } else { "" };
            Rendered::of(vec![format!("{}create view {} as (\n{select}\n){suffix}", before(*header), at.sql())])
        }
        Write::Table { at, header, select, configs } => {
            let create = format!(
                "{}create {}table {}{} as (\n{select}\n)",
                before(*header),
                kind(configs, dialect),
                at.sql(),
                physical(configs, dialect)
            );
            with_indexes(vec![create], at.sql(), configs, dialect)
        }
        Write::TypedTable { at, columns, constraints, header, select, configs } => {
            let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
            let names = names.join(", ");
            let mut parts = definitions(columns);
            parts.extend(constraints.iter().cloned());
            let create = format!(
                "create {}table {} (\n  {}\n){}",
                kind(configs, dialect),
                at.sql(),
                parts.join(",\n  "),
                physical(configs, dialect)
            );
            let insert = format!(
                "{}insert into {} ({names}) (\nselect {names} from (\n{select}\n) as model_subq\n)",
                before(*header),
                at.sql()
            );
            with_indexes(vec![create, insert], at.sql(), configs, dialect)
        }
        Write::Seed { at, seed } => {
            Rendered::of(vec![format!("create table {} ({})", at.sql(), definitions(&seed.columns).join(", "))])
        }
        Write::Drop { .. } => Rendered::of(Vec::new()),
        Write::Register { at, columns, rows } => {
            let mut statements =
                vec![format!("create table if not exists {} ({})", at.sql(), definitions(columns).join(", "))];
            if !rows.is_empty() {
                let value = |value: &Option<String>| {
                    value.as_deref().map_or_else(|| "null".to_owned(), |text| dialect.literal(text))
                };
                let row =
                    |row: &Vec<Option<String>>| format!("({})", row.iter().map(value).collect::<Vec<_>>().join(", "));
                let rows: Vec<_> = rows.iter().map(row).collect();
                statements.push(format!("insert into {} values {}", at.sql(), rows.join(", ")));
            }
            Rendered::of(statements)
        }
        Write::Bookkeeping { sql, .. } => Rendered::of(vec![sql.0.clone()]),
    }
}

fn with_indexes(mut statements: Vec<String>, table: &str, configs: &RelationConfigs, dialect: Dialect) -> Rendered {
    let before = statements.len();
    if dialect == Dialect::Postgres {
        for index in &configs.indexes {
            let unique = if index.unique { "unique " } else { "" };
            let method = index.method.as_deref().map(|method| format!(" using {method}")).unwrap_or_default();
            // Without a name: PostgreSQL finds one that fits into 63 bytes and is free.
            statements.push(format!("create {unique}index on {table}{method} ({})", index.columns.join(", ")));
        }
    }
    let counted_from_end = statements.len() - before;
    Rendered { statements, counted_from_end }
}

fn kind(configs: &RelationConfigs, dialect: Dialect) -> &'static str {
    if dialect == Dialect::Postgres && configs.unlogged { "unlogged " } else { "" }
}

/// dbt-redshift's clauses between the name and the query, in its order.
fn physical(configs: &RelationConfigs, dialect: Dialect) -> String {
    if dialect != Dialect::Redshift {
        return String::new();
    }
    let mut clauses = String::new();
    if configs.backup == Some(false) {
        clauses.push_str("\nbackup no");
    }
    match configs.dist.as_deref().map(str::trim).map(|dist| (dist, dist.to_ascii_lowercase())) {
        // `auto` is what a table has that says nothing.
        None => {}
        Some((_, word)) if word == "auto" => {}
        Some((_, word)) if word == "all" || word == "even" => clauses.push_str(&format!("\ndiststyle {word}")),
        // dbt-redshift writes it in small letters.
        Some((_, column)) => clauses.push_str(&format!("\ndiststyle key distkey ({column})")),
    }
    match configs.sort.as_slice() {
        [] => {}
        [word] if word.eq_ignore_ascii_case("auto") => {}
        columns => {
            let kind = configs.sort_type.as_deref().unwrap_or("compound");
            clauses.push_str(&format!("\n{kind} sortkey({})", columns.join(", ")));
        }
    }
    clauses
}

fn definitions(columns: &[ColumnDef]) -> Vec<String> {
    columns.iter().map(|column| format!("{} {}", column.name, column.definition)).collect()
}

/// A header may lack its semicolon and may end in a line comment.
fn before(header: Option<&str>) -> String {
    match header.map(str::trim_end) {
        None | Some("") => String::new(),
        Some(header) => format!("{header}\n;\n"),
    }
}

/// Drops, by what they drop: views before tables, all of a kind in one statement, so that their order among
/// each other does not matter. Nothing outside is dropped with them.
pub(super) fn drops(relations: &[(String, RelationKind)]) -> Vec<String> {
    [
        (RelationKind::View, "view"),
        (RelationKind::MaterializedView, "materialized view"),
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
    View,
    MaterializedView,
}

impl RelationKind {
    /// By `pg_class.relkind`; `None` for what goes with its table.
    pub(super) fn of(relkind: &str) -> Option<Self> {
        Some(match relkind {
            "r" | "p" | "f" => Self::Table,
            "v" => Self::View,
            "m" => Self::MaterializedView,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(json: &str) -> RelationConfigs {
        RelationConfigs::read(&serde_json::from_str(json).unwrap(), Dialect::Redshift).unwrap()
    }

    /// dbt-redshift's clauses, in its order: between the table's name and `as`.
    #[test]
    fn redshifts_clauses_are_dbts() {
        for (json, clauses) in [
            ("{}", ""),
            (r#"{"dist": "auto", "sort": "auto"}"#, ""),
            (r#"{"dist": "even"}"#, "\ndiststyle even"),
            (r#"{"dist": "ALL"}"#, "\ndiststyle all"),
            (r#"{"dist": "Booking_ID"}"#, "\ndiststyle key distkey (booking_id)"),
            (r#"{"sort": "booked_at"}"#, "\ncompound sortkey(booked_at)"),
            (r#"{"sort": ["a", "b"], "sort_type": "interleaved"}"#, "\ninterleaved sortkey(a, b)"),
            (
                r#"{"backup": false, "dist": "id", "sort": ["a"]}"#,
                "\nbackup no\ndiststyle key distkey (id)\ncompound sortkey(a)",
            ),
            (r#"{"backup": true, "indexes": [{"columns": ["a"]}], "unlogged": true}"#, ""),
        ] {
            assert_eq!(physical(&configs(json), Dialect::Redshift), clauses, "{json}");
        }
        assert!(
            RelationConfigs::read(&serde_json::from_str(r#"{"sort_type": "x"}"#).unwrap(), Dialect::Redshift).is_err()
        );
    }

    #[test]
    fn a_header_stands_before_its_statement() {
        assert_eq!(before(Some("set a = 1; -- note")), "set a = 1; -- note\n;\n");
        assert_eq!(before(None), "");
    }
}
