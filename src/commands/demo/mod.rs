//! `premerge demo`: the whole job on a bundled project, by the same code as `premerge check`.

#[cfg(feature = "duckdb")]
mod bundle;
#[cfg(feature = "duckdb")]
mod production;
#[cfg(feature = "duckdb")]
mod show;

use std::path::PathBuf;

use clap::Args;

#[cfg(feature = "duckdb")]
pub use production::{BuildStatement, SourceTypes, make as make_production, whole_build};
#[cfg(feature = "duckdb")]
pub use show::run;

#[cfg(not(feature = "duckdb"))]
use super::{CommandError, Io};

/// `premerge demo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The bundled project is a small ferry company's. Its pull request adds the payment method to the bookings by a
join that repeats bookings with several payments: the gate catches it. The demo itself then exits with 0.")]
pub struct DemoArgs {
    /// Folder for the demo's files; must not exist [default: a new temporary folder, which is kept]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Says that this build has no engine for the demo.
///
/// # Errors
/// Always.
#[cfg(not(feature = "duckdb"))]
pub fn run(_: &DemoArgs, _: &mut Io<'_>) -> Result<u8, CommandError> {
    Err(CommandError::Usage("the demo needs the DuckDB engine; build premerge with `--features duckdb`".to_owned()))
}
