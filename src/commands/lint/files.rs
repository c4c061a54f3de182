//! Files that were named on the command line.

use std::path::{Component, Path, PathBuf};

use super::args::LintArgs;
use crate::artifacts::{Manifest, Node};
use crate::commands::CommandError;
use crate::lint::{LintFile, is_stripped};

/// Reads the named files; a folder means every `.sql` file below it. What dbt made of a file is used only
/// if the file is the one that dbt read.
pub(super) fn named(
    args: &LintArgs,
    cwd: &Path,
    project_dir: &Path,
    pr: Option<&Manifest<'_>>,
    state: Option<&Manifest<'_>>,
) -> Result<Vec<LintFile>, CommandError> {
    let mut paths = Vec::new();
    for path in &args.files {
        collect(&cwd.join(path), &mut paths)?;
    }
    paths.sort();
    paths.dedup();
    paths.into_iter().map(|path| one(&path, project_dir, pr, state)).collect()
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), CommandError> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let unreadable = |source: std::io::Error| CommandError::Usage(source.to_string());
    for entry in fs_err::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.path();
        if entry.is_dir() || entry.extension().is_some_and(|extension| extension == "sql") {
            collect(&entry, found)?;
        }
    }
    Ok(())
}

fn one(
    path: &Path,
    project_dir: &Path,
    pr: Option<&Manifest<'_>>,
    state: Option<&Manifest<'_>>,
) -> Result<LintFile, CommandError> {
    let source = fs_err::read_to_string(path).map_err(|error| CommandError::Usage(error.to_string()))?;
    let below = path.strip_prefix(project_dir).unwrap_or(path);
    let parts = below.components().filter(|part| !matches!(part, Component::CurDir));
    let name = parts.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    let name = if below.is_absolute() { below.to_string_lossy().into_owned() } else { name };
    let node = pr.and_then(|pr| of_path(pr, &name));
    let fresh = node.filter(|node| node.raw_code.get().trim() == source.replace("\r\n", "\n").trim());
    let before = state.and_then(|state| of_path(state, &name));
    let compiled = |node: &Node<'_>| node.compiled_code.map(|code| code.get().into_owned());
    Ok(LintFile {
        path: name,
        compiled: fresh.and_then(compiled),
        stripped: fresh.is_some_and(|node| is_stripped(&node.raw_code.get())),
        unique_id: node.map(|node| node.unique_id.to_string()),
        before: before.map(|before| (before.raw_code.get().into_owned(), compiled(before))),
        source,
    })
}

fn of_path<'m, 'a>(manifest: &'m Manifest<'a>, path: &str) -> Option<&'m Node<'a>> {
    let project = manifest.metadata.project_name.as_deref();
    manifest.nodes.values().find(|node| {
        node.original_file_path.replace('\\', "/") == path
            && Some(node.package_name.as_ref()) == project
            && node.test_metadata.is_none()
    })
}
