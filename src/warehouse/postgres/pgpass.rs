//! libpq's password file: <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

use std::path::{Path, PathBuf};

use crate::config::{Env, Secret};

/// The password for a connection, from `PGPASSFILE` or `~/.pgpass`. A file that others may read is not used,
/// as libpq does not use it either; the notice says so.
pub(super) fn look_up(env: &Env, host: &str, port: u16, dbname: &str, user: &str) -> (Option<Secret>, Option<String>) {
    let explicit = env.get("PGPASSFILE").map(PathBuf::from);
    let Some(path) = explicit.or_else(|| Some(Path::new(env.get("HOME")?).join(".pgpass"))) else {
        return (None, None);
    };
    let Ok(text) = fs_err::read_to_string(&path) else { return (None, None) };
    if readable_by_others(&path) {
        let notice =
            format!("{} is not used because others may read it: `chmod 0600 {}`", path.display(), path.display());
        return (None, Some(notice));
    }
    // A socket's folder is matched by the word localhost, as libpq does for the default one.
    let host = if host.starts_with('/') { "localhost" } else { host };
    (find(&text, &[host, &port.to_string(), dbname, user]), None)
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> bool {
    false
}

fn find(text: &str, wanted: &[&str; 4]) -> Option<Secret> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = split(line);
        let (password, keys) = fields.split_last()?;
        let fits =
            keys.len() == wanted.len() && keys.iter().zip(wanted).all(|(key, wanted)| key == "*" || key == wanted);
        fits.then(|| Secret::new(password))
    })
}

/// Five fields between colons; a backslash takes the next character as it is.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        let last = fields.len() == 5;
        let Some(field) = fields.last_mut() else { break };
        match c {
            '\\' => field.extend(characters.next()),
            ':' if !last => fields.push(String::new()),
            c => field.push(c),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_wins() {
        let text = "# notes\nother:5432:db:me:no\nhost:*:d\\:b:me:s\\\\e:cret\n*:*:*:*:fallback\n";
        let password = |wanted| find(text, &wanted).map(|secret| secret.expose().to_owned());
        assert_eq!(password(["host", "5432", "d:b", "me"]).as_deref(), Some("s\\e:cret"));
        assert_eq!(password(["host", "5432", "db", "me"]).as_deref(), Some("fallback"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pass");
        fs_err::write(&path, "*:*:*:*:secret\n").unwrap();
        let env = Env::new([("PGPASSFILE", path.to_str().unwrap())], PathBuf::new());
        for (mode, found) in [(0o644, false), (0o600, true)] {
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let (password, notice) = look_up(&env, "h", 1, "d", "u");
            assert_eq!((password.is_some(), notice.is_none()), (found, found));
        }
    }
}
