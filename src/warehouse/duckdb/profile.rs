//! dbt-duckdb's profile fields.

use std::path::Path;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::statement;
use crate::config::Target;
use crate::sql::Dialect;
use crate::warehouse::OpenError;

/// The fields that premerge acts on; others (plugins, filesystems, retries) are dbt's own business.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Profile {
    path: Option<String>,
    database: Option<String>,
    #[serde(deserialize_with = "texts")]
    pub(super) config_options: IndexMap<String, String>,
    #[serde(deserialize_with = "names")]
    pub(super) extensions: Vec<String>,
    #[serde(deserialize_with = "texts")]
    pub(super) settings: IndexMap<String, String>,
    pub(super) attach: Vec<Attach>,
    is_ducklake: bool,
    #[serde(deserialize_with = "present")]
    plugins: bool,
    #[serde(deserialize_with = "present")]
    secrets: bool,
    #[serde(deserialize_with = "present")]
    filesystems: bool,
    /// Settings of the profile that are not used.
    #[serde(skip)]
    unused: Vec<String>,
}

/// The setting of the folder for what does not fit into memory. It could be one of the checkout's, or production's.
const SPILL: &str = "temp_directory";

/// Settings that say whose native code the engine loads, and from where; the profile may come from the pull request.
const LOADS_CODE: [&str; 10] = [
    "allow_community_extensions",
    "allow_extensions_metadata_mismatch",
    "allow_parser_override_extension",
    "allow_unsigned_extensions",
    "autoinstall_extension_repository",
    "custom_extension_repository",
    "extension_directories",
    "extension_directory",
    "home_directory",
    "secret_directory",
];

/// Settings that name a file for the engine to write.
const WRITES_A_FILE: [&str; 7] = [
    "enable_logging",
    "http_logging_output",
    "log_query_path",
    "logging_sink",
    "logging_storage",
    "profile_output",
    "profiling_output",
];

/// One database to attach. Always read-only, whatever the profile says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Attach {
    pub(super) path: String,
    pub(super) alias: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) secret: Option<String>,
}

impl Attach {
    pub(super) fn sql(&self) -> String {
        let mut options = vec!["read_only".to_owned()];
        options.extend(self.kind.as_deref().map(|kind| format!("type {}", statement::name(kind))));
        options.extend(self.secret.as_deref().map(|secret| format!("secret {}", statement::name(secret))));
        let alias = if self.alias.is_empty() { stem(&self.path) } else { self.alias.clone() };
        format!(
            "attach {} as {} ({})",
            Dialect::DuckDb.literal(&self.path),
            statement::name(&alias),
            options.join(", ")
        )
    }
}

impl Profile {
    pub(super) fn read(target: &Target) -> Result<Self, OpenError> {
        let mut profile: Self = serde_json::from_value(Value::Object(target.fields.clone()))
            .map_err(|error| target_error(target, error))?;
        for given in [&mut profile.settings, &mut profile.config_options] {
            let (used, unused) = std::mem::take(given).into_iter().partition(|(name, _)| is_used(name));
            *given = used;
            let unused: IndexMap<String, String> = unused;
            profile.unused.extend(unused.into_keys().map(|name| name.to_lowercase()));
        }
        if let Some(path) = profile.extensions.iter().find(|name| !is_extension(name)) {
            return Err(target_error(
                target,
                format_args!(
                    "`extensions` names `{path}`, which is not the name of an extension; files are not loaded"
                ),
            ));
        }
        let mut settings = profile.settings.keys().chain(profile.config_options.keys());
        match settings.find(|name| WRITES_A_FILE.contains(&name.to_lowercase().as_str())) {
            None => Ok(profile),
            Some(name) => Err(target_error(
                target,
                format_args!("`{name}` names a file that DuckDB would write, which may be production's: leave it out"),
            )),
        }
    }

    /// dbt's name of the production database: the file's unless the profile says otherwise.
    pub(super) fn database_name(&self) -> String {
        self.database.clone().unwrap_or_else(|| stem(self.path.as_deref().unwrap_or_default()))
    }

    /// Production's database file, from the profile's `path`.
    pub(super) fn production(&self, target: &Target, project_dir: &Path) -> Result<Attach, OpenError> {
        let path = self.path.as_deref().unwrap_or(":memory:");
        if path == ":memory:" {
            return Err(target_error(target, "`path` is `:memory:`, which cannot hold production; use a file"));
        }
        if path.contains("://") || path.starts_with("md:") || path.starts_with("motherduck:") || self.is_ducklake {
            return Err(target_error(
                target,
                format_args!("`path: {path}` is not a local file, which is all that premerge supports on DuckDB"),
            ));
        }
        let file = project_dir.join(path);
        if !file.is_file() {
            return Err(OpenError::NoDatabase { path: file, profile: target.profile.clone() });
        }
        let alias = self.database.clone().unwrap_or_else(|| stem(path));
        Ok(Attach { path: file.to_string_lossy().into_owned(), alias, ..Attach::default() })
    }

