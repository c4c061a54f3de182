//! A fixed file put in the place of the author's.

use std::io::Write as _;
use std::path::Path;

use crate::commands::CommandError;

/// Writes `text` (with `\n` line ends) over the file, whole or not at all, with the file's line ends and mode.
/// Returns what to say about it.
pub(super) fn write_fixed(project_dir: &Path, path: &str, text: String) -> Result<String, CommandError> {
    let failed = |source: std::io::Error| CommandError::Write { what: path.to_owned(), source };
    // Through a link the file itself is replaced, not the link.
    let file = fs_err::canonicalize(project_dir.join(path)).map_err(failed)?;
    let before = fs_err::read_to_string(&file).map_err(failed)?;
    let (all, windows) = (before.matches('\n').count(), before.matches("\r\n").count());
    if windows > 0 && windows < all {
        return Ok(format!("{path}: not fixed, for its line ends are mixed"));
    }
    let text = if windows > 0 { text.replace('\n', "\r\n") } else { text };
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new().prefix(".premerge-fix").tempfile_in(folder).map_err(failed)?;
    beside.write_all(text.as_bytes()).map_err(failed)?;
    let mode = fs_err::metadata(&file).map_err(failed)?.permissions();
    fs_err::set_permissions(beside.path(), mode).map_err(failed)?;
    beside.as_file().sync_all().map_err(failed)?;
    beside.persist(&file).map_err(|error| failed(error.error))?;
    Ok(format!("fixed {path}"))
}
