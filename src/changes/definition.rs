//! The comparison of what exists only in YAML: sources, exposures, metrics, semantic models, saved queries,
//! unit tests.
//!
//! Except for unit tests, dbt never calls a new one of these modified.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::artifacts::{Exposure, Metric, SavedQuery, SemanticModel, Source, UnitTest};

use super::config::{ConfigRule, compare_configs, same_rendered};
use super::context::Context;
use super::drift::{Drift, equal_but_empty};
use super::json::{equal, object, same_field, value};
use super::reason::Reason;
use super::state_checks::StateChecks;

/// Collects the fields that differ.
#[derive(Default)]
struct Fields(Vec<Reason>);

impl Fields {
    fn compare(&mut self, field: &str, same: bool) {
        if !same {
            self.0.push(Reason::Field { field: field.to_owned() });
        }
    }

    fn fqn<T: PartialEq>(&mut self, old: &[T], new: &[T]) {
        if old != new {
            self.0.push(Reason::Fqn);
        }
    }

    fn configs(&mut self, keys: Vec<String>) -> bool {
        let differ = !keys.is_empty();
        if differ {
            self.0.push(Reason::Configs { keys });
        }
        differ
    }
}

/// How a source differs: its relation, its configuration, its freshness.
pub(super) fn compare_source(old: &Source<'_>, new: &Source<'_>, context: Context<'_>) -> (StateChecks, Vec<Reason>) {
    let mut checks = StateChecks::default();
    let mut fields = Fields::default();
    let same_place = if context.more_unrendered_values {
        old.unrendered_database == new.unrendered_database && old.unrendered_schema == new.unrendered_schema
    } else {
        old.database == new.database && old.schema == new.schema
    };
    checks.relation = !(same_place && old.identifier == new.identifier);
    if checks.relation {
        fields.0.push(Reason::Relation);
    }
    fields.fqn(&old.fqn, &new.fqn);
    let mut config = compare_configs(
        (old.unrendered_config, old.raw_config),
        (new.unrendered_config, new.raw_config),
        ConfigRule::All,
        context.drift,
    );
    if context.drift > Drift::None {
        config.keys.retain(|key| !same_but_moved(key, old, new));
    }
    checks.configs = fields.configs(config.keys);
    fields.compare("quoting", same_field(old.quoting, new.quoting));
    fields.compare("freshness", same_field(old.freshness, new.freshness));
    fields.compare("loaded_at_field", old.loaded_at_field == new.loaded_at_field);
    fields.compare("external", same_field(old.external, new.external));
    finish(checks, fields)
}

/// What dbt 1.9 to 1.11 took from beside a source's configuration into it, and what says the same in both places.
fn same_but_moved(key: &str, old: &Source<'_>, new: &Source<'_>) -> bool {
    let beside = |source: &Source<'_>| match key {
        "freshness" => value(source.freshness),
        "meta" => value(source.meta),
        "tags" => source.tags.iter().map(|tag| Value::String(tag.to_string())).collect(),
        "loaded_at_field" => source.loaded_at_field.as_deref().map(Value::from).unwrap_or_default(),
        "loaded_at_query" => source.loaded_at_query.as_deref().map(Value::from).unwrap_or_default(),
        _ => Value::Null,
    };
    let within = |source: &Source<'_>| object(source.raw_config).remove(key).filter(|value| !value.is_null());
    let either = |source: &Source<'_>| within(source).unwrap_or_else(|| beside(source));
    let moved = ["freshness", "meta", "tags", "loaded_at_field", "loaded_at_query"];
    moved.contains(&key) && equal_but_empty(&either(old), &either(new))
}

/// How an exposure differs, in the fields that dbt compares.
pub(super) fn compare_exposure(
    old: &Exposure<'_>,
    new: &Exposure<'_>,
    context: Context<'_>,
) -> (StateChecks, Vec<Reason>) {
    let mut checks = StateChecks::default();
    let mut fields = Fields::default();
    fields.fqn(&old.fqn, &new.fqn);
    fields.compare("type", old.kind == new.kind);
    let owner = |exposure: &Exposure<'_>| exposure.owner.clone().unwrap_or_default();
    fields.compare("owner", equal(&owner(old), &owner(new)));
    fields.compare("maturity", old.maturity == new.maturity);
    fields.compare("url", old.url == new.url);
    fields.compare("description", old.description == new.description);
    fields.compare("label", old.label == new.label);
    let same_parents = {
        let old: BTreeSet<&str> = old.depends_on.nodes.iter().map(AsRef::as_ref).collect();
        let new: BTreeSet<&str> = new.depends_on.nodes.iter().map(AsRef::as_ref).collect();
        old == new
    };
    fields.compare("depends_on", same_parents);
    let config = compare_configs(
        (old.unrendered_config, old.raw_config),
        (new.unrendered_config, new.raw_config),
        ConfigRule::All,
        context.drift,
    );
    checks.configs = fields.configs(config.keys);
    finish(checks, fields)
}

/// A metric. Its filter and parameters do not count: dbt has left them out so far.
pub(super) fn compare_metric(old: &Metric<'_>, new: &Metric<'_>, context: Context<'_>) -> (StateChecks, Vec<Reason>) {
    let mut checks = StateChecks::default();
    let mut fields = Fields::default();
    fields.compare("type", old.kind == new.kind);
    fields.compare("description", old.description.same_or_both_null(&new.description));
    fields.compare("label", old.label == new.label);
    let config = compare_configs(
        (old.unrendered_config, old.raw_config),
        (new.unrendered_config, new.raw_config),
        ConfigRule::Metric,
        context.drift,
    );
    checks.configs = fields.configs(config.keys);
    finish(checks, fields)
}

