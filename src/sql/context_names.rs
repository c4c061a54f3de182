//! The names that dbt gives to templates: which of them are the same wherever and whenever dbt runs.

/// Jinja's words within an expression.
pub(super) const KEYWORDS: &[&str] =
    &["and", "else", "false", "False", "if", "in", "is", "none", "None", "not", "or", "recursive", "true", "True"];

/// What a template may use: functions of their arguments, and what dbt knows from the project's files alone. A name that
/// is missing here counts, so that what dbt gets tomorrow does.
pub(super) const PURE: &[&str] = &[
    "caller",
    "cycler",
    "dict",
    "diff_of_two_dicts",
    "doc",
    "exceptions",
    "execute",
    "fromjson",
    "fromyaml",
    "function",
    "joiner",
    "kwargs",
    "local_md5",
    "log",
    "loop",
    "metric",
    "namespace",
    "print",
    "project_name",
    "range",
    "ref",
    "return",
    "set",
    "set_strict",
    "source",
    "super",
    "tojson",
    "toyaml",
    "try_or_compiler_error",
    "validation",
    "var",
    "varargs",
    "zip",
    "zip_strict",
];

/// Names that are dbt's in every template, so that one of a template's own hides them only where it holds.
pub(super) const OF_DBT: &[&str] = &[
    "adapter",
    "api",
    "builtins",
    "column",
    "compiled_code",
    "config",
    "context",
    "context_macro_stack",
    "database",
    "dbt_metadata_envs",
    "dbt_version",
    "defer_relation",
    "env",
    "env_var",
    "flags",
    "graph",
    "invocation_args_dict",
    "invocation_id",
    "load_agate_table",
    "load_result",
    "model",
    "modules",
    "render",
    "run_query",
    "run_started_at",
    "schema",
    "selected_resources",
    "self",
    "statement",
    "target",
    "this",
    "thread_id",
];

/// What of a node's own facts is the same in production.
pub(super) const OF_MODEL: &[&str] = &[
    "columns",
    "depends_on",
    "description",
    "fqn",
    "meta",
    "name",
    "original_file_path",
    "package_name",
    "path",
    "raw_code",
    "raw_sql",
    "refs",
    "resource_type",
    "sources",
    "tags",
    "unique_id",
    "version",
];

/// Methods and fields of a relation that say nothing of where it is.
pub(super) const OF_RELATION: &[&str] = &[
    "alias",
    "identifier",
    "is_cte",
    "is_delta",
    "is_materialized_view",
    "is_table",
    "is_view",
    "name",
    "table",
    "type",
];

/// Methods of `adapter` that answer from their arguments, or with the columns of a relation.
pub(super) const OF_ADAPTER: &[&str] = &[
    "dispatch",
    "expand_target_column_types",
    "get_column_schema_from_query",
    "get_columns_in_relation",
    "get_columns_in_table",
    "get_missing_columns",
    "quote",
    "quote_as_configured",
    "quote_seed_column",
    "type",
];

/// Methods of `adapter` that look for a relation.
pub(super) const LOOKUPS: &[&str] = &["get_relation", "load_relation"];

/// Modules of Python that dbt hands on.
pub(super) const MODULES: &[&str] = &["datetime", "itertools", "pytz", "re"];

/// Methods by which a text or a mapping chooses.
pub(super) const CHOOSING: &[&str] = &[
    "count",
    "endswith",
    "find",
    "get",
    "index",
    "lower",
    "pop",
    "replace",
    "rfind",
    "rindex",
    "rsplit",
    "split",
    "startswith",
    "strip",
    "upper",
];

/// Functions that make a text or a list of what they are given.
pub(super) const MAKERS: &[&str] =
    &["dict", "fromjson", "fromyaml", "local_md5", "set", "set_strict", "tojson", "toyaml", "zip", "zip_strict"];

/// Calls that send a query of the template's own.
pub(super) const QUERIES: &[&str] = &["get_query_results_as_dict", "get_single_value", "run_query", "statement"];

/// Words of SQL that answer with where the query runs or as whom.
pub(super) const SQL_OF_PLACES: &[&str] = &[
    "current_account",
    "current_catalog",
    "current_database",
    "current_role",
    "current_schema",
    "current_setting",
    "current_user",
    "current_warehouse",
    "pg_backend_pid",
    "session_user",
    "system_user",
];

/// Keys of a configuration that say where a relation goes, how it is stored and what is said of it: its rows are the same.
pub(super) const WHERE_IT_GOES: &[&str] = &[
    "access",
    "alias",
    "auto_refresh",
    "backup",
    "bind",
    "buckets",
    "cluster_by",
    "clustered_by",
    "database",
    "dataset",
    "dist",
    "docs",
    "file_format",
    "full_refresh",
    "grants",
    "group",
    "hours_to_expire",
    "indexes",
    "kms_key_name",
    "labels",
    "location",
    "location_root",
    "materialized",
    "meta",
    "partition_by",
    "persist_docs",
    "project",
    "query_tag",
    "schema",
    "secure",
    "sort",
    "sort_type",
    "tags",
    "target_database",
    "target_lag",
    "target_schema",
    "tblproperties",
    "transient",
    "unlogged",
];
