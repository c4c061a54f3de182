//! The methods: which members a criterion's method and value select, before any operator.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::artifacts::{Node, Resource, ResourceType, RunResults, equal};

use super::criterion::{Criterion, Method, is_true};
use super::fnmatch::Pattern;
use super::fqn::FqnPattern;
use super::path::{KnownPaths, PathPattern, file_matches};
use super::state::StateCheck;
use super::{SelectError, SelectionContext};
use crate::project::graph::NodeId;

/// The members that the criterion's method selects.
pub(super) fn search(context: SelectionContext<'_>, criterion: &Criterion) -> Result<BTreeSet<NodeId>, SelectError> {
    let value = criterion.text();
    let glob = || Pattern::new(&value);
    let found = match criterion.method {
        Method::Fqn => {
            let pattern = FqnPattern::new(&value);
            filter(context, |_, it| !matches!(it, Resource::Source(_)) && pattern.matches(it.fqn(), is_versioned(it)))
        }
        Method::Tag => {
            let pattern = glob();
            filter(context, |_, it| tags(it).iter().any(|tag| pattern.matches(tag)))
        }
        Method::Group => {
            let pattern = glob();
            filter(context, |_, it| group(it).is_some_and(|group| pattern.matches(&group)))
        }
        Method::Access => {
            filter(context, |_, it| model(it).is_some_and(|model| model.access.as_deref() == Some(value.as_str())))
        }
        Method::Source => by_source(context, &value)?,
        Method::Exposure => by_name(context, &value, ResourceType::Exposure, "exposure")?,
        Method::Metric => by_name(context, &value, ResourceType::Metric, "metric")?,
        Method::SemanticModel => by_name(context, &value, ResourceType::SemanticModel, "semantic model")?,
        Method::SavedQuery => by_name(context, &value, ResourceType::SavedQuery, "saved query")?,
        Method::UnitTest => by_name(context, &value, ResourceType::UnitTest, "unit test")?,
        Method::Path => {
            let (pattern, known) = (PathPattern::new(&value)?, KnownPaths::new(context.manifest));
            filter(context, |_, it| known.selects(&pattern, it))
        }
        Method::File => {
            let pattern = glob();
            filter(context, |_, it| file_matches(&pattern, it.original_file_path()))
        }
        Method::Package => {
            let project = context.manifest.metadata.project_name.as_deref().filter(|_| value == "this");
            let pattern = Pattern::new(project.unwrap_or(&value));
            filter(context, |_, it| pattern.matches(it.package_name()))
        }
        Method::Config => filter(context, |_, it| {
            is_configurable(it) && config_matches(it.raw_config(), &criterion.arguments, &criterion.value)
        }),
        Method::TestName => {
            let pattern = glob();
            filter(context, |_, it| match it {
                Resource::Node(node) if node.resource_type == ResourceType::Test => {
                    node.test_metadata.as_ref().is_some_and(|metadata| pattern.matches(&metadata.name))
                }
                Resource::UnitTest(test) => pattern.matches(&test.name),
                _ => false,
            })
        }
        Method::TestType => by_test_type(context, &value)?,
        Method::ResourceType => by_resource_type(context, &value)?,
        Method::State => by_state(context, &value)?,
        Method::Result => {
            let results =
                context.results.ok_or_else(|| SelectError::Invalid("No comparison run_results".to_owned()))?;
            let ids: BTreeSet<&str> =
                results.results.iter().filter(|it| it.status == value).map(|it| it.unique_id.as_ref()).collect();
            filter(context, |id, _| ids.contains(id))
        }
        Method::SourceStatus => {
            let fresher = fresher_sources(context, &value)?;
            filter(context, |id, _| fresher.contains(id))
        }
        Method::Version => by_version(context, &value)?,
    };
    Ok(found)
}

fn filter<'c>(context: SelectionContext<'c>, selects: impl Fn(&'c str, Resource<'c, 'c>) -> bool) -> BTreeSet<NodeId> {
    let members = context.manifest.resources().filter(|(id, resource)| selects(id, *resource));
    members.filter_map(|(id, _)| context.graph.id(id)).collect()
}

