//! LT12 and LT13 (the ends of a file) where Jinja is in it: the library takes the newlines that a macro writes for
//! the author's, and keeps quiet about a head that it holds for templated.

use crate::lint::jinja::{Kind, Role};
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

/// Whether LT13 applies to a file with Jinja: its SQL begins with white space, and no tag that may write is before it.
pub(super) fn begins_with_space(text: &LintText) -> bool {
    let lead = text.rendered.len() - text.rendered.trim_start().len();
    if text.basis == Basis::Plain || lead == 0 || lead == text.rendered.len() {
        return false;
    }
    let head = text.slices.iter().filter(|slice| slice.rendered.start < lead && !slice.rendered.is_empty());
    let end = head.map(|slice| slice.source.end).max().unwrap_or(0);
    let writes = |kind: Kind, role: Role| kind == Kind::Templated || role == Role::Output;
    !text.pieces.iter().any(|piece| piece.range.start < end && writes(piece.kind, piece.role))
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
    }
}
