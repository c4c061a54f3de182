//! dbt's `profiles.yml`: found, chosen and rendered by dbt's rules.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::value::ValueKind;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::ConfigError;
use super::env::Env;

/// What a run asks of profiles.yml.
#[derive(Debug, Clone, Default)]
pub struct ProfileQuery {
    /// `--profiles-dir`.
    pub profiles_dir: Option<PathBuf>,
    /// `--profile`, else the project's.
    pub profile: Option<String>,
    /// `--target`, else the profile's.
    pub target: Option<String>,
    /// `--project-dir`.
    pub project_dir: PathBuf,
}

/// One output of one profile, rendered.
#[derive(Clone)]
pub struct Target {
    /// The profile's name.
    pub profile: String,
    /// The output's name.
    pub name: String,
    /// Its `type`: dbt's name of the adapter.
    pub adapter: String,
    /// Its `schema`, which premerge never writes to.
    pub schema: Option<String>,
    /// Its `threads`; dbt's default is 1.
    pub threads: usize,
    /// All its fields, rendered. May hold secrets.
    pub fields: Map<String, Value>,
}

impl std::fmt::Debug for Target {
    /// Names only: fields may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({}.{}, {})", self.profile, self.name, self.adapter)
    }
}

#[derive(Deserialize)]
struct Profile {
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    outputs: IndexMap<String, Map<String, Value>>,
}

