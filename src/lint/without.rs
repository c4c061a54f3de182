//! A build without style rules: what they would have looked at is not checked, and says so.

use std::path::Path;

use super::finding::{LintResults, NotLinted};
use super::options::{LintFile, StyleOptions};
use crate::config::ToolFiles;

/// Names every file as not linted; none where nobody configured sqlfluff, for there style rules do not run anyway.
pub(crate) fn run(files: Vec<LintFile>, options: &StyleOptions) -> LintResults {
    let mut outcome = LintResults::default();
    let asked = !files.is_empty();
    for file in files {
        let path = options.project_dir.join(&file.path);
        let configured = path.ancestors().skip(1).any(|folder| configures(folder, &options.files))
            || options.home.as_deref().is_some_and(|home| {
                configures(home, &options.files) || configures(&home.join(".config/sqlfluff"), &options.files)
            });
        if !configured && !options.without_configuration {
            continue;
        }
        outcome.total += 1;
        outcome.not_linted.push(NotLinted {
            path: file.path,
            unique_id: file.unique_id,
            reason: "this build of premerge has no style rules (cargo feature `lint`)".to_owned(),
            on_purpose: false,
        });
    }
    if asked && outcome.total == 0 {
        outcome.style_off = Some("no sqlfluff configuration found".to_owned());
    }
    outcome
}

fn configures(folder: &Path, settings: &ToolFiles) -> bool {
    let files = ["setup.cfg", "tox.ini", "pep8.ini", ".sqlfluff", "pyproject.toml"];
    files.iter().any(|name| {
        settings.read(&folder.join(name)).is_some_and(|text| text.is_ok_and(|text| text.contains("sqlfluff")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_sqlfluff_is_configured_is_something_missing() {
        let dir = tempfile::tempdir().unwrap();
        let options = StyleOptions { project_dir: dir.path().to_owned(), ..StyleOptions::default() };
        let file = || LintFile { path: "models/a.sql".to_owned(), ..LintFile::default() };
        let outcome = run(vec![file()], &options);
        assert!(outcome.not_linted.is_empty() && outcome.style_off.is_some());
        fs_err::write(dir.path().join(".sqlfluff"), "[sqlfluff]\nrules = all\n").unwrap();
        let outcome = run(vec![file()], &options);
        assert_eq!((outcome.total, outcome.not_linted.len(), outcome.files), (1, 1, 0));
        assert!(!outcome.not_linted[0].on_purpose);
    }
}
