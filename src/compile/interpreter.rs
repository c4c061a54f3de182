//! Which Python runs the user's dbt.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::error::CompileError;

/// The command that starts the interpreter behind `command`, which starts dbt: `uv run dbt` gives `uv run python`, a
/// script gives the interpreter of its first line.
///
/// # Errors
/// When there is no such program, or it is not a Python script.
pub(super) fn interpreter(command: &str, path: Option<&OsStr>) -> Result<Vec<String>, CompileError> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let (last, before) = match words.split_last() {
        Some(split) => split,
        None => return Err(not_found("dbt")),
    };
    // `python -m dbt.cli.main`: the interpreter stands in front.
    if let [python @ .., "-m"] = before
        && !python.is_empty()
    {
        return Ok(python.iter().map(|word| (*word).to_owned()).collect());
    }
    if !before.is_empty() {
        // A runner: it finds `python` where it would find `dbt`.
        let runner = before.iter().map(|word| (*word).to_owned());
        return Ok(runner.chain(["python".to_owned()]).collect());
    }
    let program = find(last, path).ok_or_else(|| not_found(last))?;
    of_script(&program).map(|python| vec![python])
}

/// How the Python behind `command`, which starts dbt, is started.
///
/// # Errors
/// When there is no such program, or it is not a Python script.
pub fn python_of(command: &str) -> Result<String, CompileError> {
    Ok(interpreter(command, std::env::var_os("PATH").as_deref())?.join(" "))
}

/// A program as a shell finds it.
fn find(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if name.contains(std::path::MAIN_SEPARATOR) {
        return Some(PathBuf::from(name)).filter(|file| file.is_file());
    }
    let folders = std::env::split_paths(path?).collect::<Vec<_>>();
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The interpreter that a script names in its first lines.
fn of_script(program: &Path) -> Result<String, CompileError> {
    let bytes = fs_err::read(program).map_err(|error| CompileError::new(error.to_string(), REMEDY))?;
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(4096)).unwrap_or_default());
    let mut lines = head.lines();
    let Some(first) = lines.next().and_then(|line| line.strip_prefix("#!")) else {
        return Err(CompileError::new(
            format!("{} is not a Python program: --compile works with dbt Core 1.7 to 1.11", program.display()),
            "give the command of a dbt Core 1.x with --dbt, or run `dbt compile` and leave --compile out",
        ));
    };
    let words: Vec<&str> = first.split_whitespace().collect();
    let is_python =
        |word: &&&str| Path::new(word).file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"));
    match words.as_slice() {
        [python, ..] if is_python(&python) => return Ok((*python).to_owned()),
        // `#!/usr/bin/env python3`
        [_, .., python] if is_python(&python) => return Ok((*python).to_owned()),
        _ => {}
    }
    // What installers write where the interpreter's path is too long or has a blank: `'''exec' "/a b/python" "$0" "$@"`.
    if let Some(rest) = lines.next().and_then(|line| line.strip_prefix("'''exec' ")) {
        let python = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next(),
            None => rest.split_whitespace().next(),
        };
        if let Some(python) = python.filter(|python| is_python(&python)) {
            return Ok(python.to_owned());
        }
    }
    Err(CompileError::new(
        format!("{} is a wrapper, and does not say which Python runs dbt", program.display()),
        REMEDY,
    ))
}

const REMEDY: &str =
    "say how dbt is started, such as --dbt \"uv run dbt\", --dbt .venv/bin/dbt or --dbt \"python -m dbt.cli.main\"";

fn not_found(name: &str) -> CompileError {
    CompileError::new(format!("--compile needs dbt, and there is no program `{}`", name.escape_debug()), REMEDY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str) -> Result<Vec<String>, String> {
        interpreter(command, None).map_err(|error| error.message)
    }

    #[test]
    fn runners_find_python_where_they_find_dbt() {
        for (command, python) in [
            ("uv run dbt", "uv run python"),
            ("poetry run dbt", "poetry run python"),
            ("python3 -m dbt.cli.main", "python3"),
            ("uv run python -m dbt.cli.main", "uv run python"),
        ] {
            assert_eq!(of(command).unwrap().join(" "), python, "{command}");
        }
    }

    #[test]
    fn a_script_names_its_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("dbt");
        for (text, python) in [
            ("#!/opt/venv/bin/python\nimport re", Some("/opt/venv/bin/python")),
            ("#!/usr/bin/env python3\nimport re", Some("python3")),
            ("#!/opt/venv/bin/python3.11 -E\n", Some("/opt/venv/bin/python3.11")),
            ("#!/bin/sh\n'''exec' \"/opt/my venv/bin/python\" \"$0\" \"$@\"\n' '''\n", Some("/opt/my venv/bin/python")),
            ("#!/bin/sh\n'''exec' /opt/venv/bin/python \"$0\" \"$@\"\n' '''\n", Some("/opt/venv/bin/python")),
            ("#!/bin/sh\nexec docker run dbt\n", None),
            ("\u{7f}ELF", None),
            ("", None),
        ] {
            fs_err::write(&script, text).unwrap();
            let found = of(&script.to_string_lossy()).ok();
            assert_eq!(found.as_deref(), python.map(|python| vec![python.to_owned()]).as_deref(), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(of("no-such-dbt").unwrap_err().contains("no-such-dbt"));
        assert!(of(" ").is_err());
    }
}
