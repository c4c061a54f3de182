//! `path:` and `file:`.
//!
//! dbt asks the disk which files a pattern matches. A manifest is all that premerge has, so a path exists when
//! a resource of the root project, or a patch of one, lies there or below.

use std::collections::HashSet;

use crate::artifacts::{Manifest, Resource};

use super::SelectError;
use super::fnmatch::{Pattern, is_pattern};

/// A pattern of `pathlib`: `*`, `?` and `[…]` inside a component, `**` for any number of folders.
pub(super) struct PathPattern {
    parts: Vec<Part>,
}

enum Part {
    /// Any number of folders.
    Folders,
    Literal(String),
    Pattern(Pattern),
}

impl PathPattern {
    pub(super) fn new(pattern: &str) -> Result<Self, SelectError> {
        if pattern.starts_with('/') {
            return Err(SelectError::Invalid("Non-relative patterns are unsupported".to_owned()));
        }
        let mut parts = Vec::new();
        for part in components(pattern) {
            match part {
                "**" if matches!(parts.last(), Some(Part::Folders)) => {}
                "**" => parts.push(Part::Folders),
                part if is_pattern(part) => parts.push(Part::Pattern(Pattern::new(part))),
                part => parts.push(Part::Literal(part.to_owned())),
            }
        }
        if parts.is_empty() {
            return Err(SelectError::Invalid(format!("Unacceptable pattern: '{pattern}'")));
        }
        Ok(Self { parts })
    }

    /// How many leading components of `path` match, for each way to match: `path` itself or a folder above it.
    fn prefixes(&self, path: &[&str]) -> Vec<usize> {
        let end = self.parts.len();
        let mut found = Vec::new();
        let mut here = vec![false; end + 1];
        if let Some(start) = here.first_mut() {
            *start = true;
        }
        for consumed in 0..=path.len() {
            self.skip_folders(&mut here);
            let is_file = consumed == path.len();
            // `**` at the end matches folders only.
            let ends_in_folder = matches!(self.parts.last(), Some(Part::Folders));
            if here.get(end).copied().unwrap_or(false) && !(is_file && ends_in_folder) {
                found.push(consumed);
            }
            let Some(component) = path.get(consumed) else { break };
            let mut next = vec![false; end + 1];
            for (index, part) in self.parts.iter().enumerate() {
                if !here.get(index).copied().unwrap_or(false) {
                    continue;
                }
                let target = match part {
                    Part::Folders => Some(index),
                    Part::Literal(literal) if literal == component => Some(index + 1),
                    Part::Pattern(pattern) if pattern.matches(component) => Some(index + 1),
                    _ => None,
                };
                if let Some(slot) = target.and_then(|target| next.get_mut(target)) {
                    *slot = true;
                }
            }
            here = next;
        }
        found
    }

    /// `**` may stand for no folder at all.
    fn skip_folders(&self, here: &mut [bool]) {
        for (index, part) in self.parts.iter().enumerate() {
            if matches!(part, Part::Folders)
                && here.get(index).copied().unwrap_or(false)
                && let Some(next) = here.get_mut(index + 1)
            {
                *next = true;
            }
        }
    }
}

/// The files and folders of the root project, as far as the manifest knows them.
pub(super) struct KnownPaths<'m> {
    paths: HashSet<Vec<&'m str>>,
    root: &'m str,
}

impl<'m> KnownPaths<'m> {
    pub(super) fn new(manifest: &'m Manifest<'_>) -> Self {
        let root = manifest.metadata.project_name.as_deref().unwrap_or_default();
        let mut paths = HashSet::new();
        for (_, resource) in manifest.resources().filter(|(_, resource)| resource.package_name() == root) {
            for path in [Some(resource.original_file_path()), patch_file(resource)].into_iter().flatten() {
                let parts: Vec<&str> = components(path).collect();
                for length in (0..=parts.len()).rev() {
                    if !paths.insert(parts.iter().take(length).copied().collect()) {
                        break;
                    }
                }
            }
        }
        Self { paths, root }
    }

    /// Whether `path:<pattern>` selects the resource: through its file, a folder above that, or its patch.
    pub(super) fn selects(&self, pattern: &PathPattern, resource: Resource<'_, '_>) -> bool {
        let path: Vec<&str> = components(resource.original_file_path()).collect();
        let exists = |length: usize| {
            resource.package_name() == self.root
                || self.paths.contains(&path.iter().take(length).copied().collect::<Vec<_>>())
        };
        if pattern.prefixes(&path).into_iter().any(exists) {
            return true;
        }
        patch_file(resource).is_some_and(|patch| {
            let patch: Vec<&str> = components(patch).collect();
            pattern.prefixes(&patch).contains(&patch.len()) && self.paths.contains(&patch)
        })
    }
}

/// `models/x.yml` of `package://models/x.yml`.
fn patch_file<'m>(resource: Resource<'m, '_>) -> Option<&'m str> {
    resource.patch_path().and_then(|patch| patch.split("://").nth(1))
}

/// Python drops `.` and empty components; manifests made on Windows have backslashes.
fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".")
}

/// Whether `file:<pattern>` selects the file at `path`: by its name, with or without the extension.
pub(super) fn file_matches(pattern: &Pattern, path: &str) -> bool {
    let name = components(path).last().unwrap_or_default();
    let stem = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    };
    pattern.matches(name) || pattern.matches(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_files_and_the_folders_above_them() {
        let prefixes = |pattern: &str, path: &str| {
            PathPattern::new(pattern).unwrap().prefixes(&components(path).collect::<Vec<_>>())
        };
        assert_eq!(prefixes("models/staging", "models/staging/a.sql"), [2]);
        assert_eq!(prefixes("models/staging/", "models/staging/a.sql"), [2]);
        assert_eq!(prefixes("models/*", "models/staging/a.sql"), [2]);
        assert_eq!(prefixes("models/**/*.sql", "models/staging/deep/a.sql"), [4]);
        assert_eq!(prefixes("models/**", "models/a.sql"), [1]);
        assert_eq!(prefixes("models/a.sql", "models/a.sql"), [2]);
        assert!(prefixes("staging", "models/staging/a.sql").is_empty());
    }
}
