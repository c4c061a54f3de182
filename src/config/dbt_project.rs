//! The few facts of `dbt_project.yml` that premerge needs.

use std::path::Path;

use serde::Deserialize;

use super::env::Env;
use super::jinja::Renderer;
use super::{ConfigError, read_regular_text};

/// A dbt project's file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DbtProject {
    /// The project's name.
    pub name: Option<String>,
    /// The profile it connects with; may be Jinja in the file.
    pub profile: Option<String>,
    /// dbt's project flags.
    pub flags: Option<ProjectFlags>,
}

/// Of dbt's project flags those that change an answer of premerge's.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct ProjectFlags {
    /// `state:modified` compares the unrendered schema and database of sources, and in-file configuration as
    /// it stands in the file. No manifest records the flag.
    pub state_modified_compare_more_unrendered_values: Option<bool>,
}

impl DbtProject {
    /// Reads `dbt_project.yml` of `project_dir`; a project without one has no facts.
    ///
    /// # Errors
    /// When the file is there and does not parse, or its Jinja fails.
    pub fn read(project_dir: &Path, env: &Env) -> Result<Self, ConfigError> {
        let mut project = Self::unrendered(project_dir)?;
        let path = project_dir.join("dbt_project.yml");
        if let Some(profile) = &project.profile {
            let rendered = Renderer::new(env).text(profile).map_err(|error| ConfigError::Value {
                place: format!("{}, `profile`", path.display()),
                why: error.full,
            })?;
            project.profile = Some(rendered);
        }
        Ok(project)
    }

    /// The same, its Jinja left as it is: for whoever connects to nothing, and may lack the variables.
    ///
    /// # Errors
    /// When the file is there and does not parse.
    pub fn unrendered(project_dir: &Path) -> Result<Self, ConfigError> {
        let path = project_dir.join("dbt_project.yml");
        if !path.is_file() {
            return Ok(Self::default());
        }
        let text = read_regular_text(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        serde_saphyr::from_str(&text).map_err(|error| ConfigError::Yaml { path, message: error.to_string() })
    }

    /// The flag `state_modified_compare_more_unrendered_values`, if the project sets it.
    #[must_use]
    pub fn more_unrendered_values(&self) -> Option<bool> {
        self.flags?.state_modified_compare_more_unrendered_values
    }
}
