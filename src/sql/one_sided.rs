//! Names of relations that only one of two projects has, found in a text without cutting it into tokens.

use std::collections::{BTreeSet, HashSet};

use foldhash::fast::RandomState;
use regex::bytes::{Regex, RegexBuilder};

/// More words than this are not looked for; the texts then take the way over tokens.
const MOST: usize = 2_000;

/// Words of which every name has one that only one of two sets of relations has.
#[derive(Debug)]
pub struct OneSided {
    /// The words, longest first; `None` when there are none.
    words: Option<Regex>,
}

impl OneSided {
    /// `first` and `second`: names as manifests spell them, in the dialect's quoting.
    ///
    /// `None` when some name cannot be told apart by a word: it has dots or quotes inside of its quotes, or letters
    /// whose case is more than ASCII's.
    #[must_use]
    pub fn new<'n>(
        first: impl IntoIterator<Item = &'n str>,
        second: impl IntoIterator<Item = &'n str>,
    ) -> Option<Self> {
        let (first, second): (HashSet<&str, RandomState>, HashSet<&str, RandomState>) =
            (first.into_iter().collect(), second.into_iter().collect());
        let mut schemas = HashSet::new();
        for name in first.intersection(&second) {
            if let Some((Some(schema), _)) = last_two(name)? {
                schemas.insert(schema);
            }
        }
        let schemas: HashSet<String> = schemas.into_iter().map(str::to_ascii_lowercase).collect();
        let mut words: BTreeSet<String> = BTreeSet::new();
        for name in first.symmetric_difference(&second) {
            let Some((schema, identifier)) = last_two(name)? else { continue };
            // In a schema that both have relations in, only the identifier tells.
            let schema = schema.map(str::to_ascii_lowercase).filter(|schema| !schemas.contains(schema));
            words.insert(schema.unwrap_or_else(|| identifier.to_ascii_lowercase()));
        }
        if words.len() > MOST || words.iter().any(|word| word.is_empty() || !word.is_ascii()) {
            return None;
        }
        let mut words: Vec<String> = words.iter().map(|word| regex::escape(word)).collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let pattern = || RegexBuilder::new(&words.join("|")).case_insensitive(true).build().ok();
        Some(Self { words: if words.is_empty() { None } else { Some(pattern()?) } })
    }

    /// Whether `text` may hold such a name, or part of one. False is certain.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        let Some(words) = &self.words else { return false };
        let mut from = 0;
        while let Some(found) = words.find_at(text, from) {
            let (word, after) = (found.as_bytes(), text.get(found.end()));
            let before = found.start().checked_sub(1).and_then(|before| text.get(before));
            let joins = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
            // Inside a longer word it does not count, unless it is more than a word itself.
            let is_word = word.iter().all(|byte| joins(Some(byte)));
            if !is_word || !(joins(before) || joins(after)) {
                return true;
            }
            from = found.start() + 1;
        }
        false
    }
}

/// Schema and identifier of a name. `Some(None)` for what is not a name (`read_parquet(…)`), `None` when they cannot be
/// told.
#[allow(clippy::option_option, reason = "unknown and none are two answers")]
fn last_two(name: &str) -> Option<Option<(Option<&str>, &str)>> {
    let quotes = ['"', '`'];
    if !name.contains(quotes) && name.contains(['\'', '(']) {
        return Some(None);
    }
    let mut parts = Vec::with_capacity(3);
    for part in name.split('.') {
        let part = part.trim();
        let bare = match part.chars().next().filter(|first| quotes.contains(first)) {
            Some(quote) => part.strip_prefix(quote)?.strip_suffix(quote)?,
            None => part,
        };
        if bare.contains(quotes) || bare.contains('\\') {
            return None;
        }
        parts.push(bare);
    }
    let identifier = parts.pop()?;
    (parts.len() <= 2).then_some(Some((parts.pop(), identifier)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_side_has_is_found_as_a_word() {
        let first = [r#""wh"."prod"."a""#, "wh.raw.same", "wh.raw.gone", "read_parquet('x.y')"];
        let names = OneSided::new(first, [r#""wh"."ci"."a""#, "wh.raw.same", "wh.raw.fresh"]).unwrap();
        for text in ["prod", "x.PROD.y", "\"ci\"", "from raw.fresh", "é ci é", "gone", "decimal ci", "éci"] {
            assert!(names.is_in(text.as_bytes()), "{text}");
        }
        for text in ["", "production", "decimal", "ci_x", "x_ci", "wh.raw.same", "1ci", "refresh"] {
            assert!(!names.is_in(text.as_bytes()), "{text}");
        }
        let spaced = OneSided::new(["\"my ci\".a", "ci.b"], []).unwrap();
        assert!(spaced.is_in(b"xmy cix") && spaced.is_in(b"xci ci") && !spaced.is_in(b"xci"));
    }

    #[test]
    fn equal_projects_have_nothing_of_their_own_and_strange_names_are_not_guessed_at() {
        assert!(!OneSided::new(["a.b"], ["a.b"]).unwrap().is_in(b"a.b"));
        for name in [r#""a.b".c"#, r#""a""b".c"#, "`a.b.c`", "schöma.a", r#""a\b".c"#, "a.b.c.d"] {
            assert!(OneSided::new([name], []).is_none(), "{name}");
        }
    }
}
