//! Results kept between runs, by the hash of everything that they depend on.
//!
//! Each entry is sealed with a key of this machine, so that a result that somebody else wrote, as into a folder that is
//! restored from an archive, is none.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{Linted, Resolved};
use crate::lint::text::LintText;

/// Bytes of the seal before an entry's content.
const SEAL: usize = 32;

/// How long an entry is kept that no run has written anew.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The file of the key, and the one that tells when old entries were last looked for.
const KEY: &str = "key";
const SWEPT: &str = "swept";

/// A folder of results. Whatever goes wrong with it, linting goes on.
#[derive(Debug)]
pub(super) struct Cache {
    place: Option<(PathBuf, [u8; SEAL])>,
}

impl Cache {
    /// `folder` is premerge's alone, and there.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        let place = folder.and_then(|folder| {
            let key = key_of(&folder)?;
            sweep(&folder);
            Some((folder, key))
        });
        Self { place }
    }

    /// The result for this text and configuration, from an earlier run or from `lint`.
    pub(super) fn get(
        &self,
        text: &LintText,
        config: &Resolved,
        lint: impl FnOnce() -> Result<Linted, String>,
    ) -> Result<Linted, String> {
        self.by_name(&name_of(text, config), lint)
    }

    fn by_name(&self, name: &str, lint: impl FnOnce() -> Result<Linted, String>) -> Result<Linted, String> {
        let Some((folder, key)) = &self.place else { return lint() };
        let path = folder.join(name);
        if let Ok(found) = fs_err::read(&path)
            && let Some(json) = opened(key, name, &found)
            && let Ok(linted) = serde_json::from_slice(json)
        {
            return Ok(linted);
        }
        let linted = lint()?;
        if let (Ok(json), Some(seal)) = (serde_json::to_vec(&linted), seal(key, name)) {
            let seal = seal.chain_update(&json).finalize().into_bytes();
            write_whole(folder, &path, &[&seal, &json]);
        }
        Ok(linted)
    }
}

/// The key, made by the first run.
fn key_of(folder: &Path) -> Option<[u8; SEAL]> {
    let path = folder.join(KEY);
    let read = || fs_err::read(&path).ok()?.try_into().ok();
    if let Some(key) = read() {
        return Some(key);
    }
    let mut key = [0; SEAL];
    getrandom::fill(&mut key).ok()?;
    write_whole(folder, &path, &[&key]);
    // Of two runs that come at once, both go by what is there now.
    read()
}

/// Written beside and moved: another process may read the same file.
fn write_whole(folder: &Path, path: &Path, parts: &[&[u8]]) {
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.persist(path)?;
        Ok(())
    };
    // Without it the next run lints again.
    let _ = write();
}

/// What the seal is computed of, but for the content: an entry is sealed for its own name.
fn seal(key: &[u8; SEAL], name: &str) -> Option<Hmac<Sha256>> {
    let seal = <Hmac<Sha256> as KeyInit>::new_from_slice(key).ok()?;
    Some(seal.chain_update(name.len().to_le_bytes()).chain_update(name))
}

/// The content of an entry whose seal is right.
fn opened<'f>(key: &[u8; SEAL], name: &str, found: &'f [u8]) -> Option<&'f [u8]> {
    let (sealed, json) = found.split_at_checked(SEAL)?;
    seal(key, name)?.chain_update(json).verify_slice(sealed).ok()?;
    Some(json)
}

/// Removes old entries, once a day.
fn sweep(folder: &Path) {
    let old = |path: &Path, age: Duration| {
        let written = fs_err::symlink_metadata(path).and_then(|file| file.modified());
        written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|since| since > age))
    };
    let mark = folder.join(SWEPT);
    if mark.exists() && !old(&mark, Duration::from_secs(24 * 3600)) {
        return;
    }
    write_whole(folder, &mark, &[]);
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kept = [KEY, SWEPT].iter().any(|name| path.file_name().is_some_and(|own| own == *name));
        if !kept && old(&path, KEPT) {
            // Another process may have been faster.
            let _ = fs_err::remove_file(&path);
        }
    }
}

fn name_of(text: &LintText, config: &Resolved) -> String {
    let mut hash = Sha256::new();
    let slices = format!("{:?}", text.slices);
    for part in [env!("CARGO_PKG_VERSION"), &config.fingerprint, &text.source, &text.rendered, &slices] {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the result had to be computed.
    fn computed(cache: &Cache, name: &str) -> bool {
        let mut computed = false;
        cache
            .by_name(name, || {
                computed = true;
                Ok(Linted::default())
            })
            .unwrap();
        computed
    }

    #[test]
    fn a_result_is_kept_for_its_own_name_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let cache = || Cache::new(Some(dir.path().to_owned()));
        assert!(computed(&cache(), "a"));
        assert!(!computed(&cache(), "a"));
        assert!(computed(&cache(), "b"));
        // Another's entry, moved to this name.
        fs_err::copy(dir.path().join("a"), dir.path().join("b")).unwrap();
        assert!(computed(&cache(), "b"));
        assert!(!computed(&cache(), "b"), "and is replaced");
        // Another machine's key.
        fs_err::write(dir.path().join(KEY), [7; SEAL]).unwrap();
        assert!(computed(&cache(), "a"));
    }

    #[test]
    fn what_is_no_entry_is_computed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(Some(dir.path().to_owned()));
        let json = serde_json::to_vec(&Linted::default()).unwrap();
        for forged in [json.clone(), [vec![0; SEAL], json].concat(), Vec::new()] {
            fs_err::write(dir.path().join("a"), forged).unwrap();
            assert!(computed(&cache, "a"));
        }
        assert!(computed(&Cache::new(None), "a"));
    }
}
