//! Criteria combined: unions, intersections, differences; from the command line or from selectors.yml.

use std::cell::Cell;

use serde_json::{Map, Value};

use crate::artifacts::Manifest;

use super::criterion::Criterion;
use super::{IndirectSelection, SelectError, Selection};

/// What dbt selects when nobody says what.
const DEFAULT: [&str; 5] = ["fqn:*", "source:*", "exposure:*", "metric:*", "semantic_model:*"];

/// Selectors nested deeper than this are refused: no person writes them, and evaluation recurses.
const DEEPEST: usize = 100;

/// And so are selectors of more parts: each of a row of selectors may name the next one twice.
const LARGEST: usize = 10_000;

/// A selection as a tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Spec {
    One(Criterion),
    Many {
        operator: Operator,
        members: Vec<Spec>,
        /// How tests whose parents come together only here are treated.
        indirect: IndirectSelection,
        /// The text that dbt warns of when it matches nothing.
        expected: Option<String>,
    },
}

/// How the members of a [`Spec`] combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Union,
    Intersection,
    /// The first without the others.
    Difference,
}

impl Spec {
    /// What a selection means: a named selector, or `--select` without `--exclude`.
    pub(super) fn of(selection: &Selection, manifest: &Manifest<'_>) -> Result<Self, SelectError> {
        if let Some(name) = &selection.selector {
            return Reader::new(manifest, selection.indirect).named(name, 0);
        }
        if selection.select.is_empty()
            && selection.exclude.is_empty()
            && let Some(name) = default_selector(manifest)
        {
            return Reader::new(manifest, selection.indirect).named(name, 0);
        }
        let default: Vec<String> = DEFAULT.map(str::to_owned).to_vec();
        let (include, expected) =
            if selection.select.is_empty() { (&default, false) } else { (&selection.select, true) };
        let include = union(include, expected, selection.indirect)?;
        let exclude = union(&selection.exclude, true, selection.indirect)?;
        Ok(Self::many(Operator::Difference, vec![include, exclude]))
    }

    fn many(operator: Operator, members: Vec<Self>) -> Self {
        Self::Many { operator, members, indirect: IndirectSelection::Eager, expected: None }
    }
}

/// `["a b", "c,d"]`: a, or b, or both c and d.
fn union(texts: &[String], expected: bool, indirect: IndirectSelection) -> Result<Spec, SelectError> {
    let mut members = Vec::new();
    for text in texts.iter().flat_map(|text| text.split(' ')) {
        let parts = text.split(',').map(|part| Criterion::parse(part, indirect).map(Spec::One));
        members.push(Spec::Many {
            operator: Operator::Intersection,
            members: parts.collect::<Result<_, _>>()?,
            indirect,
            expected: expected.then(|| text.to_owned()),
        });
    }
    Ok(Spec::Many { operator: Operator::Union, members, indirect, expected: None })
}

fn default_selector<'m>(manifest: &'m Manifest<'_>) -> Option<&'m str> {
    let is_default = |raw: &&serde_json::value::RawValue| {
        serde_json::from_str::<Value>(raw.get())
            .is_ok_and(|selector| selector.get("default") == Some(&Value::Bool(true)))
    };
    manifest.selectors.iter().find(|(_, raw)| is_default(raw)).map(|(name, _)| name.as_ref())
}

/// Reads definitions as dbt writes them into the manifest.
struct Reader<'r> {
    manifest: &'r Manifest<'r>,
    indirect: IndirectSelection,
    /// Definitions read so far.
    read: Cell<usize>,
}

impl<'r> Reader<'r> {
    fn new(manifest: &'r Manifest<'r>, indirect: IndirectSelection) -> Self {
        Self { manifest, indirect, read: Cell::new(0) }
    }

    /// The selector called `name` in selectors.yml.
    fn named(&self, name: &str, depth: usize) -> Result<Spec, SelectError> {
        let Some(raw) = self.manifest.selectors.get(name) else {
            let known: Vec<String> = self.manifest.selectors.keys().map(|name| format!("'{name}'")).collect();
            let message = format!("Could not find selector named {name}, expected one of [{}]", known.join(", "));
            return Err(SelectError::Invalid(message));
        };
        let selector: Value = serde_json::from_str(raw.get()).unwrap_or_default();
        let definition = selector.get("definition").cloned().unwrap_or_default();
        self.definition(&definition, depth)
    }

