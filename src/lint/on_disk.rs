//! The author's file as it lies on the disk.

use std::io::ErrorKind;
use std::path::Path;

use crate::config::read_inside;

/// Begins some files of editors on Windows; no part of the text, and sqlfluff does not see it either.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What is found where a file should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnDisk {
    /// Its text, without a byte order mark.
    Text(String),
    /// There is no such file.
    Gone,
    /// It is there and cannot be read as text: why.
    Unread(String),
}

impl OnDisk {
    /// Looks at a file of the checkout that holds `folder`. dbt reads UTF-8 and nothing else, and so do we; what is linted
    /// is published in part, so that a link must not lead elsewhere.
    #[must_use]
    pub fn read(folder: &Path, path: &Path) -> Self {
        match read_inside(folder, path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Self::Gone,
            Err(error) => Self::Unread(error.to_string()),
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Self::Text(without_mark(&text).to_owned()),
                Err(_) => Self::Unread("it is not UTF-8, the only encoding that dbt reads".to_owned()),
            },
        }
    }
}

/// A text without its byte order mark.
#[must_use]
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Whether a text has line ends of both kinds.
pub(crate) fn mixes_line_ends(text: &str) -> bool {
    let windows = text.matches("\r\n").count();
    windows > 0 && windows < text.matches('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_text_or_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name: &str, bytes: &[u8]| {
            fs_err::write(dir.path().join(name), bytes).unwrap();
            OnDisk::read(dir.path(), &dir.path().join(name))
        };
        assert_eq!(read("mark", b"\xef\xbb\xbfselect 1"), OnDisk::Text("select 1".to_owned()));
        assert!(matches!(read("latin", b"select 'caf\xe9'"), OnDisk::Unread(reason) if reason.contains("UTF-8")));
        assert_eq!(OnDisk::read(dir.path(), &dir.path().join("none")), OnDisk::Gone);
        assert!(mixes_line_ends("a\r\nb\n") && !mixes_line_ends("a\r\nb\r\n") && !mixes_line_ends("a\nb\n"));
    }
}
