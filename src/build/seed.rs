//! Seeds: columns typed as dbt types them.

use std::path::{Path, PathBuf};

use crate::artifacts::NodeConfig;
use crate::sql::Dialect;
use crate::warehouse::agate::{self, Number, ReadError};
use crate::warehouse::{ColumnDef, SeedFile, SeedKind as Kind};

/// Digits that Python keeps of a number.
const PRECISION: i64 = 28;

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
    /// dbt does not take it.
    #[error("the seed's file {path} cannot be loaded: {source}")]
    Csv {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ReadError,
    },
    /// The separator is not one character.
    #[error("the seed's delimiter `{delimiter}` is not a single character")]
    Delimiter {
        /// What the configuration says.
        delimiter: String,
    },
    /// The path leaves the project.
    #[error("the seed's file {path} is outside the project")]
    Outside {
        /// The file.
        path: PathBuf,
    },
}

/// The SQL type that dbt's default adapter writes.
fn sql_type(kind: Kind, longest: usize, dialect: Dialect) -> String {
    let types = dialect.seed_types();
    match kind {
        Kind::Integer => types.integer,
        Kind::Float => types.float,
        Kind::Date => types.date,
        Kind::Timestamp => types.timestamp,
        Kind::Boolean => types.boolean,
        Kind::Text => match types.text {
            Some(text) => text,
            // In bytes.
            None => return format!("varchar({})", longest.max(1)),
        },
    }
    .to_owned()
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
    // A pipe or a device would be waited for, or never end.
    if !fs_err::metadata(&real).map_err(read)?.is_file() {
        return Err(read(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file")));
    }
    let bytes = fs_err::read(&real).map_err(read)?;
    let (columns, kinds) = columns(&bytes, separator, config, dialect)
        .map_err(|source| SeedError::Csv { path: path.clone(), source })?
        .into_iter()
        .unzip();
    Ok(SeedFile { path: real, delimiter: separator, columns, kinds })
}

/// The columns, and from narrow to wide the first kind that fits every value of each, as dbt takes it.
fn columns(
    bytes: &[u8],
    separator: char,
    config: &NodeConfig,
    dialect: Dialect,
) -> Result<Vec<(ColumnDef, Kind)>, ReadError> {
    let table = agate::read(bytes, separator)?;
    let mut columns: Vec<ColumnValues> = table.names.iter().map(|_| ColumnValues::default()).collect();
    for row in &table.rows {
        for (value, column) in row.iter().zip(&mut columns) {
            column.see(value);
        }
    }
    let quote = config.quote_columns.unwrap_or(dialect.quotes_seed_columns());
    Ok(table
        .names
        .into_iter()
        .zip(columns)
        .map(|(header, column)| {
            let (definition, kind) = match config.column_types.get(&header) {
                // The warehouse reads the text as it stands.
                Some(declared) => (declared.clone(), Kind::Text),
                None => (sql_type(column.kind(), column.longest, dialect), column.kind()),
            };
            let name = if quote { dialect.quote(&header) } else { header };
            (ColumnDef { name, definition }, kind)
        })
        .collect())
}

/// What is still possible for a column after the values seen so far.
#[derive(Debug)]
struct ColumnValues {
    number: bool,
    /// Most places before the point, and after it.
    places: (i64, i64),
    date: bool,
    timestamp: bool,
    iso: bool,
    boolean: bool,
    /// Bytes of the longest value.
    longest: usize,
}

impl Default for ColumnValues {
    fn default() -> Self {
        Self { number: true, places: (1, 0), date: true, timestamp: true, iso: true, boolean: true, longest: 0 }
    }
}

impl ColumnValues {
    fn see(&mut self, value: &str) {
        // dbt's null values, for every type.
        if agate::is_null(value) {
            return;
        }
        self.longest = self.longest.max(value.len());
        if self.number {
            match Number::parse(value) {
                Some(number) => {
                    let (before, after) = number.places().unwrap_or_default();
                    self.places = (self.places.0.max(before), self.places.1.max(after));
                }
                None => self.number = false,
            }
        }
        self.date = self.date && agate::date(value).is_some();
        self.timestamp = self.timestamp && agate::timestamp(value).is_some();
        self.iso = self.iso && agate::iso(value).is_some();
        self.boolean = self.boolean && agate::boolean(value).is_some();
    }

    /// agate's greatest precision, which is less than nothing where a column holds more digits than Python
    /// keeps; dbt takes all but nought for a fraction.
    fn has_fraction(&self) -> bool {
        let (before, after) = self.places;
        if before.saturating_add(after) > PRECISION { before != PRECISION } else { after > 0 }
    }

    /// The first type that fits; a column without any value is an integer one.
    fn kind(&self) -> Kind {
        match self {
            Self { number: true, .. } if !self.has_fraction() => Kind::Integer,
            Self { number: true, .. } => Kind::Float,
            Self { date: true, .. } => Kind::Date,
            Self { timestamp: true, .. } | Self { iso: true, .. } => Kind::Timestamp,
            Self { boolean: true, .. } => Kind::Boolean,
            _ => Kind::Text,
        }
    }
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
            (vec!["1 000", "2 000"], Kind::Text),
            (vec!["1_000"], Kind::Integer),
            (vec!["5¢"], Kind::Integer),
            (vec!["NaN"], Kind::Integer),
            (vec!["1.5", "Infinity"], Kind::Float),
            (vec!["x", "NaN"], Kind::Text),
            (vec!["٣"], Kind::Integer),
            (vec!["2026-W01-1T10:00"], Kind::Timestamp),
            (vec!["2020-01-01T24:00:00"], Kind::Text),
            (vec!["2020-01-01 00:00:60"], Kind::Text),
            (vec!["1e400"], Kind::Float),
            (vec!["123456789012345678901234567890.5"], Kind::Float),
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
