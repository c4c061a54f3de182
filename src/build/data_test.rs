//! Data tests: dbt's query and dbt's status rules.

use super::result::TestStatus;
use crate::artifacts::TestConfig;
use crate::warehouse::Rows;

/// dbt's test query: one row with `failures`, `should_warn`, `should_error`.
///
/// The test's own text ends on a line of its own, because it may end in a line comment; `limit` is text
/// after it, inside the wrapper, so counts are capped by it.
#[must_use]
pub fn query(test: &str, config: &TestConfig) -> String {
    let TestConfig { fail_calc, warn_if, error_if, limit, .. } = config;
    let limit = limit.map(|limit| format!("limit {limit}\n")).unwrap_or_default();
    format!(
        "select\n  {fail_calc} as failures,\n  {fail_calc} {warn_if} as should_warn,\n  {fail_calc} {error_if} as \
         should_error\nfrom (\n{test}\n{limit}) dbt_internal_test"
    )
}

/// The status that dbt reports for the row that [`query`] returned.
///
/// With severity `error`, `error_if` decides before `warn_if`; with severity `warn` it is ignored. A test
/// that passes reports no failures, even where the query counted some below the thresholds.
///
/// # Errors
/// When the answer is not one row of a count and two booleans: dbt calls that an error of the test.
pub fn judge(rows: &Rows, config: &TestConfig) -> Result<TestStatus, String> {
    let [row] = rows.rows.as_slice() else {
        return Err(format!("the test's query returned {} rows instead of one", rows.rows.len()));
    };
    let [failures, should_warn, should_error] = row.as_slice() else {
        return Err(format!("the test's query returned {} columns instead of three", row.len()));
    };
    let failures = count(failures.as_deref())?;
    let (should_warn, should_error) = (truth(should_warn.as_deref())?, truth(should_error.as_deref())?);
    Ok(if config.severity_error && should_error {
        TestStatus::Fail { failures }
    } else if should_warn {
        TestStatus::Warn { failures }
    } else {
        TestStatus::Pass
    })
}

fn count(value: Option<&str>) -> Result<u64, String> {
    let text = value.ok_or("`fail_calc` is NULL, which dbt treats as an error: use coalesce(…, 0)")?;
    // A sum may come back as a decimal; dbt takes whole ones.
    let whole = text
        .split_once('.')
        .map_or(text, |(whole, fraction)| if fraction.bytes().all(|digit| digit == b'0') { whole } else { text });
    whole.parse().map_err(|_| "`fail_calc` is not a whole number of failures".to_owned())
}

/// The spellings of dbt's `strtobool`.
fn truth(value: Option<&str>) -> Result<bool, String> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "t" | "yes" | "y" | "on" | "1") => Ok(true),
        Some("false" | "f" | "no" | "n" | "off" | "0") => Ok(false),
        _ => Err("`warn_if` or `error_if` is not a condition that is true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(severity_error: bool) -> TestConfig {
        TestConfig {
            severity_error,
            fail_calc: "count(*)".to_owned(),
            warn_if: "!= 0".to_owned(),
            error_if: "!= 0".to_owned(),
            limit: None,
        }
    }

    fn row(values: [Option<&str>; 3]) -> Rows {
        Rows { columns: Vec::new(), rows: vec![values.map(|value| value.map(str::to_owned)).to_vec()] }
    }

    /// The cases that dbt-semantics section 6.2 lists as observed.
    #[test]
    fn status_rules_are_dbts() {
        use TestStatus::{Fail, Pass, Warn};
        for (severity_error, warn, error, status) in [
            (true, "true", "true", Fail { failures: 2 }),
            (true, "true", "false", Warn { failures: 2 }),
            (true, "false", "false", Pass),
            (false, "true", "true", Warn { failures: 2 }),
            (false, "false", "true", Pass),
        ] {
            let judged = judge(&row([Some("2"), Some(warn), Some(error)]), &config(severity_error));
            assert_eq!(judged, Ok(status), "severity error: {severity_error}, {warn}, {error}");
        }
    }

    #[test]
    fn a_null_count_is_an_error() {
        assert!(judge(&row([None, Some("true"), Some("true")]), &config(true)).unwrap_err().contains("coalesce"));
    }

    #[test]
    fn the_limit_stands_inside_the_wrapper() {
        let sql = query("select 1 -- note", &TestConfig { limit: Some(3), ..config(true) });
        assert!(sql.contains("select 1 -- note\nlimit 3\n) dbt_internal_test"), "{sql}");
    }
}
