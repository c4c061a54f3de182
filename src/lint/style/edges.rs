//! Edges of a file and of its tags, where the library judges otherwise than sqlfluff. LT12 and LT13 (the ends of a
//! file): the library takes the newlines that a macro writes for the author's, and keeps quiet about a head that it
//! holds for templated. LT02: it judges the indent of tags that go on in other lines.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::lint::align::Slice;
use crate::lint::pieces::{Kind, Piece, Role, line_of};
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

/// The lines that hold block tags (`{% if … %}`, `{% endif %}`) and nothing else, outside of loops: a loop's lines
/// stand in the SQL many times, and the library does not reckon them as sqlfluff.
pub(super) fn lines_of_lone_tags(text: &LintText) -> BTreeSet<usize> {
    let (mut tags, mut others) = (BTreeSet::new(), BTreeSet::new());
    let mut loops = 0_usize;
    for piece in &text.pieces {
        loops += usize::from(piece.role == Role::For);
        let first = line_of(&text.source, piece.range.start);
        let shown = text.source.get(piece.range.clone()).unwrap_or_default();
        let is_tag = is_block(piece.kind) && loops == 0 && !shown.contains('\n');
        for (line, part) in (first..).zip(shown.split('\n')) {
            if is_tag {
                tags.insert(line);
            } else if piece.kind != Kind::Literal || !part.trim().is_empty() {
                others.insert(line);
            }
        }
        loops -= usize::from(piece.role == Role::EndFor && loops > 0);
    }
    tags.difference(&others).copied().collect()
}

/// The text with the last character of each tag on those lines as a piece of its own, which renders to nothing too.
///
/// The library judges no line of block tags alone; with that piece it does, and reckons as sqlfluff.
pub(super) fn with_judged_tags(text: &LintText) -> LintText {
    let lines = lines_of_lone_tags(text);
    let cut = |kind: Kind, range: &Range<usize>| {
        let at = range.end.checked_sub(1).filter(|at| *at > range.start && is_block(kind));
        at.filter(|_| lines.contains(&line_of(&text.source, range.start)))
    };
    let mut judged = LintText { pieces: Vec::new(), slices: Vec::new(), ..text.clone() };
    for piece in &text.pieces {
        let Some(at) = cut(piece.kind, &piece.range) else {
            judged.pieces.push(piece.clone());
            continue;
        };
        judged.pieces.push(Piece { range: piece.range.start..at, ..piece.clone() });
        let end = at..piece.range.end;
        let (kind, role) = (Kind::Templated, Role::Silent);
        judged.pieces.push(Piece { kind, role, range: end.clone(), tag: None, inside: end, block: piece.block });
    }
    for slice in &text.slices {
        let Some(at) = cut(slice.kind, &slice.source) else {
            judged.slices.push(slice.clone());
            continue;
        };
        judged.slices.push(Slice { source: slice.source.start..at, ..slice.clone() });
        let rendered = slice.rendered.end..slice.rendered.end;
        judged.slices.push(Slice { kind: Kind::Templated, source: at..slice.source.end, rendered });
    }
    judged
}

fn is_block(kind: Kind) -> bool {
    matches!(kind, Kind::BlockStart | Kind::BlockMid | Kind::BlockEnd)
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

    #[test]
    fn lines_of_tags_alone_are_told_and_their_tags_cut() {
        let source = "{% if a %}\nb {% endif %}\n  {% if c %} {% endif %}\n{# d #}{% if e %}{{ f }}{% endif %}\n\
                      {% for g in h %}\n{% if i %}\nj\n{% endif %}\n{% endfor %}\n";
        let text = LintText::guessed(source).unwrap();
        assert_eq!(lines_of_lone_tags(&text), BTreeSet::from([1, 3]));
        let judged = with_judged_tags(&text);
        assert_eq!(judged.pieces.len(), text.pieces.len() + 3);
        let whole: String = judged.pieces.iter().filter_map(|piece| source.get(piece.range.clone())).collect();
        assert_eq!(whole, source, "the pieces still cover the file");
    }
}
