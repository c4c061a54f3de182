//! One file a subcommand; each only strings stages together.

pub mod publish;
pub mod render;
