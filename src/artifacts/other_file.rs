//! Files that stand where a manifest should.

/// What a file is instead of a manifest, as far as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherFile {
    /// Nothing but white space.
    Empty,
    /// What git keeps in the place of a large file.
    GitLfsPointer,
    /// A page for a browser: a login, mostly.
    Html,
    /// XML: an object store's error, mostly.
    Xml,
    /// A zip archive, as CI systems make of artifacts.
    Zip,
    /// Text in UTF-16, as `>` writes it in older PowerShells.
    Utf16,
}

impl OtherFile {
    /// What `bytes` are; `None` when they may be JSON.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        let begins = |start: &[u8]| text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start));
        match text {
            [] => Some(Self::Empty),
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(Self::Zip),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some(Self::Utf16),
            _ if begins(b"version https://git-lfs") => Some(Self::GitLfsPointer),
            _ if begins(b"<!doctype html") || begins(b"<html") => Some(Self::Html),
            [b'<', ..] => Some(Self::Xml),
            _ => None,
        }
    }

    /// `empty`, `an HTML page`, …
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::GitLfsPointer => "a Git LFS pointer, not the file it points to",
            Self::Html => "an HTML page, not a dbt manifest",
            Self::Xml => "an XML document, not a dbt manifest",
            Self::Zip => "a zip archive, not a dbt manifest",
            Self::Utf16 => "text in UTF-16; dbt writes UTF-8",
        }
    }

    /// What to do.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Empty => "a download or a full disk may have cut it off: copy it again, or run dbt again",
            Self::GitLfsPointer => "run `git lfs pull`, or check out with LFS (`lfs: true` of actions/checkout)",
            Self::Html => "the download was answered with a page, often a login: check its URL and its token",
            Self::Xml => "the download was answered with an error, often of permissions: open the file to read it",
            Self::Zip => "unpack it, and pass the manifest.json inside",
            Self::Utf16 => "copy the file byte for byte; PowerShell's `>` writes it anew",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_how_they_begin() {
        let cases: [(&[u8], Option<OtherFile>); 12] = [
            (b"", Some(OtherFile::Empty)),
            (b"\n \t\n", Some(OtherFile::Empty)),
            (b"\xef\xbb\xbf", Some(OtherFile::Empty)),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", Some(OtherFile::GitLfsPointer)),
            (b"\n<!DOCTYPE html><html>", Some(OtherFile::Html)),
            (b"<HTML lang=en>", Some(OtherFile::Html)),
            (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", Some(OtherFile::Xml)),
            (b"PK\x03\x04\x14\x00", Some(OtherFile::Zip)),
            (b"\xff\xfe{\x00", Some(OtherFile::Utf16)),
            (b"{\"metadata\": {}}", None),
            (b"[]", None),
            (b"nodes: {}", None),
        ];
        for (bytes, kind) in cases {
            assert_eq!(OtherFile::of(bytes), kind, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
