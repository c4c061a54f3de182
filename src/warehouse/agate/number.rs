//! Numbers: what agate strips from a text, and then Python's `Decimal`.

use std::sync::LazyLock;

use regex::Regex;

use super::{ascii_digits, stripped};

/// Signs that do not count around a number, in the order in which agate strips them.
const CURRENCIES: [char; 19] =
    ['؋', '$', 'ƒ', '៛', '¥', '₡', '₱', '£', '€', '¢', '﷼', '₪', '₩', '₭', '₮', '₦', '฿', '₤', '₫'];

/// Digits that Python keeps of a number.
const PRECISION: usize = 28;

/// Beyond so many places a number is written with an exponent.
const LONGEST: u64 = 400;

/// A decimal number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// Digits without noughts at either end, times ten to the power of the exponent; nought has no digits.
    Finite {
        /// Below nought.
        negative: bool,
        /// ASCII digits.
        digits: String,
        /// The power of ten.
        exponent: i64,
    },
    /// NaN, and the infinities, which dbt's driver sends as NaN.
    NotANumber,
}

impl Number {
    /// The number that dbt reads, or `None` when dbt reads the text as something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut text = stripped(text).trim_matches('%');
        let minus = text.strip_prefix('-');
        text = minus.unwrap_or(text);
        for sign in CURRENCIES {
            text = text.trim_matches(sign);
        }
        let number = decimal(&text.replace(',', ""))?;
        Some(match number {
            Self::Finite { negative, digits, exponent } => {
                Self::Finite { negative: negative != minus.is_some(), digits, exponent }
            }
            Self::NotANumber => Self::NotANumber,
        })
    }

    /// Places before and after the point; `None` for what has none.
    #[must_use]
    pub fn places(&self) -> Option<(i64, i64)> {
        match self {
            Self::NotANumber => None,
            Self::Finite { digits, .. } if digits.is_empty() => Some((1, 0)),
            Self::Finite { digits, exponent, .. } => {
                let after = exponent.checked_neg()?;
                Some((i64::try_from(digits.len()).ok()?.checked_sub(after)?, after))
            }
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Finite { negative, digits, exponent } = self else { return f.write_str("NaN") };
        if digits.is_empty() {
            return f.write_str("0");
        }
        if *negative {
            f.write_str("-")?;
        }
        let places = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
        if exponent.unsigned_abs() > LONGEST {
            return write!(f, "{digits}e{exponent}");
        }
        if *exponent >= 0 {
            return write!(f, "{digits}{}", "0".repeat(places));
        }
        let (whole, fraction) = digits.split_at_checked(digits.len().saturating_sub(places)).unwrap_or(("", digits));
        let whole = if whole.is_empty() { "0" } else { whole };
        write!(f, "{whole}.{fraction:0>places$}")
    }
}

/// Python's `Decimal(text)`, rounded as a calculation rounds it.
fn decimal(text: &str) -> Option<Number> {
    static NUMBER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?$").ok());
    static SPECIAL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^(?i)[+-]?(?:inf|infinity|nan[0-9]*)$").ok());
    let text = ascii_digits(stripped(text)).replace('_', "");
    if SPECIAL.as_ref()?.is_match(&text) {
        return Some(Number::NotANumber);
    }
    let parts = NUMBER.as_ref()?.captures(&text)?;
    let part = |at: usize| parts.get(at).map_or("", |part| part.as_str());
    let fraction = if part(3).is_empty() { part(4) } else { part(3) };
    let exponent: i64 = if part(5).is_empty() { 0 } else { part(5).parse().ok()? };
    // Python's own bound.
    if exponent.unsigned_abs() > 999_999_999_999_999_999 {
        return None;
    }
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let digits = format!("{}{fraction}", part(2));
    let (digits, exponent) = rounded(digits.trim_start_matches('0'), exponent);
    let bare = digits.trim_end_matches('0');
    let exponent = exponent.checked_add(i64::try_from(digits.len() - bare.len()).ok()?)?;
    let exponent = if bare.is_empty() { 0 } else { exponent };
    Some(Number::Finite { negative: part(1) == "-", digits: bare.to_owned(), exponent })
}

/// The first digits, rounded half to even.
fn rounded(digits: &str, exponent: i64) -> (String, i64) {
    let Some((kept, cut)) = digits.split_at_checked(PRECISION).filter(|(_, cut)| !cut.is_empty()) else {
        return (digits.to_owned(), exponent);
    };
    let exponent = exponent.saturating_add(i64::try_from(cut.len()).unwrap_or(i64::MAX));
    let half = format!("5{}", "0".repeat(cut.len() - 1));
    let odd = kept.ends_with(['1', '3', '5', '7', '9']);
    let up = cut > half.as_str() || (cut == half && odd);
    // 28 digits fit.
    let kept: u128 = kept.parse().unwrap_or_default();
    ((kept + u128::from(up)).to_string(), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What agate's `Number` of dbt makes of each text.
    #[test]
    fn numbers_are_pythons() {
        for (text, number) in [
            ("1_000", Some("1000")),
            ("_1__0_", Some("10")),
            ("1 000", None),
            ("5¢", Some("5")),
            ("$ 5", Some("5")),
            ("$-5", Some("-5")),
            ("-$5", Some("-5")),
            ("- 5", Some("-5")),
            ("--5", Some("5")),
            ("-+5", Some("-5")),
            ("5%%", Some("5")),
            ("%5", Some("5")),
            ("1%5", None),
            ("1$5", None),
            ("$€5", Some("5")),
            ("€$5", None),
            ("5.", Some("5")),
            (".5", Some("0.5")),
            (".", None),
            ("", None),
            (",5,", Some("5")),
            ("1,234.50", Some("1234.5")),
            ("٣", Some("3")),
            ("\u{a0}5", Some("5")),
            ("1e-3", Some("0.001")),
            ("1.5e1", Some("15")),
            ("-0.0", Some("0")),
            ("0x10", None),
            ("NaN", Some("NaN")),
            ("-nan12", Some("NaN")),
            ("sNaN", None),
            ("Infinity", Some("NaN")),
            ("1e5000000000000000000000", None),
            ("1e900", Some("1e900")),
            ("123456789012345678901234567890.5", Some("123456789012345678901234567900")),
            ("99999999999999999999999999999", Some("100000000000000000000000000000")),
            ("1.00000000000000000000000000005", Some("1")),
        ] {
            assert_eq!(Number::parse(text).map(|number| number.to_string()).as_deref(), number, "{text:?}");
        }
    }
}
