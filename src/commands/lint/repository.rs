//! Where the project's folder is in the repository: forges place findings by paths from the repository's root.

use std::path::Path;

use crate::config::Env;

/// The project's folder below the root of the repository, with `/`; empty where it is the root itself, or where there
/// is no repository.
pub(super) fn folder_below(project_dir: &Path, env: &Env) -> String {
    let Ok(project) = fs_err::canonicalize(project_dir) else { return String::new() };
    // What GitHub and GitLab call the checkout's folder; elsewhere the one with `.git`, a file in a worktree.
    let named = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"].iter().filter_map(|name| env.get(name));
    let root = named.filter_map(|folder| fs_err::canonicalize(folder).ok()).find(|root| project.starts_with(root));
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
        let env = |name: &str| Env::new([(name, root.to_string_lossy())], root.clone());
        assert_eq!(folder_below(&root.join("data/dbt"), &env("GITHUB_WORKSPACE")), "data/dbt");
        assert_eq!(folder_below(&root, &env("GITHUB_WORKSPACE")), "");
        fs_err::create_dir(root.join("data/.git")).unwrap();
        assert_eq!(folder_below(&root.join("data/dbt"), &env("OTHER")), "dbt");
    }
}
