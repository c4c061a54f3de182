//! Which files to lint, with what dbt made of them: from manifests and the project's folder.

use std::collections::HashMap;
use std::path::Path;

use super::finding::NotLinted;
use super::on_disk::{OnDisk, without_mark};
use super::options::{LintFile, Scope};
use crate::artifacts::{Manifest, Node, ResourceType};
use crate::text::words::count_of;

/// The files, and those that cannot be linted.
#[derive(Debug, Default)]
pub struct Gathered {
    /// What is linted.
    pub files: Vec<LintFile>,
    /// Not to lint, and why.
    pub not_linted: Vec<NotLinted>,
    /// What is worth saying.
    pub notes: Vec<String>,
}

/// The project's own SQL files in `pr` that differ from `state`'s; every one with [`Scope::All`] or without
/// `state`.
///
/// The author's text is that of the file: a file that dbt has not compiled since it was edited is linted as it
/// stands, without dbt. Only where there are no files at all is the manifest's `raw_code` linted, which most versions
/// of dbt strip, so that a blank first line would shift every finding.
#[must_use]
pub fn gather(pr: &Manifest<'_>, state: Option<&Manifest<'_>>, project_dir: &Path, scope: Scope) -> Gathered {
    let project = pr.metadata.project_name.as_deref();
    let own = |node: &&Node<'_>| is_lintable(node) && Some(node.package_name.as_ref()) == project;
    let has_files = pr.nodes.values().filter(own).any(|node| project_dir.join(path_of(node)).is_file());
    let mut gathered = Gathered::default();
    let earlier = Earlier::of(pr, state);
    let (mut stale, mut gone) = (0_usize, 0_usize);
    for node in pr.nodes.values().filter(own) {
        let raw = node.raw_code.get();
        let before = earlier.version_of(node);
        let path = path_of(node);
        let text = match OnDisk::read(project_dir, &project_dir.join(&path)) {
            OnDisk::Text(text) => Some(text),
            OnDisk::Gone if has_files => {
                gone += 1;
                continue;
            }
            OnDisk::Gone => None,
            OnDisk::Unread(reason) => {
                let unique_id = Some(node.unique_id.to_string());
                gathered.not_linted.push(NotLinted { path, unique_id, reason, on_purpose: false });
                continue;
            }
        };
        let freshness = text.as_deref().map_or(Freshness::Whole, |text| Freshness::of(text, &raw));
        let is_production_s = |before: &Node<'_>| match &text {
            Some(text) if freshness == Freshness::Stale => {
                Freshness::of(text, &before.raw_code.get()) != Freshness::Stale
            }
            // Compared as they stand in the manifests, which is cheaper.
            _ => before.raw_code == node.raw_code,
        };
        if scope != Scope::All && before.is_some_and(is_production_s) {
            continue;
        }
        stale += usize::from(freshness == Freshness::Stale);
        match text {
            Some(text) => gathered.add(path, text, Some(node), before),
            None => gathered.files.push(LintFile {
                path,
                source: format!("{}\n", without_mark(&raw).trim_end_matches('\n')),
                on_disk: false,
                stripped: is_stripped(&raw),
                compiled: compiled(node),
                unique_id: Some(node.unique_id.to_string()),
                before: before.map(version),
            }),
        }
    }
    if stale > 0 {
        gathered.notes.push(format!(
            "{} edited since dbt compiled: style rules read the disk, project rules the manifest; run `dbt compile` again",
            count_of(stale, "file")
        ));
    }
    if gone > 0 {
        gathered.notes.push(format!(
            "{} in the manifest but not on disk, and not linted; run `dbt compile` again",
            count_of(gone, "file")
        ));
    }
    gathered
}

/// Production's nodes, to find what a file held before.
struct Earlier<'m, 'p> {
    pr: &'m Manifest<'p>,
    state: Option<&'m Manifest<'p>>,
    /// By package and path; snapshots apart, of which a file may hold several.
    by_path: HashMap<(&'m str, String), &'m Node<'p>>,
}

impl<'m, 'p> Earlier<'m, 'p> {
    fn of(pr: &'m Manifest<'p>, state: Option<&'m Manifest<'p>>) -> Self {
        let nodes = state.into_iter().flat_map(|state| state.nodes.values());
        let in_a_file = nodes.filter(|node| is_lintable(node) && node.resource_type != ResourceType::Snapshot);
        let by_path = in_a_file.map(|node| ((node.package_name.as_ref(), path_of(node)), node)).collect();
        Self { pr, state, by_path }
    }

    /// Production's node of that id. A file whose node has another id now is still the same file: so is one whose
    /// model became a version, under its old path or as `<model>_v1.sql`.
    fn version_of(&self, node: &Node<'p>) -> Option<&'m Node<'p>> {
        let state = self.state?;
        let of_id = |id: &str| state.nodes.get(id);
        let of_path = || {
            let found = self.by_path.get(&(node.package_name.as_ref(), path_of(node)))?;
            (found.resource_type == node.resource_type).then_some(*found)
        };
        let unversioned = || {
            let (id, _version) = node.version.and(node.unique_id.rsplit_once(".v"))?;
            of_id(id).filter(|_| !self.pr.nodes.contains_key(id))
        };
        of_id(node.unique_id.as_ref()).or_else(of_path).or_else(unversioned)
    }
}

/// How a file stands to the `raw_code` that dbt made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It is what dbt compiled.
    Whole,
    /// dbt keeps only the inside of its `{% snapshot %}` block.
    Inside,
    /// It was edited since.
    Stale,
}

