//! Files of the checkout, which the pull request wrote: a link, a pipe or a device may be in their place.

use std::io::{Error, ErrorKind, Read, Result};
use std::path::{Path, PathBuf};

/// No text that a person wrote is larger.
const LARGEST: u64 = 16 << 20;

/// The bytes of a regular file.
///
/// # Errors
/// When it is missing, too large, or a device, pipe or folder, which would be waited for or never end.
pub fn read_regular(path: &Path) -> Result<Vec<u8>> {
    // Errors without the path, which would be one of the runner in a comment: callers that print to a terminal add it.
    let refused = |why: String| Error::new(ErrorKind::InvalidInput, why);
    let odd = || refused("it is not a regular file".to_owned());
    // Before it is opened: the first reader of a pipe waits for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(odd());
    }
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(odd());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(refused(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    Ok(bytes)
}

/// The same as text.
///
/// # Errors
/// Also when it is not UTF-8.
pub fn read_regular_text(path: &Path) -> Result<String> {
    let invalid = |_| Error::new(ErrorKind::InvalidData, "it is not UTF-8");
    String::from_utf8(read_regular(path)?).map_err(invalid)
}

/// The bytes of a regular file that is in the checkout which holds `folder`, and of its own kind: a link may lead to another
/// file of the same extension there, and nowhere else.
///
/// # Errors
/// As [`read_regular`], and when it leads out of the checkout.
pub fn read_inside(folder: &Path, path: &Path) -> Result<Vec<u8>> {
    let real = std::fs::canonicalize(path)?;
    let root = checkout_of(&std::fs::canonicalize(folder)?);
    let below = real.strip_prefix(&root).ok().filter(|below| !below.starts_with(".git"));
    if below.is_none() || real.extension() != path.extension() {
        return Err(Error::new(ErrorKind::InvalidInput, "it leads to a file that is not the project's"));
    }
    read_regular(&real)
}

/// The nearest folder around that is a repository's, else the folder itself.
fn checkout_of(folder: &Path) -> PathBuf {
    folder.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(folder).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.sql");
        fs_err::write(&file, "select 1").unwrap();
        assert_eq!(read_regular(&file).unwrap(), b"select 1");
        assert_eq!(read_regular(&dir.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(read_regular(dir.path()).unwrap_err().to_string().contains("not a regular file"));
        fs_err::File::create(&file).unwrap().set_len(LARGEST + 1).unwrap();
        assert!(read_regular(&file).unwrap_err().to_string().contains("larger than 16 MiB"));
        fs_err::write(&file, b"\xe9").unwrap();
        assert!(read_regular_text(&file).unwrap_err().to_string().contains("not UTF-8"));
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_in_the_checkout_and_with_their_kind() {
        use fs_err::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("checkout/shop");
        fs_err::create_dir_all(project.join("models")).unwrap();
        fs_err::create_dir_all(dir.path().join("checkout/.git")).unwrap();
        for file in [
            "outside.sql",
            "checkout/shared.sql",
            "checkout/.git/x.sql",
            "checkout/profiles.yml",
            "checkout/shop/models/a.sql",
        ] {
            fs_err::write(dir.path().join(file), file).unwrap();
        }
        let read = |target: &str| {
            let link = project.join("models/link.sql");
            let _ = fs_err::remove_file(&link);
            symlink(target, &link).unwrap();
            read_inside(&project, &link)
        };
        for target in ["a.sql", "../../shared.sql"] {
            assert!(read(target).is_ok(), "{target}");
        }
        for target in ["../../../outside.sql", "../../.git/x.sql", "../../profiles.yml", "/dev/zero", "/dev/null"] {
            assert!(read(target).unwrap_err().to_string().contains("not the project's"), "{target}");
        }
        assert_eq!(read("nowhere.sql").unwrap_err().kind(), ErrorKind::NotFound);
        let above = project.join("../../outside.sql");
        assert!(read_inside(&project, &above).is_err());
        // Without a repository it is the project's folder that counts.
        fs_err::remove_dir_all(dir.path().join("checkout/.git")).unwrap();
        assert!(read("../../shared.sql").is_err() && read("a.sql").is_ok());
    }
}