    /// What of the profile is not used, a sentence each.
    pub(super) fn left_out(&self) -> Vec<String> {
        let fields = [("plugins", self.plugins), ("secrets", self.secrets), ("filesystems", self.filesystems)];
        let named: Vec<_> = fields.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
        let python = (!named.is_empty())
            .then(|| format!("the profile's {} are not used: they need dbt's Python", named.join(", ")));
        let spill = self.unused.iter().any(|name| name == SPILL).then(|| {
            format!("the profile's `{SPILL}` is not used: DuckDB spills beside the temporary schema, which --cache-dir moves")
        });
        let code: Vec<_> = self.unused.iter().filter(|name| *name != SPILL).map(|name| format!("`{name}`")).collect();
        let code = (!code.is_empty()).then(|| {
            format!(
                "the profile's {} not used: only signed extensions of this machine's default folder are loaded",
                if let [one] = code.as_slice() { format!("{one} is") } else { format!("{} are", code.join(", ")) }
            )
        });
        python.into_iter().chain(spill).chain(code).collect()
    }
}

fn is_used(setting: &str) -> bool {
    !setting.eq_ignore_ascii_case(SPILL) && !LOADS_CODE.iter().any(|name| setting.eq_ignore_ascii_case(name))
}

/// `load` takes a path as well.
fn is_extension(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn target_error(target: &Target, why: impl std::fmt::Display) -> OpenError {
    OpenError::Field { profile: target.profile.clone(), target: target.name.clone(), why: why.to_string() }
}

/// dbt-duckdb's database name: the file's name up to the first dot.
pub(super) fn stem(path: impl AsRef<Path>) -> String {
    let file = path.as_ref().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    file.split('.').next().unwrap_or_default().to_owned()
}

/// Values of settings may be numbers or booleans in YAML.
fn texts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<IndexMap<String, String>, D::Error> {
    let map = Option::<IndexMap<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(key, value)| (key, text(&value))).collect())
}

/// Extensions are names, or `{name, repo}`.
fn names<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(list
        .iter()
        .map(|entry| text(entry.get("name").unwrap_or(entry)))
        // ICU is looked after separately.
        .filter(|name| name != "icu")
        .collect())
}

/// Whether a field that premerge cannot act on holds anything.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    Ok(value.is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty())))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(fields: Value) -> Result<Profile, OpenError> {
        let fields = fields.as_object().unwrap().clone();
        Profile::read(&Target {
            profile: "shop".to_owned(),
            name: "ci".to_owned(),
            adapter: "duckdb".to_owned(),
            schema: None,
            threads: 1,
            fields,
        })
    }

    #[test]
    fn settings_that_name_a_file_to_write_are_refused() {
        for name in WRITES_A_FILE {
            for field in ["settings", "config_options"] {
                let refused = read(json!({"path": "x.duckdb", field: {name.to_uppercase(): "x.duckdb"}})).unwrap_err();
                assert!(refused.to_string().contains("names a file that DuckDB would write"), "{name}: {refused}");
            }
        }
    }

    #[test]
    fn the_profile_does_not_say_whose_code_is_loaded() {
        for name in LOADS_CODE {
            for field in ["settings", "config_options"] {
                let profile =
                    read(json!({"path": "x.duckdb", field: {name.to_uppercase(): "true", "threads": 1}})).unwrap();
                let used: Vec<_> = profile.settings.keys().chain(profile.config_options.keys()).collect();
                assert_eq!(used, ["threads"], "{name}");
                let said = profile.left_out();
                assert!(matches!(said.as_slice(), [one] if one.contains(&format!("`{name}` is not used"))), "{said:?}");
            }
        }
        for path in ["./evil.duckdb_extension", "a/b", "a b", "", "x;y", "http://h/x"] {
            for entry in [json!(path), json!({"name": path, "repo": "core"})] {
                assert!(read(json!({"path": "x.duckdb", "extensions": [entry]})).is_err(), "{path}");
            }
        }
        assert_eq!(
            read(json!({"extensions": ["httpfs", {"name": "h3", "repo": "community"}]})).unwrap().extensions,
            ["httpfs", "h3"]
        );
    }

    #[test]
    fn the_profile_does_not_say_where_duckdb_spills() {
        let profile = read(json!({
            "path": "x.duckdb",
            "settings": {"Temp_Directory": ".", "threads": 1},
            "config_options": {"temp_directory": "."},
        }))
        .unwrap();
        assert_eq!(profile.settings.keys().collect::<Vec<_>>(), ["threads"]);
        assert!(profile.config_options.is_empty());
        assert_eq!(profile.left_out().len(), 1, "{:?}", profile.left_out());
        assert!(read(json!({"path": "x.duckdb"})).unwrap().left_out().is_empty());
    }
}
