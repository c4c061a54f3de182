//! dbt-duckdb's profile fields.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::statement;
use crate::config::Target;
use crate::sql::Dialect;
use crate::warehouse::OpenError;

/// The fields that premerge knows.
///
/// The profile may come from the pull request, and all of it is acted on before the engine is locked. So only what is known
/// to be harmless counts; the rest is named.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Profile {
    path: Option<String>,
    database: Option<String>,
    #[serde(deserialize_with = "texts")]
    config_options: IndexMap<String, String>,
    #[serde(deserialize_with = "names")]
    pub(super) extensions: Vec<String>,
    /// Those of `config_options` and then those of `settings`, as dbt sets them.
    #[serde(deserialize_with = "texts")]
    pub(super) settings: IndexMap<String, String>,
    attach: Vec<Attach>,
    is_ducklake: bool,
    #[serde(flatten)]
    others: IndexMap<String, Value>,
    /// What is not used, a sentence each.
    #[serde(skip)]
    left_out: Vec<String>,
}

/// Fields that need dbt's Python, or that open a connection of which premerge knows nothing.
const PYTHON: [&str; 8] = [
    "filesystems",
    "flights",
    "module_paths",
    "motherduck_token",
    "plugins",
    "remote",
    "secrets",
    "use_credential_provider",
];

/// The setting of the folder for what does not fit into memory. It could be one of the checkout's, or production's.
const SPILL: &str = "temp_directory";

/// Settings that change what a query returns, or how much of the machine and of the network it may use. Not here is what
/// loads code, names a file or folder, logs, changes the grammar that texts were judged by, or puts limits off.
const SETTINGS: [&str; 68] = [
    "allocator_background_threads",
    "allocator_flush_threshold",
    "arrow_large_buffer_size",
    "arrow_lossless_conversion",
    "asof_loop_join_threshold",
    "azure_account_name",
    "azure_context_caching",
    "azure_credential_chain",
    "azure_endpoint",
    "azure_http_stats",
    "azure_read_buffer_size",
    "azure_read_transfer_chunk_size",
    "azure_read_transfer_concurrency",
    "azure_storage_connection_string",
    "azure_transport_option_type",
    "binary_as_string",
    "calendar",
    "checkpoint_threshold",
    "default_collation",
    "default_null_order",
    "default_order",
    "disable_parquet_prefetching",
    "disable_timestamptz_casts",
    "disabled_compression_methods",
    "dynamic_or_filter_threshold",
    "enable_external_file_cache",
    "enable_fsst_vectors",
    "enable_geoparquet_conversion",
    "enable_http_metadata_cache",
    "enable_object_cache",
    "external_threads",
    "force_compression",
    "force_download",
    "http_keep_alive",
    "http_retries",
    "http_retry_backoff",
    "http_retry_wait_ms",
    "http_timeout",
    "ieee_floating_point_ops",
    "integer_division",
    "max_memory",
    "max_temp_directory_size",
    "memory_limit",
    "merge_join_threshold",
    "nested_loop_join_threshold",
    "null_order",
    "old_implicit_casting",
    "order_by_non_integer_literal",
    "ordered_aggregate_threshold",
    "parquet_metadata_cache",
    "perfect_ht_threshold",
    "pivot_filter_threshold",
    "pivot_limit",
    "prefer_range_joins",
    "prefetch_all_parquet_files",
    "preserve_insertion_order",
    "s3_access_key_id",
    "s3_endpoint",
    "s3_region",
    "s3_secret_access_key",
    "s3_session_token",
    "s3_url_compatibility_mode",
    "s3_url_style",
    "s3_use_ssl",
    "scalar_subquery_error_on_multiple_rows",
    "threads",
    "timezone",
    "worker_threads",
];

/// Extensions that add types, functions and formats for reading. Not here is what attaches other systems, serves a port, or
/// is a stranger's; nor `delta`, which reads files without asking the engine.
const EXTENSIONS: [&str; 18] = [
    "avro",
    "aws",
    "azure",
    "core_functions",
    "encodings",
    "excel",
    "fts",
    "h3",
    "httpfs",
    "iceberg",
    "icu",
    "inet",
    "json",
    "parquet",
    "spatial",
    "tpcds",
    "tpch",
    "vss",
];

/// One database to attach. Always read-only, and DuckDB's, whatever the profile says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Attach {
    pub(super) path: String,
    #[serde(deserialize_with = "or_empty")]
    pub(super) alias: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    secret: Option<String>,
    options: IndexMap<String, Value>,
}

impl Attach {
    pub(super) fn new(path: impl Into<String>, alias: impl Into<String>) -> Self {
        Self { path: path.into(), alias: alias.into(), ..Self::default() }
    }

