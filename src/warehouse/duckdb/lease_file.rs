//! Whose the temporary database's file is: DuckDB lets one process open it, so runs agree through a file beside
//! it. Who makes that file first has the name; a newer run of the same pull request asks the older for the
//! database by writing its tag there.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::warehouse::Owner;

/// The file that holds the tag of the newest run that has come by, and whose run it was.
#[derive(Debug)]
pub(super) struct LeaseFile {
    path: PathBuf,
    /// The start in nanoseconds, then the run: the greater of two is the newer, as in the register.
    tag: String,
    /// `None` for what is not a run, such as clean-up.
    owner: Option<String>,
}

/// What the file says.
struct Lease {
    tag: String,
    owner: Option<String>,
}

impl LeaseFile {
    /// Beside `database`, under the tag of `run`, or of this process where it is not a run.
    pub(super) fn beside(database: &Path, run: Option<&Owner>) -> Self {
        let random = || format!("{:016x}", RandomState::new().build_hasher().finish());
        let started = run.and_then(|run| run.started_at.parse().ok()).unwrap_or_else(Timestamp::now);
        let name = run.map_or_else(random, |run| run.run.clone());
        let tag = format!("{:020}-{name}", started.as_nanosecond());
        Self { path: database.with_extension("lease"), tag, owner: run.map(Owner::key) }
    }

    /// Takes the name, unless another project or repository has it: `false` then.
    pub(super) fn reserve(&self) -> bool {
        if self.owner.is_some()
            && self.read().is_none()
            && self.temporary().is_some_and(|file| {
                // Only one of two that come at once succeeds.
                file.persist_noclobber(&self.path).is_ok()
            })
        {
            return true;
        }
        match (self.read().and_then(|lease| lease.owner), &self.owner) {
            (Some(theirs), Some(ours)) => theirs == *ours,
            _ => true,
        }
    }

    /// Asks for the database, or marks it as held by this run; unless a newer one has.
    pub(super) fn claim(&self) {
        if !self.lost() {
            // Where it cannot be written, the database beside it cannot either, and that says why.
            let _ = self.temporary().map(|file| file.persist(&self.path));
        }
    }

    /// Whether a newer run has asked.
    pub(super) fn lost(&self) -> bool {
        self.read().is_some_and(|lease| lease.tag > self.tag)
    }

    fn read(&self) -> Option<Lease> {
        let text = fs_err::read_to_string(&self.path).ok()?;
        let mut words = text.split_whitespace().map(str::to_owned);
        Some(Lease { tag: words.next()?, owner: words.next() })
    }

    /// The whole content in a file of its own, so that nobody reads a half.
    fn temporary(&self) -> Option<tempfile::NamedTempFile> {
        let mut file = tempfile::NamedTempFile::new_in(self.path.parent()?).ok()?;
        let owner = self.owner.clone().or_else(|| self.read()?.owner).unwrap_or_default();
        writeln!(file, "{} {owner}", self.tag).ok()?;
        Some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(repository: &str, started_at: &str) -> Owner {
        Owner {
            repository: repository.to_owned(),
            project: "ferry".to_owned(),
            pull_request: Some(7),
            commit: None,
            run: "r".to_owned(),
            who: "w".to_owned(),
            started_at: started_at.to_owned(),
            expires_at: started_at.to_owned(),
        }
    }

    #[test]
    fn the_later_start_is_the_newer_run_however_late_the_other_comes_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.duckdb");
        let newer = LeaseFile::beside(&file, Some(&run("a", "2026-11-21T09:00:01.5Z")));
        let older = LeaseFile::beside(&file, Some(&run("a", "2026-11-21T09:00:01.25Z")));
        assert!(newer.reserve() && older.reserve());
        newer.claim();
        older.claim();
        assert!(older.lost() && !newer.lost());
        // Clean-up keeps whose it is.
        LeaseFile::beside(&file, None).claim();
        assert!(newer.lost() && newer.reserve());
        assert!(!LeaseFile::beside(&file, Some(&run("b", "2027-01-01T00:00:00Z"))).reserve());
    }

    #[test]
    fn of_two_projects_at_once_one_has_the_name() {
        for _ in 0..50 {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("x.duckdb");
            let racers: Vec<_> = (0..4)
                .map(|n| {
                    let lease = LeaseFile::beside(&file, Some(&run(&n.to_string(), "2026-11-21T09:00:00Z")));
                    std::thread::spawn(move || lease.reserve())
                })
                .collect();
            let won = racers.into_iter().map(|racer| racer.join().unwrap());
            assert_eq!(won.filter(|won| *won).count(), 1);
        }
    }
}
