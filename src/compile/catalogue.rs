//! Which relations a macro sees: those that dbt's own slim build would, had it built what this run has built.

use std::collections::BTreeMap;

use crate::sql::{Dialect, RelationName, Relocation, SchemaName, identifiers, relocate, see_through};
use crate::warehouse::{Session, WarehouseError};

/// A node that this run builds.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its relation in the profile's target.
    pub name: RelationName,
    /// Its identifier in the temporary schema.
    pub identifier: String,
}

/// The warehouse as macros are to see it. dbt makes texts with the names of the profile's target for what is built, and
/// production's for what is not; a query gets the places of this run instead, as the texts do later.
#[derive(Debug)]
pub struct Catalogue {
    moved: Relocation,
    built: Vec<Listed>,
    temporary: SchemaName,
    /// The columns of the catalog's views, as far as they were looked up.
    columns: BTreeMap<&'static str, Vec<String>>,
}

impl Catalogue {
    /// `moved`: from names in texts to places. `built`: what lies in the schema `temporary` at the end.
    #[must_use]
    pub fn new(moved: Relocation, built: Vec<Listed>, temporary: SchemaName) -> Self {
        Self { moved, built, temporary, columns: BTreeMap::new() }
    }

    /// A macro's query for this run, and whether it reads more of the warehouse's catalog than can be shown as dbt would
    /// see it.
    ///
    /// # Errors
    /// When the warehouse cannot say which columns its catalog has.
    pub(super) async fn apply(&mut self, sql: &str, session: &mut Session) -> Result<(String, bool), WarehouseError> {
        let dialect = session.dialect();
        // What cannot be read is refused where all queries are judged.
        let sql = relocate(sql, &self.moved).map_or_else(|_| sql.to_owned(), |relocated| relocated.sql);
        if !names_catalogue(&sql, dialect) {
            return Ok((sql, false));
        }
        let databases = self.databases(dialect);
        let without = see_through(&sql, dialect, &databases, &|_| "select 1".to_owned());
        let more = without.map_or(true, |without| names_catalogue(&without, dialect));
        for view in ["tables", "columns"] {
            if !self.columns.contains_key(view) {
                let columns = session.columns_of(&format!("select * from information_schema.{view}")).await?;
                self.columns.insert(view, columns.into_iter().map(|column| column.name).collect());
            }
        }
        let seen = see_through(&sql, dialect, &self.databases(dialect), &|view| self.seen(view, dialect));
        Ok((seen.unwrap_or(sql), more))
    }

    /// What a query may write before `information_schema`.
    fn databases(&self, dialect: Dialect) -> Vec<&str> {
        if let Some(database) = dialect.catalogue_database() {
            return vec![database];
        }
        self.built.iter().filter_map(|built| built.name.schema()?.database()).take(1).collect()
    }

    /// A view of the catalog without the temporary schema, and with what is built by the names of the profile's target.
    /// What the target still has from earlier runs under a name that this run builds is not there yet.
    fn seen(&self, view: &str, dialect: Dialect) -> String {
        let text = |value: &str| dialect.literal(value);
        let own = |relation: &str| {
            let schema = format!("{relation}.table_schema = {}", text(self.temporary.name()));
            match self.temporary.database() {
                Some(database) => format!("({schema} and {relation}.table_catalog = {})", text(database)),
                None => format!("({schema})"),
            }
        };
        let named = |column: &String| dialect.quote(column);
        let columns = self.columns.get(view).map(Vec::as_slice).unwrap_or_default();
        let all = columns.iter().map(|column| format!("there.{}", named(column))).collect::<Vec<_>>().join(", ");
        let others = format!("select {all} from information_schema.{view} as there where not {}", own("there"));
        let rows: Vec<String> = self
            .built
            .iter()
            .filter_map(|Listed { name, identifier }| {
                let schema = name.schema()?;
                let database = schema.database().map_or_else(|| "null".to_owned(), text);
                Some(format!(
                    "({database}, {}, {}, {})",
                    text(schema.name()),
                    text(name.identifier()),
                    text(identifier)
                ))
            })
            .collect();
        if rows.is_empty() {
            return others;
        }
        let rows = format!("(values {}) as built (own_database, own_schema, own_name, place)", rows.join(", "));
        let renamed = columns.iter().map(|column| match column.as_str() {
            "table_catalog" => format!("coalesce(built.own_database, there.table_catalog) as {}", named(column)),
            "table_schema" => format!("built.own_schema as {}", named(column)),
            "table_name" => format!("built.own_name as {}", named(column)),
            _ => format!("there.{}", named(column)),
        });
        format!(
            "{others} and not exists (select 1 from {rows} where built.own_schema = there.table_schema \
             and built.own_name = there.table_name and coalesce(built.own_database, there.table_catalog) = \
             there.table_catalog) union all select {} from information_schema.{view} as there join {rows} \
             on built.place = there.table_name where {}",
            renamed.collect::<Vec<_>>().join(", "),
            own("there")
        )
    }
}

/// Whether a query may name the warehouse's catalog. Every part of every name counts, a column's as well: rather too
/// many than too few.
fn names_catalogue(sql: &str, dialect: Dialect) -> bool {
    let is_catalogue = |part: &String| {
        ["information_schema", "pg_catalog"].contains(&part.as_str())
            || ["pg_", "duckdb_", "pragma_", "svv_", "stv_"].iter().any(|start| part.starts_with(start))
                && part != "pg_typeof"
    };
    identifiers(sql, dialect).is_ok_and(|parts| parts.iter().any(is_catalogue))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_known_by_its_names() {
        for (sql, names) in [
            ("select 1 from information_schema.tables", true),
            ("select 1 from \"system\".Information_Schema.tables as t", true),
            ("select 1 from pg_catalog.pg_class", true),
            ("select 1 from PG_CLASS", true),
            ("select (select count(*) from pg_tables)", true),
            ("select pg_typeof(id) from sales.totals join tables on true", false),
            ("select 'pg_class' as x from orders", false),
        ] {
            for dialect in [Dialect::DuckDb, Dialect::Postgres] {
                assert_eq!(names_catalogue(sql, dialect), names, "{sql}");
            }
        }
        for sql in ["select count(*) from duckdb_views() where schema_name = 'ci'", "select * from duckdb_tables()"] {
            assert!(names_catalogue(sql, Dialect::DuckDb), "{sql}");
        }
        let sql = "select has_table_privilege('a', 'select'), pg_table_size('a')";
        assert!(names_catalogue(sql, Dialect::Postgres));
    }
}
