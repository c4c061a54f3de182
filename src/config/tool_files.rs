//! Another tool's settings files, such as `.sqlfluff`: in a pull request's checkout as the base commit has them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkout::{Checkout, is_at, within};
use super::git::{self, Blob};
use super::read_regular_text;

/// Where a tool's settings files are read.
#[derive(Debug, Clone, Default)]
pub enum ToolFiles {
    /// On the disk: nobody else wrote them.
    #[default]
    Own,
    /// As the base commit has them.
    Base(Arc<BaseFiles>),
    /// On the disk, where the pull request wrote them.
    PullRequest {
        /// Why no others could be had.
        why: String,
        /// Those that the checkout's commit has, by their full paths; `None`: unknown.
        files: Option<Vec<PathBuf>>,
    },
}

/// The files of some names that a commit has.
#[derive(Debug)]
pub struct BaseFiles {
    /// The commit that they are read from.
    pub commit: String,
    /// The repository's root.
    root: PathBuf,
    /// By their paths below the root; `None` for what is not a regular file.
    texts: BTreeMap<PathBuf, Option<String>>,
    /// Those of the checkout's commit.
    of_head: BTreeSet<PathBuf>,
}

impl ToolFiles {
    /// The files of these names that count for what is in `folder`.
    pub(super) fn of(checkout: &Checkout, folder: &Path, names: &[&str]) -> Self {
        let Checkout::PullRequest { bases, .. } = checkout else { return Self::Own };
        let unlisted = |why: &str| Self::PullRequest { why: why.to_owned(), files: None };
        let Some(root) = git::root(folder) else { return unlisted("the checkout is not a git repository") };
        let Some(head) = git::head(&root).and_then(|head| git::files_at(&root, &head, names)) else {
            return unlisted("git cannot list the checkout's commit");
        };
        let Some((commit, files)) =
            bases.iter().find_map(|commit| Some((commit.clone(), git::files_at(&root, commit, names)?)))
        else {
            let why = "git does not have the commit that the pull request will be merged into".to_owned();
            return Self::PullRequest { why, files: Some(head.keys().map(|name| root.join(name)).collect()) };
        };
        let text = |Blob { id, is_regular }: &Blob| is_regular.then(|| git::text_of(&root, id)).flatten();
        let texts = files.iter().map(|(name, blob)| (PathBuf::from(name), text(blob))).collect();
        let of_head = head.into_keys().map(PathBuf::from).collect();
        Self::Base(Arc::new(BaseFiles { commit, root, texts, of_head }))
    }

    /// The text of the file at `path`; `None`: there is none.
    pub fn read(&self, path: &Path) -> Option<Result<String>> {
        let on_disk = || path.is_file().then(|| read_regular_text(path));
        let Self::Base(base) = self else { return on_disk() };
        let Some(name) = within(path, &base.root) else { return on_disk() };
        match base.texts.get(&name) {
            Some(Some(text)) => Some(Ok(text.clone())),
            Some(None) => Some(Err(Error::new(
                ErrorKind::InvalidData,
                format!("in commit {} it is not a regular text file", base.commit),
            ))),
            // The job made it.
            None if !base.of_head.contains(&name) && is_at(path, &base.root, &name) => on_disk(),
            None => None,
        }
    }
}
