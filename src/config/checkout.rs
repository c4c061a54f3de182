//! Whose files the project's folder holds, and which of them count although a pull request may have written them.

use std::path::{Path, PathBuf};

use super::git::{self, AtCommit};
use super::read_regular_text;

/// Whose text the project's folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Checkout {
    /// That of whoever runs the command.
    #[default]
    Own,
    /// A pull request's, as in CI.
    PullRequest {
        /// The checked-out repository, where CI says it.
        root: Option<PathBuf>,
        /// Commits that the pull request did not write (`HASH`, or `HASH^1` for the first parent), the best first.
        bases: Vec<String>,
    },
}

/// Which text of a file counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Counting {
    /// The one on the disk: it is outside the checkout, or the job made it there.
    OnDisk,
    /// The base commit's.
    Base {
        /// Whose text it is.
        commit: String,
        text: String,
        /// The checkout has another text, or none.
        differs: bool,
    },
    /// None: only the pull request has the file.
    Added {
        /// The base commit, which has none.
        commit: String,
    },
    /// The pull request's own, as no other can be had.
    PullRequest {
        /// Why no base commit can be asked.
        why: String,
    },
}

impl Checkout {
    /// Whether a pull request can have written the file: whatever its path says or leads to is in the checkout.
    pub(super) fn holds(&self, path: &Path) -> bool {
        let Self::PullRequest { root, .. } = self else { return false };
        let Some(root) = root else { return true };
        // The file itself may be a link that leads out of the checkout, and is the pull request's all the same.
        let folder = path.parent().unwrap_or(path);
        path.starts_with(root) || whole(folder).starts_with(whole(root)) || whole(path).starts_with(whole(root))
    }

    /// Which text of the file at `path` counts: an absolute path without `.` and `..`.
    pub(super) fn counting(&self, path: &Path) -> Counting {
        let Self::PullRequest { root, bases } = self else { return Counting::OnDisk };
        let folder = path.parent().unwrap_or(path);
        // A folder that the pull request removed is still one of the base's.
        let Some(there) = folder.ancestors().find(|folder| folder.is_dir()) else { return Counting::OnDisk };
        let repository = git::root(there).map(|root| whole(&root));
        let is_theirs = match (&repository, root) {
            (Some(repository), _) if within(path, repository).is_some() => true,
            (_, Some(root)) => within(path, root).is_some() || whole(path).starts_with(whole(root)),
            (_, None) => false,
        };
        if !is_theirs {
            return Counting::OnDisk;
        }
        let own = |why: &str| Counting::PullRequest { why: why.to_owned() };
        let Some(repository) = repository else { return own("the checkout is not a git repository") };
        let Some(name) = within(path, &repository) else { return own("a link leads to it") };
        let at = |commit: &str| git::file_at(&repository, commit, &name.to_string_lossy());
        let mut why = "the commit that the pull request will be merged into is unknown".to_owned();
        let mut absent = None;
        for commit in bases {
            match at(commit) {
                AtCommit::Text(text) => {
                    let differs = read_regular_text(path).ok().as_ref() != Some(&text);
                    return Counting::Base { commit: commit.clone(), text, differs };
                }
                AtCommit::Absent => {
                    absent = Some(commit.clone());
                    break;
                }
                AtCommit::Unknown(reason) => why = reason,
            }
        }
        // No commit of the pull request's has what the job made. A link on the way could lead to a package's file.
        let made = path.is_file()
            && is_at(path, &repository, &name)
            && git::head(&repository).is_some_and(|head| at(&head) == AtCommit::Absent);
        match absent {
            _ if made => Counting::OnDisk,
            Some(commit) => Counting::Added { commit },
            None => Counting::PullRequest { why },
        }
    }
}

/// The path below the folder, by its own words where they begin there, else by where its folder leads.
pub(super) fn within(path: &Path, folder: &Path) -> Option<PathBuf> {
    let folder = whole(folder);
    let start = path.ancestors().skip(1).filter(|start| whole(start) == folder).last();
    if let Some(start) = start {
        return path.strip_prefix(start).ok().map(Path::to_owned);
    }
    Some(whole(path.parent()?).strip_prefix(folder).ok()?.join(path.file_name()?))
}

