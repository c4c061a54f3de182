//! The environment, taken once, so that tests can give another.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Environment variables and the working directory of this run.
#[derive(Clone, Default)]
pub struct Env {
    vars: BTreeMap<String, String>,
    /// The working directory.
    pub cwd: PathBuf,
}

impl Env {
    /// This process's.
    #[must_use]
    pub fn of_process() -> Self {
        // Variables that are not Unicode cannot be meant for us.
        let vars =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        Self { vars, cwd: std::env::current_dir().unwrap_or_default() }
    }

    /// A given one.
    pub fn new<K: Into<String>, V: Into<String>>(vars: impl IntoIterator<Item = (K, V)>, cwd: PathBuf) -> Self {
        Self { vars: vars.into_iter().map(|(k, v)| (k.into(), v.into())).collect(), cwd }
    }

    /// The same place without any variable.
    #[must_use]
    pub fn without_variables(&self) -> Self {
        Self { vars: BTreeMap::new(), cwd: self.cwd.clone() }
    }

    /// The full path of what the user named, without `.` and `..`, as Python's `os.path.abspath` makes it.
    ///
    /// Paths are compared by their parts, and patterns are matched with what is below a folder.
    #[must_use]
    pub fn path(&self, named: &Path) -> PathBuf {
        let mut path = PathBuf::new();
        for part in self.cwd.join(named).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    path.pop();
                }
                part => path.push(part),
            }
        }
        path
    }

    /// The value of a variable; empty counts as unset, as in CI systems it mostly means that.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Names and values of the variables whose names begin so; empty ones count as unset.
    pub fn with_prefix<'e>(&'e self, prefix: &'e str) -> impl Iterator<Item = (&'e str, &'e str)> {
        let pairs = self.vars.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty())
    }

    /// The value of a variable, empty or not: what dbt's `env_var` sees.
    #[must_use]
    pub fn get_raw(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str)
    }
}

impl std::fmt::Debug for Env {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("vars", &self.vars.keys()).field("cwd", &self.cwd).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_full_and_plain() {
        let env = Env::new([("", "")], PathBuf::from("/repo/dbt"));
        for (named, path) in [(".", "/repo/dbt"), ("./models/../a", "/repo/dbt/a"), ("../b/.", "/repo/b"), ("/c", "/c")]
        {
            assert_eq!(env.path(Path::new(named)).as_os_str(), path, "{named}");
        }
    }
}
