//! What the server's catalogue is asked: what is there, what is running, what the role may do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::activity;
use super::connection::AS_USER;
use super::greeting::Access;
use super::session::{PgSession, guard_sql};
use super::statement::{self, FUNCTION, RelationKind};
use crate::sql::Dialect;
use crate::warehouse::engine::{Listed, Under};
use crate::warehouse::privileges::{self, Privileges, SchemaPrivileges, WritingFunction};
use crate::warehouse::register::{MARK, MARKED};
use crate::warehouse::retry::pause;
use crate::warehouse::{FaultClass, Repeat, TempRelation, WarehouseError, Write, Written};

/// Relations dropped in one transaction: their locks have to fit into the server's table of locks, which is shared by
/// all its databases and holds some six thousand as it comes.
const AT_ONCE: usize = 100;

impl PgSession {
    /// Drops those of `relations` that exist, whatever they are: one statement asks, and some drop.
    pub(super) async fn drop_all(
        &mut self,
        relations: &[&TempRelation],
        written: &mut Written,
        under: Under<'_>,
    ) -> Result<(), WarehouseError> {
        let Some(schema) = relations.first().map(|at| at.schema().name().to_owned()) else { return Ok(()) };
        let (name, kept) = self.kept_names();
        let literal = |text: &str| self.dialect().literal(text);
        let names: Vec<_> = relations.iter().map(|at| literal(&kept(at.identifier()))).collect();
        let (schema, names) = (literal(&schema), names.join(", "));
        let mut sql = format!(
            "select {name}, c.relkind::text, c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n \
             on n.oid = c.relnamespace where n.nspname = {schema} and {name} in ({names})"
        );
        if self.dialect() == Dialect::Postgres {
            sql.push_str(&format!(
                " union all select p.proname, '{FUNCTION}', p.oid from pg_catalog.pg_proc p join pg_catalog.pg_namespace n \
                 on n.oid = p.pronamespace where n.nspname = {schema} and p.proname in ({names}) and p.pronargs = 0"
            ));
        }
        sql.push_str(" order by 3 desc");
        let found = self.ask(&sql).await?;
        written.statements += 1;
        let existing: Vec<_> = found
            .rows
            .iter()
            .filter_map(|row| {
                let [Some(name), Some(kind), _] = row.as_slice() else { return None };
                let at = relations.iter().find(|at| kept(at.identifier()) == *name)?;
                let kind = RelationKind::of(kind)?;
                let arguments = if kind == RelationKind::Function { "()" } else { "" };
                Some((format!("{}{arguments}", at.sql()), kind))
            })
            .collect();
        // What reads a relation was made after it, so the newest go first; what stands behind a view goes after it.
        let mut by_age = existing;
        by_age.sort_by_key(|(_, kind)| match kind {
            RelationKind::View | RelationKind::MaterializedView => 0,
            RelationKind::Function => 1,
            RelationKind::Table => 2,
        });
        let is_view = |kind: RelationKind| matches!(kind, RelationKind::View | RelationKind::MaterializedView);
        let (apart, together): (Vec<_>, Vec<_>) =
            by_age.into_iter().partition(|(_, kind)| is_view(*kind) && self.dialect() == Dialect::Postgres);
        written.statements += apart.len() as u64;
        self.drop_apart(&apart, relations, under).await?;
        for some in together.chunks(AT_ONCE) {
            let drops = statement::drops(some);
            written.statements += drops.len() as u64;
            let drops: Vec<_> = self.server.impatient().into_iter().chain(drops).collect();
            if let Err(error) = self.batch(&drops, 0, under).await {
                return Err(self.undropped(error, relations).await);
            }
        }
        Ok(())
    }

    /// Drops views one by one, several in a message, each in a transaction that waits for a moment only: production drops
    /// them too, with what they read, in an order of its own.
    async fn drop_apart(
        &mut self,
        views: &[(String, RelationKind)],
        relations: &[&TempRelation],
        under: Under<'_>,
    ) -> Result<(), WarehouseError> {
        let opening = self.server.opening(Access::Write);
        let limit = self.server.brief().map(|limit| limit + ";\n").unwrap_or_default();
        let guard = guard_sql(under);
        let one = |view: &(String, RelationKind)| {
            let drop = statement::drops(std::slice::from_ref(view)).join(";\n");
            format!("begin;\n{opening}{limit}{guard}{drop};\ncommit;\n")
        };
        let began = Instant::now();
        for some in views.chunks(AT_ONCE) {
            // What is gone already is passed over, so the whole message can be sent again.
            let sql: String = some.iter().map(one).collect();
            loop {
                let sent = self.simple(&sql).await.map(|_| ());
                match self.after(sent).await {
                    Ok(()) => break,
                    Err(error)
                        if matches!(error.repeat, Repeat::Safe | Repeat::Waits)
                            && began.elapsed() < self.server.limits.lock =>
                    {
                        pause(1).await;
                    }
                    Err(error) => return Err(self.undropped(error, relations).await),
                }
            }
        }
        Ok(())
    }

