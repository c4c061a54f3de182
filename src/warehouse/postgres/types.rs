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
