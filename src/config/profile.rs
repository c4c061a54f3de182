//! dbt's `profiles.yml`: found, chosen and rendered by dbt's rules.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::checkout::{Checkout, Counting};
use super::env::Env;
use super::jinja::{RenderError, Renderer};
use super::{ConfigError, read_regular_text, secret, yaml};

/// What a run asks of profiles.yml.
#[derive(Debug, Clone, Default)]
pub struct ProfileQuery {
    /// The folder of profiles.yml; `None` for where dbt looks.
    pub profiles_dir: Option<PathBuf>,
    /// `--profile`, else the project's.
    pub profile: Option<String>,
    /// `--target`, else the profile's.
    pub target: Option<String>,
    /// The folder of dbt_project.yml.
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
    /// Whose profiles.yml that is.
    pub source: ProfileSource,
    /// Whose word the profile's name is.
    pub chosen_by: ProfileSource,
    /// The file has other profiles too.
    pub has_others: bool,
}

/// Whose word a profile is. It says which database is production's and which host gets the job's secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ProfileSource {
    /// That of whoever runs the command, or of the job.
    #[default]
    Own,
    /// The base commit's.
    Base {
        /// The commit that the text was read from.
        commit: String,
        /// The checkout's is another one.
        differs: bool,
    },
    /// The pull request's own: no variable and no other credential of the job gets into it.
    PullRequest {
        /// Why no other could be had.
        why: String,
    },
}

impl std::fmt::Debug for Target {
    /// Names only: fields may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Target({}.{}, {})", self.profile, self.name, self.adapter)
    }
}

impl Target {
    /// Finds, chooses and renders.
    ///
    /// The folder: `--profiles-dir`, `DBT_PROFILES_DIR`, the working directory, the project's folder,
    /// `~/.dbt`. Only the chosen output is rendered, so a variable that another output needs may be missing.
    ///
    /// In a pull request's checkout the base commit's file counts. Where that is unknown, its own does, and no variable
    /// of the job gets into it.
    ///
    /// # Errors
    /// When no file, profile or target fits, or an expression fails.
    pub fn find(query: &ProfileQuery, env: &Env, checkout: &Checkout) -> Result<Self, ConfigError> {
        let Located { path, text, source } = locate(query, env, checkout)?;
        let mut file: IndexMap<String, Value> = serde_saphyr::from_str(&text)
            .map_err(|error| ConfigError::Yaml { path: path.clone(), message: yaml::fault(&error) })?;
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
                            "no profile chosen: pass --profile or set it in dbt_project.yml; the file has {}",
                            super::list(&file.keys().cloned().collect::<Vec<_>>())
                        ),
                    });
                }
            },
        };
        let Some(entry) = file.get(&name) else {
            let known = file.keys().cloned().collect();
            let not_merged = source.unlike_the_checkout();
            return Err(ConfigError::NoProfile { path, profile: name, known, not_merged });
        };
        let place = format!("{}, profile `{name}`", path.display());
        let wrong = |place: &str, why: &str| ConfigError::Value { place: place.to_owned(), why: why.to_owned() };
        let none = Map::new();
        let outputs = match entry.get("outputs") {
            Some(Value::Object(outputs)) => outputs,
            None if entry.is_object() => &none,
            _ => return Err(wrong(&place, "a profile is a mapping, and its `outputs` are a mapping of targets")),
        };

        let renderer = match &source {
            ProfileSource::Own | ProfileSource::Base { .. } => Renderer::new(env),
            ProfileSource::PullRequest { .. } => Renderer::withholding(env),
        };
        let failed = |target: &str, field: &str, error: RenderError| ConfigError::Render {
            path: path.clone(),
            profile: name.clone(),
            target: target.to_owned(),
            field: field.to_owned(),
            message: if may_be_secret(field) { error.safe } else { error.full },
        };
        let target = match (&query.target, entry.get("target")) {
            (Some(target), _) => target.clone(),
            (None, Some(Value::String(text))) => renderer.text(text).map_err(|error| failed("?", "target", error))?,
            (None, None) => "default".to_owned(),
            (None, Some(_)) => return Err(wrong(&place, "`target` is not a string")),
        };
        let Some(output) = outputs.get(&target) else {
            let known = outputs.keys().cloned().collect();
            let not_merged = source.unlike_the_checkout();
            return Err(ConfigError::NoTarget { path, profile: name, target, known, not_merged });
        };
        let place = format!("{place}, target `{target}`");
        let Value::Object(output) = output else {
            return Err(wrong(&place, "a target must be a mapping of fields"));
        };
        let mut fields = Map::new();
        for (field, value) in output {
            let value = match renderer.value(value) {
                Ok(value) => value,
                // As dbt: passwords may look like Jinja without being any.
                Err(error) if error.is_syntax && field == "password" => value.clone(),
                Err(error) => return Err(failed(&target, field, error)),
            };
            fields.insert(field.clone(), value);
        }
        hide_passwords(&fields);
        let text = |field: &str| fields.get(field).and_then(Value::as_str).map(str::to_owned);
        let Some(adapter) = text("type") else {
            return Err(wrong(&place, "the field `type` is missing"));
        };
        let threads = match fields.get("threads") {
            None | Some(Value::Null) => 1,
            Some(value) => number(value)
                .filter(|threads| *threads > 0)
                .ok_or_else(|| wrong(&place, "`threads` is not a whole number of at least 1"))?,
        };
        let schema = text("schema").or_else(|| text("dataset"));
        let (chosen_by, has_others) = (ProfileSource::Own, file.len() > 1);
        Ok(Self { profile: name, name: target, adapter, schema, threads, fields, source, chosen_by, has_others })
    }
}