    /// Why something could not be dropped.
    async fn undropped(&mut self, error: WarehouseError, relations: &[&TempRelation]) -> WarehouseError {
        if error.message.contains("2BP01") {
            return error.with_remedy(
                "something outside the temporary schema reads it, and premerge does not drop what it did not make: \
                 drop that view first",
            );
        }
        self.blame(error, relations).await
    }

    /// The expression of a relation's name in the catalogue, and what becomes of a quoted name there: Redshift
    /// makes it small unless `enable_case_sensitive_identifier` is on.
    fn kept_names(&self) -> (&'static str, fn(&str) -> String) {
        match self.dialect() {
            Dialect::Redshift => ("lower(c.relname)", str::to_ascii_lowercase),
            _ => ("c.relname", str::to_owned),
        }
    }

    pub(super) async fn look_for(
        &mut self,
        writes: &[Write<'_>],
        under: Under<'_>,
    ) -> Result<Option<Written>, WarehouseError> {
        // One message is one transaction, so the last relation is there exactly when all are.
        let Some(at) = writes.iter().rev().find_map(Write::makes) else { return Ok(None) };
        let (name, kept) = self.kept_names();
        let schema = self.dialect().literal(at.schema().name());
        let literal = |at: &TempRelation| self.dialect().literal(&kept(at.identifier()));
        let mut sql = format!(
            "select c.relkind from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where n.nspname = {schema} and {name} = {}",
            literal(at)
        );
        // Where something was there before, it has stepped aside exactly when the new one has its place.
        if let Some(replacing) = under.replacing.filter(|replacing| replacing.found(at)) {
            sql.push_str(&format!(
                " and exists (select 1 from pg_catalog.pg_class o where o.relnamespace = n.oid and o.relname = {})",
                literal(&replacing.aside(at))
            ));
        }
        let found = self.guarded(&sql, under).await?;
        let rows = match found.scalar() {
            None => return Ok(None),
            Some("v") => None,
            Some(_) => {
                let counted = self.guarded(&format!("select count(*) from {}", at.sql()), under).await?;
                counted.scalar().and_then(|text| text.parse().ok())
            }
        };
        Ok(Some(Written { rows, statements: 2 }))
    }

    pub(super) async fn names(&mut self, listed: Listed<'_>) -> Result<Vec<String>, WarehouseError> {
        let literal = |text: &str| self.dialect().literal(text);
        let of_class = "from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace";
        let sql = match listed {
            // Redshift lists the schemas of all its databases elsewhere; ours is in the current one.
            Listed::Schema { schema, .. } => {
                format!("select nspname from pg_catalog.pg_namespace where nspname = {}", literal(schema))
            }
            Listed::Relations { schema, .. } => format!(
                "select c.relname {of_class} where n.nspname = {} and c.relkind in ('r', 'p', 'f', 'v', 'm')",
                literal(schema)
            ),
            Listed::Bound { schema } => return self.bound_in(schema).await,
            Listed::SchemasWith { table } => {
                let mark = literal(MARK);
                let marked = match self.dialect() {
                    Dialect::Redshift => format!(
                        "exists (select 1 from pg_catalog.pg_constraint k join pg_catalog.pg_description d \
                         on d.objoid = k.oid where k.conrelid = c.oid and k.conname = {} and d.description = {mark})",
                        literal(MARKED)
                    ),
                    _ => format!("pg_catalog.obj_description(n.oid, 'pg_namespace') = {mark}"),
                };
                format!(
                    "select n.nspname {of_class} where c.relname = {} and c.relkind = 'r' and {marked} order by 1",
                    literal(table)
                )
            }
        };
        let found = self.ask(&sql).await?;
        Ok(found.rows.into_iter().filter_map(|row| row.into_iter().next()?).collect())
    }

    /// What the views of `schema` read: view, schema, relation.
    async fn reads_of(&mut self, schema: &str) -> Result<Vec<(String, String, String)>, WarehouseError> {
        let sql = format!(
            "select distinct v.relname, n.nspname, t.relname from pg_catalog.pg_depend d \
             join pg_catalog.pg_rewrite r on r.oid = d.objid join pg_catalog.pg_class v on v.oid = r.ev_class \
             join pg_catalog.pg_namespace s on s.oid = v.relnamespace join pg_catalog.pg_class t on t.oid = d.refobjid \
             join pg_catalog.pg_namespace n on n.oid = t.relnamespace where s.nspname = {} and t.oid <> v.oid \
             and d.classid = (select c.oid from pg_catalog.pg_class c where c.relname = 'pg_rewrite' and c.relnamespace = 11) \
             and d.refclassid = (select c.oid from pg_catalog.pg_class c where c.relname = 'pg_class' and c.relnamespace = 11) \
             and n.nspname not in ('pg_catalog', 'information_schema')",
            self.dialect().literal(schema)
        );
        let found = self.ask(&sql).await?;
        let read = |row: Vec<Option<String>>| {
            let mut values = row.into_iter().flatten();
            Some((values.next()?, values.next()?, values.next()?))
        };
        Ok(found.rows.into_iter().filter_map(read).collect())
    }

    /// Views that read outside of `schema`, and views that read those.
    async fn bound_in(&mut self, schema: &str) -> Result<Vec<String>, WarehouseError> {
        let mut inside: Vec<(String, String)> = Vec::new();
        let mut bound = BTreeSet::new();
        for (view, place, read) in self.reads_of(schema).await? {
            if place == schema {
                inside.push((view, read));
            } else {
                bound.insert(view);
            }
        }
        while let Some((view, _)) = inside.iter().find(|(view, read)| bound.contains(read) && !bound.contains(view)) {
            bound.insert(view.clone());
        }
        Ok(bound.into_iter().collect())
    }

    /// Names of a table's indexes.
    pub(super) async fn indexes_of(&mut self, at: &TempRelation) -> Result<Vec<String>, WarehouseError> {
        let literal = |text: &str| self.dialect().literal(text);
        let sql = format!(
            "select indexname from pg_catalog.pg_indexes where schemaname = {} and tablename = {}",
            literal(at.schema().name()),
            literal(at.identifier())
        );
        let found = self.ask(&sql).await?;
        Ok(found.rows.into_iter().filter_map(|row| row.into_iter().next()?).collect())
    }

    pub(super) async fn privileges_in(&mut self, schemas: &[String]) -> Result<Option<Privileges>, WarehouseError> {
        let about = "select current_user, version(), has_database_privilege(current_database(), 'CREATE')";
        // Redshift's sessions take no roles on.
        let user = if self.dialect() == Dialect::Redshift { "" } else { ", session_user" };
        let about = self
            .guarded(&format!("{about}{user}"), Under::default())
            .await?
            .rows
            .into_iter()
            .next()
            .unwrap_or_default();
        let text = |row: &[Option<String>], at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let found = self.guarded(&privileges::query(self.dialect(), schemas), Under::default()).await?;
        let asked = schemas;
        let schemas = found.rows.iter().map(|row| SchemaPrivileges {
            name: text(row, 0),
            usage: text(row, 1) == "t",
            create: text(row, 2) == "t",
            unreadable: text(row, 3).parse().unwrap_or(0),
            writable: text(row, 4).parse().unwrap_or(0),
        });
        let schemas: Vec<SchemaPrivileges> = schemas.collect();
        let missing = asked.iter().filter(|name| !schemas.iter().any(|schema| schema.name == **name));
        let missing: Vec<String> = missing.cloned().collect();
        let elsewhere = match self.dialect() {
            // Beside the point where it cannot be read: then they are nowhere.
            Dialect::Redshift if !missing.is_empty() => {
                self.guarded(&privileges::elsewhere(&missing), Under::default()).await.ok()
            }
            _ => None,
        };
        let elsewhere = elsewhere.unwrap_or_default().rows;
        let functions = match self.dialect() {
            // Its functions cannot write, and procedures are not called by a query.
            Dialect::Redshift => Vec::new(),
            _ => self.guarded(privileges::WRITING_FUNCTIONS, Under::default()).await?.rows,
        };
        let writing = |row: &Vec<Option<String>>| WritingFunction { name: text(row, 0), as_owner: text(row, 1) == "t" };
        Ok(Some(Privileges {
            elsewhere: elsewhere.iter().map(|row| (text(row, 0), text(row, 1))).collect(),
            role: text(&about, 0),
            user: text(&about, 3),
            version: text(&about, 1).split(" on ").next().unwrap_or_default().to_owned(),
            may_create_schemas: text(&about, 2) == "t",
            writing_functions: functions.iter().map(writing).collect(),
            schemas,
        }))
    }

    pub(super) async fn end_others(&mut self, tags: &[String]) -> Result<(), WarehouseError> {
        let others = tags.iter().filter(|tag| **tag != self.server.tag);
        let runs: Vec<_> = others.map(|tag| activity::runs("a", tag, None)).collect();
        if runs.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "{AS_USER}select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a \
             where a.datname = current_database() and ({})",
            runs.join(" or ")
        );
        let began = Instant::now();
        loop {
            if self.ask(&sql).await?.rows.is_empty() {
                return Ok(());
            }
            if began.elapsed() > self.server.limits.grace {
                let message = "statements of an older run of this pull request are still running";
                return Err(WarehouseError::new(FaultClass::Conflict, message)
                    .with_remedy("wait until it is over, or end its sessions at the server"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
