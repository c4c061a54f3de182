//! Names and types of a query's columns, without running it.

use super::session::PgSession;
use super::types;
use crate::sql::Dialect;
use crate::warehouse::engine::Under;
use crate::warehouse::{ColumnType, WarehouseError};

impl PgSession {
    pub(super) async fn columns_of(
        &mut self,
        query: &str,
        under: Under<'_>,
    ) -> Result<Vec<ColumnType>, WarehouseError> {
        if self.dialect() == Dialect::Redshift {
            return self.columns_by_table(query).await;
        }
        let described = self.guarded(&format!("select * from (\n{query}\n) as q limit 0"), under).await?;
        let places: Vec<_> = (1..=described.columns.len()).map(|at| format!("c{at}")).collect();
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let types: Vec<_> = places.iter().map(|place| format!("pg_catalog.pg_typeof({place})")).collect();
        // A join on false gives one row of NULLs that have types, and the query is not run for it.
        let sql = format!(
            "select {} from (select 1) as one left join (\n{query}\n) as q ({}) on false",
            types.join(", "),
            places.join(", ")
        );
        let types = self.guarded(&sql, under).await?.rows.into_iter().next().unwrap_or_default();
        Ok(described
            .columns
            .into_iter()
            .zip(types)
            .map(|(name, found)| ColumnType { name, data_type: types::dbt_name(&found.unwrap_or_default()) })
            .collect())
    }

    /// Redshift has no `pg_typeof`: an empty temporary table of the session tells the types.
    async fn columns_by_table(&mut self, query: &str) -> Result<Vec<ColumnType>, WarehouseError> {
        // Never committed, so nothing is dropped by a name that somebody else's table might have, and no other
        // session's is found by it.
        let sql = format!(
            "begin;\ncreate temporary table premerge_columns as select * from (\n{query}\n) as q limit 0;\n\
             select a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a \
             where a.attrelid = (select max(c.oid) from pg_catalog.pg_class c where c.relname = 'premerge_columns' \
             and pg_catalog.pg_table_is_visible(c.oid)) and a.attnum > 0 order by a.attnum;\nrollback"
        );
        let answer = self.ask(&sql).await;
        let found = self.after(answer).await?;
        let text = |value: Option<String>| value.unwrap_or_default();
        Ok(found
            .rows
            .into_iter()
            .filter_map(|row| {
                let mut values = row.into_iter();
                let name = text(values.next()?);
                // Lengths and precisions are not part of dbt's comparison.
                let found = text(values.next()?);
                let bare = found.split_once('(').map_or(found.as_str(), |(bare, _)| bare);
                Some(ColumnType { name, data_type: types::redshift_name(bare) })
            })
            .collect())
    }
}
