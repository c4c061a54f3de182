//! SQL as text: dialects, tokens, relation names and their relocation.
//!
//! Everything here works on tokens of sqlparser's tokenizer and splices by their positions; nothing
//! prints a syntax tree, because printing and reparsing changes real models.

mod but_names;
mod context_names;
mod deep;
mod dialect;
mod embedded;
mod foreign;
mod grammar;
pub(crate) mod jinja;
mod letter_case;
mod misread;
mod names;
mod one_sided;
mod normalize;
mod relation;
mod relocate;
mod seen_through;
mod spelling;
pub(crate) mod surroundings;
mod tokens;

pub use but_names::{Spelling, equal_but_names};
#[cfg(feature = "lint")]
pub(crate) use deep::with_deep_stack;
pub use deep::{check_depth, is_deeper_than};
pub use dialect::{Dialect, IdentifierCase};
pub use embedded::equal_but_embedded;
pub use foreign::{ForeignRelation, Territory};
pub use grammar::{Facts, Named, ProjectText, Refusal, is_expression, judge};
pub use names::identifiers;
pub use normalize::{Normalized, add_by_unique_id, by_unique_id, normalize, same_meaning};
pub use one_sided::OneSided;
pub use relation::{RelationName, SchemaName, texts_in};
pub use relocate::{Relocated, Relocation, relocate};
pub use seen_through::see_through;
pub use spelling::SeedTypes;
pub use tokens::{SqlError, strings};