impl Target {
    /// Finds, chooses and renders.
    ///
    /// The folder: `--profiles-dir`, `DBT_PROFILES_DIR`, the working directory, the project's folder,
    /// `~/.dbt`. Only the chosen output is rendered, so a variable that another output needs may be missing.
    ///
    /// # Errors
    /// When no file, profile or target fits, or an expression fails.
    pub fn find(query: &ProfileQuery, env: &Env) -> Result<Self, ConfigError> {
        let path = locate(query, env)?;
        let text = fs_err::read_to_string(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        let yaml = |error: &dyn std::fmt::Display| ConfigError::Yaml { path: path.clone(), message: error.to_string() };
        let mut file: IndexMap<String, Value> = serde_saphyr::from_str(&text).map_err(|error| yaml(&error))?;
        // dbt 1.7 and before kept global flags here.
        file.shift_remove("config");

        let name = match &query.profile {
            Some(name) => name.clone(),
            None => match file.keys().next() {
                Some(only) if file.len() == 1 => only.clone(),
                _ => {
                    return Err(ConfigError::Value {
                        place: path.display().to_string(),
                        why: format!(
                            "which profile? name it with --profile or in dbt_project.yml; the file has {}",
                            super::list(&file.keys().cloned().collect::<Vec<_>>())
                        ),
                    });
                }
            },
        };
        let Some(entry) = file.get(&name) else {
            let known = file.keys().cloned().collect();
            return Err(ConfigError::NoProfile { path, profile: name, known });
        };
        let profile: Profile = serde_json::from_value(entry.clone()).map_err(|error| yaml(&error))?;

        let renderer = Renderer::new(env);
        let target = match (&query.target, &profile.target) {
            (Some(target), _) => target.clone(),
            (None, Some(text)) => renderer.text(text).map_err(|message| ConfigError::Render {
                path: path.clone(),
                profile: name.clone(),
                target: "?".to_owned(),
                field: "target".to_owned(),
                message,
            })?,
            (None, None) => "default".to_owned(),
        };
        let Some(output) = profile.outputs.get(&target) else {
            let known = profile.outputs.keys().cloned().collect();
            return Err(ConfigError::NoTarget { path, profile: name, target, known });
        };
        let mut fields = Map::new();
        for (field, value) in output {
            let value = renderer.value(value).map_err(|message| ConfigError::Render {
                path: path.clone(),
                profile: name.clone(),
                target: target.clone(),
                field: field.clone(),
                message,
            })?;
            fields.insert(field.clone(), value);
        }
        let text = |field: &str| fields.get(field).and_then(Value::as_str).map(str::to_owned);
        let Some(adapter) = text("type") else {
            return Err(ConfigError::Value {
                place: format!("{}, profile `{name}`, target `{target}`", path.display()),
                why: "the field `type` is missing".to_owned(),
            });
        };
        let threads = fields.get("threads").and_then(number).filter(|n| *n > 0).unwrap_or(1);
        let schema = text("schema").or_else(|| text("dataset"));
        Ok(Self { profile: name, name: target, adapter, schema, threads, fields })
    }
}

/// dbt is lenient about numbers that rendering left as text.
fn number(value: &Value) -> Option<usize> {
    match value {
        Value::Number(number) => usize::try_from(number.as_u64()?).ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn locate(query: &ProfileQuery, env: &Env) -> Result<PathBuf, ConfigError> {
    // An explicit folder is exclusive.
    let explicit = query.profiles_dir.clone().or_else(|| env.get("DBT_PROFILES_DIR").map(PathBuf::from));
    let places = match explicit {
        Some(dir) => vec![env.cwd.join(dir)],
        None => {
            let mut places = vec![env.cwd.clone(), env.cwd.join(&query.project_dir)];
            places.extend(env.get("HOME").map(|home| Path::new(home).join(".dbt")));
            places.dedup();
            places
        }
    };
    places
        .iter()
        .map(|dir| dir.join("profiles.yml"))
        .find(|file| file.is_file())
        .ok_or(ConfigError::NoProfiles { places })
}

/// The Jinja of profiles.yml: `env_var`, `var` is not given, filters `as_number`, `as_bool`, `as_native`, `as_text`.
pub(super) struct Renderer {
    jinja: Environment<'static>,
}

impl Renderer {
    pub(super) fn new(env: &Env) -> Self {
        let mut jinja = Environment::new();
        jinja.set_undefined_behavior(UndefinedBehavior::Strict);
        let env = Arc::new(env.clone());
        jinja.add_function("env_var", move |name: &str, default: Option<minijinja::Value>| match env.get_raw(name) {
            Some(value) => Ok(minijinja::Value::from(value)),
            None => default.ok_or_else(|| {
                minijinja::Error::new(
                    ErrorKind::InvalidOperation,
                    format!("environment variable `{name}` is not set and has no default"),
                )
            }),
        });
        jinja.add_filter("as_text", |value: String| value);
        jinja.add_filter("as_number", |value: String| native(&value));
        jinja.add_filter("as_bool", |value: String| native(&value));
        jinja.add_filter("as_native", |value: String| native(&value));
        Self { jinja }
    }

    /// A value with every string in it rendered.
    fn value(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => self.scalar(text)?,
            Value::Array(items) => Value::Array(items.iter().map(|v| self.value(v)).collect::<Result<_, _>>()?),
            Value::Object(map) => {
                Value::Object(map.iter().map(|(k, v)| Ok((k.clone(), self.value(v)?))).collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    /// Rendered text stays text, unless the whole scalar is one expression whose filter made it something else.
    fn scalar(&self, text: &str) -> Result<Value, String> {
        if !text.contains("{{") && !text.contains("{%") {
            return Ok(Value::String(text.to_owned()));
        }
        let inner = text.trim().strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        if let Some(expression) = inner.filter(|inner| !inner.contains("{{") && !inner.contains("}}")) {
            let value = self
                .jinja
                .compile_expression(expression)
                .and_then(|compiled| compiled.eval(()))
                .map_err(|error| message(&error))?;
            return Ok(match value.kind() {
                ValueKind::Bool => Value::Bool(value.is_true()),
                ValueKind::Number => value.to_string().parse().map_or(Value::Null, Value::Number),
                _ => Value::String(value.to_string()),
            });
        }
        self.text(text).map(Value::String)
    }

    /// Rendered text.
    pub(super) fn text(&self, text: &str) -> Result<String, String> {
        self.jinja.render_str(text, ()).map_err(|error| message(&error))
    }
}

fn message(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.to_string(), str::to_owned)
}

fn native(text: &str) -> minijinja::Value {
    let trimmed = text.trim();
    if let Ok(number) = trimmed.parse::<i64>() {
        return number.into();
    }
    if let Ok(number) = trimmed.parse::<f64>() {
        return number.into();
    }
    match trimmed {
        "true" | "True" => true.into(),
        "false" | "False" => false.into(),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
ferry:
  target: \"{{ env_var('TARGET', 'ci') }}\"
  outputs:
    ci: &ci
      type: duckdb
      path: \"{{ env_var('FERRY_DB', 'ferry.duckdb') }}\"
      schema: ci
      threads: \"{{ env_var('THREADS', '3') | as_number }}\"
    prod:
      <<: *ci
      password: \"{{ env_var('MISSING') }}\"
";

    fn find(target: Option<&str>, vars: &[(&str, &str)]) -> Result<Target, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("profiles.yml"), FILE).unwrap();
        let env = Env::new(vars.iter().copied(), dir.path().to_owned());
        let query = ProfileQuery { target: target.map(str::to_owned), ..ProfileQuery::default() };
        Target::find(&query, &env)
    }

    #[test]
    fn the_profiles_target_is_chosen_and_rendered() {
        let target = find(None, &[("FERRY_DB", "other.duckdb")]).unwrap();
        assert_eq!((target.name.as_str(), target.threads), ("ci", 3));
        assert_eq!(target.fields.get("path").and_then(Value::as_str), Some("other.duckdb"));
    }

    #[test]
    fn a_missing_variable_of_the_chosen_target_is_named() {
        let error = find(Some("prod"), &[]).unwrap_err().to_string();
        assert!(error.contains("`password`") && error.contains("`MISSING`"), "{error}");
    }

    #[test]
    fn an_unknown_target_lists_the_known_ones() {
        let error = find(Some("nope"), &[]).unwrap_err().to_string();
        assert!(error.contains("it has ci, prod"), "{error}");
    }

    #[test]
    fn nothing_secret_is_printed() {
        let target = find(Some("prod"), &[("MISSING", "hunter2")]).unwrap();
        assert!(!format!("{target:?}").contains("hunter2"));
    }
}
