//! One file a subcommand; each only strings stages together.

pub mod ls;
pub mod plan;
pub mod publish;
pub mod render;