    fn definition(&self, definition: &Value, depth: usize) -> Result<Spec, SelectError> {
        if depth > DEEPEST {
            return Err(SelectError::Invalid("the selector definitions are nested too deeply".to_owned()));
        }
        self.read.set(self.read.get() + 1);
        if self.read.get() > LARGEST {
            return Err(SelectError::Invalid("the selector definitions name each other too often".to_owned()));
        }
        match definition {
            Value::String(text) => Criterion::parse(text, self.indirect).map(Spec::One),
            Value::Object(object) if object.contains_key("union") => {
                self.group(object, "union", Operator::Union, depth)
            }
            Value::Object(object) if object.contains_key("intersection") => {
                self.group(object, "intersection", Operator::Intersection, depth)
            }
            Value::Object(object) => self.single(object, depth),
            other => Err(SelectError::Invalid(format!(
                "Expected to find union, intersection, str or dict, instead found {other}"
            ))),
        }
    }

    fn group(
        &self,
        object: &Map<String, Value>,
        key: &str,
        operator: Operator,
        depth: usize,
    ) -> Result<Spec, SelectError> {
        let mut members = Vec::new();
        let mut exclusions = None;
        for member in list(object, key)? {
            match member.get("exclude") {
                Some(_) if exclusions.is_some() => {
                    let message = "You cannot provide multiple exclude arguments to the same selector set operator";
                    return Err(SelectError::Invalid(message.to_owned()));
                }
                // dbt takes any member with `exclude` for an exclusion, whatever else the member says.
                Some(_) => exclusions = Some(member),
                None => members.push(self.definition(member, depth + 1)?),
            }
        }
        let group = Spec::many(operator, members);
        match exclusions.and_then(Value::as_object) {
            Some(exclusions) => self.without(group, exclusions, depth),
            None => Ok(group),
        }
    }

    fn single(&self, object: &Map<String, Value>, depth: usize) -> Result<Spec, SelectError> {
        let mut entries = object.iter();
        if let (Some((method, value)), None) = (entries.next(), entries.next()) {
            if method == "exclude" {
                let message = "'exclude' is not a valid method name: an exclusion stands beside a method and its \
                               value, or in a union or an intersection beside what it is taken from";
                return Err(SelectError::Invalid(message.to_owned()));
            }
            let mut whole = Map::new();
            whole.insert("method".to_owned(), Value::String(method.clone()));
            whole.insert("value".to_owned(), value.clone());
            return Criterion::from_object(&whole, self.indirect).map(Spec::One);
        }
        if object.get("method").and_then(Value::as_str) == Some("selector") {
            let name = object.get("value").and_then(Value::as_str).unwrap_or_default();
            if !self.manifest.selectors.contains_key(name) {
                let message = format!("Existing selector definition for {name} not found.");
                return Err(SelectError::Invalid(message));
            }
            return self.named(name, depth + 1);
        }
        if !(object.contains_key("method") && object.contains_key("value")) {
            let keys: Vec<String> = object.keys().map(|key| format!("'{key}'")).collect();
            let message =
                format!("Expected either 1 key or else \"method\" and \"value\" keys, but got [{}]", keys.join(", "));
            return Err(SelectError::Invalid(message));
        }
        let base = Spec::One(Criterion::from_object(object, self.indirect)?);
        if object.contains_key("exclude") { self.without(base, object, depth) } else { Ok(base) }
    }

    /// `base` without what `object.exclude` lists.
    fn without(&self, base: Spec, object: &Map<String, Value>, depth: usize) -> Result<Spec, SelectError> {
        let excluded: Vec<Spec> = list(object, "exclude")?
            .iter()
            .map(|member| self.definition(member, depth + 1))
            .collect::<Result<_, _>>()?;
        Ok(match excluded.len() {
            0 => base,
            1 => Spec::many(Operator::Difference, std::iter::once(base).chain(excluded).collect()),
            _ => Spec::many(Operator::Difference, vec![base, Spec::many(Operator::Union, excluded)]),
        })
    }
}

fn list<'o>(object: &'o Map<String, Value>, key: &str) -> Result<&'o [Value], SelectError> {
    object
        .get(key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .ok_or_else(|| SelectError::Invalid(format!("Invalid value for key \"{key}\". Expected a list.")))
}
