//! Views that look up what they read whenever they are read, which PostgreSQL has no clause for.
//!
//! A view of PostgreSQL belongs to what it reads: while it is there, production can neither drop the table nor drop or
//! retype a column of it. A function in SQL whose body is a string belongs to nothing, and one that is stable and
//! returns rows is expanded in place like a view: indexes are used, conditions go down, and rows come one by one. So a
//! view is made as dbt makes it, which finds what is wrong with it; what its rows are is kept as the type of an empty
//! table; and then the view reads a function of the same query instead.

use super::moves::Moves;
use super::session::PgSession;
use super::statement::render;
use crate::sql::Dialect;
use crate::warehouse::engine::Under;
use crate::warehouse::{FaultClass, RelationConfigs, TempRelation, WarehouseError, Write, statement};

impl PgSession {
    /// Makes one, in one message; the number of statements sent. A query that cannot be looked up late gets a view that
    /// is bound to what it reads, and says what is wrong where that is not possible either.
    pub(super) async fn make_late(
        &mut self,
        write: &Write<'_>,
        at: &TempRelation,
        behind: &TempRelation,
        select: &str,
        under: Under<'_>,
    ) -> Result<u64, WarehouseError> {
        let moves = self.moves(write, under).await?;
        let place = moves.as_ref().map_or(at, |moves| &moves.incoming);
        let late = late(place, behind, select);
        let error = match self.batch(&within(moves.as_ref(), late), 0, under).await {
            Ok(_) => return Ok(STATEMENTS),
            Err(error) => error,
        };
        let is_the_querys = match error.class {
            FaultClass::Syntax
            | FaultClass::Binding
            | FaultClass::Ambiguous
            | FaultClass::Ungrouped
            | FaultClass::MissingRelation
            | FaultClass::Data
            | FaultClass::Permission
            | FaultClass::Unsupported
            | FaultClass::Other => true,
            FaultClass::MissingDatabase
            | FaultClass::Connection
            | FaultClass::Authentication
            | FaultClass::Encryption
            | FaultClass::TooManyConnections
            | FaultClass::Restart
            | FaultClass::Resources
            | FaultClass::Timeout
            | FaultClass::Superseded
            | FaultClass::SomebodyElses
            | FaultClass::Cancelled
            | FaultClass::Conflict
            | FaultClass::Locked => false,
        };
        if !is_the_querys {
            return Err(error);
        }
        let bound = Write::View { at: place, header: None, select, configs: &RelationConfigs::None };
        let bound = render(&bound, Dialect::Postgres).statements;
        self.batch(&within(moves.as_ref(), bound), 0, under).await.map(|_| STATEMENTS + 1)
    }
}

/// What is sent for a view.
const STATEMENTS: u64 = 5;

fn within(moves: Option<&Moves>, statements: Vec<String>) -> Vec<String> {
    let before = moves.map(|moves| moves.before.clone()).unwrap_or_default();
    let after = moves.map(|moves| moves.after.clone()).unwrap_or_default();
    before.into_iter().chain(statements).chain(after).collect()
}

fn late(at: &TempRelation, behind: &TempRelation, select: &str) -> Vec<String> {
    let literal = |text: &str| Dialect::Postgres.literal(text);
    let (view, behind) = (at.sql(), behind.sql());
    vec![
        statement::view(at, None, select, ""),
        // Names, types with their arguments, and collations are those of the view.
        format!("create table {behind} as table {view} with no data"),
        format!("create function {behind}() returns setof {behind} language sql stable as {}", literal(select)),
        parallel(view, behind),
        format!("create or replace view {view} as select * from {behind}()"),
    ]
}

/// A function that does not say that queries which read it may run in several processes keeps each such query to one,
/// also when it is expanded. Whether this one may say so is what the plan of the view shows: where no function in it,
/// however deep, forbids it, there is a `Gather` when that costs nothing. Each expression is then looked at on its own,
/// as in any view. Where the view cannot be planned nobody is told: dbt does not plan a view when it makes it.
fn parallel(view: &str, function: &str) -> String {
    let literal = |text: &str| Dialect::Postgres.literal(text);
    let settings = [
        ("force_parallel_mode", "on"),
        ("parallel_setup_cost", "0"),
        ("parallel_tuple_cost", "0"),
        ("min_parallel_table_scan_size", "0"),
        ("min_parallel_index_scan_size", "0"),
    ];
    let settings = settings.map(|(name, value)| format!("pg_catalog.set_config('{name}', '{value}', true)"));
    let body = format!(
        "declare plan text; begin perform {}; execute {} into plan; \
         if plan like '%\"Node Type\": \"Gather%' then execute {}; end if; \
         exception when others then null; end",
        settings.join(", "),
        literal(&format!("explain (format json) select * from {view}")),
        literal(&format!("alter function {function}() parallel restricted")),
    );
    format!("do {}", literal(&body))
}