fn model<'m, 'a>(resource: Resource<'m, 'a>) -> Option<&'m Node<'a>> {
    match resource {
        Resource::Node(node) if node.resource_type == ResourceType::Model => Some(node),
        _ => None,
    }
}

fn is_versioned(resource: Resource<'_, '_>) -> bool {
    model(resource).is_some_and(|model| version(model.version).is_some())
}

/// dbt looks for configurations in nodes and sources only; functions are not nodes to it.
fn is_configurable(resource: Resource<'_, '_>) -> bool {
    match resource {
        Resource::Node(node) => node.resource_type != ResourceType::Function,
        Resource::Source(_) => true,
        _ => false,
    }
}

/// A unit test's tags are in its configuration, where a single one may stand without a list.
fn tags<'m>(resource: Resource<'m, '_>) -> Cow<'m, [Cow<'m, str>]> {
    let Resource::UnitTest(test) = resource else {
        return resource.tags().iter().map(|tag| Cow::Borrowed(tag.as_ref())).collect();
    };
    match config_value(test.raw_config, &["tags".to_owned()]) {
        Some(Value::String(tag)) => vec![Cow::Owned(tag)].into(),
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(|tag| Cow::Owned(tag.to_owned())).collect()
        }
        _ => Cow::Borrowed(&[]),
    }
}

/// `config.group` of nodes and metrics.
fn group(resource: Resource<'_, '_>) -> Option<String> {
    #[derive(Deserialize)]
    struct Only {
        group: Option<String>,
    }
    let groupable = match resource {
        Resource::Node(node) => node.resource_type != ResourceType::Function,
        Resource::Metric(_) => true,
        _ => false,
    };
    let raw = resource.raw_config().filter(|raw| groupable && raw.get().contains("\"group\""))?;
    serde_json::from_str::<Only>(raw.get()).ok()?.group.filter(|group| !group.is_empty())
}

fn by_source(context: SelectionContext<'_>, value: &str) -> Result<BTreeSet<NodeId>, SelectError> {
    let parts: Vec<&str> = value.split('.').collect();
    let (package, source, table) = match parts.as_slice() {
        [source] => ("*", *source, "*"),
        [source, table] => ("*", *source, *table),
        [package, source, table] => (*package, *source, *table),
        _ => {
            return Err(SelectError::Invalid(format!(
                "Invalid source selector value \"{value}\". Sources must be of the form `${{source_name}}`, \
                 `${{source_name}}.${{target_name}}`, or `${{package_name}}.${{source_name}}.${{target_name}}"
            )));
        }
    };
    let (package, source, table) = (Pattern::new(package), Pattern::new(source), Pattern::new(table));
    Ok(filter(context, |_, it| match it {
        Resource::Source(it) => {
            package.matches(&it.package_name) && source.matches(&it.source_name) && table.matches(&it.name)
        }
        _ => false,
    }))
}

/// `name` or `package.name`.
fn by_name(
    context: SelectionContext<'_>,
    value: &str,
    resource_type: ResourceType,
    kind: &str,
) -> Result<BTreeSet<NodeId>, SelectError> {
    let parts: Vec<&str> = value.split('.').collect();
    let (package, name) = match parts.as_slice() {
        [name] => ("*", *name),
        [package, name] => (*package, *name),
        _ => {
            let mut title = kind.to_owned();
            if let Some(first) = title.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let field = kind.replace(' ', "_");
            // dbt's message about unit tests speaks of saved queries and has a name of its own for packages.
            let (title, package) = match resource_type {
                ResourceType::UnitTest => ("Saved querie".to_owned(), "unit_test_package_name".to_owned()),
                ResourceType::SavedQuery => ("Saved querie".to_owned(), format!("{field}_package")),
                _ => (title, format!("{field}_package")),
            };
            return Err(SelectError::Invalid(format!(
                "Invalid {kind} selector value \"{value}\". {title}s must be of the form ${{{field}_name}} or \
                 ${{{package}.{field}_name}}"
            )));
        }
    };
    let (package, name) = (Pattern::new(package), Pattern::new(name));
    Ok(filter(context, |_, it| {
        it.resource_type() == resource_type && package.matches(it.package_name()) && name.matches(it.name())
    }))
}