/// A semantic model; here dbt compares the rendered configuration.
pub(super) fn compare_semantic_model(
    old: &SemanticModel<'_>,
    new: &SemanticModel<'_>,
    context: Context<'_>,
) -> (StateChecks, Vec<Reason>) {
    let same = |old: Option<&RawValue>, new: Option<&RawValue>| {
        same_field(old, new) || (context.drift > Drift::None && equal_but_empty(&value(old), &value(new)))
    };
    let mut checks = StateChecks::default();
    let mut fields = Fields::default();
    fields.compare("model", old.model == new.model);
    fields.compare("description", old.description.same_or_both_null(&new.description));
    fields.compare("defaults", same(old.defaults, new.defaults));
    fields.compare("entities", same(old.entities, new.entities));
    fields.compare("dimensions", same(old.dimensions, new.dimensions));
    fields.compare("measures", same(old.measures, new.measures));
    checks.configs = !same_rendered(old.raw_config, new.raw_config, context.drift, &Value::Null);
    fields.compare("config", !checks.configs);
    fields.compare("primary_entity", old.primary_entity == new.primary_entity);
    fields.compare("group", old.group == new.group);
    finish(checks, fields)
}

/// A saved query; here dbt compares the rendered configuration, but of exports the unrendered one.
pub(super) fn compare_saved_query(
    old: &SavedQuery<'_>,
    new: &SavedQuery<'_>,
    context: Context<'_>,
) -> (StateChecks, Vec<Reason>) {
    let mut checks = StateChecks::default();
    let mut fields = Fields::default();
    if old.query_params.map(RawValue::get) != new.query_params.map(RawValue::get) {
        let (old, new) = (value(old.query_params), value(new.query_params));
        for part in ["metrics", "group_by", "where"] {
            let of = |params: &Value| params.get(part).cloned().unwrap_or_default();
            fields.compare(part, equal(&of(&old), &of(&new)));
        }
    }
    fields.compare("description", old.description.same_or_both_null(&new.description));
    fields.compare("label", old.label == new.label);
    // dbt 1.7 knows no cache.
    let absent = serde_json::json!({"cache": {"enabled": false}});
    checks.configs = !same_rendered(old.raw_config, new.raw_config, context.drift, &absent);
    fields.compare("config", !checks.configs);
    fields.compare("group", old.group == new.group);
    fields.compare("exports", same_exports(&value(old.exports), &value(new.exports), context.drift));
    fields.compare("tags", old.tags == new.tags);
    finish(checks, fields)
}

fn same_exports(old: &Value, new: &Value, drift: Drift) -> bool {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (old, new) = (list(old), list(new));
    let unrendered = |export: &Value, key: &str| {
        export.get("unrendered_config").and_then(|config| config.get(key)).cloned().unwrap_or_default()
    };
    // dbt 1.7 and 1.8 do not keep the unrendered configuration, so the other side's is compared with the rendered one.
    let kept = |export: &Value| export.get("unrendered_config").is_some_and(Value::is_object);
    let rendered = |export: &Value, key: &str| {
        let key = if key == "schema" { "schema_name" } else { key };
        export.get("config").and_then(|config| config.get(key)).cloned().unwrap_or_default()
    };
    let same_key = |old: &Value, new: &Value, key: &str| {
        let (was, is) = (rendered(old, key), rendered(new, key));
        match (drift > Drift::None, kept(old), kept(new)) {
            (true, false, true) => equal(&was, &is) || equal(&was, &unrendered(new, key)),
            (true, true, false) => equal(&was, &is) || equal(&unrendered(old, key), &is),
            (true, false, false) => equal(&was, &is),
            _ => equal(&unrendered(old, key), &unrendered(new, key)),
        }
    };
    let same = |old: &Value, new: &Value| {
        old.get("name") == new.get("name") && ["export_as", "schema", "alias"].iter().all(|key| same_key(old, new, key))
    };
    old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| same(old, new))
}

/// A unit test. dbt compares its checksum, which covers everything but prose, tags and configuration.
///
/// dbt 2 writes no checksum; then the definition itself decides.
pub(super) fn compare_unit_test(
    old: &UnitTest<'_>,
    new: &UnitTest<'_>,
    context: Context<'_>,
) -> (StateChecks, Vec<Reason>) {
    let known = |test: &UnitTest<'_>| test.checksum.as_deref().is_some_and(|checksum| !checksum.is_empty());
    let mut fields = Fields::default();
    if context.drift < Drift::Major && (known(old) || known(new)) {
        if old.checksum != new.checksum {
            fields.0.push(Reason::Body);
        }
    } else {
        fields.compare("model", old.model == new.model);
        fields.compare("versions", same_field(old.versions, new.versions));
        fields.compare("given", same_field(old.given, new.given));
        fields.compare("expect", same_field(old.expect, new.expect));
        fields.compare("overrides", same_field(old.overrides, new.overrides));
    }
    finish(StateChecks::default(), fields)
}

/// What dbt says of such a member that state does not have.
pub(super) fn new_definition(has_relation: bool) -> StateChecks {
    StateChecks { new: true, configs: true, relation: has_relation, ..StateChecks::default() }
}

/// What dbt says of a unit test that state does not have.
pub(super) fn new_unit_test() -> StateChecks {
    StateChecks { new: true, modified: true, ..StateChecks::default() }
}

fn finish(mut checks: StateChecks, fields: Fields) -> (StateChecks, Vec<Reason>) {
    checks.modified = !fields.0.is_empty();
    (checks, fields.0)
}
