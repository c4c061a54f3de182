//! Files that were named on the command line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::args::LintArgs;
use crate::artifacts::{Manifest, Node};
use crate::commands::CommandError;
use crate::config::Env;
use crate::lint::{Freshness, Gathered, NotLinted, OnDisk, defines_only_macros};
use crate::text::words::count_of;

/// The named files, and which of them the manifest tells about.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) gathered: Gathered,
    /// Paths of those that are what dbt compiled, so that what the manifest says about them is true.
    pub(super) fresh: BTreeSet<String>,
    /// How many others may be models.
    pub(super) not_fresh: usize,
}

impl Named {
    /// What to say about files that project rules do not look at.
    pub(super) fn without_project_rules(&self, has_manifest: bool) -> Option<String> {
        (self.not_fresh > 0).then(|| match has_manifest {
            true => format!(
                "project rules skipped {} edited since dbt compiled; run `dbt compile` again",
                count_of(self.not_fresh, "file")
            ),
            false => "project rules did not run: no manifest found".to_owned(),
        })
    }
}

/// Reads the named files; a folder means every `.sql` file below it. What dbt made of a file is used only
/// if the file is the one that dbt read. As sqlfluff with its dbt templater does, files of macros and disabled
/// models are left out.
pub(super) fn named(
    args: &LintArgs,
    env: &Env,
    project_dir: &Path,
    pr: Option<&Manifest<'_>>,
    state: Option<&Manifest<'_>>,
) -> Result<Named, CommandError> {
    let mut paths = Vec::new();
    for path in &args.files {
        collect(&env.path(path), &mut paths)?;
    }
    paths.sort();
    paths.dedup();
    let (mut named, mut skipped) = (Named::default(), 0_usize);
    let files = paths.len();
    paths.retain(|path| is_sql(path));
    let others = files - paths.len();
    for path in paths {
        let below = path.strip_prefix(project_dir).unwrap_or(&path);
        let name = below.to_string_lossy().replace('\\', "/");
        let source = match OnDisk::read(path.parent().unwrap_or(project_dir), &path) {
            OnDisk::Text(text) => text,
            OnDisk::Gone => return Err(CommandError::Usage(format!("there is no file {}", path.display()))),
            OnDisk::Unread(reason) => {
                let node = pr.and_then(|pr| of_path(pr, &name)).map(|node| node.unique_id.to_string());
                named.gathered.not_linted.push(NotLinted { path: name, unique_id: node, reason, on_purpose: false });
                continue;
            }
        };
        let node = pr.and_then(|pr| of_path(pr, &name));
        if node.is_none() && (pr.is_some_and(|pr| is_no_node(pr, &name)) || defines_only_macros(&source)) {
            skipped += 1;
            continue;
        }
        if node.is_some_and(|node| Freshness::of(&source, &node.raw_code.get()) != Freshness::Stale) {
            named.fresh.insert(name.clone());
        } else {
            named.not_fresh += 1;
        }
        named.gathered.add(name.clone(), source, node, state.and_then(|state| of_path(state, &name)));
    }
    if skipped > 0 {
        let note = format!("skipped {} of macros, generic tests or disabled models", count_of(skipped, "file"));
        named.gathered.notes.push(note);
    }
    if others > 0 {
        named.gathered.notes.push(format!("skipped {} whose name does not end in `.sql`", count_of(others, "file")));
    }
    Ok(named)
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"))
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), CommandError> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let unreadable = |source: std::io::Error| CommandError::Usage(source.to_string());
    for entry in fs_err::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.path();
        if entry.is_dir() || is_sql(&entry) {
            collect(&entry, found)?;
        }
    }
    Ok(())
}

/// Whether the manifest knows the file as one of macros or of what is disabled.
fn is_no_node(manifest: &Manifest<'_>, path: &str) -> bool {
    let project = manifest.metadata.project_name.as_deref();
    let is_it = |other: &str| other.replace('\\', "/") == path;
    let mut macros = manifest.macros.values().filter(|of| Some(of.package_name.as_ref()) == project);
    macros.any(|of| is_it(&of.original_file_path))
        || manifest.disabled.values().flatten().any(|disabled| is_it(&disabled.original_file_path))
}

fn of_path<'m, 'a>(manifest: &'m Manifest<'a>, path: &str) -> Option<&'m Node<'a>> {
    let project = manifest.metadata.project_name.as_deref();
    manifest.nodes.values().find(|node| {
        node.original_file_path.replace('\\', "/") == path
            && Some(node.package_name.as_ref()) == project
            && node.test_metadata.is_none()
    })
}