/// `generic` (or `schema`), `singular`, `data` for both, `unit`. dbt tests the last three with "is a part of",
/// so `sing` and even the empty text mean something.
fn by_test_type(context: SelectionContext<'_>, value: &str) -> Result<BTreeSet<NodeId>, SelectError> {
    let (generic, singular, unit) = match value {
        "generic" | "schema" => (true, false, false),
        _ if "data".contains(value) => (true, true, false),
        _ if "singular".contains(value) => (false, true, false),
        _ if "unit".contains(value) => (false, false, true),
        _ => {
            return Err(SelectError::Invalid(format!(
                "Invalid test type selector {value}: expected \"generic\", \"singular\", \"unit\", or \"data\""
            )));
        }
    };
    Ok(filter(context, |_, it| match it {
        Resource::Node(node) if node.resource_type == ResourceType::Test => {
            if node.test_metadata.is_some() {
                generic
            } else {
                singular
            }
        }
        Resource::UnitTest(_) => unit,
        _ => false,
    }))
}

fn by_resource_type(context: SelectionContext<'_>, value: &str) -> Result<BTreeSet<NodeId>, SelectError> {
    // Types that dbt knows and no selection ever holds.
    const NEVER: [&str; 6] = ["rpc", "sql_operation", "doc", "macro", "group", "fixture"];
    let resource_type = ResourceType::from_name(value);
    if resource_type == ResourceType::Other && !NEVER.contains(&value) {
        return Err(SelectError::Invalid(format!("Invalid resource_type selector \"{value}\"")));
    }
    Ok(filter(context, |_, it| it.resource_type() == resource_type && resource_type != ResourceType::Other))
}

fn by_state(context: SelectionContext<'_>, value: &str) -> Result<BTreeSet<NodeId>, SelectError> {
    let Some(state) = context.state else {
        let message = "Got a state selector method, but no comparison manifest";
        return Err(SelectError::Invalid(message.to_owned()));
    };
    let Some(check) = StateCheck::from_name(value) else {
        let known: Vec<String> = StateCheck::ALL.iter().map(|check| format!("'{}'", check.as_str())).collect();
        let message = format!("Got an invalid selector \"{value}\", expected one of \"[{}]\"", known.join(", "));
        return Err(SelectError::Invalid(message));
    };
    if let Some(refusal) = state.refusal(check) {
        return Err(SelectError::Invalid(refusal));
    }
    Ok(filter(context, |id, _| state.answer(check, id)))
}

/// Sources whose newest row is newer than in state, or that state does not know.
fn fresher_sources<'c>(context: SelectionContext<'c>, value: &str) -> Result<BTreeSet<&'c str>, SelectError> {
    let missing =
        |which: &str| SelectError::Invalid(format!("No {which} state comparison freshness results in sources.json"));
    let old = context.source_freshness_state.ok_or_else(|| missing("previous"))?;
    let new = context.source_freshness.ok_or_else(|| missing("current"))?;
    if value != "fresher" {
        return Ok(BTreeSet::new());
    }
    let times = |results: &'c RunResults<'c>| -> HashMap<&'c str, &'c str> {
        let known = results.results.iter().filter_map(|it| Some((it.unique_id.as_ref(), it.max_loaded_at.as_deref()?)));
        known.collect()
    };
    let old = times(old);
    let fresher = |(id, time): &(&str, &str)| old.get(id).is_none_or(|old| is_later(time, old));
    Ok(times(new).into_iter().filter(fresher).map(|(id, _)| id).collect())
}