    /// The type is said because the engine guesses it otherwise, from the file's first bytes, and loads what opens it.
    pub(super) fn sql(&self) -> String {
        format!(
            "attach {} as {} (read_only, type duckdb)",
            Dialect::DuckDb.literal(&self.path),
            statement::name(&self.alias()),
        )
    }

    pub(super) fn alias(&self) -> String {
        if self.alias.is_empty() { stem(&self.path) } else { self.alias.clone() }
    }

    /// Whether it is a database file of DuckDB's on this machine.
    fn is_file(&self) -> bool {
        let kind = self.kind.as_deref().or_else(|| self.options.get("type").and_then(Value::as_str));
        let secret = self.secret.is_some() || self.options.contains_key("secret");
        kind.is_none_or(|kind| kind.eq_ignore_ascii_case("duckdb")) && !secret && is_local(&self.path)
    }
}

/// Whether the engine takes a path for that of a file: what is before a colon names an extension or a protocol.
fn is_local(path: &str) -> bool {
    let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-'));
    // One letter is a drive of Windows.
    let prefixed = path.split_once(':').is_some_and(|(before, _)| before.len() > 1 && word(before));
    !path.is_empty() && !path.starts_with(':') && !path.contains("://") && !prefixed
}

impl Profile {
    pub(super) fn read(target: &Target) -> Result<Self, OpenError> {
        let mut profile: Self = serde_json::from_value(Value::Object(target.fields.clone()))
            .map_err(|error| target_error(target, error))?;
        // It becomes the name of a file, the temporary database's.
        if let Some(name) = profile.database.as_deref().filter(|name| !is_file_name(name)) {
            return Err(target_error(
                target,
                format_args!("`database: {name}` is not the name of a database: leave it out, or use that of the file"),
            ));
        }
        profile.keep_harmless();
        Ok(profile)
    }

    /// Puts aside, with a sentence each, what is not known to be harmless.
    fn keep_harmless(&mut self) {
        let given = std::mem::take(&mut self.config_options).into_iter().chain(std::mem::take(&mut self.settings));
        let (used, unused): (IndexMap<_, _>, IndexMap<_, _>) =
            given.map(|(name, value)| (name.to_lowercase(), value)).partition(|(name, _)| SETTINGS.contains(&&**name));
        self.settings = used;
        let (used, unknown): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.extensions).into_iter().partition(|name| EXTENSIONS.contains(&&**name));
        // ICU is looked after separately.
        self.extensions = used.into_iter().filter(|name| name != "icu").collect();
        let (used, elsewhere): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.attach).into_iter().partition(Attach::is_file);
        self.attach = used;

        let python = PYTHON.into_iter().filter(|name| self.others.get(*name).is_some_and(is_given));
        let python =
            named(python).map(|what| format!("the profile's {what} not used: premerge runs none of dbt's Python"));
        let spill = unused.contains_key(SPILL).then(|| {
            format!("the profile's `{SPILL}` is not used: DuckDB spills beside the temporary schema, which --cache-dir moves")
        });
        let settings = named(unused.keys().map(String::as_str).filter(|name| *name != SPILL)).map(|what| {
            format!(
                "the profile's {what} not used: only settings that load no code, name no file and lift no limit are"
            )
        });
        let extensions = named(unknown.iter().map(String::as_str)).map(|what| {
            format!("the profile's extensions: {what} not loaded: only DuckDB's own that read and compute are")
        });
        let attached = named(elsewhere.iter().map(|attach| &*attach.alias)).map(|what| {
            format!("the profile's attach: {what} not attached: only files of DuckDB's own format on this machine are")
        });
        self.left_out = [python, spill, settings, extensions, attached].into_iter().flatten().collect();
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
        if !is_local(path) || self.is_ducklake {
            return Err(target_error(
                target,
                format_args!("`path: {path}` is not a local file, which is all that premerge supports on DuckDB"),
            ));
        }
        let file = in_project(path, project_dir);
        if !Path::new(&file).is_file() {
            return Err(OpenError::NoDatabase { path: PathBuf::from(file), profile: target.profile.clone() });
        }
        Ok(Attach::new(file, self.database_name()))
    }

    /// The databases beside production.
    pub(super) fn attached(&self, project_dir: &Path) -> Vec<Attach> {
        let placed = |attach: &Attach| Attach { path: in_project(&attach.path, project_dir), ..attach.clone() };
        self.attach.iter().map(placed).collect()
    }

    /// What of the profile is not used, a sentence each.
    pub(super) fn left_out(&self) -> &[String] {
        &self.left_out
    }
}

