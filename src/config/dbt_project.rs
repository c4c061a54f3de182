//! The few facts of `dbt_project.yml` that premerge needs.

use std::path::Path;

use serde::Deserialize;

use super::checkout::{Checkout, Counting};
use super::env::Env;
use super::jinja::Renderer;
use super::profile::ProfileSource;
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

/// The profile that a project connects with.
#[derive(Debug)]
pub(super) struct ChosenProfile {
    /// `None`: the project names none.
    pub(super) name: Option<String>,
    /// Whose word that is.
    pub(super) source: ProfileSource,
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
    /// The profile that `dbt_project.yml` of `project_dir` names, rendered. In a pull request's checkout the base commit's
    /// counts, where it is known: a profile says which database is production's.
    ///
    /// # Errors
    /// When the file is there and does not parse, or its Jinja fails.
    pub(super) fn profile(project_dir: &Path, env: &Env, checkout: &Checkout) -> Result<ChosenProfile, ConfigError> {
        let path = project_dir.join("dbt_project.yml");
        let own = Self::unrendered(project_dir)?.profile;
        let (renderer, place, name, source) = match checkout.counting(&path) {
            Counting::OnDisk => (Renderer::new(env), path.display().to_string(), own, ProfileSource::Own),
            Counting::Base { commit, text, .. } => {
                let place = format!("dbt_project.yml of commit {commit}");
                let base: Self = serde_saphyr::from_str(&text)
                    .map_err(|error| ConfigError::Yaml { path: place.clone().into(), message: error.to_string() })?;
                let differs = base.profile != own;
                (Renderer::new(env), place, base.profile, ProfileSource::Base { commit, differs })
            }
            // Until the project is merged there is no other.
            Counting::Added { commit } => {
                let why = format!("commit {commit} has no dbt_project.yml");
                (Renderer::withholding(env), path.display().to_string(), own, ProfileSource::PullRequest { why })
            }
            Counting::PullRequest { why } => {
                (Renderer::withholding(env), path.display().to_string(), own, ProfileSource::PullRequest { why })
            }
        };
        let rendered = |text: String| {
            renderer
                .text(&text)
                .map_err(|error| ConfigError::Value { place: format!("{place}, `profile`"), why: error.full })
        };
        Ok(ChosenProfile { name: name.map(rendered).transpose()?, source })
    }

    /// `dbt_project.yml` of `project_dir`, its Jinja left as it is; a project without one has no facts.
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
