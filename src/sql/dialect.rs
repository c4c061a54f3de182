//! What differs between the SQL of the warehouses, as data.

use std::fmt::Write as _;

/// A warehouse's SQL, named as dbt names the adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// DuckDB.
    DuckDb,
    /// PostgreSQL.
    Postgres,
    /// Amazon Redshift.
    Redshift,
    /// Snowflake.
    Snowflake,
    /// Google BigQuery.
    BigQuery,
    /// Databricks and Spark.
    Databricks,
    /// Any other adapter's. Only what holds for every warehouse is taken for granted: names are compared letter by
    /// letter, comments count as text. Nothing can be built.
    Generic,
}

/// How a warehouse compares unquoted identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifierCase {
    /// Folded to lower case.
    Lower,
    /// Folded to upper case.
    Upper,
    /// Kept, and compared without regard to case, quoted or not.
    Insensitive,
    /// Kept, and compared exactly (BigQuery's tables).
    Sensitive,
}

impl Dialect {
    /// The dialect of `metadata.adapter_type`; `None` for an adapter that premerge does not know.
    #[must_use]
    pub fn from_adapter(adapter_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.adapters().contains(&adapter_type))
    }

    /// The dialect of `metadata.adapter_type`: [`Self::Generic`] for an adapter that premerge does not know.
    #[must_use]
    pub fn of_adapter(adapter_type: &str) -> Self {
        Self::from_adapter(adapter_type).unwrap_or(Self::Generic)
    }

    /// Every dialect of an adapter that premerge knows.
    pub const ALL: [Self; 6] =
        [Self::DuckDb, Self::Postgres, Self::Redshift, Self::Snowflake, Self::BigQuery, Self::Databricks];

    /// dbt's names of the adapters that write it, the usual one first.
    #[must_use]
    pub fn adapters(self) -> &'static [&'static str] {
        match self {
            Self::DuckDb => &["duckdb"],
            Self::Postgres => &["postgres"],
            Self::Redshift => &["redshift"],
            Self::Snowflake => &["snowflake"],
            Self::BigQuery => &["bigquery"],
            Self::Databricks => &["databricks", "spark"],
            Self::Generic => &[],
        }
    }

    /// dbt's name of the adapter.
    #[must_use]
    pub fn adapter(self) -> &'static str {
        self.adapters().first().copied().unwrap_or_default()
    }

    /// The database that has the catalog of all databases, if each does not have its own.
    #[must_use]
    pub fn catalogue_database(self) -> Option<&'static str> {
        match self {
            Self::DuckDb => Some("system"),
            Self::Postgres | Self::Redshift | Self::Snowflake | Self::BigQuery | Self::Databricks | Self::Generic => {
                None
            }
        }
    }

    /// Whether statements name production's relations themselves, because a proxy view would keep production from
    /// changing or dropping its tables. Elsewhere proxy views stand for them.
    #[must_use]
    pub fn reads_production_in_place(self) -> bool {
        match self {
            Self::Postgres => true,
            // Redshift's proxies are late-binding.
            Self::DuckDb | Self::Redshift | Self::Snowflake | Self::BigQuery | Self::Databricks | Self::Generic => {
                false
            }
        }
    }

    /// The character that quotes identifiers.
    #[must_use]
    pub fn quote_char(self) -> char {
        match self {
            Self::BigQuery | Self::Databricks => '`',
            _ => '"',
        }
    }

    /// Longest identifier, in bytes.
    #[must_use]
    pub fn max_identifier(self) -> usize {
        match self {
            Self::Postgres => 63,
            Self::Redshift => 127,
            Self::Snowflake | Self::Databricks => 255,
            Self::BigQuery | Self::DuckDb | Self::Generic => 1024,
        }
    }

    /// How unquoted identifiers compare.
    #[must_use]
    pub fn identifier_case(self) -> IdentifierCase {
        match self {
            Self::Postgres | Self::Redshift => IdentifierCase::Lower,
            Self::Snowflake => IdentifierCase::Upper,
            Self::DuckDb | Self::Databricks => IdentifierCase::Insensitive,
            Self::BigQuery | Self::Generic => IdentifierCase::Sensitive,
        }
    }

    /// The identifier that the warehouse makes of a written one.
    #[must_use]
    pub fn folded(self, identifier: &str, quoted: bool) -> String {
        match (self.identifier_case(), quoted) {
            (IdentifierCase::Lower, false) => identifier.to_ascii_lowercase(),
            (IdentifierCase::Upper, false) => identifier.to_ascii_uppercase(),
            _ => identifier.to_owned(),
        }
    }

    /// A written identifier in the form in which two are compared: equal forms are one name.
    ///
    /// Redshift folds quoted identifiers too, unless `enable_case_sensitive_identifier` is on; taking
    /// two names for one there is the safe side.
    #[must_use]
    pub fn canonical(self, identifier: &str, quoted: bool) -> String {
        match self.identifier_case() {
            IdentifierCase::Insensitive => identifier.to_ascii_lowercase(),
            IdentifierCase::Lower if self == Self::Redshift => identifier.to_ascii_lowercase(),
            _ => self.folded(identifier, quoted),
        }
    }

    /// `identifier` quoted, quotes inside doubled (escaped with a backslash on BigQuery).
    #[must_use]
    pub fn quote(self, identifier: &str) -> String {
        let quote = self.quote_char();
        let mut out = String::with_capacity(identifier.len() + 2);
        out.push(quote);
        for c in identifier.chars() {
            if c == quote {
                out.push(if self == Self::BigQuery { '\\' } else { quote });
            } else if c == '\\' && self == Self::BigQuery {
                out.push('\\');
            }
            out.push(c);
        }
        out.push(quote);
        out
    }

    /// `text` as a string literal.
    #[must_use]
    pub fn literal(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + 2);
        out.push('\'');
        for c in text.chars() {
            match (self, c) {
                (Self::BigQuery | Self::Databricks, '\'') => out.push_str("\\'"),
                // Redshift reads texts as PostgreSQL did before `standard_conforming_strings`.
                (Self::BigQuery | Self::Databricks | Self::Snowflake | Self::Redshift, '\\') => out.push_str("\\\\"),
                (_, '\'') => out.push_str("''"),
                (Self::BigQuery, c) if c.is_control() => {
                    let _ = write!(out, "\\u{:04x}", u32::from(c));
                }
                (_, c) => out.push(c),
            }
        }
        out.push('\'');
        out
    }
}
