//! `~/.aws/config` and `~/.aws/credentials`.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ini::Ini;

use crate::config::Env;

/// Both files; one that is missing is empty.
pub(super) struct SharedFiles {
    config: Ini,
    credentials: Ini,
    /// For messages.
    places: String,
}

impl SharedFiles {
    /// # Errors
    /// A sentence about a file that is there and cannot be read.
    pub(super) fn read(env: &Env) -> Result<Self, String> {
        let config = place(env, "AWS_CONFIG_FILE", "config");
        let credentials = place(env, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let shown = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let places: Vec<_> = [shown(&config), shown(&credentials)].into_iter().flatten().collect();
        Ok(Self {
            config: load(config.as_deref())?,
            credentials: load(credentials.as_deref())?,
            places: places.join(" and "),
        })
    }

    /// The settings of a profile; those of the credentials file come first.
    pub(super) fn profile(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let long = if name == "default" { name.to_owned() } else { format!("profile {name}") };
        let config = self.config.section(Some(long));
        let credentials = self.credentials.section(Some(name));
        if config.is_none() && credentials.is_none() {
            return None;
        }
        let sections = [config, credentials].into_iter().flatten();
        let settings = sections.flat_map(|section| section.iter());
        Some(settings.map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned())).collect())
    }

    /// As [`Self::profile`], for a profile that has to be there.
    ///
    /// # Errors
    /// A sentence that names the files.
    pub(super) fn required(&self, name: &str) -> Result<BTreeMap<String, String>, String> {
        self.profile(name).ok_or_else(|| format!("the AWS profile `{name}` is not in {}", self.places))
    }

    /// The region that the environment names, else the one of a profile.
    pub(super) fn region(&self, profile: Option<&str>, env: &Env) -> Option<String> {
        let of_profile = |name: &str| self.profile(name)?.remove("region");
        let of_env = || env.get("AWS_REGION").or_else(|| env.get("AWS_DEFAULT_REGION")).map(str::to_owned);
        match profile {
            Some(name) => of_profile(name).or_else(of_env),
            None => of_env().or_else(|| of_profile(&default_profile(env))),
        }
    }
}

/// The profile that counts where none is named.
pub(super) fn default_profile(env: &Env) -> String {
    env.get("AWS_PROFILE").unwrap_or("default").to_owned()
}

fn place(env: &Env, variable: &str, name: &str) -> Option<PathBuf> {
    let home = env.get("HOME").map(PathBuf::from);
    match env.get(variable) {
        Some(path) => match (path.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(PathBuf::from(path)),
        },
        None => Some(home?.join(".aws").join(name)),
    }
}

fn load(path: Option<&Path>) -> Result<Ini, String> {
    let Some(path) = path.filter(|path| path.is_file()) else { return Ok(Ini::new()) };
    let text = fs_err::read_to_string(path).map_err(|error| error.to_string())?;
    Ini::load_from_str(&text).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}
