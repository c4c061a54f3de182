//! dbt's `sql_header`: settings of the session that cannot change who it is, how its text is read or where it writes.

use pg_query::ParserOptions;
use serde_json::{Map, Value};

use super::postgres::{fields_of, statements};
use super::{Refusal, sayable};
use crate::sql::Dialect;
use crate::sql::deep::with_deep_stack;
use crate::sql::tokens::{Kind, Tokens};

/// Settings of PostgreSQL that change how a query is planned or how values are shown.
const POSTGRES: &[&str] = &[
    "bytea_output",
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "datestyle",
    "default_statistics_target",
    "default_text_search_config",
    "effective_cache_size",
    "effective_io_concurrency",
    "enable_async_append",
    "enable_bitmapscan",
    "enable_gathermerge",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_incremental_sort",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_parallel_append",
    "enable_parallel_hash",
    "enable_partition_pruning",
    "enable_partitionwise_aggregate",
    "enable_partitionwise_join",
    "enable_presorted_aggregate",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
    "extra_float_digits",
    "from_collapse_limit",
    "geqo",
    "geqo_effort",
    "geqo_threshold",
    "hash_mem_multiplier",
    "intervalstyle",
    "jit",
    "jit_above_cost",
    "join_collapse_limit",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "maintenance_work_mem",
    "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "random_page_cost",
    "seq_page_cost",
    "timezone",
    "work_mem",
    "xmlbinary",
    "xmloption",
];

/// Redshift's. What it reads texts by (`enable_case_sensitive_identifier`, `standard_conforming_strings`) is not among
/// them.
const REDSHIFT: &[&str] = &[
    "datestyle",
    "enable_result_cache_for_session",
    "enable_numeric_rounding",
    "extra_float_digits",
    "query_group",
    "timezone",
    "wlm_query_slot_count",
];

/// DuckDB's, as far as they are a connection's own.
const DUCKDB: &[&str] = &["calendar", "timezone"];

/// Characteristics of transactions that a header may set. Whether they write is not among them.
const TRANSACTION: &[&str] = &["transaction_isolation", "transaction_deferrable"];

/// See [`super::judge`].
pub(super) fn judge(text: &str, dialect: Dialect) -> Result<(), Refusal> {
    match dialect {
        Dialect::Postgres => of_postgres(text, ParserOptions::DEFAULT, POSTGRES),
        Dialect::Redshift => of_postgres(text, ParserOptions::DISABLE_STANDARD_CONFORMING_STRINGS, REDSHIFT),
        Dialect::DuckDb => of_duckdb(text),
        Dialect::Snowflake | Dialect::BigQuery | Dialect::Databricks | Dialect::Generic => {
            Err(Refusal::new("premerge has no grammar of this adapter's SQL", 0))
        }
    }
}

fn of_postgres(text: &str, options: ParserOptions, allowed: &[&str]) -> Result<(), Refusal> {
    let parsed = with_deep_stack(|| statements(text, options));
    let parsed = parsed.unwrap_or_else(|| Err(Refusal::new("the engine's parser gave up", 0)))?;
    parsed.iter().try_for_each(|statement| setting(statement, allowed))
}

/// `set name = value`, `set name to default`, `set session characteristics …`.
fn setting(statement: &Value, allowed: &[&str]) -> Result<(), Refusal> {
    let refuse = |what: String| Err(Refusal::new(format!("a `sql_header` that {what}"), 0));
    let Some(("VariableSetStmt", fields)) = fields_of(statement) else {
        return refuse("does more than set the session up".to_owned());
    };
    let text = |fields: &Map<String, Value>, name: &str| {
        fields.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase()
    };
    let name = text(fields, "name");
    let args = fields.get("args").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if matches!(name.as_str(), "session characteristics" | "transaction") {
        let each =
            |arg: &Value| fields_of(arg).is_some_and(|(_, arg)| TRANSACTION.contains(&text(arg, "defname").as_str()));
        return if args.iter().all(each) { Ok(()) } else { refuse("sets whether transactions write".to_owned()) };
    }
    if !allowed.contains(&name.as_str()) {
        let named = if sayable(&name) { format!("sets `{name}`") } else { "sets something else".to_owned() };
        return refuse(format!("{named}, which is not known to be harmless"));
    }
    let constant = |arg: &Value| fields_of(arg).is_some_and(|(kind, _)| kind == "AConst");
    if args.iter().all(constant) {
        Ok(())
    } else {
        refuse(format!("sets `{name}` to something that is not a constant"))
    }
}

