//! From a path to a checked [`Manifest`].

use std::io::Read;
use std::path::{Path, PathBuf};

use super::manifest::Manifest;

/// The bytes of a manifest file, decompressed. [`ManifestFile::parse`] borrows from it.
#[derive(Debug)]
pub struct ManifestFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Why a file is no manifest that premerge can use. Each message names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The file cannot be read.
    #[error("could not read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no JSON, or it ends too early.
    #[error("{path} is not a complete JSON document: {source}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        source: serde_json::Error,
    },
    /// It is JSON, but no dbt manifest.
    #[error("{path} is not a dbt manifest: {why}")]
    NotAManifest {
        /// The file.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
}

impl ManifestFile {
    /// Reads and decompresses `path`; the compression is told by the first bytes, not by the name.
    ///
    /// # Errors
    /// When the file cannot be read or decompressed.
    pub fn read(path: &Path) -> Result<Self, ArtifactError> {
        let fail = |source| ArtifactError::Read { path: path.to_owned(), source };
        let raw = fs_err::read(path).map_err(fail)?;
        let bytes = match raw.as_slice() {
            [0x1f, 0x8b, ..] => {
                let mut out = Vec::with_capacity(raw.len() * 8);
                flate2::read::MultiGzDecoder::new(raw.as_slice()).read_to_end(&mut out).map_err(fail)?;
                out
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::decode_all(raw.as_slice()).map_err(fail)?,
            _ => raw,
        };
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// A manifest that is already in memory; `path` is only what messages call it.
    #[must_use]
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Self {
        Self { path: path.to_owned(), bytes }
    }

    /// Where it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The manifest.
    ///
    /// # Errors
    /// When the text is no JSON or no manifest.
    pub fn parse(&self) -> Result<Manifest<'_>, ArtifactError> {
        serde_json::from_slice(&self.bytes).map_err(|source| ArtifactError::Json { path: self.path.clone(), source })
    }
}
