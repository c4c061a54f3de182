//! What earlier runs of dbt recorded beside the manifests, for `result:` and `source_status:`.

use std::path::Path;

use super::CommandError;
use crate::artifacts::RunResults;
use crate::project::SelectionContext;

/// The texts of run_results.json and sources.json, as far as they are there.
#[derive(Debug, Default)]
pub(super) struct RecordedFiles {
    results: Option<String>,
    sources_of_state: Option<String>,
    sources: Option<String>,
}

/// [`RecordedFiles`], parsed.
#[derive(Debug, Default)]
pub(super) struct Recorded<'f> {
    results: Option<RunResults<'f>>,
    sources_of_state: Option<RunResults<'f>>,
    sources: Option<RunResults<'f>>,
}

impl RecordedFiles {
    /// Reads what stands beside the two manifests, each a file or the folder that holds it. Only selectors
    /// need these files, so any of them may be missing, but not be unreadable.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub(super) fn beside(state: Option<&Path>, manifest: &Path) -> Result<Self, CommandError> {
        let read = |manifest: Option<&Path>, name| manifest.map_or(Ok(None), |manifest| read(manifest, name));
        Ok(Self {
            results: read(state, "run_results.json")?,
            sources_of_state: read(state, "sources.json")?,
            sources: read(Some(manifest), "sources.json")?,
        })
    }

    /// # Errors
    /// When a file is another document.
    pub(super) fn parse(&self) -> Result<Recorded<'_>, CommandError> {
        Ok(Recorded {
            results: parsed(self.results.as_deref(), "run_results.json of state")?,
            sources_of_state: parsed(self.sources_of_state.as_deref(), "sources.json of state")?,
            sources: parsed(self.sources.as_deref(), "sources.json of the pull request")?,
        })
    }
}

impl<'f> Recorded<'f> {
    /// Lets `context` answer with it.
    pub(super) fn inform<'c>(&'c self, context: &mut SelectionContext<'c>)
    where
        'f: 'c,
    {
        context.results = self.results.as_ref();
        context.source_freshness_state = self.sources_of_state.as_ref();
        context.source_freshness = self.sources.as_ref();
    }
}

fn read(manifest: &Path, name: &str) -> Result<Option<String>, CommandError> {
    let folder = if manifest.is_dir() { manifest } else { manifest.parent().unwrap_or(manifest) };
    let path = folder.join(name);
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs_err::read_to_string(&path);
    text.map(Some).map_err(|error| CommandError::Usage(format!("could not read {}: {error}", path.display())))
}

fn parsed<'t>(text: Option<&'t str>, what: &str) -> Result<Option<RunResults<'t>>, CommandError> {
    let result = text.map(RunResults::parse).transpose();
    result.map_err(|error| CommandError::Usage(format!("could not read {what}: {error}")))
}
