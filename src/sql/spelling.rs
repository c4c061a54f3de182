//! Words and forms that dbt's adapters write, each in its own spelling.

use super::dialect::Dialect;

/// Names of the types that dbt gives the columns of a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedTypes {
    /// A number without fraction.
    pub integer: &'static str,
    /// Any other number.
    pub float: &'static str,
    /// A day.
    pub date: &'static str,
    /// A date and time.
    pub timestamp: &'static str,
    /// True or false.
    pub boolean: &'static str,
    /// Text; `None` where dbt measures the longest value and writes `varchar(…)`.
    pub text: Option<&'static str>,
}

impl Dialect {
    /// The types that dbt's adapter writes for a seed.
    #[must_use]
    pub fn seed_types(self) -> SeedTypes {
        let usual = SeedTypes {
            integer: "integer",
            float: "float8",
            date: "date",
            timestamp: "timestamp without time zone",
            boolean: "boolean",
            text: Some("text"),
        };
        match self {
            // `text` is `varchar(256)` there.
            Self::Redshift => SeedTypes { text: None, ..usual },
            Self::BigQuery => SeedTypes {
                integer: "int64",
                float: "float64",
                date: "date",
                timestamp: "datetime",
                boolean: "bool",
                text: Some("string"),
            },
            Self::DuckDb | Self::Postgres | Self::Snowflake | Self::Databricks | Self::Generic => usual,
        }
    }

    /// Whether dbt quotes the columns of a seed that says nothing about it.
    #[must_use]
    pub fn quotes_seed_columns(self) -> bool {
        self != Self::Snowflake
    }

    /// The moment that a snapshot writes down.
    #[must_use]
    pub fn snapshot_now(self) -> &'static str {
        match self {
            Self::Snowflake => "to_timestamp_ntz(convert_timezone('UTC', current_timestamp()))",
            Self::BigQuery | Self::Databricks | Self::Generic => "current_timestamp()",
            Self::Redshift => "getdate()",
            Self::DuckDb => "now()::timestamp",
            Self::Postgres => "now()::timestamp without time zone",
        }
    }

    /// The hash of a snapshot's row over these expressions.
    #[must_use]
    pub fn snapshot_hash(self, expressions: &[&str]) -> String {
        let text = if self == Self::BigQuery { "string" } else { "varchar" };
        let parts: Vec<_> = expressions.iter().map(|part| format!("coalesce(cast({part} as {text}), '')")).collect();
        match self {
            Self::BigQuery => format!("to_hex(md5(concat({})))", parts.join(", '|', ")),
            _ => format!("md5({})", parts.join(" || '|' || ")),
        }
    }

    /// Whether tables have `check` constraints; elsewhere dbt leaves them out of the statement.
    #[must_use]
    pub fn has_check_constraints(self) -> bool {
        match self {
            Self::DuckDb | Self::Postgres | Self::Databricks => true,
            Self::Redshift | Self::Snowflake | Self::BigQuery | Self::Generic => false,
        }
    }
}
