//! From a path to a [`Manifest`].

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::error::Category;

use super::manifest::Manifest;
use super::metadata::Metadata;
use super::other_file::OtherFile;

/// The oldest schema with `raw_code` and `compiled_code`: dbt 1.3.
const OLDEST: u32 = 7;

/// The names a manifest has in a folder: as dbt writes it, and as people store it.
const NAMES: [&str; 3] = ["manifest.json", "manifest.json.gz", "manifest.json.zst"];

/// More than this is not read: a manifest of 100,000 models has about half of it, and a compressed file of a few
/// kilobytes can hold any number of bytes.
const LARGEST: u64 = 2 << 30;

/// The bytes of a manifest file, decompressed. [`ManifestFile::parse`] borrows from it.
#[derive(Debug)]
pub struct ManifestFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Why a file is not a manifest that premerge can use. Each message names the file and the place;
/// [`ArtifactError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// There is no such file.
    #[error("{path} does not exist")]
    Missing {
        /// The file, or the folder that holds no manifest.
        path: PathBuf,
    },
    /// There is no such file, where the user named it.
    #[error("{path} does not exist")]
    MissingAsGiven {
        /// The file, or the folder that holds no manifest.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// The file cannot be read.
    #[error("could not read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is larger than any manifest.
    #[error("{path} has more than {} GiB of text, too much for a manifest", LARGEST >> 30)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It ends too early.
    #[error("{path} is truncated: it ends at line {line}, column {column}, inside a value")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Where it ends.
        line: usize,
        /// Where it ends.
        column: usize,
    },
    /// It is not JSON.
    #[error("{path} is not a JSON document: {source}")]
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
        /// What it is instead, or what is missing.
        why: String,
    },
    /// It is a file of another kind, which people come by in a manifest's place.
    #[error("{path} is {}", kind.in_words())]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// What the file is instead.
        kind: OtherFile,
    },
    /// It was written by a dbt that is too old.
    #[error("{path} has manifest schema v{found}; premerge reads v7 (dbt 1.3) to v12")]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
    },
}

impl ArtifactError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => {
                "run `dbt compile`, or give the path of a manifest.json or of the folder that holds it"
            }
            Self::MissingAsGiven { remedy, .. } => remedy,
            Self::TooLarge { .. } => "pass the manifest.json that dbt wrote, plain or compressed with gzip or zstd",
            Self::Read { .. } => "check the path and its permissions; compressed files must be gzip or zstd",
            Self::Truncated { .. } => {
                "it was probably copied while dbt was writing it: run dbt again, or copy it again"
            }
            Self::Json { .. } => "pass the manifest.json that dbt wrote into its target folder",
            Self::NotAManifest { .. } => "give manifest.json; dbt writes it into the target folder beside the others",
            Self::OtherFile { kind, .. } => kind.remedy(),
            Self::TooOld { .. } => "make the manifest with dbt 1.3 or newer",
        }
    }

    /// The same about a manifest that the pull request's dbt does not make: `remedy` says where it comes from.
    #[must_use]
    pub fn about_given(self, remedy: &'static str) -> Self {
        match self {
            Self::Missing { path } => Self::MissingAsGiven { path, remedy },
            other => other,
        }
    }
}

impl ManifestFile {
    /// Reads and decompresses `path`, a file or a folder that holds `manifest.json[.gz|.zst]`. The compression
    /// is told by the first bytes, not by the name.
    ///
    /// # Errors
    /// When the file cannot be read or decompressed.
    pub fn read(path: &Path) -> Result<Self, ArtifactError> {
        let path = locate(path)?;
        let fail = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => ArtifactError::Missing { path: path.clone() },
            _ => ArtifactError::Read { path: path.clone(), source },
        };
        // A device never ends, and a pipe is waited for: the file may be the pull request's.
        if !std::fs::metadata(&path).map_err(fail)?.is_file() {
            return Err(fail(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file")));
        }
        // std's error: the message already names the path.
        let mut file = std::fs::File::open(&path).map_err(fail)?;
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        let raw = whole(&mut file, size).map_err(fail)?;
        let bytes = match raw.as_slice() {
            [0x1f, 0x8b, ..] => {
                whole(flate2::read::MultiGzDecoder::new(raw.as_slice()), size.saturating_mul(8)).map_err(fail)?
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd::Decoder::with_buffer(raw.as_slice())
                .and_then(|decoder| whole(decoder, size.saturating_mul(8)))
                .map_err(fail)?,
            _ => raw,
        };
        if bytes.len() as u64 > LARGEST {
            return Err(ArtifactError::TooLarge { path });
        }
        Ok(Self { path, bytes: json_of_python(bytes) })
    }

    /// A manifest that is already in memory; `path` is only what messages call it.
    #[must_use]
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Self {
        Self { path: path.to_owned(), bytes: json_of_python(bytes) }
    }

    /// Where it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes the text has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the file is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The manifest, brought to the newest schema as dbt does.
    ///
    /// # Errors
    /// When the text is not JSON or not a manifest that premerge can read.
    pub fn parse(&self) -> Result<Manifest<'_>, ArtifactError> {
        let path = || self.path.clone();
        if let Some(kind) = OtherFile::of(&self.bytes) {
            return Err(ArtifactError::OtherFile { path: path(), kind });
        }
        // Some Windows shells prepend a byte order mark.
        let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| ArtifactError::NotAManifest {
            path: path(),
            why: format!("it is not UTF-8 text (byte {})", error.valid_up_to()),
        })?;
        // Serde would name our type where a value of another kind stands.
        let first = text.trim_start().chars().next();
        if first.is_some_and(|first| first != '{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
            return Err(ArtifactError::NotAManifest { path: path(), why: "it is not a JSON object".to_owned() });
        }
        let mut manifest: Manifest<'_> = serde_json::from_str(text).map_err(|source| match source.classify() {
            Category::Eof => ArtifactError::Truncated { path: path(), line: source.line(), column: source.column() },
            Category::Data => ArtifactError::NotAManifest { path: path(), why: source.to_string() },
            Category::Syntax | Category::Io => ArtifactError::Json { path: path(), source },
        })?;
        if let Some(why) = foreign(&manifest) {
            return Err(ArtifactError::NotAManifest { path: path(), why });
        }
        if let Some(found) = manifest.metadata.schema_number().filter(|number| *number < OLDEST) {
            return Err(ArtifactError::TooOld { path: path(), found });
        }
        manifest.upgrade();
        Ok(manifest)
    }
}

