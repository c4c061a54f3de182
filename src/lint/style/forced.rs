//! LT02 behind a line break that LT02 itself asks for.
//!
//! Where a line lacks a break (`where a = 1` over several lines), sqlfluff reports that, and judges the lines
//! after it as if the break were there, until its indent closes. The library forgets the indent one line too
//! early (sqlfluff drops forced indents *above* the closing balance, the library those at it too), and so misses
//! all but the first. So the breaks that it asks for are made in a copy of the text, and LT02 judges that.

use std::ops::Range;

use crate::lint::align::Slice;
use crate::lint::pieces::{Kind, Piece};
use crate::lint::text::LintText;

use super::finding::StyleFinding;

/// A text with line breaks that its author did not make.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) text: LintText,
    edits: Vec<Edit>,
}

/// White space of the author's text and the break in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    range: Range<usize>,
    text: String,
}

/// Whether a finding asks for a line break.
pub(super) fn asks_for_break(finding: &StyleFinding) -> bool {
    finding.code == "LT02" && finding.message.starts_with("Expected line break")
}

impl Broken {
    /// `text` with the breaks that `findings` ask for; `None` where there are none, or where one does not fit.
    pub(super) fn new(text: &LintText, findings: &[StyleFinding]) -> Option<Self> {
        let mut edits: Vec<Edit> = findings
            .iter()
            .filter(|finding| asks_for_break(finding))
            .filter_map(|finding| edit(text, finding))
            .collect();
        edits.sort_by_key(|edit| edit.range.start);
        edits.dedup();
        if edits.is_empty() || edits.windows(2).any(|pair| matches!(pair, [a, b] if a.range.end > b.range.start)) {
            return None;
        }
        let mut rendered_edits = Vec::new();
        for slice in text.slices.iter().filter(|slice| slice.kind == Kind::Literal && !slice.rendered.is_empty()) {
            for edit in edits.iter().filter(|edit| within(&edit.range, &slice.source)) {
                let shift = |at: usize| at - slice.source.start + slice.rendered.start;
                rendered_edits
                    .push(Edit { range: shift(edit.range.start)..shift(edit.range.end), text: edit.text.clone() });
            }
        }
        rendered_edits.sort_by_key(|edit| edit.range.start);
        let pieces = text
            .pieces
            .iter()
            .map(|piece| Piece {
                range: moved(&piece.range, &edits),
                inside: moved(&piece.inside, &edits),
                ..piece.clone()
            })
            .collect();
        let slices = text
            .slices
            .iter()
            .map(|slice| Slice {
                kind: slice.kind,
                source: moved(&slice.source, &edits),
                rendered: moved(&slice.rendered, &rendered_edits),
            })
            .collect();
        let source = applied(&text.source, &edits)?;
        let rendered = applied(&text.rendered, &rendered_edits)?;
        Some(Self { text: LintText { basis: text.basis, source, pieces, rendered, slices }, edits })
    }

    /// The place in the author's text of a place in this one (line and column from 1); `None` for the indent of a
    /// line that is not the author's.
    pub(super) fn place(&self, line: usize, column: usize, author: &str) -> Option<(usize, usize)> {
        let start = match line.checked_sub(2) {
            None => 0,
            Some(before) => self.text.source.match_indices('\n').nth(before)?.0 + 1,
        };
        let rest = self.text.source.get(start..)?;
        let mut at = start + rest.chars().take(column.checked_sub(1)?).map(char::len_utf8).sum::<usize>();
        for edit in &self.edits {
            let made = edit.range.start..edit.range.start + edit.text.len();
            if at < made.start {
                break;
            }
            if at < made.end || (at == made.end && column == 1) {
                return None;
            }
            at = at - edit.text.len() + edit.range.len();
        }
        let before = author.get(..at)?;
        let line = before.matches('\n').count() + 1;
        Some((line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1))
    }
}

/// The white space that a finding wants to be a break: that at its place, before the word that it names.
fn edit(text: &LintText, finding: &StyleFinding) -> Option<Edit> {
    let start = match finding.line.checked_sub(2) {
        None => 0,
        Some(before) => text.source.match_indices('\n').nth(before)?.0 + 1,
    };
    let rest = text.source.get(start..)?;
    let at = start + rest.chars().take(finding.column.checked_sub(1)?).map(char::len_utf8).sum::<usize>();
    let after = text.source.get(at..)?;
    let space = after.len() - after.trim_start_matches([' ', '\t']).len();
    let range = at..at + space;
    // Not at the edge of a piece: the break must be part of a literal.
    let inner = |slice: &Slice| {
        slice.kind == Kind::Literal && within(&range, &slice.source) && (space > 0 || at > slice.source.start)
    };
    if !text.slices.iter().any(inner) {
        return None;
    }
    let words = finding.message.split_once(" of ").map(|(_, words)| words);
    let number: Option<usize> = words.and_then(|words| words.split(' ').next()?.parse().ok());
    let unit = if finding.message.contains(" tab") { "\t" } else { " " };
    Some(Edit { range, text: format!("\n{}", unit.repeat(number.unwrap_or(0))) })
}

fn within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn moved(range: &Range<usize>, edits: &[Edit]) -> Range<usize> {
    let shift = |at: usize, is_end: bool| {
        let done = edits
            .iter()
            .take_while(|edit| edit.range.end < at || (edit.range.end == at && (is_end || !edit.range.is_empty())));
        done.fold(at, |at, edit| at + edit.text.len() - edit.range.len())
    };
    // An empty piece stays behind what stands before it.
    shift(range.start, range.is_empty())..shift(range.end, true)
}

fn applied(text: &str, edits: &[Edit]) -> Option<String> {
    let (mut result, mut at) = (String::new(), 0);
    for edit in edits {
        result.push_str(text.get(at..edit.range.start)?);
        result.push_str(&edit.text);
        at = edit.range.end;
    }
    result.push_str(text.get(at..)?);
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(line: usize, column: usize, message: &str) -> StyleFinding {
        StyleFinding {
            line,
            column,
            code: "LT02".to_owned(),
            message: message.to_owned(),
            warning: false,
            fixable: true,
        }
    }

    #[test]
    fn a_break_is_made_in_source_and_rendered_text_and_places_go_back() {
        let source = "select {{ x }}\nwhere a = {{ x }}\nand b\n";
        let text = LintText::compiled(source, "select 12\nwhere a = 12\nand b", true).unwrap();
        let wanted = finding(2, 6, "Expected line break and indent of 4 spaces before 'a'.");
        let broken = Broken::new(&text, &[wanted]).unwrap();
        assert_eq!(broken.text.source, "select {{ x }}\nwhere\n    a = {{ x }}\nand b\n");
        assert_eq!(broken.text.rendered, "select 12\nwhere\n    a = 12\nand b\n");
        for slice in broken.text.slices.iter().filter(|slice| slice.kind == Kind::Literal) {
            let from = broken.text.source.get(slice.source.clone()).unwrap();
            let to = broken.text.rendered.get(slice.rendered.clone()).unwrap();
            assert_eq!(from, to);
        }
        assert_eq!(broken.place(4, 1, source), Some((3, 1)));
        assert_eq!(broken.place(3, 5, source), Some((2, 7)));
        assert_eq!(broken.place(3, 1, source), None);
        let bare = finding(2, 6, "Expected line break and no indent before 'a'.");
        assert_eq!(Broken::new(&text, &[bare]).unwrap().place(3, 1, source), None, "not the author's line");
        assert!(Broken::new(&text, &[]).is_none());
    }
}
