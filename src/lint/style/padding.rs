//! JJ01 (padding of Jinja tags), in place of the library's, which runs only under the library's own Jinja
//! templater and offers to fix tags; we never do.

use crate::lint::pieces::{Kind, line_of};
use crate::lint::text::LintText;

pub(super) const CODE: &str = "JJ01";

/// The tags without one space (or a line break) inside either end: line, column, message.
pub(super) fn faults(text: &LintText) -> impl Iterator<Item = (usize, usize, String)> {
    let tags =
        text.pieces.iter().filter(|piece| matches!(piece.kind, Kind::Templated | Kind::BlockStart | Kind::BlockEnd));
    tags.filter_map(|piece| {
        let tag = text.source.get(piece.range.clone())?;
        let inside = tag.get(2..tag.len().checked_sub(2)?)?;
        let inside = inside.strip_prefix(['+', '-']).unwrap_or(inside);
        let inside = inside.strip_suffix(['+', '-']).unwrap_or(inside);
        if is_padding(lead(inside)) && is_padding(trail(inside)) {
            return None;
        }
        let before = text.source.get(..piece.range.start)?;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let message = format!("Jinja tags should have a single whitespace on either side: {tag}");
        Some((line_of(&text.source, piece.range.start), column, message))
    })
}

fn lead(inside: &str) -> &str {
    inside.get(..inside.len() - inside.trim_start().len()).unwrap_or_default()
}

fn trail(inside: &str) -> &str {
    inside.get(inside.trim_end().len()..).unwrap_or_default()
}

fn is_padding(space: &str) -> bool {
    space == " " || space.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_wants_one_space_or_a_line_break_at_either_end() {
        let source = "a {{ b }} {{b}}\n{%-  if c -%}{{\nd\n}}{% endif%} {#e#}";
        let text = LintText::guessed(source).unwrap();
        let found: Vec<_> = faults(&text).map(|(line, column, _)| (line, column)).collect();
        assert_eq!(found, [(1, 11), (2, 1), (4, 3)]);
    }
}
