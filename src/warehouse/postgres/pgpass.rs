//! libpq's password file: <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

use std::path::{Path, PathBuf};

use crate::config::{Env, Secret};

/// The socket's folder of the libpq that dbt's driver brings: entries call it `localhost`.
const DEFAULT_SOCKETS: &str = "/var/run/postgresql";

/// The password for a connection, from `PGPASSFILE` or `~/.pgpass`. A file that others may read is not used,
/// as libpq does not use it either; the notice says so.
pub(super) fn look_up(env: &Env, host: &str, port: u16, dbname: &str, user: &str) -> (Option<Secret>, Option<String>) {
    let explicit = env.get("PGPASSFILE").map(PathBuf::from);
    let Some(path) = explicit.or_else(|| Some(Path::new(env.get("HOME")?).join(".pgpass"))) else {
        return (None, None);
    };
    if !path.exists() {
        return (None, None);
    }
    let unused = |why: &dyn std::fmt::Display| (None, Some(format!("{} is not used: {why}", path.display())));
    if !path.is_file() {
        return unused(&"it is not a regular file");
    }
    if readable_by_others(&path) {
        return unused(&format_args!("other users can read it; run `chmod 0600 {}`", path.display()));
    }
    let text = match fs_err::read(&path) {
        Ok(text) => text,
        Err(error) => return unused(&error),
    };
    let host = if host == DEFAULT_SOCKETS { "localhost" } else { host };
    match find(&text, &[host, &port.to_string(), dbname, user]).map(String::from_utf8) {
        Some(Ok(password)) => (Some(Secret::new(password)), None),
        Some(Err(_)) => unused(&"the password of this connection is not UTF-8"),
        None => (None, None),
    }
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

/// The password of the first line whose four fields fit. A file may mix encodings, so it is bytes.
fn find(text: &[u8], wanted: &[&str; 4]) -> Option<Vec<u8>> {
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            return None;
        }
        let password = wanted.iter().try_fold(line, |rest, wanted| after(rest, wanted.as_bytes()))?;
        Some(until_colon(password))
    })
}

/// What follows a field that fits: a lone `*`, or the text itself, in which a backslash takes the next byte as
/// it is.
fn after<'l>(line: &'l [u8], wanted: &[u8]) -> Option<&'l [u8]> {
    if let Some(rest) = line.strip_prefix(b"*:") {
        return Some(rest);
    }
    let (mut rest, mut wanted) = (line, wanted);
    loop {
        let (first, following) = rest.split_first()?;
        if *first == b':' && wanted.is_empty() {
            return Some(following);
        }
        let (byte, following) = if *first == b'\\' { following.split_first()? } else { (first, following) };
        wanted = wanted.strip_prefix(std::slice::from_ref(byte))?;
        rest = following;
    }
}

/// The password ends at a colon, too.
fn until_colon(text: &[u8]) -> Vec<u8> {
    let mut password = Vec::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b':' => break,
            b'\\' => password.push(*bytes.next().unwrap_or(byte)),
            byte => password.push(*byte),
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_wins() {
        let text = b"# notes\nother:5432:db:me:no\n\xff\xfe:*:*:*:latin\nhost:*:d\\:b:me:s\\\\e\\:cret:rest\r\n\
            ::1:*:*:*:six\n\\*:*:*:*:star\n*:*:*:*:fallback\n";
        let password = |wanted| find(text, &wanted).map(|secret| String::from_utf8(secret).unwrap());
        // A colon that is not escaped ends the password, as it does for psql.
        assert_eq!(password(["host", "5432", "d:b", "me"]).as_deref(), Some("s\\e:cret"));
        assert_eq!(password(["host", "5432", "db", "me"]).as_deref(), Some("fallback"));
        assert_eq!(password(["::1", "5432", "db", "me"]).as_deref(), Some("six"));
        assert_eq!(password(["*", "5432", "db", "me"]).as_deref(), Some("star"));
    }

    #[cfg(unix)]
    fn file(text: &[u8]) -> (tempfile::TempDir, Env) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pass");
        fs_err::write(&path, text).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let env = Env::new([("PGPASSFILE", path.to_str().unwrap())], PathBuf::new());
        (dir, env)
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_is_named_by_its_folder_and_only_the_default_one_is_localhost() {
        let (_dir, env) = file(b"localhost:*:*:*:local\n/tmp/x:*:*:*:folder\n");
        for (host, password) in
            [("localhost", "local"), ("/var/run/postgresql", "local"), ("/tmp/x", "folder"), ("/tmp/y", "")]
        {
            let found = look_up(&env, host, 5432, "db", "me").0;
            assert_eq!(found.as_ref().map_or("", Secret::expose), password, "{host}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_password_that_cannot_be_sent_is_told() {
        let (_dir, env) = file(b"a:*:*:*:\xff\nb:*:*:*:ok\n");
        let (password, notice) = look_up(&env, "a", 1, "d", "u");
        assert!(password.is_none() && notice.unwrap().contains("UTF-8"));
        assert!(look_up(&env, "b", 1, "d", "u").0.is_some());
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
