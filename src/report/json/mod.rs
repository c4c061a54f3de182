//! The report as a JSON document, version 1, and back. Its JSON Schema is `docs/report.schema.json`.

pub(super) mod v1;

use std::io::{self, Write};

use serde::Deserialize;

use crate::report::concluded::{Report, SCHEMA_VERSION};
use crate::report::draft::Draft;
use crate::report::verdict::Verdict;

/// Largest document that is read. A report of a project with 20,000 tests has about 8 MB.
pub const READ_LIMIT: usize = 64 * 1024 * 1024;

/// Writes the document.
///
/// # Errors
/// When `out` fails.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    out.write_all(b"\n")
}

/// Why a document could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is too large to be ours.
    #[error("the report has {size} bytes; the limit is {READ_LIMIT}")]
    TooLarge {
        /// Bytes of the document.
        size: usize,
    },
    /// It is not JSON, or not a report.
    #[error("this is not a premerge report: {0}")]
    NotAReport(#[from] serde_json::Error),
    /// A version that this premerge does not know.
    #[error(
        "the report has schema version {found}, this premerge reads {SCHEMA_VERSION}: use the version that wrote it"
    )]
    Version {
        /// Its version.
        found: u32,
    },
}

/// The one part that every version has.
#[derive(Deserialize)]
struct Head {
    schema_version: u32,
    verdict: Option<Verdict>,
}

/// Reads a document. The verdict is computed again from what the document holds, not believed.
///
/// # Errors
/// When it is too large, not a report, or of an unknown version.
pub fn read(bytes: &[u8]) -> Result<Report, ReadError> {
    if bytes.len() > READ_LIMIT {
        return Err(ReadError::TooLarge { size: bytes.len() });
    }
    // serde_json stops at a depth of 128, so hostile nesting cannot exhaust the stack.
    let head: Head = serde_json::from_slice(bytes)?;
    if head.schema_version != SCHEMA_VERSION {
        return Err(ReadError::Version { found: head.schema_version });
    }
    let draft: Draft = serde_json::from_slice(bytes)?;
    Ok(if head.verdict == Some(Verdict::Running) { Report::running(draft) } else { Report::conclude(draft) })
}

/// The JSON Schema of the document.
#[must_use]
pub fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Report>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "premerge report, version 1".into());
    }
    schema
}
