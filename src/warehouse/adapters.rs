//! The adapters that premerge can talk to, in one table.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

#[cfg(feature = "duckdb")]
use super::duckdb;
use super::{OpenContext, OpenError, Traits, Warehouse, postgres};
use crate::config::{ProfileSource, Target};
use crate::text::words::and_list;

type Opened = Result<Arc<dyn Warehouse>, OpenError>;

/// One of dbt's adapters.
struct Adapter {
    /// dbt's name of it.
    name: &'static str,
    /// `None` where this build lacks it.
    engine: Option<Engine>,
}

/// What stands behind an adapter.
struct Engine {
    traits: Traits,
    open: fn(&Target, OpenContext<'_>) -> Opened,
    /// The temporary schemas that it keeps in files of a folder.
    files: fn(&Target, &Path) -> Vec<String>,
}

const ADAPTERS: [Adapter; 3] = [
    #[cfg(feature = "duckdb")]
    Adapter {
        name: "duckdb",
        engine: Some(Engine {
            traits: duckdb::TRAITS,
            open: |target, context| Ok(Arc::new(duckdb::DuckDb::new(target, context)?)),
            files: duckdb::schemas_in,
        }),
    },
    #[cfg(not(feature = "duckdb"))]
    Adapter { name: "duckdb", engine: None },
    Adapter {
        name: "postgres",
        engine: Some(Engine {
            traits: postgres::POSTGRES_TRAITS,
            open: |target, context| Ok(Arc::new(postgres::Postgres::new(target, context)?)),
            files: |_, _| Vec::new(),
        }),
    },
    Adapter {
        name: "redshift",
        engine: Some(Engine {
            traits: postgres::REDSHIFT_TRAITS,
            open: |target, context| Ok(Arc::new(postgres::Postgres::redshift(target, context)?)),
            files: |_, _| Vec::new(),
        }),
    },
];

/// Names of all adapters, for people.
fn known() -> String {
    let names: Vec<_> = ADAPTERS.iter().map(|adapter| adapter.name).collect();
    and_list(&names)
}

/// Whether there is an engine for the adapter that dbt calls `name`.
///
/// # Errors
/// When the adapter is unknown or not compiled in.
pub fn check_adapter(name: &str) -> Result<(), OpenError> {
    engine(name).map(drop)
}

fn engine(name: &str) -> Result<&'static Engine, OpenError> {
    let adapter = ADAPTERS.iter().find(|adapter| adapter.name == name);
    let unknown = || OpenError::UnknownAdapter { adapter: name.to_owned(), known: known() };
    let adapter = adapter.ok_or_else(unknown)?;
    adapter.engine.as_ref().ok_or(OpenError::NotCompiledIn { adapter: adapter.name })
}

/// The warehouse that a dbt target names.
///
/// # Errors
/// When the adapter is unknown or not compiled in, or the target's fields do not fit it.
pub fn open(target: &Target, context: OpenContext<'_>) -> Result<Arc<dyn Warehouse>, OpenError> {
    let engine = engine(&target.adapter)?;
    match &target.source {
        ProfileSource::Own | ProfileSource::Base { .. } => (engine.open)(target, context),
        // It can name any host, so what the job's environment would add to it stays out: passwords, keys, tokens.
        ProfileSource::PullRequest { why } => {
            if target.fields.get("method").and_then(Value::as_str).is_some_and(|method| method.starts_with("iam")) {
                return Err(OpenError::Field {
                    profile: target.profile.clone(),
                    target: target.name.clone(),
                    why: format!(
                        "`method: iam` is not used with the pull request's own profile ({why}): check out with \
                         `fetch-depth: 2`, or keep the profile outside the checkout and pass --profiles-dir"
                    ),
                });
            }
            let env = context.env.without_variables();
            (engine.open)(target, OpenContext { env: &env, ..context })
        }
    }
}

/// What the target's engine can do, known before it is opened.
///
/// # Errors
/// When the adapter is unknown or not compiled in.
pub fn traits_of(target: &Target) -> Result<Traits, OpenError> {
    Ok(engine(&target.adapter)?.traits)
}

/// The temporary schemas that an engine without a server keeps in files of `temp_dir`; each is opened by its name. None
/// for an engine with a server, and where the target cannot be opened.
#[must_use]
pub fn schemas_in_files(target: &Target, temp_dir: &Path) -> Vec<String> {
    engine(&target.adapter).map_or_else(|_| Vec::new(), |engine| (engine.files)(target, temp_dir))
}
