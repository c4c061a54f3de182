//! The Jinja of profiles.yml: `env_var`, `var` with a default, Python's methods of text, and dbt's filters
//! `as_number`, `as_bool`, `as_native`, `as_text`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value as Jinja};
use serde_json::Value;

use super::env::Env;
use super::secret;

/// Renders the texts of one file.
pub(super) struct Renderer {
    jinja: Environment<'static>,
    /// Values that the expressions of the text at hand came to. dbt keeps the type of a lone one.
    emitted: Arc<Mutex<Vec<Jinja>>>,
    /// Why the text at hand cannot be rendered, in words of ours.
    refusal: Arc<Mutex<Option<String>>>,
    /// Whether the text at hand asked for a variable that dbt calls secret.
    secret: Arc<AtomicBool>,
}

/// Why a text cannot be rendered.
#[derive(Debug)]
pub(super) struct RenderError {
    /// It is not Jinja at all, rather than Jinja that fails.
    pub(super) is_syntax: bool,
    /// In our own words, which show nothing of the text.
    pub(super) safe: String,
    /// With the words of the engine, which may name parts of it.
    pub(super) full: String,
}

impl Renderer {
    pub(super) fn new(env: &Env) -> Self {
        Self::with(env, false)
    }

    /// For a text that a pull request may have written: no value of a variable gets into it.
    pub(super) fn withholding(env: &Env) -> Self {
        Self::with(env, true)
    }

    fn with(env: &Env, withhold: bool) -> Self {
        secret::hide_variables(env);
        let mut jinja = Environment::new();
        jinja.set_undefined_behavior(UndefinedBehavior::Strict);
        jinja.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        let emitted = Arc::new(Mutex::new(Vec::new()));
        let refusal = Arc::new(Mutex::new(None));
        let is_secret = Arc::new(AtomicBool::new(false));
        let refuse = {
            let refusal = Arc::clone(&refusal);
            move |why: String| {
                *lock(&refusal) = Some(why.clone());
                Error::new(ErrorKind::InvalidOperation, why)
            }
        };

        let env = Arc::new(env.clone());
        let (asked, missing) = (Arc::clone(&is_secret), refuse.clone());
        jinja.add_function("env_var", move |name: &str, default: Option<Jinja>| {
            if secret::is_secret_variable(name) {
                asked.store(true, Ordering::Relaxed);
            }
            match env.get_raw(name) {
                Some(_) if withhold => Err(missing(format!(
                    "`env_var('{name}')` is not filled in, because the pull request can have written this file and the \
                     base commit's is unknown: check out with `fetch-depth: 2`, or keep the file outside the checkout"
                ))),
                Some(value) => Ok(Jinja::from(value)),
                None => default
                    .ok_or_else(|| missing(format!("environment variable `{name}` is not set and has no default"))),
            }
        });
        // dbt knows only the variables of its own command line here, and premerge takes none.
        jinja.add_function("var", move |name: &str, default: Option<Jinja>| {
            default.ok_or_else(|| {
                refuse(format!(
                    "`var('{name}')` has no default, and premerge does not take --vars: add a default, or use env_var()"
                ))
            })
        });
        jinja.add_filter("as_text", |value: String| value);
        jinja.add_filter("as_number", |value: String| native(&value));
        jinja.add_filter("as_bool", |value: String| native(&value));
        jinja.add_filter("as_native", |value: String| native(&value));
        let seen = Arc::clone(&emitted);
        jinja.set_formatter(move |out, state, value| {
            lock(&seen).push(value.clone());
            minijinja::escape_formatter(out, state, value)
        });
        Self { jinja, emitted, refusal, secret: is_secret }
    }

    /// A value with every string in it rendered.
    pub(super) fn value(&self, value: &Value) -> Result<Value, RenderError> {
        Ok(match value {
            Value::String(text) => self.scalar(text)?,
            Value::Array(items) => Value::Array(items.iter().map(|v| self.value(v)).collect::<Result<_, _>>()?),
            Value::Object(map) => Value::Object(
                map.iter().map(|(k, v)| Ok((k.clone(), self.value(v)?))).collect::<Result<_, RenderError>>()?,
            ),
            other => other.clone(),
        })
    }

