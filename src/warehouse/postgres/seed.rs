//! The values of a seed as dbt inserts them, in the text format of `copy`.

use jiff::tz::{Offset, TimeZone};

use crate::warehouse::agate::{self, Moment, Number};
use crate::warehouse::{FaultClass, SeedFile, SeedKind, WarehouseError};

/// Bytes of rows that are put together before they are sent.
const CHUNK: usize = 64 * 1024;

/// The rows of a seed's file, chunk by chunk.
pub(super) struct Rows {
    rows: std::vec::IntoIter<Vec<String>>,
    kinds: Vec<SeedKind>,
    zone: TimeZone,
}

impl Rows {
    /// Reads the file. `zone` is the session's: values with an offset are stored as its local time, because
    /// dbt's driver sends them as `timestamptz` and their column is a `timestamp`.
    pub(super) fn open(seed: &SeedFile, zone: &str) -> Result<Self, WarehouseError> {
        let bytes = fs_err::read(&seed.path).map_err(|error| unreadable(&seed.path, &error))?;
        let table = agate::read(&bytes, seed.delimiter).map_err(|error| unreadable(&seed.path, &error))?;
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        Ok(Self { rows: table.rows.into_iter(), kinds: seed.kinds.clone(), zone })
    }

    /// Each value of the next row, or `None` at the end.
    pub(super) fn next(&mut self) -> Option<Vec<Option<String>>> {
        let row = self.rows.next()?;
        let value = |(at, kind): (usize, &SeedKind)| row.get(at).and_then(|text| inserted(text, *kind, &self.zone));
        Some(self.kinds.iter().enumerate().map(value).collect())
    }

    /// The next rows in `copy`'s text format, or `None` at the end.
    pub(super) fn next_chunk(&mut self) -> Option<Vec<u8>> {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK {
            let Some(row) = self.next() else { break };
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
        (!chunk.is_empty()).then_some(chunk)
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
/// agate takes for decoration. A value that is not of its column's kind, which the inference excludes, goes as
/// it stands.
fn inserted(text: &str, kind: SeedKind, zone: &TimeZone) -> Option<String> {
    if agate::is_null(text) {
        return None;
    }
    let typed = match kind {
        SeedKind::Text => None,
        SeedKind::Integer | SeedKind::Float => Number::parse(text).map(|number| number.to_string()),
        SeedKind::Date => agate::date(text).map(|date| date.to_string()),
        SeedKind::Timestamp => agate::timestamp(text)
            .map(|time| time.to_string())
            .or_else(|| agate::iso(text).and_then(|moment| local(moment, zone))),
        // The inner `None` is NULL.
        SeedKind::Boolean => match agate::boolean(text) {
            Some(value) => return value.map(|value| value.to_string()),
            None => None,
        },
    };
    Some(typed.unwrap_or_else(|| text.to_owned()))
}

fn local(moment: Moment, zone: &TimeZone) -> Option<String> {
    let Some(offset) = moment.offset else { return Some(moment.local.to_string()) };
    let instant = Offset::from_seconds(offset).ok()?.to_timestamp(moment.local).ok()?;
    Some(zone.to_datetime(instant).to_string())
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
            ("NaN", SeedKind::Float, Some("NaN")),
            ("-Infinity", SeedKind::Float, Some("NaN")),
            ("1_000", SeedKind::Integer, Some("1000")),
            ("٣", SeedKind::Integer, Some("3")),
            ("1e-5", SeedKind::Float, Some("0.00001")),
            ("True", SeedKind::Boolean, Some("true")),
            ("2020-1-5", SeedKind::Date, Some("2020-01-05")),
            ("2026-W01-1T10:00", SeedKind::Timestamp, Some("2025-12-29T10:00:00")),
            ("2020-01-01T10:00:00.123456789", SeedKind::Timestamp, Some("2020-01-01T10:00:00.123456")),
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
