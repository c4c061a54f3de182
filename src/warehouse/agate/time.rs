//! Dates and times: Python's `strptime` for two formats, and the library isodate for the others.

use std::sync::LazyLock;

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Time};
use regex::{Captures, Regex};

use super::{ascii_digits, stripped};

/// A date and time, perhaps with its distance from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// As the text has it.
    pub local: DateTime,
    /// Seconds east of Greenwich.
    pub offset: Option<i32>,
}

const DATE: &str = r"(\d{4})-(1[0-2]|0[1-9]|[1-9])-(3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9])";
const TIME: &str = r"(2[0-3]|[0-1]\d|\d):([0-5]\d|\d):(6[0-1]|[0-5]\d|\d)";

/// isodate's formats, in the order in which it tries them.
const DATES: [&str; 12] = [
    "(?<year>[0-9]{4})-(?<month>[0-9]{2})-(?<day>[0-9]{2})",
    "(?<year>[0-9]{4})(?<month>[0-9]{2})(?<day>[0-9]{2})",
    "(?<year>[0-9]{4})-W(?<week>[0-9]{2})-(?<day>[0-9])",
    "(?<year>[0-9]{4})W(?<week>[0-9]{2})(?<day>[0-9])",
    "(?<year>[0-9]{4})-(?<day>[0-9]{3})",
    "(?<year>[0-9]{4})(?<day>[0-9]{3})",
    "(?<year>[0-9]{4})-W(?<week>[0-9]{2})",
    "(?<year>[0-9]{4})W(?<week>[0-9]{2})",
    "(?<year>[0-9]{4})-(?<month>[0-9]{2})",
    "(?<year>[0-9]{4})(?<month>[0-9]{2})",
    "(?<year>[0-9]{4})",
    "(?<century>[0-9]{2})",
];

/// The fraction belongs to the last part that is there.
const TIMES: [&str; 5] = [
    "(?<hour>[0-9]{2}):(?<minute>[0-9]{2}):(?<second>[0-9]{2})(?:[,.](?<fraction>[0-9]+))?",
    "(?<hour>[0-9]{2})(?<minute>[0-9]{2})(?<second>[0-9]{2})(?:[,.](?<fraction>[0-9]+))?",
    "(?<hour>[0-9]{2}):(?<minute>[0-9]{2})(?:[,.](?<fraction>[0-9]+))?",
    "(?<hour>[0-9]{2})(?<minute>[0-9]{2})(?:[,.](?<fraction>[0-9]+))?",
    "(?<hour>[0-9]{2})(?:[,.](?<fraction>[0-9]+))?",
];

const ZONE: &str = "(?<zone>Z|(?<sign>[+-])(?<east>[0-9]{2})(?::?(?<minutes>[0-9]{2}))?)?";

fn pattern(text: &str) -> Option<Regex> {
    Regex::new(&format!("^{text}$")).ok()
}

/// `%Y-%m-%d`, where month and day may have one digit.
#[must_use]
pub fn date(text: &str) -> Option<Date> {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(DATE));
    let text = ascii_digits(stripped(text));
    let parts = PATTERN.as_ref()?.captures(&text)?;
    civil(number(&parts, 1)?, number(&parts, 2)?, number(&parts, 3)?)
}

/// `%Y-%m-%d %H:%M:%S`, without fractions.
#[must_use]
pub fn timestamp(text: &str) -> Option<DateTime> {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(&format!(r"{DATE}\s+{TIME}")));
    let text = ascii_digits(stripped(text));
    let parts = PATTERN.as_ref()?.captures(&text)?;
    let part = |at: usize| number(&parts, at).and_then(|number| i8::try_from(number).ok());
    let time = Time::new(part(4)?, part(5)?, part(6)?, 0).ok()?;
    Some(civil(number(&parts, 1)?, number(&parts, 2)?, number(&parts, 3)?)?.to_datetime(time))
}

/// ISO 8601 with a `T`, in all the forms that isodate knows: weeks, days of the year, fractions of hours.
#[must_use]
pub fn iso(text: &str) -> Option<Moment> {
    static DAYS: LazyLock<Vec<Regex>> = LazyLock::new(|| DATES.iter().filter_map(|text| pattern(text)).collect());
    static HOURS: LazyLock<Vec<Regex>> =
        LazyLock::new(|| TIMES.iter().filter_map(|text| pattern(&format!("{text}{ZONE}"))).collect());
    let (day, hour) = stripped(text).split_once('T')?;
    // The first format that fits decides, also when its numbers are out of range.
    let day = iso_date(&DAYS.iter().find_map(|pattern| pattern.captures(day))?)?;
    let parts = HOURS.iter().find_map(|pattern| pattern.captures(hour))?;
    let local = day.to_datetime(iso_time(&parts)?);
    let offset = match (parts.name("zone"), parts.name("sign")) {
        (None, _) => None,
        (Some(_), None) => Some(0),
        (Some(_), Some(sign)) => {
            let seconds = named(&parts, "east")? * 3600 + named(&parts, "minutes").unwrap_or(0) * 60;
            Some(if sign.as_str() == "-" { -seconds } else { seconds })
        }
    };
    Some(Moment { local, offset })
}

