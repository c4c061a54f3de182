//! The document's own types, version 1: what other stages may change as they like, written down as readers know it.
//!
//! The report's own parts describe themselves (`serde`, `schemars`); what comes from another stage is copied here,
//! once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifacts::{self, UniqueId};
use crate::plan;

/// What concerns many nodes at once.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub(in crate::report) struct Reasons {
    /// Settings by which more than ten nodes changed, and in nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    settings: Vec<SettingChange>,
    /// Changed macros that something reaches, each with how far that goes.
    #[serde(default)]
    macros: Vec<MacroChange>,
    /// Nodes that changed though neither their files nor their macros did, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from_outside: Option<FromOutside>,
    /// Nodes that dbt calls unmodified and whose compiled SQL differs in what depends on when or where it was
    /// compiled. That proves nothing, so dbt's word stands and they are not built for it.
    #[serde(default)]
    undecided: Vec<Undecided>,
}

/// Nodes that changed by one setting, and in nothing else: somebody set it for a folder, or its value is another for
/// this target or on this day. `Display` is the sentence.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct SettingChange {
    /// `config `begin``, `database, schema or alias`, …
    what: String,
    /// How many nodes.
    nodes: usize,
}

/// A changed macro. `Display` is the sentence.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct MacroChange {
    /// dbt's unique_id.
    unique_id: UniqueId,
    /// Whether production does not have it at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    new: bool,
    /// Models whose text calls it, themselves or through other macros.
    models: usize,
    /// Of those: models whose compiled SQL changed, for whichever reason.
    sql_changed: usize,
    /// Of those: models whose compiled SQL was not compared: new, not compiled, or dependent on when it is compiled;
    /// all of them under `--changes dbt`.
    sql_unknown: usize,
    /// Tests that call it.
    tests: usize,
    /// Nodes that are built by it: it is a materialization, or a macro that one calls.
    builds: usize,
    /// Everything else that calls it.
    others: usize,
}

/// Nodes whose compiled SQL or configuration differs though neither their files nor their macros do: a variable or an
/// environment variable. `Display` is the sentence.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct FromOutside {
    /// How many nodes.
    nodes: usize,
    /// The variables that their texts and macros name, any of which may be the cause.
    variables: Vec<Variable>,
}

/// A variable that nodes name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Variable {
    /// `var` or `env_var`.
    kind: String,
    /// Its name.
    name: String,
    /// How many of the nodes name it.
    used_by: usize,
}

/// A node whose comparison proves nothing.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Undecided {
    /// dbt's unique_id.
    unique_id: UniqueId,
    /// The word that makes its text depend on the moment: `is_incremental`, `target.`, …
    because: String,
}

/// The production manifest that the pull request was compared with.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub(in crate::report) struct StateFacts {
    /// When dbt wrote it (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generated_at: Option<String>,
    /// Its age when the run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    age_seconds: Option<u64>,
    /// The commit it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// That commit's age when the run started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit_age_seconds: Option<u64>,
    /// How many commits have been made since on the branch that the pull request is to be merged into; where CI does
    /// not name it, on the checked-out one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commits_behind: Option<u64>,
    /// Version of the dbt that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dbt_version: Option<String>,
}

/// Why a node is in scope: one reason, in a word for programs and a phrase for people.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(in crate::report) struct Why {
    /// `new`, `body`, `configs`, `macros`, …; `downstream` for a node that did not change itself.
    pub(in crate::report) kind: String,
    /// The same for people, in names only: "macro `cents_to_dollars`" without the backticks.
    pub(in crate::report) text: String,
}

/// `From` in both directions between a type of the document and another stage's type with the same fields. A field
/// that either lacks does not compile.
macro_rules! same_fields {
    ($document:ident, $other:path, $($field:ident),+) => {
        impl From<$other> for $document {
            fn from(from: $other) -> Self {
                Self { $($field: from.$field),+ }
            }
        }

        impl From<$document> for $other {
            fn from(from: $document) -> Self {
                Self { $($field: from.$field),+ }
            }
        }
    };
}

same_fields!(MacroChange, plan::MacroChange, unique_id, new, models, sql_changed, sql_unknown, tests, builds, others);
same_fields!(SettingChange, plan::SettingChange, what, nodes);
same_fields!(Variable, plan::Variable, kind, name, used_by);
same_fields!(Undecided, plan::Undecided, unique_id, because);
same_fields!(
    StateFacts,
    artifacts::StateFacts,
    generated_at,
    age_seconds,
    commit,
    commit_age_seconds,
    commits_behind,
    dbt_version
);

fn each<A, B: From<A>>(items: Vec<A>) -> Vec<B> {
    items.into_iter().map(Into::into).collect()
}

impl From<plan::FromOutside> for FromOutside {
    fn from(plan::FromOutside { nodes, variables }: plan::FromOutside) -> Self {
        Self { nodes, variables: each(variables) }
    }
}

impl From<FromOutside> for plan::FromOutside {
    fn from(FromOutside { nodes, variables }: FromOutside) -> Self {
        Self { nodes, variables: each(variables) }
    }
}

impl From<plan::Reasons> for Reasons {
    fn from(plan::Reasons { settings, macros, from_outside, undecided }: plan::Reasons) -> Self {
        Self {
            settings: each(settings),
            macros: each(macros),
            from_outside: from_outside.map(Into::into),
            undecided: each(undecided),
        }
    }
}

impl From<Reasons> for plan::Reasons {
    fn from(Reasons { settings, macros, from_outside, undecided }: Reasons) -> Self {
        Self {
            settings: each(settings),
            macros: each(macros),
            from_outside: from_outside.map(Into::into),
            undecided: each(undecided),
        }
    }
}

/// For `#[serde(with)]`: a value of another stage, by its type of the document.
pub(in crate::report) mod reasons {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Reasons;
    use crate::plan;

    pub(in crate::report) fn serialize<S: Serializer>(value: &plan::Reasons, to: S) -> Result<S::Ok, S::Error> {
        Reasons::from(value.clone()).serialize(to)
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<plan::Reasons, D::Error> {
        Reasons::deserialize(from).map(Into::into)
    }
}

/// The same for facts that may be missing.
pub(in crate::report) mod state_facts {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::StateFacts;
    use crate::artifacts;

    type Facts = Option<artifacts::StateFacts>;

    pub(in crate::report) fn serialize<S: Serializer>(value: &Facts, to: S) -> Result<S::Ok, S::Error> {
        value.clone().map(StateFacts::from).serialize(to)
    }

    pub(in crate::report) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Facts, D::Error> {
        Ok(Option::<StateFacts>::deserialize(from)?.map(Into::into))
    }
}
