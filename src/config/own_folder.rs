//! The folder that is premerge's alone: results of lint between runs, and the temporary databases of engines without a
//! server.
//!
//! It lies outside of every checkout, whose files are the pull request's, and only premerge's user may write to it.

use std::path::{Path, PathBuf};

/// Makes `root` and the folders `below` it, one in the other, and returns the innermost.
///
/// # Errors
/// When one cannot be made, is a link or no directory, or belongs to or may be written by somebody else; in words.
pub(super) fn make(root: &Path, below: &[&str]) -> Result<PathBuf, String> {
    let unmade = |folder: &Path, error: std::io::Error| format!("could not make {}: {error}", folder.display());
    maker().recursive(true).create(root).map_err(|error| unmade(root, error))?;
    refuse_strange(root)?;
    let mut folder = root.to_owned();
    for part in below {
        folder.push(part);
        match maker().create(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(unmade(&folder, error)),
            _ => refuse_strange(&folder)?,
        }
    }
    Ok(folder)
}

/// A file that premerge cannot have made, where one of its own should be.
#[derive(Debug, thiserror::Error)]
pub enum StrangeFile {
    /// A link, a folder or a device.
    #[error("{} is not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// A file that has another name elsewhere.
    #[error("{} is a hard link to another file", .0.display())]
    HardLink(PathBuf),
}

impl StrangeFile {
    /// What the reader can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotRegular(_) | Self::HardLink(_) => "remove it",
        }
    }
}

/// Refuses a file that premerge cannot have made: a link, a device, or a file that has another name elsewhere. A
/// missing one is none of these.
///
/// # Errors
/// What it is.
pub fn refuse_strange_file(path: &Path) -> Result<(), StrangeFile> {
    let Ok(found) = fs_err::symlink_metadata(path) else { return Ok(()) };
    if !found.is_file() {
        return Err(StrangeFile::NotRegular(path.to_owned()));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&found) > 1 {
        return Err(StrangeFile::HardLink(path.to_owned()));
    }
    Ok(())
}

fn maker() -> std::fs::DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "other systems have no mode"))]
    let mut maker = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
    maker
}

fn refuse_strange(folder: &Path) -> Result<(), String> {
    let name = folder.display();
    let found = fs_err::symlink_metadata(folder).map_err(|error| error.to_string())?;
    if !found.is_dir() {
        return Err(format!("{name} is a link or a file, not a directory"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        if found.mode() & 0o022 != 0 {
            return Err(format!("other users can write to {name}: run `chmod go-w` on it"));
        }
        // Whoever a new file belongs to is the one that runs this.
        let own = tempfile::NamedTempFile::new_in(folder).and_then(|file| Ok(file.as_file().metadata()?.uid()));
        if own.map_err(|error| format!("could not write to {name}: {error}"))? != found.uid() {
            return Err(format!("{name} belongs to another user"));
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn folders_are_made_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/premerge");
        let made = make(&root, &["lint"]).unwrap();
        assert_eq!(made, root.join("lint"));
        for folder in [&root, &made] {
            assert_eq!(fs_err::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert_eq!(make(&root, &["lint"]).unwrap(), made, "a second time");
    }

    #[test]
    fn links_and_open_folders_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let root = dir.path().join("premerge");
        make(&root, &[]).unwrap();
        symlink(elsewhere.path(), root.join("lint")).unwrap();
        assert!(make(&root, &["lint"]).unwrap_err().contains("is a link"));
        symlink(elsewhere.path(), dir.path().join("linked")).unwrap();
        assert!(make(&dir.path().join("linked"), &[]).unwrap_err().contains("is a link"));
        fs_err::set_permissions(&root, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(make(&root, &["x"]).unwrap_err().contains("other users can write"));
    }

    #[test]
    fn only_plain_files_of_one_name_are_ours() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link, twin) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
        assert!(refuse_strange_file(&file).is_ok());
        fs_err::write(&file, "x").unwrap();
        assert!(refuse_strange_file(&file).is_ok());
        symlink(&file, &link).unwrap();
        assert!(matches!(refuse_strange_file(&link), Err(StrangeFile::NotRegular(_))));
        fs_err::hard_link(&file, &twin).unwrap();
        assert!(matches!(refuse_strange_file(&file), Err(StrangeFile::HardLink(_))));
        assert!(refuse_strange_file(dir.path()).is_err());
    }
}
