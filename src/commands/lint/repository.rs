//! Where the project's folder is in the repository: forges place findings by paths from the repository's root.

use std::path::Path;

use crate::publish::ci::Ci;

/// The project's folder below the root of the repository, with `/`; empty where it is the root itself, or where there
/// is not a repository.
pub(super) fn folder_below(project_dir: &Path, ci: &Ci) -> String {
    let Ok(project) = fs_err::canonicalize(project_dir) else { return String::new() };
    // What CI calls the checkout's folder; elsewhere the one with `.git`, a file in a worktree.
    let named = ci.workspace.as_ref().and_then(|folder| fs_err::canonicalize(folder).ok());
    let root = named.filter(|root| project.starts_with(root));
    let root = root.or_else(|| project.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned));
    let below = root.and_then(|root| Some(project.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/")));
    below.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_in_a_folder_of_its_repository_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs_err::create_dir_all(root.join("data/dbt")).unwrap();
        let ci = Ci { workspace: Some(root.clone()), ..Ci::default() };
        assert_eq!(folder_below(&root.join("data/dbt"), &ci), "data/dbt");
        assert_eq!(folder_below(&root, &ci), "");
        fs_err::create_dir(root.join("data/.git")).unwrap();
        assert_eq!(folder_below(&root.join("data/dbt"), &Ci::default()), "dbt");
    }
}
