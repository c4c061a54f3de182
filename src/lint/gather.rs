//! Which files to lint, with what dbt made of them: from manifests and the project's folder.

use std::path::Path;

use super::finding::NotLinted;
use super::options::{LintFile, Scope};
use crate::artifacts::{Manifest, Node, ResourceType};

/// The files, and those that cannot be linted.
#[derive(Debug, Default)]
pub struct Gathered {
    /// To lint.
    pub files: Vec<LintFile>,
    /// Not to lint, and why.
    pub not_linted: Vec<NotLinted>,
    /// What is worth saying.
    pub notes: Vec<String>,
}

/// The project's own SQL files in `pr` that differ from `state`'s; every one with [`Scope::All`] or without
/// `state`.
///
/// The author's text is the file where it is the one that dbt read, and the manifest's `raw_code` elsewhere:
/// that is stripped by most versions of dbt, so a blank first line would shift every finding.
#[must_use]
pub fn gather(pr: &Manifest<'_>, state: Option<&Manifest<'_>>, project_dir: &Path, scope: Scope) -> Gathered {
    let project = pr.metadata.project_name.as_deref();
    let mut gathered = Gathered::default();
    let mut stale = 0;
    for node in pr.nodes.values().filter(|node| is_lintable(node) && Some(node.package_name.as_ref()) == project) {
        let raw = node.raw_code.get();
        let before = state.and_then(|state| state.nodes.get(node.unique_id.as_ref()));
        if scope != Scope::All && before.is_some_and(|before| before.raw_code == node.raw_code) {
            continue;
        }
        let path = node.original_file_path.replace('\\', "/");
        let on_disk = fs_err::read_to_string(project_dir.join(&path)).ok();
        let source = match on_disk {
            Some(text) if same(&text, &raw) => text,
            Some(text) if text.contains("{% snapshot") || text.contains("{%- snapshot") => {
                gathered.not_linted.push(NotLinted {
                    path,
                    unique_id: Some(node.unique_id.to_string()),
                    reason: "it is a snapshot block, of which dbt keeps only the inside".to_owned(),
                    on_purpose: true,
                });
                continue;
            }
            other => {
                stale += usize::from(other.is_some());
                format!("{}\n", raw.trim_end_matches('\n'))
            }
        };
        gathered.files.push(LintFile {
            path,
            source,
            stripped: is_stripped(&raw),
            compiled: node.compiled_code.map(|code| code.get().into_owned()),
            unique_id: Some(node.unique_id.to_string()),
            before: before.map(|before| {
                (before.raw_code.get().into_owned(), before.compiled_code.map(|code| code.get().into_owned()))
            }),
        });
    }
    if stale > 0 {
        gathered.notes.push(format!(
            "{stale} files are not what dbt compiled, so the manifest's text was linted; run `dbt compile` again"
        ));
    }
    gathered
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
#[must_use]
pub fn is_stripped(raw: &str) -> bool {
    raw.trim() == raw
}

/// Whether two texts are one file, apart from line ends and the white space around it.
fn same(a: &str, b: &str) -> bool {
    a.trim() == b.trim() || a.replace("\r\n", "\n").trim() == b.replace("\r\n", "\n").trim()
}
