//! `lint:` of `premerge.yml`.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Which findings are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LintScope {
    /// New ones on lines that the pull request changes
    ChangedLines,
    /// New ones in files that the pull request changes
    #[default]
    ChangedFiles,
    /// All of every file, known or not
    All,
}

/// What a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LintSeverity {
    /// Shuts the gate.
    Error,
    /// Someone should review it.
    Warn,
    /// A note; does not change the verdict.
    Notice,
    /// The rule does not run.
    Off,
}

/// Whether sqlfluff's style rules run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StyleSwitch {
    /// Where the project has a sqlfluff configuration.
    #[default]
    Auto,
    /// Always; with sqlfluff's defaults where there is no configuration.
    Always,
    /// Not at all, whatever the project configures.
    Never,
}

/// How lint works.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LintConfig {
    /// Which findings are shown.
    pub scope: Option<LintScope>,
    /// Whether sqlfluff's style rules run.
    pub style: StyleSwitch,
    /// What a finding of a style rule weighs; `error` unless configured. sqlfluff's `warnings` only warn.
    pub style_severity: Option<LintSeverity>,
    /// The dialect of the style rules, instead of sqlfluff's configuration and the manifest's adapter.
    pub dialect: Option<String>,
    /// Seconds for one file.
    pub time_limit: Option<u64>,
    /// The project's layers, nearest to the sources first.
    pub layers: Option<Vec<LayerConfig>>,
    /// Our own rules, by code.
    pub rules: BTreeMap<String, RuleConfig>,
}

/// One layer of the project.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerConfig {
    /// Which rules its models follow.
    pub role: LayerRole,
    /// Folder names below the model folder that make a model part of it.
    #[serde(default)]
    pub folders: Vec<String>,
    /// How names of its models begin.
    #[serde(default)]
    pub prefixes: Vec<String>,
}

/// What a layer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerRole {
    /// One model for each source table.
    Staging,
    /// Steps between staging and marts.
    Intermediate,
    /// What people read.
    Marts,
}

/// One of our rules.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleConfig {
    /// What its findings weigh.
    pub severity: Option<LintSeverity>,
    /// Where it does not run.
    pub except: Where,
    /// Where its findings weigh something else; the last that fits counts.
    pub overrides: Vec<RuleOverride>,
}

/// Another severity for some models.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleOverride {
    /// What its findings weigh there.
    pub severity: LintSeverity,
    /// The models that it holds for.
    pub models: Where,
}

/// Some models.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Where {
    /// Folders below the project, also as globs: `models/legacy`, `models/*/old`.
    pub folders: Vec<String>,
    /// dbt tags; one of them is enough.
    pub tags: Vec<String>,
    /// Names, also as globs.
    pub names: Vec<String>,
}
