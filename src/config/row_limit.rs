//! From which difference on a number of rows is worth a warning.

use serde::Deserialize;

/// A factor above 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct RowFactor(f64);

impl TryFrom<f64> for RowFactor {
    type Error = String;

    fn try_from(factor: f64) -> Result<Self, Self::Error> {
        if factor > 1.0 && factor.is_finite() {
            Ok(Self(factor))
        } else {
            Err(format!("row_count_factor is {factor}, and must be greater than 1"))
        }
    }
}

/// When the rows of a rebuilt relation are too many or too few beside production's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowLimit {
    /// How many times as many, or as few, are too many.
    pub factor: RowFactor,
    /// Fewer rows than this, on either side, are not judged by the factor.
    pub minimum: u64,
}

impl Default for RowLimit {
    fn default() -> Self {
        Self { factor: RowFactor(2.0), minimum: 100 }
    }
}

impl RowLimit {
    /// Whether these numbers differ too much: by the factor, or none where there were some.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "beyond 2^53 rows, one more or less decides nothing")]
    pub fn is_exceeded(&self, before: u64, after: u64) -> bool {
        if after == 0 {
            return before > 0;
        }
        let (fewer, more) = (before.min(after), before.max(after));
        fewer >= self.minimum && more as f64 >= fewer as f64 * self.factor.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_and_double_of_a_hundred_rows_or_more() {
        let limit = RowLimit::default();
        for (before, after) in [(44_700, 134_100), (45_000, 22_500), (100, 200), (45_000, 0), (3, 0)] {
            assert!(limit.is_exceeded(before, after), "{before} → {after}");
        }
        for (before, after) in [(45_000, 89_999), (45_000, 22_501), (99, 900), (900, 99), (0, 5_000), (0, 0)] {
            assert!(!limit.is_exceeded(before, after), "{before} → {after}");
        }
    }

    #[test]
    fn a_factor_of_one_or_less_is_refused() {
        assert_eq!(serde_saphyr::from_str::<RowFactor>("1.5").unwrap(), RowFactor(1.5));
        for text in ["1", "0", "-2", ".nan", ".inf"] {
            assert!(serde_saphyr::from_str::<RowFactor>(text).is_err(), "{text}");
        }
    }
}