/// dbt leaves out the fraction of a whole second, so that only the times themselves can be compared.
fn is_later(new: &str, old: &str) -> bool {
    match (new.parse::<jiff::Timestamp>(), old.parse::<jiff::Timestamp>()) {
        (Ok(new), Ok(old)) => new > old,
        _ => new > old,
    }
}

fn by_version(context: SelectionContext<'_>, value: &str) -> Result<BTreeSet<NodeId>, SelectError> {
    let selects: fn(Option<&Value>, Option<&Value>) -> bool = match value {
        "latest" => |own, latest| own.zip(latest).is_some_and(|(own, latest)| equal(own, latest)),
        "prerelease" => |own, latest| ordered(own, latest).is_some_and(|(own, latest)| is_older(latest, own)),
        "old" => |own, latest| ordered(own, latest).is_some_and(|(own, latest)| is_older(own, latest)),
        "none" => |own, _| own.is_none(),
        _ => {
            return Err(SelectError::Invalid(format!(
                "Invalid version type selector {value}: expected one of: \"latest\", \"prerelease\", \"old\", or \
                 \"none\""
            )));
        }
    };
    Ok(filter(context, |_, it| {
        model(it).is_some_and(|model| {
            let (own, latest) = (version(model.version), version(model.latest_version));
            selects(own.as_ref(), latest.as_ref())
        })
    }))
}

/// A version, a number or a string; `None` for a model without versions.
fn version(raw: Option<&RawValue>) -> Option<Value> {
    serde_json::from_str::<Value>(raw?.get()).ok().filter(|value| !value.is_null())
}

/// Two versions that have an order: to dbt, the version 0 is none here.
fn ordered<'v>(own: Option<&'v Value>, latest: Option<&'v Value>) -> Option<(&'v Value, &'v Value)> {
    own.zip(latest).filter(|(own, latest)| is_true(own) && is_true(latest))
}

/// Versions compare as numbers when both are, else as texts.
fn is_older(a: &Value, b: &Value) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (a, b) = (text(a), text(b));
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a < b,
        _ => a < b,
    }
}

/// What `config.a.b` holds.
fn config_value(raw: Option<&RawValue>, path: &[String]) -> Option<Value> {
    // dbt finds the attributes of an object before its members, and Python's dictionaries have these.
    const SHADOWED: [&str; 11] =
        ["clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"];
    let (first, rest) = path.split_first()?;
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(raw?.get()).ok()?;
    // dbt's classes call the hooks by an underscore, the manifest by a hyphen.
    let found = members.get(first.as_str()).or_else(|| members.get(first.replace('_', "-").as_str()))?;
    let mut value: Value = serde_json::from_str(found.get()).ok()?;
    for key in rest {
        value = value.as_object_mut().filter(|_| !SHADOWED.contains(&key.as_str()))?.remove(key)?;
    }
    Some(value)
}

/// Whether `config.a.b:wanted` selects this configuration, by Python's `==`. `true` and `false` in any case mean
/// booleans; in a list one equal member is enough; severity compares without regard to case.
fn config_matches(raw: Option<&RawValue>, path: &[String], wanted: &Value) -> bool {
    let Some(value) = config_value(raw, path) else { return false };
    let ignore_case = path.len() == 1 && path.first().is_some_and(|key| key == "severity");
    let same = |value: &Value| match (value, wanted) {
        (Value::String(value), Value::String(wanted)) if ignore_case => value.eq_ignore_ascii_case(wanted),
        (value, wanted) => equal(value, wanted),
    };
    let named = match wanted {
        Value::String(wanted) if wanted.eq_ignore_ascii_case("true") => Some(true),
        Value::String(wanted) if wanted.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    };
    match (&value, named.map(Value::Bool)) {
        (Value::Array(list), Some(flag)) => list.iter().any(|value| same(value) || equal(value, &flag)),
        (Value::Array(list), None) => list.iter().any(same),
        (value, named) => same(value) || named.as_ref() == Some(value),
    }
}
