//! Files that a team leaves out: `.sqlfluffignore`, and `ignore_paths` of `.sqlfluff` and `pyproject.toml`, in the
//! syntax of `.gitignore`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::config;
use crate::config::ToolFiles;

/// The lists of a folder that leave files out, by the name of the file that holds each.
const FILES: [&str; 3] = [".sqlfluffignore", "pyproject.toml", ".sqlfluff"];

/// The patterns of one list, in their order.
type List = (String, Vec<Gitignore>);

/// Every list that was read, by its folder.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    files: ToolFiles,
    lists: HashMap<PathBuf, Vec<List>>,
}

impl Ignored {
    pub(super) fn new(files: ToolFiles) -> Self {
        Self { files, lists: HashMap::new() }
    }

    /// The list between `root` and the file that leaves it out, if one does.
    ///
    /// Each file's patterns are relative to its own folder (sqlfluff's `core/linter/discovery.py`). A list that cannot
    /// be read is said.
    pub(super) fn names(&mut self, file: &Path, root: &Path, notes: &mut Vec<String>) -> Option<&str> {
        let folders: Vec<&Path> = file.ancestors().skip(1).take_while(|folder| folder.starts_with(root)).collect();
        for folder in &folders {
            if !self.lists.contains_key(*folder) {
                self.lists.insert((*folder).to_owned(), lists(folder, &self.files, notes));
            }
        }
        folders.into_iter().find_map(|folder| {
            let below = file.strip_prefix(folder).ok()?;
            let lists = self.lists.get(folder)?;
            lists.iter().find(|(_, patterns)| is_named(below, patterns)).map(|(name, _)| name.as_str())
        })
    }
}

/// Whether the last of the patterns that fit the file or a folder of it leaves it out. git would not look again for a
/// file in a folder that it left out; sqlfluff does.
fn is_named(file: &Path, patterns: &[Gitignore]) -> bool {
    let last = patterns.iter().rev().map(|pattern| pattern.matched_path_or_any_parents(file, false));
    last.into_iter().find(|found| !matches!(found, Match::None)).is_some_and(|found| found.is_ignore())
}

fn lists(folder: &Path, files: &ToolFiles, notes: &mut Vec<String>) -> Vec<List> {
    let mut lists = Vec::new();
    for name in FILES {
        let path = folder.join(name);
        let Some(text) = files.read(&path) else { continue };
        let lines = if name == ".sqlfluffignore" {
            match text {
                Ok(text) => text.lines().map(str::to_owned).collect(),
                Err(error) => {
                    notes.push(format!("{}: {error}", path.display()));
                    continue;
                }
            }
        } else {
            config::ignore_paths(&path, text)
        };
        // A pattern that does not parse is skipped; the others count.
        let patterns: Vec<Gitignore> = lines.iter().filter_map(|line| pattern(folder, line)).collect();
        if !patterns.is_empty() {
            lists.push((name.to_owned(), patterns));
        }
    }
    lists
}

fn pattern(folder: &Path, line: &str) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new(folder);
    builder.add_line(None, line).ok()?;
    builder.build().ok().filter(|pattern| !pattern.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ignored(file: &Path, root: &Path) -> bool {
        Ignored::default().names(file, root, &mut Vec::new()).is_some()
    }

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

    #[test]
    fn the_last_pattern_that_fits_counts() {
        let dir = tempfile::tempdir().unwrap();
        let is_ignored = |patterns: &str, file: &str| {
            fs_err::write(dir.path().join(".sqlfluffignore"), patterns).unwrap();
            is_ignored(&dir.path().join(file), dir.path())
        };
        assert!(is_ignored("m/\n!m/keep.sql\n", "m/a.sql"));
        assert!(!is_ignored("m/\n!m/keep.sql\n", "m/keep.sql"));
        assert!(is_ignored("!m/keep.sql\nm/\n", "m/keep.sql"));
        assert!(is_ignored("/x/y\n", "x/y/c.sql"));
    }

    #[test]
    fn ignore_paths_of_a_configuration_leave_files_out() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join(".sqlfluff"), "[sqlfluff]\nignore_paths = n/b.sql, d.sql\n").unwrap();
        fs_err::write(dir.path().join("pyproject.toml"), "[tool.sqlfluff.core]\nignore_paths = ['e/']\n").unwrap();
        for (file, ignored) in [("n/b.sql", true), ("m/d.sql", true), ("e/f.sql", true), ("n/a.sql", false)] {
            assert_eq!(is_ignored(&dir.path().join(file), dir.path()), ignored, "{file}");
        }
    }
}
