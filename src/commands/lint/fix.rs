//! A fixed file put in the place of the author's.

use std::io::{self, Write as _};
use std::path::Path;

use crate::lint::{FixedFile, without_mark};

/// Writes the fixed text over the file, whole or not at all, with the file's line ends, byte order mark and mode.
///
/// # Errors
/// Why it was not written; a file whose text is no longer what was linted is never written.
pub(super) fn write_fixed(project_dir: &Path, fixed_file: &FixedFile) -> Result<(), String> {
    let failed = |error: io::Error| format!("it was not fixed: {error}");
    let named = fs_err::canonicalize(project_dir).map_err(failed)?.join(&fixed_file.path);
    let file = fs_err::canonicalize(&named).map_err(failed)?;
    // What a link leads to is somebody else's, or linted under its own name.
    if file != named {
        return Err("it was not fixed because a symbolic link leads to it".to_owned());
    }
    let before = fs_err::read_to_string(&file).map_err(failed)?;
    let bare = without_mark(&before);
    if bare != fixed_file.source {
        return Err("it was not fixed because it changed while it was linted".to_owned());
    }
    let mark = before.strip_suffix(bare).unwrap_or_default();
    let text = if bare.contains("\r\n") { fixed_file.text.replace('\n', "\r\n") } else { fixed_file.text.clone() };
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut beside = tempfile::Builder::new().prefix(".premerge-fix").tempfile_in(folder).map_err(failed)?;
    beside.write_all(mark.as_bytes()).and_then(|()| beside.write_all(text.as_bytes())).map_err(failed)?;
    let mode = fs_err::metadata(&file).map_err(failed)?.permissions();
    fs_err::set_permissions(beside.path(), mode).map_err(failed)?;
    beside.as_file().sync_all().map_err(failed)?;
    beside.persist(&file).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_only_while_it_is_what_was_linted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.sql");
        let fixed_file =
            FixedFile { path: "a.sql".to_owned(), source: "select  1\r\n".to_owned(), text: "select 1\n".to_owned() };
        fs_err::write(&file, "select  1, 2\r\n").unwrap();
        assert!(write_fixed(dir.path(), &fixed_file).unwrap_err().contains("changed"));
        assert_eq!(fs_err::read_to_string(&file).unwrap(), "select  1, 2\r\n");
        fs_err::write(&file, "\u{feff}select  1\r\n").unwrap();
        assert_eq!(write_fixed(dir.path(), &fixed_file), Ok(()));
        assert_eq!(fs_err::read_to_string(&file).unwrap(), "\u{feff}select 1\r\n");
        fs_err::remove_file(&file).unwrap();
        assert!(write_fixed(dir.path(), &fixed_file).is_err());
        assert!(!file.exists());
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_link() {
        use fs_err::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(dir.path().join("real")).unwrap();
        let real = dir.path().join("real/b.sql");
        fs_err::write(&real, "select  1\n").unwrap();
        symlink("real/b.sql", dir.path().join("a.sql")).unwrap();
        symlink("real", dir.path().join("way")).unwrap();
        let fixed = |path: &str| {
            let (source, text) = ("select  1\n".to_owned(), "select 1\n".to_owned());
            write_fixed(dir.path(), &FixedFile { path: path.to_owned(), source, text })
        };
        for path in ["a.sql", "way/b.sql"] {
            assert!(fixed(path).unwrap_err().contains("symbolic link"), "{path}");
            assert_eq!(fs_err::read_to_string(&real).unwrap(), "select  1\n");
        }
        assert_eq!(fixed("real/b.sql"), Ok(()));
        assert_eq!(fs_err::read_to_string(&real).unwrap(), "select 1\n");
    }
}
