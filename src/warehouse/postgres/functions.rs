//! What the catalogue says of the functions that a text of the project calls.
//!
//! PostgreSQL lets no function write that is declared `stable` or `immutable`; a `volatile` one may do anything that
//! its owner or the role may. So those are refused, but for the server's own that only read.

use std::sync::PoisonError;

use super::session::PgSession;
use crate::sql::{Dialect, Facts};
use crate::warehouse::{FaultClass, NOT_SENT, WarehouseError};

/// Volatile functions of the server and of its own extensions that change nothing but what they return.
const HARMLESS: &[&str] = &[
    "array_sample",
    "array_shuffle",
    "clock_timestamp",
    "currval",
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "lastval",
    "normal_rand",
    "pg_database_size",
    "pg_indexes_size",
    "pg_relation_size",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_table_size",
    "pg_total_relation_size",
    "random",
    "random_normal",
    "setseed",
    "timeofday",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
];

impl PgSession {
    /// Refuses a text that calls a function which may write. Each name is asked about once.
    pub(super) async fn vet_functions(&mut self, facts: &Facts) -> Result<(), WarehouseError> {
        // Redshift's functions are queries, or code outside of it: none writes.
        if self.dialect() != Dialect::Postgres {
            return Ok(());
        }
        let mut asked: Vec<String> = facts.functions.iter().filter_map(|named| named.parts.last()).cloned().collect();
        asked.extend(facts.columns.iter().map(|name| format!(".{name}")));
        asked.sort();
        asked.dedup();
        {
            let vetted = self.server.vetted.lock().unwrap_or_else(PoisonError::into_inner);
            asked.retain(|name| !vetted.contains(name));
        }
        if asked.is_empty() {
            return Ok(());
        }
        let literals = |names: &[&str]| match names {
            [] => "null".to_owned(),
            names => names.iter().map(|name| Dialect::Postgres.literal(name)).collect::<Vec<_>>().join(", "),
        };
        let (columns, called): (Vec<&str>, Vec<&str>) =
            asked.iter().map(String::as_str).partition(|n| n.starts_with('.'));
        let columns: Vec<&str> = columns.iter().filter_map(|name| name.strip_prefix('.')).collect();
        // `orders.purge` calls `purge(orders)`: what is read as a column counts where a row is its argument.
        let sql = format!(
            "select distinct p.proname from pg_catalog.pg_proc p \
             left join pg_catalog.pg_type t on t.oid = p.proargtypes[0] \
             left join pg_catalog.pg_aggregate a on a.aggfnoid = p.oid \
             where (p.provolatile = 'v' and p.prokind <> 'a' or exists (select from pg_catalog.pg_proc f \
             where f.oid in (a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggmfinalfn) and f.provolatile = 'v')) \
             and p.proname not in ({}) and (p.proname in ({}) or p.proname in ({}) \
             and p.pronargs > 0 and p.pronargs - p.pronargdefaults <= 1 and t.typtype in ('c', 'd', 'p')) order by 1",
            literals(HARMLESS),
            literals(&called),
            literals(&columns),
        );
        let found = self.ask(&sql).await?;
        if let Some(name) = found.scalar() {
            return Err(WarehouseError::new(
                FaultClass::Unsupported,
                format!("{NOT_SENT}: it calls `{name}`, a volatile function, which may write"),
            )
            .with_remedy(format!("declare `{name}` stable or immutable if it only reads")));
        }
        self.server.vetted.lock().unwrap_or_else(PoisonError::into_inner).extend(asked);
        Ok(())
    }
}