/// Names with their verb, or how many there are that are not names; `None` of none.
fn named<'n>(names: impl Iterator<Item = &'n str>) -> Option<String> {
    let (plain, strange): (Vec<_>, Vec<_>) = names.partition(|name| is_name(name));
    let count = plain.len() + strange.len();
    let mut said: Vec<_> = plain.iter().map(|name| format!("`{name}`")).collect();
    if !strange.is_empty() {
        said.push(format!("{} without a plain name", strange.len()));
    }
    (count > 0).then(|| format!("{} {}", said.join(", "), if count == 1 { "is" } else { "are" }))
}

fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_file_name(text: &str) -> bool {
    let odd = |c: char| matches!(c, '/' | '\\' | ':') || c.is_control();
    (1..=128).contains(&text.len()) && !text.starts_with('.') && !text.contains(odd)
}

/// A path of the profile, which begins at the project as dbt's working directory does. `~` is DuckDB's own.
fn in_project(path: &str, project_dir: &Path) -> String {
    let home = path.strip_prefix("~/").and_then(|rest| Some(std::env::home_dir()?.join(rest)));
    home.unwrap_or_else(|| project_dir.join(path)).to_string_lossy().into_owned()
}

fn target_error(target: &Target, why: impl std::fmt::Display) -> OpenError {
    OpenError::Field { profile: target.profile.clone(), target: target.name.clone(), why: why.to_string() }
}

/// dbt-duckdb's database name: of the file's name, the first part that is not empty between dots.
pub(super) fn stem(path: impl AsRef<Path>) -> String {
    let file = path.as_ref().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    file.trim_start_matches('.').split('.').next().unwrap_or_default().to_owned()
}

/// Values of settings may be numbers or booleans in YAML.
fn texts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<IndexMap<String, String>, D::Error> {
    let map = Option::<IndexMap<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(key, value)| (key, text(&value))).collect())
}

/// Extensions are names, or `{name, repo}`.
fn names<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(list.iter().map(|entry| text(entry.get("name").unwrap_or(entry)).to_lowercase()).collect())
}

fn or_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

