//! One criterion: `@`, `2+`, method, value, `+1`.

use serde_json::Value;

use super::{IndirectSelection, SelectError};

/// dbt's methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Fqn,
    Tag,
    Group,
    Access,
    Source,
    Path,
    File,
    Package,
    Config,
    TestName,
    TestType,
    ResourceType,
    State,
    Exposure,
    Metric,
    Result,
    SourceStatus,
    Version,
    SemanticModel,
    SavedQuery,
    UnitTest,
}

impl Method {
    const ALL: [(&'static str, Self); 21] = [
        ("fqn", Self::Fqn),
        ("tag", Self::Tag),
        ("group", Self::Group),
        ("access", Self::Access),
        ("source", Self::Source),
        ("path", Self::Path),
        ("file", Self::File),
        ("package", Self::Package),
        ("config", Self::Config),
        ("test_name", Self::TestName),
        ("test_type", Self::TestType),
        ("resource_type", Self::ResourceType),
        ("state", Self::State),
        ("exposure", Self::Exposure),
        ("metric", Self::Metric),
        ("result", Self::Result),
        ("source_status", Self::SourceStatus),
        ("version", Self::Version),
        ("semantic_model", Self::SemanticModel),
        ("saved_query", Self::SavedQuery),
        ("unit_test", Self::UnitTest),
    ];

    /// The method called `name`, in dbt's words when there is none.
    fn parse(name: &str) -> Result<Self, SelectError> {
        Self::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, method)| method)
            .ok_or_else(|| SelectError::Invalid(format!("'{name}' is not a valid method name")))
    }

    /// The method of a value that names none.
    fn guess(value: &str) -> Self {
        let lower = value.to_lowercase();
        if value.contains('/') {
            Self::Path
        } else if [".sql", ".py", ".csv"].iter().any(|ending| lower.ends_with(ending)) {
            Self::File
        } else {
            Self::Fqn
        }
    }
}

/// How far a criterion reaches along the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// `+x`, `x+`.
    All,
    /// `2+x`, `x+2`.
    Depth(usize),
}

/// One criterion.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Criterion {
    pub(super) method: Method,
    /// What stands after the method's dot: `["materialized"]` of `config.materialized:view`.
    pub(super) arguments: Vec<String>,
    /// A string, except in selectors.yml.
    pub(super) value: Value,
    /// `@`: descendants, and all ancestors of those.
    pub(super) childrens_parents: bool,
    pub(super) parents: Option<Reach>,
    pub(super) children: Option<Reach>,
    pub(super) indirect: IndirectSelection,
}

impl Criterion {
    /// Reads a criterion as the command line has it.
    ///
    /// dbt's pattern is `[@][N+][method.arguments:]value[+N]`; every text matches it.
    pub(super) fn parse(raw: &str, indirect: IndirectSelection) -> Result<Self, SelectError> {
        let (childrens_parents, rest) = match raw.strip_prefix('@') {
            Some(rest) => (true, rest),
            None => (false, raw),
        };
        let (parents, rest) = match rest.split_once('+') {
            Some((digits, rest)) if is_number(digits) => (Some(reach(digits)), rest),
            _ => (None, rest),
        };
        let is_method =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        let (method, rest) = match rest.split_once(':') {
            Some((method, rest)) if is_method(method) => (Some(method), rest),
            _ => (None, rest),
        };
        let (value, children) = match rest.rsplit_once('+') {
            Some((value, digits)) if is_number(digits) => (value, Some(reach(digits))),
            _ => (rest, None),
        };
        let (method, arguments) = match method {
            Some(method) => split_method(method)?,
            None => (Method::guess(value), Vec::new()),
        };
        let value = Value::String(value.to_owned());
        let criterion = Self { method, arguments, value, childrens_parents, parents, children, indirect };
        criterion.checked(raw)
    }

