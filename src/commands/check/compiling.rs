//! `--compile`: dbt started, and the texts that ask nothing put into the pull request's manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::settings::Settings;
use crate::artifacts::{Text, UniqueId};
use crate::changes::{affected, has_text, may_differ_unseen};
use crate::commands::CommandError;
use crate::commands::comparison::{Comparing, Late, Manifests};
use crate::compile::{CompileError, Dbt, Made, Options};
use crate::config::{AtStart, CompileSettings, ProfileSource, Target};
use crate::project::Graph;
use crate::publish::ForgeKind;
use crate::sql::Dialect;
use crate::text::escape;

/// dbt, and whose texts it makes at their turn.
#[derive(Debug)]
pub(super) struct Compiling {
    pub(super) dbt: Dbt,
    pub(super) at_turn: BTreeSet<UniqueId>,
}

/// How often what is found to be changed can bring what is downstream of it; each time brings all of that.
const ROUNDS: usize = 16;

/// Starts dbt and lets it parse the project.
pub(super) async fn start(compile: &CompileSettings, settings: &Settings) -> Result<Dbt, CommandError> {
    if settings.at_start == AtStart::Replace {
        return Err(CommandError::Input {
            message: "--compile does not work with at_start `replace`: a model would find its own older relation"
                .to_owned(),
            remedy: "use at_start `drop`, the default".to_owned(),
        });
    }
    let options = Options {
        command: compile.command.clone(),
        working_dir: compile.working_dir.clone(),
        project_dir: settings.project_dir.clone(),
        profiles_dir: compile.profiles_dir.clone(),
        profiles: profiles(&settings.target),
        profile: settings.target.profile.clone(),
        target: settings.target.name.clone(),
        vars: compile.vars.clone(),
        // Whoever has their value can write to the forge, and dbt has no use for it.
        hidden: ForgeKind::TOKEN_VARIABLES.map(str::to_owned).into(),
        limit: compile.limit,
    };
    Dbt::start(&options).await.map_err(failed)
}

/// The profile that counts, where the checkout has another one. dbt connects to nothing, so it gets no secrets.
fn profiles(target: &Target) -> Option<String> {
    match &target.source {
        ProfileSource::Own | ProfileSource::Base { differs: false, .. } => return None,
        ProfileSource::Base { differs: true, .. } | ProfileSource::PullRequest { .. } => {}
    }
    let mut fields = target.fields.clone();
    for (key, value) in &mut fields {
        let is_secret = ["pass", "token", "secret", "key", "credential"].iter().any(|word| key.contains(word));
        if let (true, Value::String(text)) = (is_secret, &mut *value) {
            *text = "-".to_owned();
        } else if is_secret {
            *value = Value::Null;
        }
        unrendered(value);
    }
    fields.retain(|_, value| !value.is_null());
    let profile = json!({"target": target.name, "outputs": {target.name.as_str(): fields}});
    Some(json!({target.profile.as_str(): profile}).to_string())
}

/// What is rendered already is not rendered again.
fn unrendered(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("{{") || text.contains("{%") => {
            *text = format!("{{% raw %}}{text}{{% endraw %}}");
        }
        Value::Array(values) => values.iter_mut().for_each(unrendered),
        Value::Object(fields) => fields.values_mut().for_each(unrendered),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// dbt's own words go to the terminal only.
pub(super) fn failed(error: CompileError) -> CommandError {
    if let Some(said) = &error.said {
        tracing::error!("dbt: {}", escape::cut(said, 4000));
    }
    CommandError::Input { message: error.message, remedy: error.remedy }
}

/// Texts by unique_id, one map for each time that dbt was asked.
pub(super) struct Rounds(Vec<OnceLock<BTreeMap<UniqueId, Box<RawValue>>>>);

impl Rounds {
    pub(super) fn new() -> Self {
        Self((0..ROUNDS).map(|_| OnceLock::new()).collect())
    }
}

/// Lets dbt make the texts of all that the pull request may change, and puts them into its manifest. Those whose text
/// asks the warehouse, or cannot be made, come back: their turn comes when what they read is built.
pub(super) async fn fill<'m>(
    manifests: &mut Manifests<'m>,
    rounds: &'m Rounds,
    dbt: &mut Dbt,
    comparing: Comparing,
) -> Result<Late, CommandError> {
    let mut late = Late::default();
    let mut tried = BTreeSet::new();
    let may_differ =
        if comparing.compiled { may_differ_unseen(&manifests.state, &manifests.pr) } else { BTreeSet::new() };
    let mut unseen = may_differ.clone();
    for round in &rounds.0 {
        let wanted: BTreeSet<UniqueId> = {
            // What a plan takes for downstream: also what reads a source that a node of the project makes.
            let dialect = Dialect::of_adapter(manifests.pr.metadata.adapter_type.as_deref().unwrap_or_default());
            let graph = Graph::new(&manifests.pr).with_made_sources(&manifests.state, &manifests.pr, dialect);
            let affected = affected(&graph, &comparing.changes(manifests));
            let is_sql = |id: &UniqueId| manifests.pr.nodes.get(id.as_str()).is_some_and(has_text);
            affected.into_iter().chain(std::mem::take(&mut unseen)).filter(is_sql).collect()
        };
        let wanted: Vec<&UniqueId> = wanted.iter().filter(|id| !tried.contains(*id)).collect();
        if wanted.is_empty() {
            break;
        }
        let ids: Vec<&str> = wanted.iter().map(|id| id.as_str()).collect();
        let mut texts = BTreeMap::new();
        for (id, made) in dbt.texts_that_ask_nothing(&ids).await.map_err(failed)? {
            match made {
                Made::Text(text) => {
                    let source = serde_json::value::to_raw_value(&text);
                    drop(source.map(|source| texts.insert(id, source)));
                }
                Made::Asks | Made::Refused(_) | Made::NoValues(_) | Made::Failed(_) | Made::Unanswered(_) => {
                    late.at_turn.insert(id);
                }
            }
        }
        tried.extend(wanted.into_iter().cloned());
        for (id, source) in round.get_or_init(|| texts) {
            if let Some(node) = manifests.pr.nodes.get_mut(id.as_str()) {
                node.compiled_code = Some(Text::of(source));
            }
        }
    }
    late.unsettled = late.at_turn.intersection(&may_differ).cloned().collect();
    Ok(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dbt_gets_the_profile_that_counts_without_its_secrets() {
        let fields = json!({"type": "postgres", "user": "ci", "password": "hidden-1", "schema": "a{{ b }}", "keepalives_idle": 3});
        let Value::Object(fields) = fields else { panic!("an object") };
        let target = |source| Target {
            profile: "p".to_owned(),
            name: "ci".to_owned(),
            adapter: "postgres".to_owned(),
            schema: None,
            threads: 1,
            fields: fields.clone(),
            source,
            chosen_by: ProfileSource::Own,
            has_others: false,
        };
        assert_eq!(profiles(&target(ProfileSource::Own)), None);
        let base = ProfileSource::Base { commit: "abc".to_owned(), differs: true };
        let text = profiles(&target(base)).unwrap();
        assert!(!text.contains("hidden-1") && text.contains(r#""password":"-""#), "{text}");
        assert!(text.contains("{% raw %}a{{ b }}{% endraw %}") && text.contains(r#""user":"ci""#), "{text}");
    }
}