impl ProfileSource {
    /// Whether the checkout has another file than the one that counts.
    fn unlike_the_checkout(&self) -> bool {
        matches!(self, Self::Base { differs: true, .. })
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

/// Whether an error about a field must show nothing of its text.
fn may_be_secret(field: &str) -> bool {
    ["pass", "secret", "token", "key"].iter().any(|word| field.contains(word))
}

/// Nothing prints a password, but servers and libraries write what they like.
fn hide_passwords(fields: &Map<String, Value>) {
    for (field, value) in fields {
        let Some(text) = value.as_str().filter(|_| may_be_secret(field)) else { continue };
        // Names of files are not secret, nor is what another field says openly.
        let open = fields.iter().any(|(other, value)| !may_be_secret(other) && value.as_str() == Some(text));
        if !open && !text.contains(['/', '\\']) {
            secret::hide_password(text);
        }
    }
}

/// The profiles.yml that counts.
struct Located {
    /// For messages; with the commit that it is from.
    path: PathBuf,
    text: String,
    source: ProfileSource,
}

fn locate(query: &ProfileQuery, env: &Env, checkout: &Checkout) -> Result<Located, ConfigError> {
    // An explicit folder is exclusive.
    let explicit = query.profiles_dir.clone().or_else(|| env.get("DBT_PROFILES_DIR").map(PathBuf::from));
    let places = match explicit {
        Some(dir) => vec![env.path(&dir)],
        None => {
            let mut places = vec![env.path(Path::new(".")), env.path(&query.project_dir)];
            places.extend(env.get("HOME").map(|home| Path::new(home).join(".dbt")));
            places.dedup();
            places
        }
    };
    let mut added = None;
    for place in &places {
        let path = place.join("profiles.yml");
        let source = match checkout.counting(&path) {
            Counting::Base { commit, text, differs } => {
                let path = format!("{} of commit {commit}", path.display()).into();
                return Ok(Located { path, text, source: ProfileSource::Base { commit, differs } });
            }
            Counting::Added { commit } => {
                if path.is_file() {
                    added.get_or_insert((path, commit));
                }
                continue;
            }
            Counting::OnDisk => ProfileSource::Own,
            Counting::PullRequest { why } => ProfileSource::PullRequest { why },
        };
        if path.is_file() {
            let text = read_regular_text(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
            return Ok(Located { path, text, source });
        }
    }
    Err(match added {
        Some((path, commit)) => ConfigError::AddedProfiles { path, commit },
        None => ConfigError::NoProfiles { places },
    })
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
        Target::find(&query, &env, &Checkout::Own)
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

    fn find_in(file: &str, vars: &[(&str, &str)]) -> Result<Target, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("profiles.yml"), file).unwrap();
        let env = Env::new(vars.iter().copied(), dir.path().to_owned());
        Target::find(&ProfileQuery::default(), &env, &Checkout::Own)
    }

    #[test]
    fn what_is_no_profile_is_told_without_its_text() {
        for file in [
            "a:\n  outputs:\n    default: S3cr3tPw\n",
            "a:\n  outputs: S3cr3tPw\n",
            "a: S3cr3tPw\n",
            "a:\n  target: [S3cr3tPw]\n  outputs: {default: {}}\n",
            "a:\n  outputs:\n    default:\n      password: S3cr3tPw\n      password: S3cr3tPw2\n",
            "a: {outputs: {default: {type: postgres, password: 'S3cr3tPw{{ S3cr3tPw }}'}}}\n",
            "a: {outputs: {default: {type: postgres, threads: S3cr3tPw}}}\n",
        ] {
            let error = find_in(file, &[]).unwrap_err().to_string();
            assert!(!error.contains("S3cr3t"), "{error}");
            assert!(error.contains("profiles.yml"), "{error}");
        }
    }

    #[test]
    fn a_password_that_is_no_jinja_is_taken_as_it_stands() {
        let target = find_in("a: {outputs: {default: {type: postgres, password: 'a{{b'}}}\n", &[]).unwrap();
        assert_eq!(target.fields.get("password").and_then(Value::as_str), Some("a{{b"));
        let error = find_in("a: {outputs: {default: {type: postgres, host: 'a{{b'}}}\n", &[]).unwrap_err();
        assert!(error.to_string().contains("`host`"), "{error}");
    }

    #[test]
    fn what_would_be_taken_for_something_else_is_an_error() {
        for (fields, part) in
            [("password: '{{ TYPO }}'", "`password`"), ("threads: zero", "`threads`"), ("threads: 0", "`threads`")]
        {
            let error = find_in(&format!("a: {{outputs: {{default: {{type: postgres, {fields}}}}}}}\n"), &[]);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