fn iso_date(parts: &Captures<'_>) -> Option<Date> {
    if let Some(century) = named(parts, "century") {
        return civil(century * 100 + 1, 1, 1);
    }
    let year = named(parts, "year")?;
    let day = named(parts, "day");
    if let Some(month) = named(parts, "month") {
        return civil(year, month.max(1), day.unwrap_or(1));
    }
    let first = civil(year, 1, 1)?;
    let after = match (named(parts, "week"), day) {
        (Some(week), day) => {
            let iso = first.iso_week_date();
            let begun = i32::from(iso.week() == 1);
            (week - begun) * 7 - i32::from(first.weekday().to_monday_one_offset()) + day.unwrap_or(1)
        }
        (None, Some(day)) => day - 1,
        (None, None) => 0,
    };
    first.checked_add(after.days()).ok().filter(|date| date.year() >= 1)
}

fn iso_time(parts: &Captures<'_>) -> Option<Time> {
    let (hour, minute, second) = (named(parts, "hour")?, named(parts, "minute"), named(parts, "second"));
    let in_range = hour < 24 && minute.is_none_or(|minute| minute < 60) && second.is_none_or(|second| second < 60);
    if !in_range {
        return None;
    }
    let unit: u128 = match (minute, second) {
        (_, Some(_)) => 1_000_000,
        (Some(_), None) => 60_000_000,
        (None, None) => 3_600_000_000,
    };
    // What is finer than a microsecond is cut off.
    let fraction = parts.name("fraction").map_or("", |fraction| fraction.as_str());
    let fraction = fraction.get(..fraction.len().min(25))?;
    let digits: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let micros = digits * unit / 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole = i64::from(hour) * 3600 + i64::from(minute.unwrap_or(0)) * 60 + i64::from(second.unwrap_or(0));
    let micros = whole * 1_000_000 + i64::try_from(micros).ok()?;
    Time::midnight().checked_add(micros.microseconds()).ok()
}

/// A date that Python knows: from year 1.
fn civil(year: i32, month: i32, day: i32) -> Option<Date> {
    if year < 1 {
        return None;
    }
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn number(parts: &Captures<'_>, at: usize) -> Option<i32> {
    parts.get(at)?.as_str().trim().parse().ok()
}

fn named(parts: &Captures<'_>, name: &str) -> Option<i32> {
    parts.name(name)?.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What dbt's types `Date`, `DateTime` and `ISODateTime` make of each text.
    #[test]
    fn dates_and_times_are_pythons() {
        for (text, day) in [
            ("2020-1-5", Some("2020-01-05")),
            ("\u{a0}２０２０-01-01", Some("2020-01-01")),
            ("2020-01-1 ", Some("2020-01-01")),
            ("2020-02-30", None),
            ("0000-01-01", None),
            ("20200101", None),
            ("2020-01-011", None),
        ] {
            assert_eq!(date(text).map(|date| date.to_string()).as_deref(), day, "{text:?}");
        }
        for (text, time) in [
            ("2020-01-01  1:2:3", Some("2020-01-01T01:02:03")),
            ("2020-01-01 00:00:60", None),
            ("2020-01-01 24:00:00", None),
            ("2020-01-01 00:00:00.1", None),
        ] {
            assert_eq!(timestamp(text).map(|time| time.to_string()).as_deref(), time, "{text:?}");
        }
        for (text, time, offset) in [
            ("2020-01-01T10:00:00.123456789", "2020-01-01T10:00:00.123456", None),
            ("2026-W01-1T10:00", "2025-12-29T10:00:00", None),
            ("2020-060T10:00:00", "2020-02-29T10:00:00", None),
            ("20200101T101112", "2020-01-01T10:11:12", None),
            ("2020-01-01T10", "2020-01-01T10:00:00", None),
            ("2020-01-01T10.5", "2020-01-01T10:30:00", None),
            ("2020-01-01T10:00,25Z", "2020-01-01T10:00:15", Some(0)),
            ("2020-01-01T10:00:00-0230", "2020-01-01T10:00:00", Some(-9000)),
            ("2020T10", "2020-01-01T10:00:00", None),
            ("20T10", "2001-01-01T10:00:00", None),
            ("2021-W00-1T00", "2020-12-28T00:00:00", None),
        ] {
            let moment = iso(text).unwrap();
            assert_eq!((moment.local.to_string().as_str(), moment.offset), (time, offset), "{text:?}");
        }
        for text in
            ["2020-01-01T24:00:00", "2020-13-01T10", "2020-01-01", "T10", "2020-01-01T10:00:00T", "2020-01-01 10"]
        {
            assert_eq!(iso(text), None, "{text:?}");
        }
    }
}