impl Freshness {
    /// Compares the two, apart from line ends and the white space around them.
    #[must_use]
    pub fn of(text: &str, raw: &str) -> Self {
        let (inside, unix) = (raw.replace("\r\n", "\n"), text.replace("\r\n", "\n"));
        let inside = inside.trim();
        if is_same_text(text, raw) {
            Self::Whole
        } else if is_snapshot_block(text) && !inside.is_empty() && unix.contains(inside) {
            Self::Inside
        } else {
            Self::Stale
        }
    }
}

impl Gathered {
    /// A file on the disk, with its node and production's. What dbt made of it counts only if it is what dbt read.
    pub fn add(&mut self, path: String, text: String, node: Option<&Node<'_>>, before: Option<&Node<'_>>) {
        let raw = node.map(|node| node.raw_code.get()).unwrap_or_default();
        let freshness = node.map_or(Freshness::Stale, |_| Freshness::of(&text, &raw));
        if freshness == Freshness::Inside {
            return self.add_snapshot(path, text, node, before.map(version));
        }
        let fresh = node.filter(|_| freshness == Freshness::Whole);
        self.files.push(LintFile {
            path,
            source: text,
            on_disk: true,
            stripped: fresh.is_some() && is_stripped(&raw),
            compiled: fresh.and_then(compiled),
            unique_id: node.map(|node| node.unique_id.to_string()),
            before: before.map(version),
        });
    }

    /// A snapshot's file. It is linted without dbt, for what dbt compiled is only a part of it; production's
    /// version is taken to differ inside the block only. Several snapshots may share one file.
    fn add_snapshot(&mut self, path: String, text: String, node: Option<&Node<'_>>, before: Option<Version>) {
        let inside = node.map(|node| node.raw_code.get().replace("\r\n", "\n")).unwrap_or_default();
        let earlier = |text: &str, before: &str| text.replacen(inside.trim(), before.trim(), 1);
        if let Some(file) = self.files.iter_mut().find(|file| file.path == path) {
            let inside = before.map(|(before, _)| before).unwrap_or_default();
            if let Some((whole, _)) = &mut file.before {
                *whole = earlier(whole, &inside);
            }
            return;
        }
        self.files.push(LintFile {
            before: before.map(|(before, _)| (earlier(&text.replace("\r\n", "\n"), &before), None)),
            path,
            source: text,
            on_disk: true,
            unique_id: node.map(|node| node.unique_id.to_string()),
            ..LintFile::default()
        });
    }
}

fn is_snapshot_block(text: &str) -> bool {
    ["{% snapshot ", "{%- snapshot ", "{%+ snapshot "].iter().any(|tag| text.contains(tag))
}

/// The author's text, and what dbt made of it.
type Version = (String, Option<String>);

fn version(node: &Node<'_>) -> Version {
    (without_mark(&node.raw_code.get()).to_owned(), compiled(node))
}

/// What dbt made of a file.
fn compiled(node: &Node<'_>) -> Option<String> {
    node.compiled_code.map(|code| without_mark(&code.get()).to_owned())
}

/// A node's file below the project, with `/`.
fn path_of(node: &Node<'_>) -> String {
    node.original_file_path.replace('\\', "/")
}

fn is_lintable(node: &Node<'_>) -> bool {
    let kind = match node.resource_type {
        ResourceType::Model | ResourceType::Snapshot | ResourceType::Analysis => true,
        ResourceType::Test => node.test_metadata.is_none(),
        _ => false,
    };
    kind && !node.is_python() && node.original_file_path.ends_with(".sql")
}

/// Whether a manifest's `raw_code` is without the white space at the ends of its file.
pub(super) fn is_stripped(raw: &str) -> bool {
    raw.trim() == raw
}

/// Whether two texts are one file, apart from line ends, a byte order mark and the white space around it.
fn is_same_text(a: &str, b: &str) -> bool {
    let (a, b) = (without_mark(a).trim(), without_mark(b).trim());
    a == b || a.replace("\r\n", "\n") == b.replace("\r\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_s_file_is_fresh_while_it_holds_what_dbt_kept() {
        let file = "{% snapshot s %}\r\nselect 1\r\n{% endsnapshot %}\r\n";
        assert_eq!(Freshness::of(file, "\nselect 1\n"), Freshness::Inside);
        assert_eq!(Freshness::of(file, "\nselect 2\n"), Freshness::Stale);
        assert_eq!(Freshness::of("select 1\n-- more\n", "select 1"), Freshness::Stale);
        assert_eq!(Freshness::of("\u{feff}select 1\r\n", "select 1"), Freshness::Whole);
    }
}
