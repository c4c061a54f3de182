//! `premerge.yml`.

use std::path::Path;

use serde::Deserialize;

use super::{AtStart, ChangedTestMacros, ConfigError, Keep, LintConfig, RowFactor, read_regular_text};
use crate::project::IndirectSelection;

/// What `premerge.yml` may say. Every key is optional; an unknown key is an error, because a misspelt
/// setting that is silently ignored is a check that silently does not run.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigFile {
    /// The temporary schema's name; `{pr}` stands for the pull request's number, `{project}` for
    /// the dbt project's name.
    pub schema: Option<String>,
    /// What becomes of an earlier run's relations at the start.
    pub at_start: Option<AtStart>,
    /// What becomes of what was built.
    pub build: BuildConfig,
    /// Schemas that must never be the temporary schema, beside those of production's manifest.
    pub protected_schemas: Vec<String>,
    /// Nodes worked on at once.
    pub threads: Option<usize>,
    /// Which tests of the built nodes run.
    pub indirect_selection: Option<IndirectSelection>,
    /// Stop at the first failure.
    pub fail_fast: Option<bool>,
    /// Count the rows of changed models on both sides.
    pub row_counts: Option<bool>,
    /// How many times as many rows, or as few, are a warning.
    pub row_count_factor: Option<RowFactor>,
    /// From how many rows on, on both sides, their number is judged by the factor.
    pub row_count_minimum: Option<u64>,
    /// What a changed macro that decides whether tests fail does to the gate.
    pub test_macros_changed: Option<ChangedTestMacros>,
    /// Seconds that one statement may run.
    pub statement_timeout_seconds: Option<u64>,
    /// Seconds that production waits for a statement of premerge's before that gives way.
    pub production_wait_seconds: Option<u64>,
    /// Hours after which production's manifest is called old; 0 for never.
    pub state_max_age_hours: Option<u64>,
    /// Hours until clean-up may drop the temporary schema.
    pub expire_after_hours: Option<u32>,
    /// Get the SQL from dbt.
    pub compile: Option<bool>,
    /// Style and project rules.
    pub lint: LintConfig,
}

/// The section `build`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BuildConfig {
    /// What stays of it at the end.
    pub keep: Option<Keep>,
}

impl ConfigFile {
    /// Reads `path`; a missing file is an empty one unless it was asked for by name.
    ///
    /// # Errors
    /// When the file does not parse or holds an unknown key.
    pub fn read(path: &Path, asked_for: bool) -> Result<Self, ConfigError> {
        if !asked_for && !path.exists() {
            return Ok(Self::default());
        }
        let text = read_regular_text(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Reads a text; `path` says where it is from.
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text)
            .map_err(|error| ConfigError::Yaml { path: path.to_owned(), message: error.to_string() })
    }

    /// These settings, but for all that can weaken the gate: that is `trusted`'s.
    pub(super) fn gated_by(self, trusted: Self) -> Self {
        let Self { at_start, build, threads, fail_fast, .. } = self;
        // Not a pull request's to say that production's tables are held.
        let build = BuildConfig { keep: build.keep.filter(|keep| *keep != Keep::All).or(trusted.build.keep) };
        Self { at_start, build, threads, fail_fast, ..trusted }
    }

    /// Keys that can weaken the gate and are not as in `other`.
    pub(super) fn gate_keys_unlike(&self, other: &Self) -> Vec<&'static str> {
        // All of them are named, so that a new key has to be put on one side or the other.
        let Self {
            schema,
            at_start: _,
            build: _,
            protected_schemas,
            threads: _,
            indirect_selection,
            fail_fast: _,
            row_counts,
            row_count_factor,
            row_count_minimum,
            test_macros_changed,
            statement_timeout_seconds,
            production_wait_seconds,
            state_max_age_hours,
            expire_after_hours,
            compile,
            lint,
        } = self;
        let keys = [
            ("schema", *schema != other.schema),
            ("protected_schemas", *protected_schemas != other.protected_schemas),
            ("indirect_selection", *indirect_selection != other.indirect_selection),
            ("row_counts", *row_counts != other.row_counts),
            ("row_count_factor", *row_count_factor != other.row_count_factor),
            ("row_count_minimum", *row_count_minimum != other.row_count_minimum),
            ("test_macros_changed", *test_macros_changed != other.test_macros_changed),
            ("statement_timeout_seconds", *statement_timeout_seconds != other.statement_timeout_seconds),
            ("production_wait_seconds", *production_wait_seconds != other.production_wait_seconds),
            ("state_max_age_hours", *state_max_age_hours != other.state_max_age_hours),
            ("expire_after_hours", *expire_after_hours != other.expire_after_hours),
            ("compile", *compile != other.compile),
            ("lint", *lint != other.lint),
        ];
        keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("premerge.yml");
        fs_err::write(&path, "threads: 4\nfail_fsat: true\n").unwrap();
        let error = ConfigFile::read(&path, true).unwrap_err().to_string();
        assert!(error.contains("fail_fsat") && error.contains("premerge.yml"), "{error}");
        assert!(error.contains('2'), "names the line: {error}");
    }
}
