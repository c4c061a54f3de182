//! What every comparison of two members needs to know.

use crate::artifacts::Manifest;
use crate::config::PackageOverrides;

use super::drift::Drift;

/// How to compare.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// dbt's project flag `state_modified_compare_more_unrendered_values`, which no manifest records.
    /// `None`: guessed from the pull request's manifest.
    pub more_unrendered_values: Option<bool>,
    /// Today; a contracted model whose `deprecation_date` is past may go. `None`: no date is past.
    pub now: Option<jiff::Timestamp>,
    /// Compare to the letter of dbt 1.11 even when different versions of dbt wrote the manifests.
    pub strict: bool,
    /// Whether packages replace dbt's materializations, which no manifest records.
    pub package_overrides: PackageOverrides,
}

/// The circumstances of one comparison.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'c> {
    /// The warehouse, by dbt's name.
    pub(super) adapter: &'c str,
    /// The project flag `state_modified_compare_more_unrendered_values`.
    pub(super) more_unrendered_values: bool,
    /// Whether two different dbt wrote the manifests.
    pub(super) drift: Drift,
    /// Today, for deprecation dates.
    pub(super) now: Option<jiff::Timestamp>,
}

impl<'c> Context<'c> {
    pub(super) fn new(state: &Manifest<'_>, pr: &'c Manifest<'_>, options: &CompareOptions) -> Self {
        Self {
            adapter: pr.metadata.adapter_type.as_deref().unwrap_or_default(),
            more_unrendered_values: options.more_unrendered_values.unwrap_or_else(|| guess_flag(pr)),
            drift: if options.strict { Drift::None } else { Drift::between(state, pr) },
            now: options.now,
        }
    }
}

/// Whether the project set `state_modified_compare_more_unrendered_values`; no manifest says so.
///
/// dbt 1.12 turned it on for all and dbt 2 knows nothing else. Before, its trace is that in-file configuration
/// is stored as Jinja's syntax tree, printed: `Keyword(key='materialized', value=…)`.
fn guess_flag(pr: &Manifest<'_>) -> bool {
    let version = pr.metadata.dbt_version.as_deref().unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    (major, minor) >= (1, 12)
        || pr.nodes.values().any(|node| node.unrendered_config.is_some_and(|raw| raw.get().contains("\"Keyword(key=")))
}
