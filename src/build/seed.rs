//! Seeds: columns typed as dbt types them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jiff::civil::{Date, DateTime};
use regex::Regex;

use crate::artifacts::NodeConfig;
use crate::sql::Dialect;
use crate::warehouse::{ColumnDef, SeedFile, SeedKind as Kind};

/// Why a seed's file cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// It cannot be read.
    #[error("could not read the seed's file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no CSV.
    #[error("{path} is not a valid CSV file: {source}")]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        source: csv::Error,
    },
    /// The separator is not one character.
    #[error("the seed's delimiter `{delimiter}` is not a single character")]
    Delimiter {
        /// What the configuration says.
        delimiter: String,
    },
    /// The path leaves the project.
    #[error("the seed's file {path} lies outside the project")]
    Outside {
        /// The file.
        path: PathBuf,
    },
}

/// The SQL type that dbt's default adapter writes.
fn sql_type(kind: Kind, longest: usize, dialect: Dialect) -> String {
    let bigquery = matches!(dialect, Dialect::BigQuery);
    let name = match kind {
        // `text` is `varchar(256)` there, so dbt-redshift measures, in bytes.
        Kind::Text if dialect == Dialect::Redshift => return format!("varchar({})", longest.max(1)),
        Kind::Integer if bigquery => "int64",
        Kind::Integer => "integer",
        Kind::Float if bigquery => "float64",
        Kind::Float => "float8",
        Kind::Date => "date",
        Kind::Timestamp if bigquery => "datetime",
        Kind::Timestamp => "timestamp without time zone",
        Kind::Boolean if bigquery => "bool",
        Kind::Boolean => "boolean",
        Kind::Text if bigquery => "string",
        Kind::Text => "text",
    };
    name.to_owned()
}

/// Reads a seed's file below `project_dir` and types its columns by dbt's rules, `column_types` first.
///
/// # Errors
/// When the file is missing, no CSV, or outside the project.
pub fn seed_file(
    project_dir: &Path,
    original_file_path: &str,
    config: &NodeConfig,
    dialect: Dialect,
) -> Result<SeedFile, SeedError> {
    let path = project_dir.join(original_file_path);
    let read = |source| SeedError::Read { path: path.clone(), source };
    let real = fs_err::canonicalize(&path).map_err(read)?;
    // The manifest is the pull request's: its paths may point anywhere.
    if !real.starts_with(fs_err::canonicalize(project_dir).map_err(read)?) {
        return Err(SeedError::Outside { path });
    }
    let delimiter = config.delimiter.as_deref().unwrap_or(",");
    let mut characters = delimiter.chars();
    let (Some(separator), None) = (characters.next(), characters.next()) else {
        return Err(SeedError::Delimiter { delimiter: delimiter.to_owned() });
    };
    let bytes = fs_err::read(&real).map_err(read)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let (columns, kinds) = columns(text, separator, config, dialect)
        .map_err(|source| SeedError::Csv { path: path.clone(), source })?
        .into_iter()
        .unzip();
    Ok(SeedFile { path: real, delimiter: separator, columns, kinds })
}

/// The columns, and from narrow to wide the first kind that fits every value of each, as dbt takes it.
fn columns(text: &[u8], separator: char, config: &NodeConfig, dialect: Dialect) -> csv::Result<Vec<(ColumnDef, Kind)>> {
    let separator = u8::try_from(separator).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text);
    let headers = reader.headers()?.clone();
    let mut columns: Vec<ColumnValues> = headers.iter().map(|_| ColumnValues::default()).collect();
    for record in reader.records() {
        for (value, column) in record?.iter().zip(&mut columns) {
            column.see(value);
        }
    }
    // dbt's default is to quote everywhere but on Snowflake.
    let quote = config.quote_columns.unwrap_or(dialect != Dialect::Snowflake);
    Ok(headers
        .iter()
        .zip(columns)
        .map(|(header, column)| {
            let (definition, kind) = match config.column_types.get(header) {
                // The warehouse reads the text as it stands.
                Some(declared) => (declared.clone(), Kind::Text),
                None => (sql_type(column.kind(), column.longest, dialect), column.kind()),
            };
            let name = if quote { dialect.quote(header) } else { header.to_owned() };
            (ColumnDef { name, definition }, kind)
        })
        .collect())
}

/// What is still possible for a column after the values seen so far.
#[derive(Debug)]
struct ColumnValues {
    number: bool,
    fraction: bool,
    date: bool,
    timestamp: bool,
    iso: bool,
    boolean: bool,
    /// Bytes of the longest value.
    longest: usize,
}

impl Default for ColumnValues {
    fn default() -> Self {
        Self { number: true, fraction: false, date: true, timestamp: true, iso: true, boolean: true, longest: 0 }
    }
}