fn is_given(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::ProfileSource;

    fn read(fields: Value) -> Profile {
        tried(fields).unwrap()
    }

    fn tried(fields: Value) -> Result<Profile, OpenError> {
        let fields = fields.as_object().unwrap().clone();
        let target = Target {
            profile: "shop".to_owned(),
            name: "ci".to_owned(),
            adapter: "duckdb".to_owned(),
            schema: None,
            threads: 1,
            fields,
            source: ProfileSource::Own,
            chosen_by: ProfileSource::Own,
            has_others: false,
        };
        Profile::read(&target)
    }

    #[test]
    fn settings_that_are_not_known_to_be_harmless_are_named() {
        for name in [
            "allow_unsigned_extensions",
            "autoload_known_extensions",
            "current_dialect",
            "enable_external_access",
            "errors_as_json",
            "extension_directory",
            "file_search_path",
            "home_directory",
            "lock_configuration",
            "log_query_path",
            "max_expression_depth",
            "profiling_output",
            "secret_directory",
            "a_setting_of_tomorrow",
        ] {
            for field in ["settings", "config_options"] {
                let profile = read(json!({"path": "x.duckdb", field: {name.to_uppercase(): "true", "Threads": 1}}));
                assert_eq!(profile.settings, IndexMap::from([("threads".to_owned(), "1".to_owned())]), "{name}");
                assert!(
                    matches!(profile.left_out(), [one] if one.contains(&format!("`{name}` is not used"))),
                    "{:?}",
                    profile.left_out()
                );
            }
        }
    }

    #[test]
    fn the_engine_has_every_setting_that_is_used() {
        let connection = duckdb::Connection::open_in_memory().unwrap();
        let mut statement = connection.prepare("select lower(name) from duckdb_settings()").unwrap();
        let known: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        // Those of extensions, of httpfs and azure, and of DuckDB 1.x.
        let elsewhere = ["azure_", "enable_object_cache", "force_download", "http_", "old_implicit_casting", "s3_"];
        for name in SETTINGS {
            assert!(
                known.iter().any(|one| one == name) || elsewhere.iter().any(|prefix| name.starts_with(prefix)),
                "{name}"
            );
        }
    }

    #[test]
    fn a_database_s_name_is_no_path() {
        for name in ["/made-up/x", "../x", "a/../b", r"a\b", ".x", "", "C:x", "a\nb", "a\0b"] {
            assert!(tried(json!({"database": name})).is_err(), "{name}");
        }
        for name in ["shop", "shop 2", "größe"] {
            assert!(tried(json!({"database": name})).is_ok(), "{name}");
        }
    }

    #[test]
    fn settings_hold_over_config_options() {
        let profile = read(json!({"settings": {"threads": 2}, "config_options": {"THREADS": 1, "timezone": "UTC"}}));
        assert_eq!(profile.settings.values().collect::<Vec<_>>(), ["2", "UTC"]);
    }

    #[test]
    fn only_extensions_that_read_and_compute_are_loaded() {
        let profile = read(json!({"extensions": [
            "HTTPFS", {"name": "h3", "repo": "community"}, "icu", "sqlite", "postgres_scanner", "shellfs", "ui",
            {"name": "./evil.duckdb_extension", "repo": "core"}, "a/b", "", "http://h/x",
        ]}));
        assert_eq!(profile.extensions, ["httpfs", "h3"]);
        let said =
            "the profile's extensions: `sqlite`, `postgres_scanner`, `shellfs`, `ui`, 4 without a plain name are";
        assert!(matches!(profile.left_out(), [one] if one.starts_with(said)), "{:?}", profile.left_out());
    }

    #[test]
    fn only_files_of_duckdb_are_attached() {
        let profile = read(json!({"attach": [
            {"path": "data/more.duckdb"}, {"path": "/made-up/b.db", "alias": null, "type": "DuckDB", "read_only": false},
            {"path": "c.db", "alias": "c", "options": {"type": "duckdb"}}, {"path": "C:/made-up/d.db"},
            {"path": "ducklake:meta.ducklake", "alias": "lake"}, {"path": "md:shop", "alias": "md"},
            {"path": "motherduck:shop", "alias": "motherduck"}, {"path": "postgres:dbname=shop", "alias": "pg"},
            {"path": "sqlite:x.db", "alias": "lite"}, {"path": "x.db", "type": "sqlite", "alias": "lite2"},
            {"path": "x.db", "options": {"type": "mysql"}, "alias": "my"}, {"path": "x.db", "secret": "s", "alias": "sec"},
            {"path": "x.db", "options": {"secret": "s"}, "alias": "sec2"}, {"path": "s3://b/x.db", "alias": "bucket"},
            {"path": "https://h/x.db", "alias": "web"}, {"path": "file:x.db", "alias": "file"},
            {"path": ":memory:", "alias": "memory"}, {"path": "", "alias": "nothing"}, {"path": "x:y.db", "alias": "a\"b"},
            {"path": "zz9:y.db"},
        ]}));
        let attached: Vec<_> = profile.attached(Path::new("/made-up/project")).iter().map(Attach::sql).collect();
        assert_eq!(
            attached,
            [
                r#"attach '/made-up/project/data/more.duckdb' as "more" (read_only, type duckdb)"#,
                r#"attach '/made-up/b.db' as "b" (read_only, type duckdb)"#,
                r#"attach '/made-up/project/c.db' as "c" (read_only, type duckdb)"#,
                r#"attach '/made-up/project/C:/made-up/d.db' as "d" (read_only, type duckdb)"#,
                r#"attach '/made-up/project/x:y.db' as "a""b" (read_only, type duckdb)"#,
            ]
        );
        let said = "the profile's attach: `lake`, `md`, `motherduck`, `pg`, `lite`, `lite2`, `my`, `sec`, `sec2`, `bucket`, \
                    `web`, `file`, `memory`, `nothing`, 1 without a plain name are not attached";
        assert!(matches!(profile.left_out(), [one] if one.starts_with(said)), "{:?}", profile.left_out());
    }

    #[test]
    fn fields_that_need_python_are_named() {
        let profile = read(json!({
            "plugins": [{"module": "excel"}], "module_paths": ["src"], "filesystems": [], "secrets": null, "remote": {},
            "motherduck_token": "t",
        }));
        assert_eq!(
            profile.left_out(),
            [
                "the profile's `module_paths`, `motherduck_token`, `plugins` are not used: premerge runs none of dbt's Python"
            ]
        );
    }

    #[test]
    fn the_profile_does_not_say_where_duckdb_spills() {
        let profile = read(json!({
            "path": "x.duckdb",
            "settings": {"Temp_Directory": ".", "threads": 1},
            "config_options": {"temp_directory": "."},
        }));
        assert_eq!(profile.settings.keys().collect::<Vec<_>>(), ["threads"]);
        assert!(matches!(profile.left_out(), [one] if one.contains("--cache-dir")), "{:?}", profile.left_out());
        assert!(read(json!({"path": "x.duckdb"})).left_out().is_empty());
    }
}
