//! Results kept between runs, by the hash of everything that they depend on.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{Linted, Resolved};
use crate::lint::text::LintText;

/// A folder of results. Whatever goes wrong with it, linting goes on.
#[derive(Debug)]
pub(super) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        let folder = folder.filter(|folder| fs_err::create_dir_all(folder).is_ok());
        Self { folder }
    }

    /// The result for this text and configuration, from an earlier run or from `lint`.
    pub(super) fn get(
        &self,
        text: &LintText,
        config: &Resolved,
        lint: impl FnOnce() -> Result<Linted, String>,
    ) -> Result<Linted, String> {
        let Some(folder) = self.folder.as_ref() else { return lint() };
        let path = folder.join(key(text, config));
        if let Ok(found) = fs_err::read(&path)
            && let Ok(linted) = serde_json::from_slice(&found)
        {
            return Ok(linted);
        }
        let linted = lint()?;
        if let Ok(json) = serde_json::to_vec(&linted) {
            // Written beside and moved: another process may read the same entry.
            let beside = path.with_extension(std::process::id().to_string());
            let _ = fs_err::write(&beside, json).and_then(|()| fs_err::rename(&beside, &path));
        }
        Ok(linted)
    }
}

fn key(text: &LintText, config: &Resolved) -> String {
    let mut hash = Sha256::new();
    let slices = format!("{:?}", text.slices);
    for part in [env!("CARGO_PKG_VERSION"), &config.fingerprint, &text.source, &text.rendered, &slices] {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