impl ColumnValues {
    fn see(&mut self, value: &str) {
        let whole = value.len();
        let value = value.trim();
        // dbt's null values, for every type.
        if value.is_empty() || value.eq_ignore_ascii_case("null") {
            return;
        }
        self.longest = self.longest.max(whole);
        if self.number {
            match decimal(value) {
                Some(fraction) => self.fraction |= fraction,
                None => self.number = false,
            }
        }
        self.date = self.date && is_date(value);
        self.timestamp = self.timestamp && is_timestamp(value, ' ');
        self.iso = self.iso && is_iso(value);
        self.boolean = self.boolean && (value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"));
    }

    /// The first type that fits; a column without any value is an integer one.
    fn kind(&self) -> Kind {
        match self {
            Self { number: true, fraction: false, .. } => Kind::Integer,
            Self { number: true, .. } => Kind::Float,
            Self { date: true, .. } => Kind::Date,
            Self { timestamp: true, .. } | Self { iso: true, .. } => Kind::Timestamp,
            Self { boolean: true, .. } => Kind::Boolean,
            _ => Kind::Text,
        }
    }
}

/// Whether a number has digits after the point; `None` when it is no number. As agate, which dbt reads
/// seeds with: currency signs, percent signs, group separators and blanks do not count.
fn decimal(value: &str) -> Option<bool> {
    static NUMBER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[+-]?(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d{1,3}))?$").ok());
    let bare: String = value.chars().filter(|c| !matches!(c, ',' | '%' | '$' | '€' | '£' | '¥' | ' ')).collect();
    let parts = NUMBER.as_ref()?.captures(&bare)?;
    let digits = parts.get(2).or_else(|| parts.get(3)).map_or("", |m| m.as_str()).trim_end_matches('0').len();
    let exponent: i64 = parts.get(4).map_or(Ok(0), |m| m.as_str().parse()).ok()?;
    let trailing_zeros = match parts.get(1).map(|m| m.as_str()) {
        Some(whole) if digits == 0 => whole.len() - whole.trim_end_matches('0').len(),
        _ => 0,
    };
    Some(
        i64::try_from(digits).ok()? - i64::try_from(trailing_zeros).ok()? - exponent > 0
            && bare.contains(|c: char| ('1'..='9').contains(&c)),
    )
}

/// `%Y-%m-%d`, where month and day may have one digit.
fn is_date(value: &str) -> bool {
    let mut parts = value.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| {
        (digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse::<i16>().ok())
            .flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4..=4), number(month, 1..=2), number(day, 1..=2)) else {
        return false;
    };
    let (Ok(month), Ok(day)) = (i8::try_from(month), i8::try_from(day)) else { return false };
    Date::new(year, month, day).is_ok()
}

/// `%Y-%m-%d %H:%M:%S`, without fractions.
fn is_timestamp(value: &str, between: char) -> bool {
    let Some((date, time)) = value.split_once(between) else { return false };
    let parts: Vec<_> = time.split(':').collect();
    is_date(date)
        && matches!(parts.as_slice(), [_, _, _])
        && parts
            .iter()
            .zip([23, 59, 61])
            .all(|(part, most)| (1..=2).contains(&part.len()) && part.parse::<u8>().is_ok_and(|number| number <= most))
}

/// ISO 8601 with a `T`.
fn is_iso(value: &str) -> bool {
    value.contains('T') && (value.parse::<DateTime>().is_ok() || value.parse::<jiff::Timestamp>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that dbt-semantics section 5.6 lists as observed on dbt's own code.
    #[test]
    fn columns_are_typed_as_dbt_types_them() {
        for (values, kind) in [
            (vec!["1", "2", "3"], Kind::Integer),
            (vec!["005", "010"], Kind::Integer),
            (vec!["1.0", "2", "3"], Kind::Integer),
            (vec!["1.5"], Kind::Float),
            (vec!["$1,000"], Kind::Integer),
            (vec!["50%"], Kind::Integer),
            (vec!["0", "1"], Kind::Integer),
            (vec!["y", "n"], Kind::Text),
            (vec!["2020-01-01"], Kind::Date),
            (vec!["2020-01-01 00:00:00"], Kind::Timestamp),
            (vec!["2020-01-01 00:00:00.123"], Kind::Text),
            (vec!["2020-01-01T00:00:00"], Kind::Timestamp),
            (vec!["2020-01-01T00:00:00+02:00"], Kind::Timestamp),
            (vec!["01/02/2020"], Kind::Text),
            (vec!["2020-01-01", "2020-01-01 00:00:00"], Kind::Text),
            (vec!["", "null", "NULL"], Kind::Integer),
            (vec!["12345678901"], Kind::Integer),
            (vec!["1e5"], Kind::Integer),
            (vec!["1.5e1"], Kind::Integer),
            (vec!["15e-1"], Kind::Float),
            (vec!["true", "False", ""], Kind::Boolean),
            (vec!["2020-02-30"], Kind::Text),
            (vec!["N/A"], Kind::Text),
        ] {
            let mut column = ColumnValues::default();
            values.iter().for_each(|value| column.see(value));
            assert_eq!(column.kind(), kind, "{values:?}");
        }
    }

    #[test]
    fn declared_types_win_and_names_are_quoted() {
        let config: NodeConfig = serde_json::from_str(r#"{"column_types": {"code": "varchar(3)"}}"#).unwrap();
        let columns = columns(b"code,n\n005,1\n", ',', &config, Dialect::DuckDb).unwrap();
        let shown: Vec<_> = columns.iter().map(|(c, _)| format!("{} {}", c.name, c.definition)).collect();
        assert_eq!(shown, ["\"code\" varchar(3)", "\"n\" integer"]);
    }

    #[test]
    fn redshifts_texts_are_as_long_as_the_longest() {
        let columns = columns("a,b\nzürich,1\n x ,2\n".as_bytes(), ',', &NodeConfig::default(), Dialect::Redshift);
        let shown: Vec<_> = columns.unwrap().into_iter().map(|(c, _)| format!("{} {}", c.name, c.definition)).collect();
        assert_eq!(shown, ["\"a\" varchar(7)", "\"b\" integer"]);
    }

    #[test]
    fn a_path_outside_the_project_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join("project")).unwrap();
        fs_err::write(dir.path().join("secret.csv"), "a\n1\n").unwrap();
        let error = seed_file(&dir.path().join("project"), "../secret.csv", &NodeConfig::default(), Dialect::DuckDb);
        assert!(matches!(error, Err(SeedError::Outside { .. })));
    }
}
