//! GitHub Actions: the job summary and the step's outputs.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::path::Path;

use crate::text::escape;

/// Largest summary of one step, in bytes. The runner drops the *whole* summary above 1,024 KiB
/// (actions/runner, `FileCommandManager.cs`), so we stay well below.
pub const SUMMARY_CAP: usize = 900 * 1024;

/// Appends Markdown to the step's summary, counting what earlier commands of the step wrote into it.
///
/// What does not fit is left out as a whole, since half a table shows as garbage; a short note stands in its place.
///
/// # Errors
/// When the file cannot be written.
pub fn append_summary(path: &Path, markdown: &str) -> io::Result<()> {
    let used = fs_err::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
    let note = "premerge's report does not fit into this summary: see `report.json`.";
    let left = SUMMARY_CAP.saturating_sub(used);
    let text = if markdown.len() < left { markdown } else { note };
    let mut file = fs_err::OpenOptions::new().append(true).create(true).open(path)?;
    if text.len() < left { writeln!(file, "{text}") } else { Ok(()) }
}

/// Appends the step's outputs.
///
/// Each value stands between two lines of a delimiter that nobody can guess, so that no value can end early
/// and set another output.
///
/// # Errors
/// When the file cannot be written.
pub fn append_outputs(path: &Path, outputs: &[(&str, &str)]) -> io::Result<()> {
    let mut text = String::new();
    for (name, value) in outputs {
        let value = escape::visible(value);
        let delimiter = delimiter();
        text.push_str(&format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
    }
    let mut file = fs_err::OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

/// 128 bits from the operating system's random source, through the keys of the standard library's hash maps.
fn delimiter() -> String {
    let random = || HashMap::<(), ()>::new().hasher().build_hasher().finish();
    format!("premerge_{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_appended_as_long_as_the_runner_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary");
        append_summary(&path, "one").unwrap();
        append_summary(&path, "two").unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "one\ntwo\n");
        append_summary(&path, &"x".repeat(SUMMARY_CAP)).unwrap();
        assert!(fs_err::read_to_string(&path).unwrap().ends_with("see `report.json`.\n"));
        fs_err::write(&path, "x".repeat(SUMMARY_CAP)).unwrap();
        append_summary(&path, "three").unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().len(), u64::try_from(SUMMARY_CAP).unwrap());
    }

    #[test]
    fn an_output_cannot_set_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outputs");
        append_outputs(&path, &[("schema", "x\nverdict=passed\nEOF"), ("verdict", "failed")]).unwrap();
        let text = fs_err::read_to_string(&path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert_eq!((lines[1], lines[4]), ("x verdict=passed EOF", "failed"));
        assert_eq!(lines[0], format!("schema<<{}", lines[2]));
        assert_ne!(lines[2], lines[5]);
    }
}