    /// Rendered text stays text, unless the whole scalar is one expression that came to something else.
    fn scalar(&self, text: &str) -> Result<Value, RenderError> {
        let rendered = self.text(text)?;
        let emitted = lock(&self.emitted);
        Ok(match emitted.as_slice() {
            [only] if only.to_string() == rendered => match only.kind() {
                ValueKind::Bool => Value::Bool(only.is_true()),
                ValueKind::Number => rendered.parse().map_or(Value::Null, Value::Number),
                _ => Value::String(rendered),
            },
            _ => Value::String(rendered),
        })
    }

    /// Rendered text.
    pub(super) fn text(&self, text: &str) -> Result<String, RenderError> {
        lock(&self.emitted).clear();
        lock(&self.refusal).take();
        self.secret.store(false, Ordering::Relaxed);
        if !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
            return Ok(text.to_owned());
        }
        let rendered = self.jinja.render_str(text, ()).map_err(|error| self.error(&error))?;
        if self.secret.load(Ordering::Relaxed) {
            // Also in the form that filters and the text around gave it.
            secret::hide(&rendered);
        }
        Ok(rendered)
    }

    fn error(&self, error: &Error) -> RenderError {
        let is_syntax = error.kind() == ErrorKind::SyntaxError;
        if let Some(ours) = lock(&self.refusal).take() {
            return RenderError { is_syntax, safe: ours.clone(), full: ours };
        }
        let safe = match error.kind() {
            ErrorKind::UndefinedError => "it uses an undefined name; strings need quotes inside {{ }}".to_owned(),
            ErrorKind::SyntaxError => "it is not valid Jinja".to_owned(),
            kind => kind.to_string(),
        };
        let full = error.detail().map_or_else(|| safe.clone(), |detail| format!("{safe} ({detail})"));
        RenderError { is_syntax, safe, full }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn native(text: &str) -> Jinja {
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

    #[test]
    fn texts_are_rendered_as_dbt_renders_them() {
        let env = Env::new([("X", "Ferry"), ("PORT", "5433"), ("ON", "true")], "".into());
        let renderer = Renderer::new(&env);
        for (text, value) in [
            ("plain }} text", Value::from("plain }} text")),
            ("{{ env_var('PORT') }}", "5433".into()),
            ("{{ env_var('PORT') | as_number }}", 5433.into()),
            ("{{- env_var('PORT') | as_number -}}", 5433.into()),
            ("{{ env_var('PORT') | int }}", 5433.into()),
            ("{{ env_var('PORT') | as_number }}0", "54330".into()),
            ("{{ env_var('ON') | as_bool }}", true.into()),
            ("{{ env_var('X').lower() }}", "ferry".into()),
            ("{{ env_var('X').replace('F', 'M') }}", "Merry".into()),
            ("{% if env_var('X').startswith('Fer') %}a{% else %}b{% endif %}", "a".into()),
            ("{# a note #}", "".into()),
            ("{{ var('db', 'ferry') }}", "ferry".into()),
        ] {
            assert_eq!(renderer.value(&Value::from(text)).unwrap(), value, "{text}");
        }
        for (text, part) in [
            ("{{ TYPO }}", "undefined"),
            ("{{ env_var('NOPE') }}", "`NOPE` is not set"),
            ("{{ var('db') }}", "`var('db')` has no default"),
            ("a{{b", "not valid Jinja"),
        ] {
            let error = renderer.value(&Value::from(text)).unwrap_err();
            assert!(error.safe.contains(part) && !error.safe.contains("TYPO"), "{text}: {error:?}");
        }
    }

    #[test]
    fn what_is_made_of_a_secret_is_a_secret() {
        let env = Env::new([("DBT_ENV_SECRET_Z", "Zx-Hidden")], "".into());
        let text = Renderer::new(&env).text("{{ env_var('DBT_ENV_SECRET_Z').lower() }}.example").unwrap();
        assert_eq!(text, "zx-hidden.example");
        assert_eq!(secret::mask("at zx-hidden.example:1"), "at ***:1");
    }
}
