//! `.sqlfluffignore`: files that a team leaves out, in the syntax of `.gitignore`.

use std::path::Path;

use ignore::gitignore::GitignoreBuilder;

/// Whether a `.sqlfluffignore` between `root` and the file leaves it out.
///
/// Each file's patterns are relative to its own folder (sqlfluff's `core/linter/discovery.py`).
pub(crate) fn is_ignored(file: &Path, root: &Path) -> bool {
    let folders = file.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
    folders.into_iter().any(|folder| {
        let list = folder.join(".sqlfluffignore");
        if !list.is_file() {
            return false;
        }
        let mut builder = GitignoreBuilder::new(folder);
        // A pattern that does not parse is skipped; the others count.
        let _ = builder.add(&list);
        builder.build().is_ok_and(|patterns| patterns.matched_path_or_any_parents(file, false).is_ignore())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_count_from_their_own_folder() {
        let dir = tempfile::tempdir().unwrap();
        let models = dir.path().join("models/old");
        fs_err::create_dir_all(&models).unwrap();
        fs_err::write(dir.path().join(".sqlfluffignore"), "target/\n/models/old/a*.sql\n").unwrap();
        assert!(is_ignored(&models.join("a1.sql"), dir.path()));
        assert!(!is_ignored(&models.join("b.sql"), dir.path()));
        fs_err::write(models.join(".sqlfluffignore"), "b.sql\n").unwrap();
        assert!(is_ignored(&models.join("b.sql"), dir.path()));
    }
}
