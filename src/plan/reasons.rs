//! Reasons that concern many nodes at once, counted and in words.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use crate::artifacts::UniqueId;
use crate::changes::{Reason, is_dbts_own};
use crate::text::words::{count_of, some_of};

/// What concerns many nodes at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reasons {
    /// Settings by which more than ten nodes changed, and in nothing else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<SettingChange>,
    /// Changed macros that something reaches, each with how far that goes.
    #[serde(default)]
    pub macros: Vec<MacroChange>,
    /// Nodes that changed though neither their files nor their macros did, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_outside: Option<FromOutside>,
    /// Nodes that dbt calls unmodified and whose compiled SQL differs in what depends on when or where it was
    /// compiled. That proves nothing, so dbt's word stands and they are not built for it.
    #[serde(default)]
    pub undecided: Vec<Undecided>,
}

/// Nodes that changed by one setting, and in nothing else: somebody set it for a folder, or its value is another for
/// this target or on this day. `Display` is the sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingChange {
    /// `config `begin``, `database, schema or alias`, …
    pub what: String,
    /// How many nodes.
    pub nodes: usize,
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} changed by {} alone, without a change of their files: unless this pull request sets it, its value comes \
             from the target, a variable or the date, and `--base` tells the two apart",
            count_of(self.nodes, "node"),
            self.what
        )
    }
}

/// A changed macro. `Display` is the sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MacroChange {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// Whether production does not have it at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new: bool,
    /// Models whose text calls it, themselves or through other macros.
    pub models: usize,
    /// Of those: models whose compiled SQL changed, for whichever reason.
    pub sql_changed: usize,
    /// Of those: models whose compiled SQL was not compared: new, not compiled, or dependent on when it is compiled;
    /// all of them under `--changes dbt`.
    pub sql_unknown: usize,
    /// Tests that call it.
    pub tests: usize,
    /// Nodes that are built by it: it is a materialization, or a macro that one calls.
    pub builds: usize,
    /// Everything else that calls it.
    pub others: usize,
}

/// Nodes whose compiled SQL or configuration differs though neither their files nor their macros do: a variable or an
/// environment variable. `Display` is the sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FromOutside {
    /// How many nodes.
    pub nodes: usize,
    /// The variables that their texts and macros name, any of which may be the cause.
    pub variables: Vec<Variable>,
}

/// A variable that nodes name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Variable {
    /// `var` or `env_var`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// How many of the nodes name it.
    pub used_by: usize,
}

/// A node whose comparison proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undecided {
    /// dbt's unique_id.
    pub unique_id: UniqueId,
    /// The word that makes its text depend on the moment: `is_incremental`, `target.`, …
    pub because: String,
}

impl fmt::Display for MacroChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "macro `{}` {}", self.unique_id.name(), if self.new { "is new" } else { "changed" })?;
        let parts = [(self.models, "model"), (self.tests, "test"), (self.others, "other node")];
        let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| count_of(*n, noun)).collect();
        if !parts.is_empty() {
            write!(f, ", used by {}", parts.join(" and "))?;
        }
        if self.builds > 0 {
            write!(f, ", builds {}", count_of(self.builds, "node"))?;
        }
        let known = self.models.saturating_sub(self.sql_unknown);
        match (known, self.sql_changed) {
            (0, _) => return Ok(()),
            (_, 0) => f.write_str("; no compiled SQL changed")?,
            (_, changed) => write!(f, "; compiled SQL changed in {changed}")?,
        }
        if self.sql_unknown > 0 { write!(f, ", not compared in {}", self.sql_unknown) } else { Ok(()) }
    }
}

impl fmt::Display for FromOutside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let theirs = if self.nodes == 1 { "its file and its macros" } else { "their files and their macros" };
        write!(f, "{} changed though {theirs} did not", count_of(self.nodes, "node"))?;
        let use_ = if self.nodes == 1 { "; it uses " } else { "; they use " };
        let variables = self.variables.iter().map(|variable| format!("`{}('{}')`", variable.kind, variable.name));
        let named = some_of(variables, SHOWN);
        if named.is_empty() { Ok(()) } else { write!(f, "{use_}{named}") }
    }
}

/// `built`: whether a node is built, for whatever reason; of such a one there is nothing undecided.
pub(super) fn reasons(facts: &Facts<'_>, built: impl Fn(&str) -> bool) -> Reasons {
    let macros = facts.changes.macros.iter().map(|(unique_id, count)| MacroChange {
        unique_id: unique_id.clone(),
        new: !facts.state.macros.contains_key(unique_id.as_str()),
        models: count.models,
        sql_changed: count.sql_changed,
        sql_unknown: count.sql_unknown,
        tests: count.tests,
        builds: count.builds,
        others: count.others,
    });
    let undecided = facts.changes.undecided.iter().filter(|(unique_id, _)| !built(unique_id.as_str()));
    let undecided = undecided.map(|(unique_id, undecided)| Undecided {
        unique_id: unique_id.clone(),
        because: undecided.because.to_owned(),
    });
    Reasons {
        settings: settings(facts),
        macros: macros.collect(),
        from_outside: from_outside(facts),
        undecided: undecided.collect(),
    }
}

