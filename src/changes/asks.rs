//! Whether a text is made from answers of the warehouse.

use super::compile_context::macros_of;
use crate::artifacts::{Manifest, Node};
use crate::sql::jinja::{Piece, Word, pieces, words};

/// What a node's text asks the warehouse while dbt compiles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asks {
    /// Nothing that could change the text, as far as its code and the macros that it reaches show.
    Nothing,
    /// About other relations: their rows, columns, or whether they are there.
    Warehouse,
    /// About its own relation, which is production's in production and nowhere in a pull request's schema.
    Itself,
}

/// Calls whose answer is the warehouse's. dbt's own macros are not followed, so those that ask stand here.
const CALLS: &[&str] = &[
    "get_column_values",
    "get_columns_in_query",
    "get_columns_in_relation",
    "get_filtered_columns_in_relation",
    "get_relation",
    "get_relations_by_pattern",
    "get_relations_by_prefix",
    "get_single_value",
    "load_cached_relation",
    "load_relation",
    "load_result",
    "run_query",
    "star",
];

/// Methods of `adapter` that ask nothing.
const OFFLINE: &[&str] = &["dispatch", "quote", "quote_as_configured", "quote_seed_column", "type"];

/// What a node asks: in its own code, that of the ephemeral models in it, and of the project's macros that they reach.
#[must_use]
pub fn asks(manifest: &Manifest<'_>, node: &Node<'_>) -> Asks {
    let mut nodes = vec![node];
    let mut index = 0;
    while let Some(node) = nodes.get(index).copied() {
        index += 1;
        let parents = node.depends_on.nodes.iter().filter_map(|parent| manifest.nodes.get(parent));
        let inlined: Vec<_> = parents
            .filter(|parent| parent.is_ephemeral() && !nodes.iter().any(|own| own.unique_id == parent.unique_id))
            .collect();
        nodes.extend(inlined);
    }
    let own = nodes.iter().map(|node| in_text(&node.raw_code.get())).max();
    let macros = macros_of(manifest, nodes.iter().copied()).into_iter().map(|text| in_text(&text)).max();
    own.max(macros).unwrap_or(Asks::Nothing)
}

/// Whether a node's text looks at which command of dbt runs, which is `build` in production and `compile` for a
/// manifest: in its own code, or in the project's macros that it reaches.
#[must_use]
pub fn looks_at_command(manifest: &Manifest<'_>, node: &Node<'_>) -> bool {
    names_command(&node.raw_code.get()) || macros_of(manifest, [node]).iter().any(|text| names_command(text))
}

fn names_command(template: &str) -> bool {
    // Reading every template into words takes longer.
    if !template.contains("flags") && !template.contains("invocation_args_dict") {
        return false;
    }
    pieces(template).iter().any(|piece| match piece {
        Piece::Text(_) => false,
        Piece::Code(code) => {
            let words = words(code.trim_matches(['-', '+']));
            words.iter().enumerate().any(|(index, word)| match word {
                Word::Name("invocation_args_dict") => true,
                Word::Name("flags") => match words.get(index + 1..index + 3) {
                    Some([Word::Sign("."), Word::Name(flag)]) => flag.eq_ignore_ascii_case("which"),
                    _ => true,
                },
                _ => false,
            })
        }
    })
}

fn in_text(template: &str) -> Asks {
    let pieces = pieces(template);
    let code = pieces.iter().filter_map(|piece| match piece {
        Piece::Code(code) => Some(words(code.trim_matches(['-', '+']))),
        Piece::Text(_) => None,
    });
    code.map(|words| in_words(&words)).max().unwrap_or(Asks::Nothing)
}

fn in_words(words: &[Word<'_>]) -> Asks {
    let asked = words.iter().enumerate().filter_map(|(index, word)| {
        let Word::Name(name) = word else { return None };
        let behind = words.get(index + 1..).unwrap_or_default();
        let before = index.checked_sub(1).and_then(|before| words.get(before));
        let calls = behind.first() == Some(&Word::Sign("("));
        let asks = match *name {
            // `{% macro star(…) %}` says what it does further on.
            _ if before == Some(&Word::Name("macro")) => false,
            "adapter" if before != Some(&Word::Sign(".")) => match behind.get(1) {
                Some(Word::Name(method)) => !OFFLINE.contains(method),
                _ => true,
            },
            "statement" => before == Some(&Word::Name("call")),
            name => calls && CALLS.contains(&name),
        };
        asks.then(|| {
            let own = behind.iter().take(6).any(|word| *word == Word::Name("this"));
            if own { Asks::Itself } else { Asks::Warehouse }
        })
    });
    asked.max().unwrap_or(Asks::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_look_at_the_command_or_do_not() {
        for (text, looks) in [
            ("{% if flags.WHICH in ('run', 'build') %}x{% endif %}", true),
            ("{% if flags['WHICH'] == 'run' %}x{% endif %}", true),
            ("{% if invocation_args_dict.which == 'build' %}x{% endif %}", true),
            ("{% if flags.FULL_REFRESH %}x{% endif %}", false),
            ("select flags.WHICH from {{ ref('flags') }}", false),
        ] {
            assert_eq!(names_command(text), looks, "{text}");
        }
    }

    #[test]
    fn texts_ask_or_do_not() {
        for (text, asks) in [
            ("select 1 from {{ ref('a') }}", Asks::Nothing),
            ("select {{ adapter.quote('a') }}, {{ adapter.dispatch('x', 'p')() }}", Asks::Nothing),
            ("select 'run_query(' as text {# run_query() #}", Asks::Nothing),
            ("{% set found = run_query('select 1') %}", Asks::Warehouse),
            ("select {{ dbt_utils.star(ref('a')) }}", Asks::Warehouse),
            ("{% for c in adapter.get_columns_in_relation(ref('a')) %}{% endfor %}", Asks::Warehouse),
            ("{% call statement('x', fetch_result=True) %}select 1{% endcall %}", Asks::Warehouse),
            ("{% if load_relation(this) %}x{% endif %}", Asks::Itself),
            ("{% set r = adapter.get_relation(this.database, this.schema, this.identifier) %}", Asks::Itself),
            ("{% if is_incremental() %}where 1 = 1{% endif %}", Asks::Nothing),
        ] {
            assert_eq!(in_text(text), asks, "{text}");
        }
    }
}