    /// Reads a criterion as selectors.yml has it: an object with `method` and `value`.
    pub(super) fn from_object(
        object: &serde_json::Map<String, Value>,
        indirect: IndirectSelection,
    ) -> Result<Self, SelectError> {
        let raw = || serde_json::to_string(object).unwrap_or_default();
        let value = object
            .get("value")
            .cloned()
            .ok_or_else(|| SelectError::Invalid(format!("Invalid node spec \"{}\" - no search value!", raw())))?;
        let (method, arguments) = match object.get("method").and_then(Value::as_str) {
            Some(method) => split_method(method)?,
            None => (Method::guess(value.as_str().unwrap_or_default()), Vec::new()),
        };
        if !matches!(method, Method::Config) && matches!(value, Value::Array(_) | Value::Object(_)) {
            let message =
                format!("Invalid node spec {} - the value is not one text; list the criteria as a union", raw());
            return Err(SelectError::Invalid(message));
        }
        let flag = |key: &str| object.get(key).is_some_and(is_true);
        let relatives = |key: &str, depth: &str| -> Result<Option<Reach>, SelectError> {
            let reach = depth_of(object.get(depth)).ok_or_else(|| {
                let side = key.trim_end_matches('s');
                SelectError::Invalid(format!("Invalid node spec - could not handle {side} depth {}", raw()))
            })?;
            Ok(flag(key).then_some(reach))
        };
        let indirect = match object.get("indirect_selection").and_then(Value::as_str) {
            Some(name) => IndirectSelection::parse(name)?,
            None => indirect,
        };
        Self {
            method,
            arguments,
            value,
            childrens_parents: flag("childrens_parents"),
            parents: relatives("parents", "parents_depth")?,
            children: relatives("children", "children_depth")?,
            indirect,
        }
        .checked(&raw())
    }

    fn checked(self, raw: &str) -> Result<Self, SelectError> {
        if self.childrens_parents && self.children.is_some() {
            let message = format!("Invalid node spec {raw} - \"@\" prefix and \"+\" suffix are incompatible");
            return Err(SelectError::Invalid(message));
        }
        Ok(self)
    }

    /// The value as text.
    pub(super) fn text(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

fn split_method(method: &str) -> Result<(Method, Vec<String>), SelectError> {
    let mut parts = method.split('.');
    let method = Method::parse(parts.next().unwrap_or_default())?;
    Ok((method, parts.map(str::to_owned).collect()))
}

fn is_number(digits: &str) -> bool {
    digits.bytes().all(|b| b.is_ascii_digit())
}

/// No digits mean no limit; more than fit mean none that any graph reaches.
fn reach(digits: &str) -> Reach {
    if digits.is_empty() { Reach::All } else { Reach::Depth(digits.parse().unwrap_or(usize::MAX)) }
}

/// A depth of selectors.yml. dbt takes what is false to Python, and so the number 0 but not the text "0", for no limit.
fn depth_of(depth: Option<&Value>) -> Option<Reach> {
    let Some(depth) = depth.filter(|depth| is_true(depth)) else { return Some(Reach::All) };
    match depth {
        Value::String(digits) => digits.trim().parse::<i64>().ok().map(steps),
        Value::Number(number) => {
            // Python's `int` cuts off what is behind the point.
            let whole = number.to_string();
            whole.split('.').next().unwrap_or_default().parse::<i64>().ok().map(steps)
        }
        Value::Bool(_) => Some(Reach::Depth(1)),
        _ => None,
    }
}

fn steps(depth: i64) -> Reach {
    Reach::Depth(usize::try_from(depth).unwrap_or(0))
}

/// Python's `bool(value)`, for the flags of selectors.yml.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(flag) => *flag,
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Criterion {
        Criterion::parse(raw, IndirectSelection::Eager).unwrap()
    }

    #[test]
    fn operators_and_methods_are_taken_apart() {
        let criterion = parse("2+config.meta.owner:data+31");
        assert_eq!(criterion.method, Method::Config);
        assert_eq!(criterion.arguments, ["meta", "owner"]);
        assert_eq!(criterion.value, "data");
        assert_eq!(criterion.parents, Some(Reach::Depth(2)));
        assert_eq!(criterion.children, Some(Reach::Depth(31)));
        let criterion = parse("@state:modified");
        assert!(criterion.childrens_parents && criterion.parents.is_none() && criterion.children.is_none());
        assert_eq!(parse("+a++").value, "a+");
        assert_eq!(parse("a+b").value, "a+b");
        assert_eq!(parse("models/x.sql").method, Method::Path);
        assert_eq!(parse("X.SQL").method, Method::File);
        assert_eq!(parse("a.b").method, Method::Fqn);
        assert_eq!(parse("").value, "");
    }

    #[test]
    fn what_dbt_refuses_is_refused_in_its_words() {
        let refused = |raw: &str| Criterion::parse(raw, IndirectSelection::Eager).unwrap_err().to_string();
        assert_eq!(refused("colour:red"), "'colour' is not a valid method name");
        assert_eq!(refused("@a+"), "Invalid node spec @a+ - \"@\" prefix and \"+\" suffix are incompatible");
    }
}