fn settings(facts: &Facts<'_>) -> Vec<SettingChange> {
    /// What fewer nodes share is read faster node by node.
    const FEW: usize = 10;
    let is_setting = |reason: &Reason| match reason {
        Reason::Configs { .. } | Reason::Relation | Reason::Field { .. } | Reason::RenderedConfigs { .. } => true,
        Reason::New
        | Reason::Body
        | Reason::PersistedDescriptions
        | Reason::Macros { .. }
        | Reason::Contract { .. }
        | Reason::Fqn
        | Reason::CompiledSql
        | Reason::BuildMacros { .. }
        | Reason::Removed
        | Reason::RenamedTo { .. } => false,
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for change in facts.changes.nodes.values() {
        if !change.reasons.is_empty() && change.reasons.iter().all(is_setting) {
            let what: Vec<String> = change.reasons.iter().map(ToString::to_string).collect();
            *counts.entry(what.join(" and ")).or_default() += 1;
        }
    }
    let mut found: Vec<SettingChange> = counts
        .into_iter()
        .filter(|(_, nodes)| *nodes > FEW)
        .map(|(what, nodes)| SettingChange { what, nodes })
        .collect();
    found.sort_by_key(|change| std::cmp::Reverse(change.nodes));
    found
}

fn from_outside(facts: &Facts<'_>) -> Option<FromOutside> {
    let is_outside = |reason: &Reason| matches!(reason, Reason::CompiledSql | Reason::RenderedConfigs { .. });
    let nodes: Vec<&str> = facts
        .changes
        .nodes
        .iter()
        .filter(|(_, change)| change.reasons.iter().all(is_outside))
        .map(|(id, _)| id.as_str())
        .collect();
    if nodes.is_empty() {
        return None;
    }
    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for id in &nodes {
        for variable in variables_of(facts, id) {
            *counts.entry(variable).or_default() += 1;
        }
    }
    let variable = |((kind, name), used_by): ((&str, String), usize)| Variable { kind: kind.to_owned(), name, used_by };
    let mut variables: Vec<Variable> = counts.into_iter().map(variable).collect();
    // What most of them use first.
    variables.sort_by(|a, b| b.used_by.cmp(&a.used_by).then_with(|| a.cmp(b)));
    Some(FromOutside { nodes: nodes.len(), variables })
}

/// The variables that a node's text names, and those of the macros and ephemeral models in it; dbt's own macros aside.
fn variables_of(facts: &Facts<'_>, id: &str) -> BTreeSet<(&'static str, String)> {
    let mut found = BTreeSet::new();
    let mut nodes = vec![id];
    let mut macros: Vec<&str> = Vec::new();
    let mut seen = HashSet::new();
    while let Some(id) = nodes.pop() {
        let Some(node) = facts.pr.nodes.get(id).filter(|_| seen.insert(id)) else { continue };
        named_in(&node.raw_code.get(), &mut found);
        macros.extend(node.depends_on.macros.iter().map(AsRef::as_ref));
        let inlined = |id: &&str| facts.pr.nodes.get(*id).is_some_and(|node| node.is_ephemeral());
        nodes.extend(node.depends_on.nodes.iter().map(AsRef::as_ref).filter(inlined));
    }
    while let Some(id) = macros.pop() {
        let own = !is_dbts_own(id) && seen.insert(id);
        let Some(macro_) = facts.pr.macros.get(id).filter(|_| own) else { continue };
        named_in(&macro_.macro_sql.get(), &mut found);
        macros.extend(macro_.depends_on.macros.iter().map(AsRef::as_ref));
    }
    found
}

/// `var('name')` and `env_var("NAME")` of a Jinja text.
fn named_in(text: &str, found: &mut BTreeSet<(&'static str, String)>) {
    static CALL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"\b(env_var|var)\s*\(\s*(?:'([^']+)'|"([^"]+)")"#).ok());
    let Some(call) = CALL.as_ref() else { return };
    for captures in call.captures_iter(text) {
        let kind = if captures.get(1).is_some_and(|kind| kind.as_str() == "var") { "var" } else { "env_var" };
        if let Some(name) = captures.get(2).or_else(|| captures.get(3)) {
            found.insert((kind, name.as_str().to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_by_their_calls() {
        let mut found = BTreeSet::new();
        named_in(
            r#"{{ var('a') }} {{ env_var ( "B", '1') }} {{ my_var('c') }} var(d) {{ builtins.var("e") }}"#,
            &mut found,
        );
        let names: Vec<_> = found.iter().map(|(kind, name)| (*kind, name.as_str())).collect();
        assert_eq!(names, [("env_var", "B"), ("var", "a"), ("var", "e")]);
    }

    #[test]
    fn a_macro_s_reach_reads_well() {
        let none = MacroChange {
            unique_id: "macro.shop.cents_to_dollars".into(),
            new: false,
            models: 0,
            sql_changed: 0,
            sql_unknown: 0,
            tests: 0,
            builds: 0,
            others: 0,
        };
        let said = |change: MacroChange| change.to_string();
        let of = "macro `cents_to_dollars` changed";
        let models = MacroChange { models: 14, ..none.clone() };
        assert_eq!(
            said(MacroChange { sql_changed: 2, ..models.clone() }),
            format!("{of}, used by 14 models; compiled SQL changed in 2")
        );
        assert_eq!(said(models.clone()), format!("{of}, used by 14 models; no compiled SQL changed"));
        assert_eq!(said(MacroChange { sql_unknown: 14, ..models.clone() }), format!("{of}, used by 14 models"));
        assert_eq!(
            said(MacroChange { sql_changed: 2, sql_unknown: 1, tests: 1, ..models }),
            format!("{of}, used by 14 models and 1 test; compiled SQL changed in 2, not compared in 1")
        );
        assert_eq!(said(MacroChange { builds: 1, ..none.clone() }), format!("{of}, builds 1 node"));
        let new = MacroChange { new: true, models: 2, sql_unknown: 2, ..none };
        assert_eq!(said(new), "macro `cents_to_dollars` is new, used by 2 models");
    }
}
