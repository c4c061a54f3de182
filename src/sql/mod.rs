//! SQL as text: dialects, tokens, relation names and their relocation.
//!
//! Everything here works on tokens of sqlparser's tokenizer and splices by their positions; nothing
//! prints a syntax tree, because printing and reparsing changes real models.

mod dialect;
mod relation;

pub use dialect::{Dialect, IdentifierCase};
pub use relation::RelationName;
