//! Results written to the files that the user names.

use std::io::{self, Write};
use std::path::Path;

/// Writes a file as a whole: beside its place first, then moved there. Nobody reads a half of it, and a link that a
/// pull request left in its place is replaced and not followed.
/// Every error names the file.
pub(super) fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    replace(path, write).map_err(|error| {
        let (shown, named) = (error.to_string(), path.display().to_string());
        if shown.contains(&named) { error } else { io::Error::new(error.kind(), format!("{shown} ({named})")) }
    })
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    // A device or a pipe takes what is written to it.
    if fs_err::metadata(path).is_ok_and(|there| !there.is_file()) {
        let mut file = io::BufWriter::new(fs_err::OpenOptions::new().write(true).open(path)?);
        write(&mut file)?;
        return file.flush();
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".premerge-");
    // As any other file of the user: what the umask leaves.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let made = builder.tempfile_in(folder);
    let mut file = io::BufWriter::new(made?);
    write(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, kept) = (dir.path().join("report.json"), dir.path().join("kept"));
        fs_err::write(&kept, "as it was").unwrap();
        std::os::unix::fs::symlink(&kept, &file).unwrap();
        for text in ["one", "two"] {
            write_whole(&file, |out| out.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs_err::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(fs_err::read_to_string(&kept).unwrap(), "as it was");
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 2, "nothing is left beside it");
    }

    #[test]
    fn a_folder_that_is_not_there_and_a_device_are_told_apart() {
        let error = write_whole(Path::new("/nowhere/at/all.json"), |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all.json"), "{error}");
        write_whole(Path::new("/dev/null"), |out| out.write_all(b"x")).unwrap();
        assert!(write_whole(Path::new("/"), |_| Ok(())).is_err());
    }
}
