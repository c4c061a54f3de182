//! One file a subcommand; each only strings stages together.

mod closed_pipe;
mod comparison;
mod error;
mod format;
mod io;
mod output;
mod progress;
mod recorded;
mod result_file;
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

use std::path::PathBuf;

use crate::config::{Env, Settings, Target};
use crate::publish::ci::{Ci, detect};
use crate::warehouse::{self, Limits, Meeting};
pub use closed_pipe::UntilClosed;
pub use error::CommandError;
pub use io::Io;
pub use result_file::ResultFile;

/// What CI says about the run.
pub(crate) fn ci(env: &Env) -> Result<Ci, CommandError> {
    detect(env).map_err(|error| CommandError::Usage(error.to_string()))
}

/// Times after which something is given up.
pub(crate) fn limits(settings: &Settings) -> Limits {
    let limits = Limits::default();
    Limits {
        statement: settings.statement_limit().unwrap_or(limits.statement),
        give_way: settings.production_wait().unwrap_or(limits.give_way),
        ..limits
    }
}

/// Where temporary databases are; nowhere for an engine with a server.
pub(crate) fn temp_dir(settings: &Settings, target: &Target) -> Result<PathBuf, CommandError> {
    Ok(match warehouse::traits_of(target).map(|traits| traits.meeting) {
        Ok(Meeting::File) => settings.temp_dir()?,
        // A target that cannot be opened is refused when it is.
        Ok(Meeting::Register) | Err(_) => PathBuf::new(),
    })
}

/// The runtime of a command that waits for a warehouse or a forge.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Runtime::new().map_err(|error| CommandError::Incomplete(format!("could not start: {error}")))
}
