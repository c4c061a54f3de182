//! `premerge demo`: the whole job on a bundled project, by the same code as `premerge check`.

mod args;
#[cfg(feature = "duckdb")]
mod bundle;
#[cfg(feature = "duckdb")]
mod production;
#[cfg(feature = "duckdb")]
mod show;

pub use args::DemoArgs;
#[cfg(feature = "duckdb")]
pub use production::{BuildStatement, SourceTypes, make as make_production, whole_build};
#[cfg(feature = "duckdb")]
pub use show::run;

#[cfg(not(feature = "duckdb"))]
use super::{CommandError, Io};

/// Says that this build has no engine for the demo.
///
/// # Errors
/// Always.
#[cfg(not(feature = "duckdb"))]
pub fn run(_: &DemoArgs, _: &mut Io<'_>) -> Result<u8, CommandError> {
    Err(CommandError::Usage("the demo needs the DuckDB engine; build premerge with `--features duckdb`".to_owned()))
}
