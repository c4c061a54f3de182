//! The adapters that premerge can talk to, in one table.

use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "duckdb")]
use super::duckdb;
use super::{Meeting, OpenContext, OpenError, Warehouse, postgres};
use crate::config::Target;
use crate::text::words::and_list;

type Opened = Result<Arc<dyn Warehouse>, OpenError>;

/// One of dbt's adapters.
struct Adapter {
    /// dbt's name of it.
    name: &'static str,
    meeting: Meeting,
    open: fn(&Target, OpenContext<'_>) -> Opened,
    files: fn(&Target, &Path) -> Option<Vec<String>>,
}

const ADAPTERS: [Adapter; 3] = [
    #[cfg(feature = "duckdb")]
    Adapter {
        name: "duckdb",
        meeting: Meeting::File,
        open: |target, context| Ok(Arc::new(duckdb::DuckDb::new(target, context)?)),
        files: |target, temp_dir| Some(duckdb::schemas_in(target, temp_dir)),
    },
    #[cfg(not(feature = "duckdb"))]
    Adapter {
        name: "duckdb",
        meeting: Meeting::File,
        open: |_, _| Err(OpenError::NotCompiledIn { adapter: "duckdb" }),
        files: |_, _| None,
    },
    Adapter {
        name: "postgres",
        meeting: Meeting::Register,
        open: |target, context| Ok(Arc::new(postgres::Postgres::new(target, context)?)),
        files: |_, _| None,
    },
    Adapter {
        name: "redshift",
        meeting: Meeting::Register,
        open: |target, context| Ok(Arc::new(postgres::Postgres::redshift(target, context)?)),
        files: |_, _| None,
    },
];

fn adapter(name: &str) -> Option<&'static Adapter> {
    ADAPTERS.iter().find(|adapter| adapter.name == name)
}

/// Names of all adapters, for people.
fn known() -> String {
    let names: Vec<_> = ADAPTERS.iter().map(|adapter| adapter.name).collect();
    and_list(&names)
}

/// The warehouse that a dbt target names.
///
/// # Errors
/// When the adapter is unknown or not compiled in, or the target's fields do not fit it.
pub fn open(target: &Target, context: OpenContext<'_>) -> Result<Arc<dyn Warehouse>, OpenError> {
    match adapter(&target.adapter) {
        Some(adapter) => (adapter.open)(target, context),
        None => Err(OpenError::UnknownAdapter { adapter: target.adapter.clone(), known: known() }),
    }
}

/// Whether the target's engine keeps temporary schemas in files, having no server.
#[must_use]
pub fn keeps_files(target: &Target) -> bool {
    adapter(&target.adapter).is_some_and(|adapter| adapter.meeting == Meeting::File)
}

/// The temporary schemas that an engine without a server keeps in files of `temp_dir`; each is opened by its name.
/// `None` for engines with a server, where one connection sees all.
#[must_use]
pub fn schemas_in_files(target: &Target, temp_dir: &Path) -> Option<Vec<String>> {
    (adapter(&target.adapter)?.files)(target, temp_dir)
}
