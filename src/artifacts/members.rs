//! The maps of a manifest.

use std::borrow::Cow;

use indexmap::IndexMap;

/// By unique_id or name, in the file's order. The hash is not the standard library's, which takes a twelfth of the time
/// of a large plan. Its seed, too, is another in every run, so that nobody can write keys that collide.
pub type Members<'a, T> = IndexMap<Cow<'a, str>, T, foldhash::fast::RandomState>;