/// Whether the file lies there without a link on the way.
pub(super) fn is_at(path: &Path, folder: &Path, below: &Path) -> bool {
    whole(path) == whole(folder).join(below)
}

fn whole(path: &Path) -> PathBuf {
    fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::git::tests::git;
    use super::*;

    fn write(folder: &Path, file: &str, text: &str) {
        let path = folder.join(file);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn commit(folder: &Path) -> String {
        git(folder, &["add", "-A"]);
        git(folder, &["commit", "-q", "--allow-empty", "-m", "x"]);
        git(folder, &["rev-parse", "HEAD"])
    }

    #[test]
    fn what_the_pull_request_wrote_does_not_count_where_the_base_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        git(root, &["init", "-q", "-b", "main"]);
        write(root, ".gitignore", "made/\npackages/\n");
        write(root, "kept/p.yml", "kept");
        write(root, "changed/p.yml", "before");
        write(root, "removed/p.yml", "before");
        let base = commit(root);
        write(root, "changed/p.yml", "after");
        write(root, "added/p.yml", "added");
        fs_err::remove_dir_all(root.join("removed")).unwrap();
        write(root, "packages/evil/p.yml", "package's");
        #[cfg(unix)]
        fs_err::os::unix::fs::symlink("packages/evil", root.join("link")).unwrap();
        commit(root);
        write(root, "made/p.yml", "made");

        let of = |bases: &[&str], file: &str| {
            let bases = bases.iter().map(|base| (*base).to_owned()).collect();
            Checkout::PullRequest { root: Some(root.to_owned()), bases }.counting(&root.join(file))
        };
        let text = |text: &str, differs| Counting::Base { commit: base.clone(), text: text.to_owned(), differs };
        let known = |file: &str| of(&[&base], file);
        assert_eq!(known("kept/p.yml"), text("kept", false));
        assert_eq!(known("changed/p.yml"), text("before", true));
        assert_eq!(known("removed/p.yml"), text("before", true));
        assert_eq!(known("added/p.yml"), Counting::Added { commit: base.clone() });
        assert_eq!(known("made/p.yml"), Counting::OnDisk, "the job made it");
        #[cfg(unix)]
        assert_eq!(known("link/p.yml"), Counting::Added { commit: base.clone() }, "a package's file by a link");
        let unknown = |file: &str| of(&["0000000000000000000000000000000000000001"], file);
        assert!(matches!(unknown("changed/p.yml"), Counting::PullRequest { why } if why.contains("does not have")));
        assert_eq!(unknown("made/p.yml"), Counting::OnDisk);
        #[cfg(unix)]
        assert!(matches!(unknown("link/p.yml"), Counting::PullRequest { .. }));
        assert!(matches!(of(&[], "kept/p.yml"), Counting::PullRequest { why } if why.contains("unknown")));

        let outside = tempfile::tempdir().unwrap();
        write(outside.path(), "p.yml", "the job's");
        let theirs = Checkout::PullRequest { root: None, bases: vec![base.clone()] };
        assert_eq!(theirs.counting(&outside.path().join("p.yml")), Counting::OnDisk);
        assert_eq!(theirs.counting(&root.join("changed/p.yml")), text("before", true));
        assert_eq!(Checkout::Own.counting(&root.join("changed/p.yml")), Counting::OnDisk);
        #[cfg(unix)]
        {
            // A folder outside that leads into the checkout.
            let way = outside.path().join("way");
            fs_err::os::unix::fs::symlink(root, &way).unwrap();
            assert_eq!(theirs.counting(&way.join("changed/p.yml")), text("before", true));
        }
    }

    #[test]
    fn without_a_repository_the_folder_of_the_job_is_the_pull_request_s() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "p.yml", "x");
        let theirs = Checkout::PullRequest { root: Some(folder.path().to_owned()), bases: Vec::new() };
        assert!(matches!(theirs.counting(&folder.path().join("p.yml")), Counting::PullRequest { .. }));
    }
}
