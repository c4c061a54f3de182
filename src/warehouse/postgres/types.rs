//! Type names as dbt compares them.

/// dbt-postgres compares contracts by the names that its driver, psycopg2, has for type codes; so `varchar`
/// and `text` are the same to it, and `integer` and `bigint` are not. `found` is the server's name.
pub(super) fn dbt_name(found: &str) -> String {
    match found {
        "smallint" | "integer" => "INTEGER",
        "bigint" => "LONGINTEGER",
        "real" | "double precision" => "FLOAT",
        "numeric" => "DECIMAL",
        "text" | "character varying" | "character" | "name" | "\"char\"" | "bpchar" => "STRING",
        "boolean" => "BOOLEAN",
        "date" => "DATE",
        "timestamp without time zone" | "timestamp" => "DATETIME",
        "timestamp with time zone" => "DATETIMETZ",
        "time without time zone" | "time with time zone" | "time" => "TIME",
        other => other,
    }
    .to_owned()
}

/// The same for dbt-redshift, whose driver has names of its own: it tells the widths of numbers apart.
pub(super) fn redshift_name(found: &str) -> String {
    match found {
        "smallint" => "SMALLINT",
        "integer" => "INTEGER",
        "bigint" => "BIGINT",
        "real" => "REAL",
        "double precision" => "FLOAT",
        "numeric" => "NUMERIC",
        // Redshift makes a varchar of every `text`.
        "text" | "character varying" => "STRING",
        "character" | "bpchar" => "BPCHAR",
        "boolean" => "BOOLEAN",
        "date" => "DATE",
        "timestamp without time zone" => "TIMESTAMP",
        "timestamp with time zone" => "TIMESTAMPTZ",
        "time without time zone" => "TIME",
        "time with time zone" => "TIMETZ",
        other => other,
    }
    .to_owned()
}
