//! Who may write to the temporary database's file: DuckDB lets one process open it, so a newer run asks the
//! older for it through a file beside it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// The file that holds the tag of the newest run that has come by.
#[derive(Debug)]
pub(super) struct LeaseFile {
    path: PathBuf,
    /// The start in nanoseconds, then a random part: the greater of two is the newer.
    tag: String,
}

impl LeaseFile {
    /// Beside `database`, under a tag of this process.
    pub(super) fn beside(database: &Path) -> Self {
        let random = RandomState::new().build_hasher().finish();
        let tag = format!("{:020}-{random:016x}", Timestamp::now().as_nanosecond());
        Self { path: database.with_extension("lease"), tag }
    }

    /// Asks for the database, or marks it as held by this run; unless a newer one has.
    pub(super) fn claim(&self) {
        if !self.lost() {
            // Where it cannot be written, the database beside it cannot either, and that says why.
            let _ = fs_err::write(&self.path, &self.tag);
        }
    }

    /// Whether a newer run has asked.
    pub(super) fn lost(&self) -> bool {
        fs_err::read_to_string(&self.path).is_ok_and(|tag| tag > self.tag)
    }
}
