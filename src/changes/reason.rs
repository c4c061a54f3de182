//! Why a node counts as changed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifacts::{ResourceType, UniqueId};
use crate::text::words;

/// Why a node counts as changed. `Display` is the phrase that a table cell holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// State does not have the node.
    New,
    /// `state:modified.body`: the file's text, a seed's checksum.
    Body,
    /// `state:modified.configs`: these keys of the unrendered configuration.
    Configs {
        /// The keys, sorted.
        keys: Vec<String>,
    },
    /// `state:modified.relation`: database, schema or alias.
    Relation,
    /// `state:modified.persisted_descriptions`.
    PersistedDescriptions,
    /// `state:modified.macros`: these macros differ and the node reaches them.
    Macros {
        /// unique_ids, sorted.
        macros: Vec<UniqueId>,
    },
    /// `state:modified.contract`.
    Contract {
        /// Whether dbt calls the difference breaking.
        breaking: bool,
    },
    /// The folder or the name below it.
    Fqn,
    /// `access`, `latest_version`, `deprecation_date`, and the fields that only other resource types have.
    Field {
        /// The manifest's name of the field.
        field: String,
    },
    /// dbt sees no change, and the compiled SQL says something else: a variable, an environment variable, a macro
    /// reached only while compiling.
    CompiledSql,
    /// dbt sees no change, and these macros, which build relations of this kind, differ: materializations, and
    /// the project's own versions of dbt's macros.
    BuildMacros {
        /// unique_ids, sorted.
        macros: Vec<UniqueId>,
    },
    /// dbt sees no change, as these keys have the same text, and a variable or environment variable gives them
    /// another value.
    RenderedConfigs {
        /// The keys, sorted.
        keys: Vec<String>,
    },
    /// State has the node and the pull request does not.
    Removed,
    /// State has the node; the pull request has its text under another name.
    RenamedTo {
        /// The new unique_id.
        to: UniqueId,
    },
}

impl Reason {
    /// The word for programs: what stands under `reason` in a document.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Body => "body",
            Self::Configs { .. } => "configs",
            Self::Relation => "relation",
            Self::PersistedDescriptions => "persisted_descriptions",
            Self::Macros { .. } => "macros",
            Self::Contract { .. } => "contract",
            Self::Fqn => "fqn",
            Self::Field { .. } => "field",
            Self::CompiledSql => "compiled_sql",
            Self::BuildMacros { .. } => "build_macros",
            Self::RenderedConfigs { .. } => "rendered_configs",
            Self::Removed => "removed",
            Self::RenamedTo { .. } => "renamed_to",
        }
    }

    /// The phrase about a resource of that type: what [`Reason::Body`] means depends on it.
    #[must_use]
    pub fn about(&self, resource_type: ResourceType) -> String {
        match (self, resource_type) {
            (Self::Body, ResourceType::Seed) => "content of the file".to_owned(),
            (Self::Body, ResourceType::UnitTest) => "definition".to_owned(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("new"),
            Self::Body => f.write_str("SQL body"),
            Self::Configs { keys } => list(f, "config", keys.iter().map(String::as_str)),
            Self::Relation => f.write_str("database, schema or alias"),
            Self::PersistedDescriptions => f.write_str("persisted description"),
            Self::Macros { macros } => list(f, "macro", macros.iter().map(UniqueId::name)),
            Self::Contract { breaking: true } => f.write_str("contract broken"),
            Self::Contract { breaking: false } => f.write_str("contract"),
            Self::Fqn => f.write_str("file moved"),
            Self::Field { field } => write!(f, "`{field}`"),
            Self::CompiledSql => f.write_str("compiled SQL"),
            Self::BuildMacros { macros } => list(f, "build macro", macros.iter().map(UniqueId::name)),
            Self::RenderedConfigs { keys } => list(f, "value of config", keys.iter().map(String::as_str)),
            Self::Removed => f.write_str("removed"),
            Self::RenamedTo { to } => write!(f, "renamed to `{}`", to.name()),
        }
    }
}

/// `config `a``, `configs `a`, `b``, `configs `a`, `b` and 3 more`.
fn list<'t>(f: &mut fmt::Formatter<'_>, noun: &str, names: impl ExactSizeIterator<Item = &'t str>) -> fmt::Result {
    const SHOWN: usize = 2;
    let total = names.len();
    let names = words::some_of(names.map(|name| format!("`{name}`")), SHOWN);
    write!(f, "{} {names}", words::noun(u64::try_from(total).unwrap_or(u64::MAX), noun))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_for_programs_is_the_document_s() {
        let id = || UniqueId::from("macro.a.b");
        let all = [
            Reason::New,
            Reason::Body,
            Reason::Configs { keys: vec![] },
            Reason::Relation,
            Reason::PersistedDescriptions,
            Reason::Macros { macros: vec![id()] },
            Reason::Contract { breaking: true },
            Reason::Fqn,
            Reason::Field { field: "access".into() },
            Reason::CompiledSql,
            Reason::BuildMacros { macros: vec![id()] },
            Reason::RenderedConfigs { keys: vec![] },
            Reason::Removed,
            Reason::RenamedTo { to: id() },
        ];
        for reason in all {
            let document = serde_json::to_value(&reason).unwrap();
            assert_eq!(document["reason"], reason.kind());
        }
    }
}
