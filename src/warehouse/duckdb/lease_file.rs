//! Who may write to the temporary database's file: DuckDB lets one process open it, so a newer run asks the
//! older for it through a file beside it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

/// The file that holds the tag of the newest run.
#[derive(Debug)]
pub(super) struct LeaseFile {
    path: PathBuf,
    tag: String,
}

impl LeaseFile {
    /// Beside `database`, under a tag of this process.
    pub(super) fn beside(database: &Path) -> Self {
        let tag = format!("{:016x}", RandomState::new().build_hasher().finish());
        Self { path: database.with_extension("lease"), tag }
    }

    /// Asks for the database, or marks it as held by this run.
    pub(super) fn claim(&self) {
        // Where it cannot be written, the database beside it cannot either, and that says why.
        let _ = fs_err::write(&self.path, &self.tag);
    }

    /// Whether another run has asked since.
    pub(super) fn lost(&self) -> bool {
        fs_err::read_to_string(&self.path).is_ok_and(|tag| !tag.is_empty() && tag != self.tag)
    }
}
