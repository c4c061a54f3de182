//! Settings: flags, environment, `premerge.yml` and `profiles.yml`, resolved once.
//!
//! Precedence: flag, environment, file, default. After this stage nobody looks at flags again.

mod checkout;
mod dbt_behavior;
mod dbt_project;
mod elsewhere;
mod env;
mod file;
mod flags;
pub(crate) mod git;
mod jinja;
mod lint;
mod own_folder;
mod profile;
mod regular;
mod row_limit;
mod schema;
mod secret;
mod settings;
mod test_macros;
mod tool_files;
mod yaml;

use std::path::PathBuf;

pub use checkout::Checkout;
pub use dbt_behavior::{DbtBehavior, DbtBehaviors, PackageOverrides};
pub use dbt_project::{DbtProject, ProjectFlags};
pub use elsewhere::{Elsewhere, Since, elsewhere, is_judged};
pub use env::Env;
pub use file::ConfigFile;
pub use flags::{ChangeRules, CompileArgs, ManifestArgs, ProjectArgs, RunArgs, SelectionArgs};
pub use lint::{
    LayerConfig, LayerRole, LintConfig, LintScope, LintSeverity, RuleConfig, RuleOverride, StyleSwitch, Where,
};
pub use own_folder::{StrangeFile, refuse_strange_file};
pub use profile::{ProfileQuery, ProfileSource, Target};
pub use regular::{read_inside, read_regular, read_regular_text};
pub use row_limit::{RowFactor, RowLimit};
pub use schema::{AtStart, Keep};
pub use secret::{Masked, Secret, mask, mask_variables};
pub use settings::{CompileSettings, Gate, ManifestSettings, RunSettings, SchemaName, Settings, WithoutNumber};
pub use test_macros::ChangedTestMacros;
pub use tool_files::{BaseFiles, ToolFiles};

/// Why the settings cannot be used. Each message names the file, the place and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is missing or unreadable.
    #[error("could not read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not parse; the message holds line and column.
    #[error("{path}: {message}")]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        message: String,
    },
    /// No profiles.yml in any of the places dbt looks.
    #[error("no profiles.yml in {}; pass its folder with --profiles-dir", places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "))]
    NoProfiles {
        /// Where it was looked for.
        places: Vec<PathBuf>,
    },
    /// Only the pull request has a profiles.yml.
    #[error("{path} does not count before it is merged: commit {commit} has no such file")]
    AddedProfiles {
        /// The file.
        path: PathBuf,
        /// The base commit.
        commit: String,
    },
    /// The profile is not in the file.
    #[error("{path} has no profile `{profile}`; it has {}", list(known))]
    NoProfile {
        /// The file.
        path: PathBuf,
        /// The profile asked for.
        profile: String,
        /// Those in the file.
        known: Vec<String>,
        /// The checkout has another file, which does not count before it is merged.
        not_merged: bool,
    },
    /// The target is not in the profile.
    #[error("profile `{profile}` in {path} has no target `{target}`; it has {}", list(known))]
    NoTarget {
        /// The file.
        path: PathBuf,
        /// By its name in profiles.yml.
        profile: String,
        /// The target asked for.
        target: String,
        /// Those in the profile.
        known: Vec<String>,
        /// The checkout has another file, which does not count before it is merged.
        not_merged: bool,
    },
    /// A Jinja expression of the chosen target fails.
    #[error("{path}, profile `{profile}`, target `{target}`, field `{field}`: {message}")]
    Render {
        /// The file.
        path: PathBuf,
        /// By its name in profiles.yml.
        profile: String,
        /// By its name within the profile.
        target: String,
        /// By its key in the target.
        field: String,
        /// What is wrong, such as a missing environment variable.
        message: String,
    },
    /// A flag, or a key of premerge.yml, that cannot be used.
    #[error("{message}")]
    Flag {
        /// What is wrong.
        message: String,
        /// What to do, where that is more than the message.
        remedy: Option<String>,
    },
    /// A value that does not make sense.
    #[error("{place}: {why}")]
    Value {
        /// File or flag.
        place: String,
        /// What is wrong and what to do.
        why: String,
    },
}

impl ConfigError {
    /// What the user can do about it, where that is more than the message.
    #[must_use]
    pub fn remedy(&self) -> Option<&str> {
        match self {
            Self::Flag { remedy, .. } => remedy.as_deref(),
            Self::AddedProfiles { .. }
            | Self::NoProfile { not_merged: true, .. }
            | Self::NoTarget { not_merged: true, .. } => Some(
                "what a pull request writes into profiles.yml counts once it is merged: merge it first, or let the job keep \
                 the file outside the checkout and pass --profiles-dir",
            ),
            Self::Read { .. }
            | Self::Yaml { .. }
            | Self::NoProfiles { .. }
            | Self::NoProfile { .. }
            | Self::NoTarget { .. }
            | Self::Render { .. }
            | Self::Value { .. } => None,
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
