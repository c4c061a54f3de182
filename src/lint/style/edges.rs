//! Edges of a file and of its tags, where the library judges otherwise than sqlfluff. LT12 and LT13 (the ends of a file):
//! the library takes the newlines that a macro writes for the author's, and keeps quiet about a head that it holds for
//! templated. LT02: it judges the indent of tags that go on in other lines.

use std::collections::BTreeSet;

use crate::lint::jinja::{Kind, Role, line_of};
use crate::lint::text::{Basis, LintText};

/// Whether LT12 does not apply: the author ends the file with one newline, and what is before it is a macro's.
pub(super) fn ends_with_one_newline(text: &LintText) -> bool {
    let Some(before) = text.rendered.strip_suffix('\n').map(str::len) else { return false };
    let is_author_s =
        |at: usize| text.slices.iter().any(|slice| slice.kind == Kind::Literal && slice.rendered.contains(&at));
    is_author_s(before)
        && text.rendered.get(..before).is_some_and(|rest| rest.ends_with('\n'))
        && !is_author_s(before - 1)
}

/// Whether LT13 applies to a file with Jinja: the author begins it with white space. A tag that stands before it, even
/// one that writes nothing, is where the file begins (sqlfluff's `LT13.py`).
pub(super) fn begins_with_space(text: &LintText) -> bool {
    let Some(first) = text.pieces.first().filter(|piece| piece.role == Role::Text) else { return false };
    let head = text.source.get(first.range.clone()).unwrap_or_default();
    text.basis != Basis::Plain && head.starts_with(char::is_whitespace) && !text.rendered.trim().is_empty()
}

/// The lines that begin with a tag that ends in another line: sqlfluff does not judge their indent, for the tag holds
/// line breaks that no rule sees (the end of its `_revise_templated_lines`).
pub(super) fn lines_of_long_tags(text: &LintText) -> BTreeSet<usize> {
    let long = text.pieces.iter().filter(|piece| {
        let before = text.source.get(..piece.range.start).unwrap_or_default();
        let indent = before.rsplit('\n').next().unwrap_or_default();
        let has_breaks = text.source.get(piece.range.clone()).is_some_and(|tag| tag.contains('\n'));
        piece.kind != Kind::Literal && has_breaks && indent.trim().is_empty()
    });
    long.map(|piece| line_of(&text.source, piece.range.start)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newlines_of_a_macro_at_the_end_are_not_the_author_s() {
        let of_macro = LintText::compiled("a {{ x }}\n", "a 1\n\n", true).unwrap();
        assert!(ends_with_one_newline(&of_macro));
        let of_author = LintText::compiled("a {{ x }}\n\n", "a 1", true).unwrap();
        assert!(!ends_with_one_newline(&of_author));
    }

    #[test]
    fn a_head_of_white_space_counts_unless_a_tag_is_in_it() {
        assert!(begins_with_space(&LintText::compiled("\nselect {{ x }}\n", "select 1", true).unwrap()));
        assert!(!begins_with_space(&LintText::compiled("{{ x }}\nselect {{ x }}\n", "\nselect 1", true).unwrap()));
        assert!(!begins_with_space(&LintText::compiled("select {{ x }}\n", "select 1", true).unwrap()));
        assert!(!begins_with_space(&LintText::compiled("{{ config() }}\n\nselect 1\n", "\n\nselect 1", true).unwrap()));
        assert!(begins_with_space(&LintText::compiled("  {{ config() }}\nselect 1\n", "\nselect 1", true).unwrap()));
        for tag in ["{# c #}", "{% set a = 1 %}", "{% set a %}x{% endset %}", "{% macro m() %}1{% endmacro %}"] {
            let source = format!("{tag}\nselect 1\n");
            assert!(!begins_with_space(&LintText::compiled(&source, "\nselect 1", true).unwrap()), "{tag}");
        }
        assert!(!begins_with_space(
            &LintText::compiled("{% if a %}\nselect 1\n{% endif %}\n", "\nselect 1\n", true).unwrap()
        ));
    }

    #[test]
    fn a_line_that_begins_with_a_tag_of_several_lines_is_told() {
        let source = "select\n  {{ x(\n    1\n  ) }},\n  {{ x(1) }},\n  b + {{ x(\n1) }}\n";
        let text = LintText::compiled(source, "select\n  1,\n  1,\n  b + 1", true).unwrap();
        assert_eq!(lines_of_long_tags(&text), BTreeSet::from([2]));
    }
}