/// The same text with Python's numbers that JSON does not have as strings: dbt writes `NaN`, `Infinity` and `-Infinity`
/// as they are (`meta: {limit: .nan}`). Strings stay as they are.
fn json_of_python(bytes: Vec<u8>) -> Vec<u8> {
    const NUMBERS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    // SQL may speak of them, too: only what stands where a value may is worth going through the text.
    let is_value = |at: usize| {
        let before = bytes.get(..at).unwrap_or_default().iter().rev().find(|byte| !byte.is_ascii_whitespace());
        matches!(before, Some(b':' | b',' | b'[' | b'-'))
    };
    let stands = |number: &[u8]| memchr::memmem::find_iter(&bytes, number).any(is_value);
    if !stands(b"NaN") && !stands(b"Infinity") {
        return bytes;
    }
    let mut out = Vec::with_capacity(bytes.len() + 64);
    let (mut rest, mut in_string) = (bytes.as_slice(), false);
    while let Some((first, behind)) = rest.split_first() {
        let number = if in_string { None } else { NUMBERS.iter().find(|number| rest.starts_with(number)) };
        let taken = match (number, first) {
            (Some(number), _) => {
                out.push(b'"');
                out.extend_from_slice(number);
                out.push(b'"');
                number.len()
            }
            // What is escaped ends no string.
            (None, b'\\') if in_string && !behind.is_empty() => {
                out.extend_from_slice(rest.get(..2).unwrap_or_default());
                2
            }
            (None, byte) => {
                in_string ^= *byte == b'"';
                out.push(*byte);
                1
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// Production's manifest and the pull request's, as bytes.
#[derive(Debug)]
pub struct ManifestPair {
    /// Production's.
    pub state: ManifestFile,
    /// The pull request's.
    pub pr: ManifestFile,
}

/// Reads both manifests, at the same time.
///
/// # Errors
/// When either cannot be read; if neither can, the error is about state.
pub fn read_pair(state: &Path, pr: &Path) -> Result<ManifestPair, ArtifactError> {
    let (state, pr) = both(|| ManifestFile::read(state), || ManifestFile::read(pr));
    let remedy = "pass the manifest.json that production's last dbt run wrote, or the folder that holds it";
    Ok(ManifestPair { state: state.map_err(|error| error.about_given(remedy))?, pr: pr? })
}

impl ManifestPair {
    /// Parses both, at the same time: production's first.
    ///
    /// # Errors
    /// When either is not a manifest; if neither is, the error is about state.
    pub fn parse(&self) -> Result<(Manifest<'_>, Manifest<'_>), ArtifactError> {
        let (state, pr) = both(|| self.state.parse(), || self.pr.parse());
        Ok((state?, pr?))
    }
}

/// Runs `first` on a thread of its own and `second` on this one.
pub(crate) fn both<A: Send, B>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B) -> (A, B) {
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        match first.join() {
            Ok(first) => (first, second),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Everything that `source` gives, but hardly more than [`LARGEST`]. `guess`: how much that may be.
fn whole(source: impl Read, guess: u64) -> std::io::Result<Vec<u8>> {
    // One more, because reading goes on until there is room and nothing comes.
    let room = usize::try_from(guess.min(LARGEST)).unwrap_or_default().saturating_add(1);
    let mut bytes = Vec::with_capacity(room);
    source.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn locate(path: &Path) -> Result<PathBuf, ArtifactError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let mut candidates = NAMES.iter().map(|name| path.join(name));
    candidates.find(|file| file.is_file()).ok_or_else(|| ArtifactError::Missing { path: path.join("manifest.json") })
}

/// What the document is, if it is not a manifest.
fn foreign(manifest: &Manifest<'_>) -> Option<String> {
    let url = manifest.metadata.dbt_schema_version.as_deref();
    match url.and_then(Metadata::artifact) {
        Some("manifest") => None,
        Some("run-results") => Some("it is a run_results.json".to_owned()),
        Some("catalog") => Some("it is a catalog.json".to_owned()),
        Some("sources") => Some("it is a sources.json".to_owned()),
        Some(other) => Some(format!("it is dbt's artifact {other:?}")),
        None => Some("it has no metadata.dbt_schema_version, which every manifest has".to_owned()),
    }
    .or_else(|| {
        let mut calls = manifest.nodes.values().filter(|node| !node.depends_on.macros.is_empty());
        let lacks = manifest.macros.is_empty() && calls.next().is_some();
        lacks.then(|| "its `macros` are missing: something cut it down after dbt wrote it".to_owned())
    })
}
