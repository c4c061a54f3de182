//! What lint is asked to do.

use std::path::PathBuf;
use std::time::Duration;

use super::finding::Severity;
pub use crate::config::LintScope as Scope;
use crate::config::ToolFiles;

/// A file to lint, with what is known of it.
#[derive(Debug, Clone, Default)]
pub struct LintFile {
    /// Path below the project, with `/`.
    pub path: String,
    /// The author's text.
    pub source: String,
    /// That text was read from the disk. No other may be written there.
    pub on_disk: bool,
    /// What dbt made of it.
    pub compiled: Option<String>,
    /// dbt stripped the file before it compiled it, as most versions do.
    pub stripped: bool,
    /// The node, where a manifest is there.
    pub unique_id: Option<String>,
    /// Production's version: the author's text, and what dbt made of it.
    pub before: Option<(String, Option<String>)>,
}

/// Everything else that style rules depend on.
#[derive(Debug, Clone)]
pub struct StyleOptions {
    /// Where paths begin.
    pub project_dir: PathBuf,
    /// The working folder: configuration is looked for from here down.
    pub cwd: PathBuf,
    /// The user's home, which may hold configuration.
    pub home: Option<PathBuf>,
    /// Where configuration is read.
    pub files: ToolFiles,
    /// `metadata.adapter_type`, for a team that configured no dialect.
    pub adapter: Option<String>,
    /// A dialect that is configured in premerge.yml or on the command line: it wins.
    pub dialect: Option<String>,
    /// Which findings are shown.
    pub scope: Scope,
    /// What a finding weighs, unless sqlfluff's `warnings` has its rule.
    pub severity: Severity,
    /// Cores to use.
    pub threads: usize,
    /// For one file.
    pub time_limit: Duration,
    /// Run even where nobody configured sqlfluff.
    pub without_configuration: bool,
    /// Where results are kept between runs.
    pub cache: Option<PathBuf>,
    /// Fix what can be fixed in files without Jinja.
    pub fix: bool,
}

impl Default for StyleOptions {
    fn default() -> Self {
        Self {
            project_dir: PathBuf::new(),
            cwd: PathBuf::new(),
            home: None,
            files: ToolFiles::Own,
            adapter: None,
            dialect: None,
            scope: Scope::default(),
            severity: Severity::Error,
            threads: 1,
            time_limit: Duration::from_secs(30),
            without_configuration: false,
            cache: None,
            fix: false,
        }
    }
}
