//! Numbers, times and plurals, as people read them. Nothing here needs escaping: it is made of counts.

/// `1,204,518`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 test`, `2 tests`, `1,204 proxy views`; `1 entry`, `2 entries`.
#[must_use]
pub fn count(number: u64, one: &str) -> String {
    format!("{} {}", thousands(number), noun(number, one))
}

/// `test` for one, `tests` for any other number: for a verb in between, or a count that stands elsewhere.
#[must_use]
pub fn noun(number: u64, one: &str) -> String {
    match (number, one.strip_suffix('y')) {
        (1, _) => one.to_owned(),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{one}s"),
    }
}

/// [`count`] of what a collection holds.
#[must_use]
pub fn count_of(number: usize, one: &str) -> String {
    count(u64::try_from(number).unwrap_or(u64::MAX), one)
}

/// The length of a slice as a count.
#[must_use]
pub fn len<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn and_list(items: &[&str]) -> String {
    match items.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => items.concat(),
    }
}

/// `a, b`; `a, b and 3 more` where there are more than `shown`.
#[must_use]
pub fn some_of<T: AsRef<str>>(names: impl IntoIterator<Item = T>, shown: usize) -> String {
    let mut names = names.into_iter();
    let mut text = String::new();
    for name in names.by_ref().take(shown) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(name.as_ref());
    }
    match names.count() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// `850 ms`, `4.2 s`, `2 min 41 s`, `1 h 5 min`.
#[must_use]
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{seconds}.{} s", ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `3 min`, `7 h`, `40 days`: roughly how old something is.
#[must_use]
pub fn age(seconds: u64) -> String {
    match seconds {
        0..60 => "less than a minute".to_owned(),
        60..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `2026-11-19 04:12 UTC`; `None` when the text is not an RFC 3339 time.
#[must_use]
pub fn utc(rfc3339: &str) -> Option<String> {
    let time: jiff::Timestamp = rfc3339.trim().parse().ok()?;
    Some(time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// The first seven characters of a commit's hash; `None` for any other text.
#[must_use]
pub fn short_commit(commit: &str) -> Option<String> {
    let hash = commit.len() >= 7 && commit.len() <= 64 && commit.chars().all(|c| c.is_ascii_hexdigit());
    hash.then(|| commit.chars().take(7).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_204_518, "1,204,518")] {
            assert_eq!(thousands(number), text);
        }
        for (number, one, text) in [
            (1, "test", "1 test"),
            (0, "test", "0 tests"),
            (1_204, "proxy view", "1,204 proxy views"),
            (2, "entry", "2 entries"),
            (2, "day", "2 days"),
        ] {
            assert_eq!(count(number, one), text);
        }
        assert_eq!((count_of(1, "file"), noun(2, "file")), ("1 file".into(), "files".into()));
    }

    #[test]
    fn a_cut_list_says_how_many_are_missing() {
        let names = ["a", "b", "c"];
        assert_eq!((some_of(names, 3), some_of(names, 2)), ("a, b, c".into(), "a, b and 1 more".into()));
        assert_eq!(some_of([""; 0], 2), "");
    }

    #[test]
    fn times_read_well() {
        for (ms, text) in [(850, "850 ms"), (4_230, "4.2 s"), (161_000, "2 min 41 s"), (3_900_000, "1 h 5 min")] {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(utc("2026-11-19T04:12:31.5Z").as_deref(), Some("2026-11-19 04:12 UTC"));
        assert_eq!(utc("2026-11-19T05:12:31+01:00").as_deref(), Some("2026-11-19 04:12 UTC"));
        assert_eq!(utc("yesterday"), None);
        assert_eq!(
            (age(59), age(7_100), age(172_800)),
            ("less than a minute".into(), "118 min".into(), "2 days".into())
        );
    }

    #[test]
    fn a_commit_is_a_hash_or_nothing() {
        assert_eq!(short_commit("7c1f0ab9e1").as_deref(), Some("7c1f0ab"));
        assert_eq!((short_commit("main"), short_commit("../../etc")), (None, None));
    }
}
