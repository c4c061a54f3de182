//! The values of a seed as dbt inserts them, in the text format of `copy`.

use std::path::PathBuf;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::warehouse::{FaultClass, SeedFile, SeedKind, WarehouseError};

/// Bytes of rows that are put together before they are sent.
const CHUNK: usize = 64 * 1024;

/// The rows of a seed's file, chunk by chunk.
pub(super) struct Rows {
    reader: csv::Reader<fs_err::File>,
    kinds: Vec<SeedKind>,
    path: PathBuf,
    zone: TimeZone,
}

impl Rows {
    /// Opens the file. `zone` is the session's: values with an offset are stored as its local time, because
    /// dbt's driver sends them as `timestamptz` and their column is a `timestamp`.
    pub(super) fn open(seed: &SeedFile, zone: &str) -> Result<Self, WarehouseError> {
        let fail = |error: &dyn std::fmt::Display| unreadable(&seed.path, error);
        let file = fs_err::File::open(&seed.path).map_err(|error| fail(&error))?;
        let delimiter = u8::try_from(seed.delimiter)
            .map_err(|_| WarehouseError::new(FaultClass::Unsupported, "the seed's delimiter is not one byte"))?;
        let reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file);
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        Ok(Self { reader, kinds: seed.kinds.clone(), path: seed.path.clone(), zone })
    }

    /// Each value of the next row, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Option<String>>>, WarehouseError> {
        let mut record = csv::StringRecord::new();
        if !self.reader.read_record(&mut record).map_err(|error| unreadable(&self.path, &error))? {
            return Ok(None);
        }
        let value = |(at, kind): (usize, &SeedKind)| record.get(at).and_then(|text| inserted(text, *kind, &self.zone));
        Ok(Some(self.kinds.iter().enumerate().map(value).collect()))
    }

    /// The next rows in `copy`'s text format, or `None` at the end.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, WarehouseError> {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK {
            let Some(row) = self.next()? else { break };
            for (at, value) in row.iter().enumerate() {
                if at > 0 {
                    chunk.push(b'\t');
                }
                match value {
                    None => chunk.extend_from_slice(b"\\N"),
                    Some(text) => escape(text, &mut chunk),
                }
            }
            chunk.push(b'\n');
        }
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

fn unreadable(path: &std::path::Path, error: &dyn std::fmt::Display) -> WarehouseError {
    WarehouseError::new(FaultClass::Data, format!("the seed's file {} cannot be read: {error}", path.display()))
}

fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(byte),
        }
    }
}

/// What dbt inserts for the text of a CSV cell: empty and `null` are NULL in every type, numbers lose what
/// agate takes for decoration.
fn inserted(text: &str, kind: SeedKind, zone: &TimeZone) -> Option<String> {
    let bare = text.trim();
    if bare.is_empty() || bare.eq_ignore_ascii_case("null") {
        return None;
    }
    Some(match kind {
        SeedKind::Text => text.to_owned(),
        SeedKind::Integer => whole(&undecorated(bare)),
        SeedKind::Float => undecorated(bare),
        SeedKind::Date | SeedKind::Boolean => bare.to_owned(),
        SeedKind::Timestamp => local(bare, zone),
    })
}

fn undecorated(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ',' | '%' | '$' | '€' | '£' | '¥' | ' ')).collect()
}

/// `1.0` and `1e5` without point and exponent, which `copy` into an integer column does not take. The type
/// inference has seen that no digits are lost.
fn whole(text: &str) -> String {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().unwrap_or(0)),
        None => (text, 0),
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).unwrap_or(0) + i64::from(exponent);
    let length = usize::try_from(point.max(0)).unwrap_or(0);
    while digits.len() < length {
        digits.push('0');
    }
    digits.truncate(length);
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0".to_owned() } else { format!("{sign}{digits}") }
}

fn local(text: &str, zone: &TimeZone) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(instant) => zone.to_datetime(instant).to_string(),
        // Without an offset it is local time already.
        Err(_) => text.parse::<DateTime>().map_or_else(|_| text.to_owned(), |time| time.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_dbt_inserts() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, kind, value) in [
            ("", SeedKind::Text, None),
            ("NULL", SeedKind::Text, None),
            (" ", SeedKind::Text, None),
            ("N/A", SeedKind::Text, Some("N/A")),
            (" a ", SeedKind::Text, Some(" a ")),
            ("$1,000", SeedKind::Integer, Some("1000")),
            ("50%", SeedKind::Integer, Some("50")),
            ("005", SeedKind::Integer, Some("5")),
            ("-1.0", SeedKind::Integer, Some("-1")),
            ("1e5", SeedKind::Integer, Some("100000")),
            ("1.5e1", SeedKind::Integer, Some("15")),
            ("100e-2", SeedKind::Integer, Some("1")),
            ("-0.0", SeedKind::Integer, Some("0")),
            ("1,234.5", SeedKind::Float, Some("1234.5")),
            ("True", SeedKind::Boolean, Some("True")),
            ("2020-01-01", SeedKind::Date, Some("2020-01-01")),
            ("2020-01-01 00:00:00", SeedKind::Timestamp, Some("2020-01-01T00:00:00")),
            ("2020-01-01T00:00:00+02:00", SeedKind::Timestamp, Some("2019-12-31T23:00:00")),
        ] {
            assert_eq!(inserted(text, kind, &berlin).as_deref(), value, "{text:?} as {kind:?}");
        }
    }

    #[test]
    fn copys_own_characters_are_escaped() {
        let mut out = Vec::new();
        escape("a\tb\\N\nc", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "a\\tb\\\\N\\nc");
    }
}
