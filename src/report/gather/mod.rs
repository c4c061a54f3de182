//! The report gathered: what each stage found becomes part of the [`Draft`](super::Draft) here, one file a stage, and
//! nowhere else.

mod began;
mod compiled;
mod happened;
mod lint;
mod planned;
mod schema;
mod whose;

pub use began::Address;
pub(super) use lint::lint_finding;
pub use planned::Planned;
pub use schema::{SchemaEnd, WantedSchema};
