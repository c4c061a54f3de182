//! One file a subcommand; each only strings stages together.

mod comparison;
mod error;
mod git;
mod io;
mod progress;
mod recorded;
mod signals;
mod state_age;

pub mod check;
pub mod cleanup;
pub mod debug;
pub mod demo;
pub mod lint;
pub mod ls;
pub mod plan;
pub mod publish;
pub mod render;

pub use comparison::{ChangeRules, ManifestArgs, SelectionArgs};
pub use error::CommandError;
pub use io::Io;

/// The runtime of a command that waits for a warehouse or a forge.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Runtime::new().map_err(|error| CommandError::Incomplete(format!("could not start: {error}")))
}
