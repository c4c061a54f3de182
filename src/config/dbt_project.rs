//! The two facts of `dbt_project.yml` that premerge needs.

use std::path::Path;

use serde::Deserialize;

use super::ConfigError;
use super::env::Env;
use super::profile::Renderer;

/// A dbt project's file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DbtProject {
    /// The project's name.
    pub name: Option<String>,
    /// The profile it connects with; may be Jinja in the file.
    pub profile: Option<String>,
}

impl DbtProject {
    /// Reads `dbt_project.yml` of `project_dir`; a project without one has no facts.
    ///
    /// # Errors
    /// When the file is there and does not parse.
    pub fn read(project_dir: &Path, env: &Env) -> Result<Self, ConfigError> {
        let path = project_dir.join("dbt_project.yml");
        if !path.is_file() {
            return Ok(Self::default());
        }
        let text = fs_err::read_to_string(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        let mut project: Self = serde_saphyr::from_str(&text)
            .map_err(|error| ConfigError::Yaml { path: path.clone(), message: error.to_string() })?;
        if let Some(profile) = &project.profile {
            let rendered = Renderer::new(env).text(profile).map_err(|message| ConfigError::Value {
                place: format!("{}, `profile`", path.display()),
                why: message,
            })?;
            project.profile = Some(rendered);
        }
        Ok(project)
    }
}