/// DuckDB serializes no `set`: token by token, `set [session] name = literal`.
fn of_duckdb(text: &str) -> Result<(), Refusal> {
    let tokens = Tokens::of(text, Dialect::DuckDb)?;
    for statement in tokens.list.split(|token| token.kind == Kind::Semicolon) {
        let solid: Vec<_> = statement.iter().filter(|token| !token.kind.is_blank()).copied().collect();
        let Some(first) = solid.first() else { continue };
        let line = tokens.line(first.start);
        let words: Vec<_> = solid.iter().map(|token| tokens.text(*token).to_lowercase()).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let rest = match words.as_slice() {
            ["set", "session", rest @ ..] | ["set", rest @ ..] => rest,
            _ => return Err(Refusal::new("a `sql_header` that does more than set the session up", line)),
        };
        let known = match rest {
            [name, "=" | "to", _] => {
                DUCKDB.contains(name) && solid.last().is_some_and(|value| value.kind == Kind::Text)
            }
            ["time", "zone", _] => solid.last().is_some_and(|value| value.kind == Kind::Text),
            _ => false,
        };
        if !known {
            return Err(Refusal::new("a `sql_header` that sets what is not the connection's own", line));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sets_the_session_up_is_a_header() {
        for (dialect, text) in [
            (Dialect::Postgres, ""),
            (Dialect::Postgres, "set timezone = 'UTC'; set local work_mem to '64MB'; -- note"),
            (Dialect::Postgres, "set time zone 'UTC'"),
            (Dialect::Postgres, "set session characteristics as transaction isolation level serializable"),
            (Dialect::Postgres, "set \"datestyle\" to 'iso', 'ymd'"),
            (Dialect::Postgres, "set enable_nestloop to off"),
            (Dialect::Redshift, "set query_group to 'role'"),
            (Dialect::DuckDb, "set timezone = 'UTC';"),
            (Dialect::DuckDb, "set session TimeZone to 'UTC'"),
        ] {
            judge(text, dialect).unwrap();
        }
    }

    /// A profile's `role` is what keeps a powerful user from production.
    #[test]
    fn whatever_else_a_header_does_is_refused() {
        for text in [
            "set role admin",
            "set session authorization admin",
            "set local role none;",
            "set \"role\" to none;",
            "SET LOCAL \"Role\" = 'none'",
            "set /* - */ local session authorization default;",
            "set session_authorization to default",
            "set timezone = 'UTC'; set local role none",
            "set standard_conforming_strings = off",
            "set names 'SJIS'",
            "set search_path to analytics",
            "set default_transaction_read_only to off",
            "set transaction read write",
            "set session characteristics as transaction read write",
            "set statement_timeout to 0",
            "set session_replication_role to replica",
            "reset role",
            "reset all",
            "discard all",
            "declare c cursor for select 1",
            "create temp function f() returns int as 'select 1' language sql",
            "create function pg_temp.count_star() returns int as 'select 1' language sql",
            "do $$ begin delete from prod.orders; end $$",
            "set timezone = (select 'x')",
            "select 1",
            "drop table t;",
            "load 'x'",
            "listen x",
            "prepare x as delete from prod.orders",
            "copy prod.orders to '/tmp/x'",
        ] {
            for dialect in [Dialect::Postgres, Dialect::Redshift] {
                assert!(judge(text, dialect).is_err(), "{dialect:?}: {text}");
            }
        }
        for text in [
            "create temp function count_star() as 0",
            "create temp macro count_star() as 0",
            "create or replace temporary macro sum(x) as 0",
            "set log_query_path = '/tmp/prod.duckdb'",
            "set profiling_output = 'prod.duckdb'",
            "set global timezone = 'UTC'",
            "set enable_external_access = true",
            "set schema = 'prod.main'",
            "set search_path = 'prod'",
            "set variable x = 1",
            "set timezone = getenv('X')",
            "use prod",
            "attach 'prod.duckdb' as p",
            "copy (select 1) to 'prod.duckdb'",
            "pragma disable_optimizer",
            "install httpfs",
            "load httpfs",
            "checkpoint",
            "begin",
            "reset timezone",
        ] {
            assert!(judge(text, Dialect::DuckDb).is_err(), "{text}");
        }
    }
}
