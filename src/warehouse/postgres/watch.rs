//! Whether relations of production were replaced or written to.

use std::time::Duration;

use super::session::PgSession;
use crate::sql::{Dialect, RelationName};
use crate::warehouse::{Seen, TableBelow, WarehouseError};

impl PgSession {
    /// One answer for each name; `None` on Redshift, whose catalogue counts no writes.
    ///
    /// A table that is emptied by `truncate`, or rewritten, has another file; a view that is replaced has another rule.
    /// Rows that are written or deleted are counted by the statistics, to which a session adds its own when its
    /// transaction ends, or some seconds later when that was its second within one.
    pub(super) async fn look(&mut self, names: &[&RelationName]) -> Result<Option<Vec<Seen>>, WarehouseError> {
        if self.dialect() != Dialect::Postgres {
            return Ok(None);
        }
        if names.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let found = self.ask(&query(names)).await?;
        let seen = found.rows.into_iter().map(|row| {
            let mut values = row.into_iter();
            let (made_of, written) = (values.next().flatten(), values.next().flatten().unwrap_or_default());
            let below: Vec<(String, String, u64)> = serde_json::from_str(&written).unwrap_or_default();
            let below = below.into_iter().map(|(schema, name, written)| TableBelow { schema, name, written });
            Seen { made_of, below: below.collect() }
        });
        Ok(Some(seen.collect()))
    }

    /// A session that is over has added its own, so only those that are connected and may write are waited for.
    pub(super) async fn counted_late(&mut self, names: &[&RelationName]) -> Result<Option<Duration>, WarehouseError> {
        if self.dialect() != Dialect::Postgres || names.is_empty() {
            return Ok(None);
        }
        let sql = format!(
            "{} select exists (select from pg_catalog.pg_stat_activity a where a.datname = current_database() \
             and a.usesysid is not null and a.pid <> pg_backend_pid() and a.application_name <> {} \
             and exists (select from below b join pg_catalog.pg_class c on c.oid = b.oid where c.relkind in ('r', 'm', 'p', 'f') \
             and pg_catalog.has_table_privilege(a.usesysid, c.oid, 'insert, update, delete, truncate')))",
            below(names),
            Dialect::Postgres.literal(&self.server.tag),
        );
        let found = self.ask(&sql).await?;
        Ok((found.scalar() == Some("t")).then_some(COUNTED_WITHIN))
    }
}

/// Within ten seconds a session that rests adds what it has counted, since PostgreSQL 15 (`PGSTAT_IDLE_INTERVAL`).
const COUNTED_WITHIN: Duration = Duration::from_millis(10_500);

/// The relations of these names, by their position, and all that is below them.
fn below(names: &[&RelationName]) -> String {
    let literal = |text: &str| Dialect::Postgres.literal(text);
    let asked = names.iter().enumerate().map(|(at, name)| {
        let schema = name.schema().map_or("", |schema| schema.name());
        format!("({at}, {}, {})", literal(schema), literal(name.identifier()))
    });
    let asked = asked.collect::<Vec<_>>().join(", ");
    format!(
        "with recursive asked (n, place, name) as (values {asked}), \
         below (n, oid) as (\
         select a.n, c.oid from asked a join pg_catalog.pg_namespace s on s.nspname = a.place \
         join pg_catalog.pg_class c on c.relnamespace = s.oid and c.relname = a.name \
         union \
         select b.n, x.oid from below b cross join lateral (\
         select d.refobjid as oid from pg_catalog.pg_class v join pg_catalog.pg_rewrite r on r.ev_class = v.oid \
         join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid \
         and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
         where v.oid = b.oid and v.relkind = 'v' and d.refobjid <> v.oid and d.refobjid >= 16384 \
         union all select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = b.oid) x)"
    )
}

/// The server's own relations, which views may read too, change all the time and are left out; a materialized view is what
/// it holds.
fn query(names: &[&RelationName]) -> String {
    format!(
        "{} select pg_catalog.string_agg(case when c.oid is not null then pg_catalog.concat_ws(':', c.oid, c.relfilenode, c.relnatts, (select \
         pg_catalog.string_agg(r.xmin::text, ' ') from pg_catalog.pg_rewrite r where r.ev_class = c.oid)) end, ',' \
         order by c.oid), \
         pg_catalog.json_agg(pg_catalog.json_build_array((select s.nspname from pg_catalog.pg_namespace s where s.oid = c.relnamespace), c.relname, \
         pg_catalog.pg_stat_get_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_tuples_updated(c.oid) \
         + pg_catalog.pg_stat_get_tuples_deleted(c.oid)) order by c.oid) filter (where c.relkind in ('r', 'm', 'p', 'f')) \
         from asked a left join below b on b.n = a.n left join pg_catalog.pg_class c on c.oid = b.oid \
         group by a.n order by a.n",
        below(names)
    )
}
