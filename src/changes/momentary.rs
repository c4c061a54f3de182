//! Text that depends on when or where it is compiled.

use std::collections::HashSet;

use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::build_macros::is_dbts_own;
use crate::artifacts::{Manifest, Node};

/// Words that make a text depend on when or where it is compiled.
const MOMENTARY: &[&str] = &[
    "run_started_at",
    "invocation_id",
    "modules.datetime",
    "run_query",
    "call statement",
    "load_result",
    "get_column_values",
    "adapter.",
    "target.",
    "target[",
    "flags.",
    // Last: the others say more.
    "is_incremental",
];

/// What makes a node's text depend on its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Momentary {
    /// The word.
    pub(super) word: &'static str,
    /// How often `is_incremental` is asked without an `else`; `None` if there is one.
    pub(super) branches: Option<usize>,
}

/// The first momentary word in a node's raw text or in the project's macros that it reaches.
pub(super) fn momentary(manifest: &Manifest<'_>, node: &Node<'_>) -> Option<Momentary> {
    let mut found: Option<Momentary> = None;
    let mut look = |text: &str| {
        if let Some(word) = word(text) {
            let branches = (!has_else(text)).then(|| text.matches("is_incremental").count());
            found = Some(match found {
                Some(other) => Momentary {
                    word: if other.word == "is_incremental" { word } else { other.word },
                    branches: other.branches.zip(branches).map(|(a, b)| a + b),
                },
                None => Momentary { word, branches },
            });
        }
    };
    look(&node.raw_code.get());
    let mut open: Vec<&str> = node.depends_on.macros.iter().map(AsRef::as_ref).collect();
    let mut seen = HashSet::new();
    while let Some(id) = open.pop() {
        let Some(macro_) = manifest.macros.get(id).filter(|_| seen.insert(id) && !is_dbts_own(id)) else { continue };
        look(&macro_.macro_sql.get());
        open.extend(macro_.depends_on.macros.iter().map(AsRef::as_ref));
    }
    found
}

/// Whether a node's own raw text has a momentary word.
pub(super) fn is_momentary(node: &Node<'_>) -> bool {
    word(&node.raw_code.get()).is_some()
}

/// Whether `production` may be `pr` with the filters of an incremental run, of which there are so many in its text.
/// Where an `else` puts one text in the other's place, nothing can be told apart.
pub(super) fn is_explained(production: &[String], pr: &[String], branches: Option<usize>) -> bool {
    let Some(branches) = branches else { return true };
    let operations = capture_diff_slices(Algorithm::Myers, production, pr);
    let differing: Vec<_> = operations.iter().filter(|operation| operation.tag() != DiffTag::Equal).collect();
    differing.len() <= branches && differing.iter().all(|operation| operation.tag() == DiffTag::Delete)
}

fn word(text: &str) -> Option<&'static str> {
    // Which macro of a package is meant is the same at any time.
    let adapter = || text.matches("adapter.").count() > text.matches("adapter.dispatch").count();
    MOMENTARY.iter().find(|word| if **word == "adapter." { adapter() } else { text.contains(**word) }).copied()
}

fn has_else(text: &str) -> bool {
    ["{% else", "{%- else", "{%+ else", "{%else", "{%-else", "{% elif", "{%- elif", " if is_incremental() else "]
        .iter()
        .any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_filter_of_an_incremental_run_explains_a_difference_and_nothing_else_does() {
        let plain = tokens("select a from t where a >= 1");
        let filtered = tokens("select a from t where a >= 1 and b > ( select max ( b ) from this )");
        assert!(is_explained(&filtered, &plain, Some(1)));
        assert!(!is_explained(&filtered, &plain, Some(0)));
        assert!(!is_explained(&plain, &filtered, Some(1)));
        assert!(!is_explained(&tokens("select a from t where a >= 2 and b > 3"), &plain, Some(1)));
        assert!(is_explained(&tokens("select 2"), &tokens("select 1"), None));
    }

    #[test]
    fn dispatch_is_no_moment() {
        assert_eq!(word("{{ return(adapter.dispatch('f', 'p')(x)) }}"), None);
        assert_eq!(word("{{ adapter.get_columns_in_relation(this) }}"), Some("adapter."));
        assert_eq!(word("{% if is_incremental() and target.name %}"), Some("target."));
    }
}
