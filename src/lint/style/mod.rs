//! sqlfluff's style rules through `sqruff-lib`: a wrapper as thin as the library's gaps allow.
//!
//! In: a text and a team's sqlfluff configuration. Out: findings on the lines of the author's file. What
//! the library does otherwise than sqlfluff and is put right here: the default of `rules`, old codes,
//! `setup.cfg` and `tox.ini`, `-- noqa`, RF04, JJ01, LT02 behind missing line breaks and of block tags alone, and its
//! panics.

mod cache;
mod codes;
mod config;
mod edges;
mod engine;
mod finding;
mod forced;
mod guard;
mod ignored;
mod ini;
mod keywords;
mod noqa;
mod padding;
mod published;
mod references;
mod run;
mod silenced;
mod values;

pub(crate) use config::unknown_dialect;

use config::Resolved;
use engine::{Engine, Linted, dialect_of};
use finding::StyleFinding;
pub(crate) use run::run;
