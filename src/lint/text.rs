//! What is linted: the text that SQL rules can read, and where each part of it stands in the author's file.

use super::align::{Slice, align, render};
use super::ephemeral::without_injected;
use super::pieces::{JinjaError, Kind, Piece, Role, cut, is_call, line_of};

/// Where the SQL of a file with Jinja comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The file has no Jinja: it is the SQL.
    Plain,
    /// What dbt compiled.
    Compiled,
    /// Rendered without dbt: first branches, loops once, outputs guessed.
    Guessed,
}

/// A file, its SQL, and which part of one made which part of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LintText {
    pub(crate) basis: Basis,
    /// The author's file, with `\n` line ends.
    pub(crate) source: String,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) rendered: String,
    pub(crate) slices: Vec<Slice>,
}

/// Why a file has no text to lint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TextError {
    #[error(transparent)]
    Jinja(#[from] JinjaError),
    /// A construct that the alignment does not know, or too large.
    #[error("its compiled SQL could not be matched with the file")]
    Unaligned,
}

impl LintText {
    /// A file with what dbt made of it.
    ///
    /// Most versions of dbt strip the file before they compile it; the white space at its ends is put back, or
    /// every file would end without a newline.
    pub(crate) fn compiled(source: &str, compiled: &str, stripped: bool) -> Result<Self, TextError> {
        let source = unix(source);
        let compiled = without_injected(&unix(compiled));
        let pieces = cut(&source)?;
        if pieces.iter().all(|piece| piece.role == Role::Text) {
            // A plain file is its own SQL, compiled or not.
            return Ok(Self::plain(source, pieces));
        }
        let text_of = |piece: Option<&Piece>| source.get(piece.filter(|piece| piece.role == Role::Text)?.range.clone());
        let (first, last) = (text_of(pieces.first()).unwrap_or_default(), text_of(pieces.last()).unwrap_or_default());
        for rendered in candidates(&compiled, first, last, stripped) {
            if let Some(slices) = align(&source, &pieces, &rendered)? {
                return Ok(Self { basis: Basis::Compiled, pieces, rendered, slices, source });
            }
        }
        Err(TextError::Unaligned)
    }

    /// A file without dbt's help.
    pub(crate) fn guessed(source: &str) -> Result<Self, TextError> {
        let source = unix(source);
        let pieces = cut(&source)?;
        if pieces.iter().all(|piece| piece.role == Role::Text) {
            return Ok(Self::plain(source, pieces));
        }
        let (rendered, slices) = render(&source, &pieces, &|inside| guess(inside))?;
        Ok(Self { basis: Basis::Guessed, pieces, rendered, slices, source })
    }

    fn plain(source: String, pieces: Vec<Piece>) -> Self {
        let slices = pieces
            .iter()
            .map(|piece| Slice { kind: piece.kind, source: piece.range.clone(), rendered: piece.range.clone() })
            .collect();
        Self { basis: Basis::Plain, rendered: source.clone(), pieces, slices, source }
    }

    /// The author's line of a place in the rendered text (both from 1); `None` if no author wrote it there.
    pub(crate) fn written_line(&self, line: u64, column: u64) -> Option<usize> {
        let (at, slice) = self.slice_at(line, column)?;
        (slice.kind == Kind::Literal).then(|| line_of(&self.source, slice.source.start + (at - slice.rendered.start)))
    }

    /// The same, and where a tag wrote it, the tag's line.
    pub(crate) fn causing_line(&self, line: u64, column: u64) -> Option<usize> {
        let (_, slice) = self.slice_at(line, column)?;
        self.written_line(line, column).or_else(|| Some(line_of(&self.source, slice.source.start)))
    }

    fn slice_at(&self, line: u64, column: u64) -> Option<(usize, &Slice)> {
        let lines_before = usize::try_from(line.checked_sub(1)?).ok()?;
        let start = match lines_before {
            0 => 0,
            n => self.rendered.match_indices('\n').nth(n - 1)?.0 + 1,
        };
        let columns_before = usize::try_from(column.checked_sub(1)?).ok()?;
        let rest = self.rendered.get(start..)?;
        // Columns count characters; in ASCII, which long generated lines are, those are bytes.
        let ascii = rest.as_bytes().get(..columns_before).is_some_and(<[u8]>::is_ascii);
        let at = start
            + if ascii { columns_before } else { rest.chars().take(columns_before).map(char::len_utf8).sum::<usize>() };
        self.slices.iter().find(|slice| slice.rendered.contains(&at)).map(|slice| (at, slice))
    }

    /// How many pieces of SQL stand in the file and not in the SQL: branches that were not taken.
    pub(crate) fn unrendered(&self) -> usize {
        let covered: std::collections::HashSet<usize> = self.slices.iter().map(|slice| slice.source.start).collect();
        let text = |piece: &&Piece| {
            piece.role == Role::Text && self.source.get(piece.range.clone()).is_some_and(|text| !text.trim().is_empty())
        };
        self.pieces.iter().filter(text).filter(|piece| !covered.contains(&piece.range.start)).count()
    }
}

/// What the compiled text may have been before dbt stripped the file or Jinja its last newline: versions of
/// dbt differ. The likelier first; where dbt `stripped` the file, white space at the ends of the compiled text is a
/// macro's.
fn candidates(compiled: &str, first: &str, last: &str, stripped: bool) -> Vec<String> {
    let (lead, trail) = (leading(first), trailing(last));
    let mut list: Vec<String> = Vec::new();
    let mut add = |text: String| {
        if !list.contains(&text) {
            list.push(text);
        }
    };
    if stripped {
        add(format!("{lead}{compiled}{trail}"));
    }
    let starts = if compiled.starts_with(lead) {
        [compiled.to_owned(), format!("{lead}{compiled}")]
    } else {
        [format!("{lead}{compiled}"), compiled.to_owned()]
    };
    for start in starts {
        if start.ends_with(last) {
            add(start.clone());
        }
        add(format!("{start}{trail}"));
        add(format!("{}{trail}", start.trim_end()));
        add(start);
    }
    list
}

/// Line ends as `\n`, which is what every linter counts.
fn unix(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn leading(text: &str) -> &str {
    text.get(..text.len() - text.trim_start().len()).unwrap_or_default()
}

fn trailing(text: &str) -> &str {
    text.get(text.trim_end().len()..).unwrap_or_default()
}

/// What sqlfluff's jinja templater puts for dbt's functions (`apply_dbt_builtins`).
fn guess(inside: &str) -> String {
    let strings = strings(inside);
    if is_call(inside, "ref") {
        return strings.last().cloned().unwrap_or_else(|| "ref".to_owned());
    }
    if is_call(inside, "source") {
        return strings.join("_");
    }
    if is_call(inside, "var") {
        return strings.get(1).cloned().unwrap_or_else(|| "item".to_owned());
    }
    match inside {
        "this" => "this_model".to_owned(),
        _ => {
            let word: String = inside.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) { "item".to_owned() } else { word }
        }
    }
}

/// The string literals of an expression.
fn strings(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['\'', '"']) {
        let quote = rest.get(start..=start).unwrap_or("'");
        let after = rest.get(start + 1..).unwrap_or_default();
        let Some(end) = after.find(quote) else { break };
        found.push(after.get(..end).unwrap_or_default().to_owned());
        rest = after.get(end + 1..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dbt_stripped_is_put_back() {
        let text = LintText::compiled("\nselect {{ x }}\n\n", "select 1", true).unwrap();
        assert_eq!(text.rendered, "\nselect 1\n\n");
        let ends_in_tag = LintText::compiled("{% if a -%}\nselect 1\n{%- endif -%}\n", "select 1", false).unwrap();
        assert_eq!(ends_in_tag.rendered, "select 1");
        let a_macro_s = LintText::compiled("a {{ x }}\n", "a 1\n\n", true).unwrap();
        assert_eq!(a_macro_s.rendered, "a 1\n\n\n");
        let newline_kept = LintText::compiled("select {{ x }}\n", "select 1\n", false).unwrap();
        assert_eq!(newline_kept.rendered, "select 1\n");
        let after_block = LintText::compiled("{{ a }} b\n{% if x %}c{% endif %}\n", "1 b\n", false).unwrap();
        assert_eq!(after_block.rendered, "1 b\n\n");
    }

    #[test]
    fn a_branch_that_was_not_taken_is_counted() {
        let text = LintText::compiled("a{% if x %} b{% else %} c{% endif %}\n", "a c", false).unwrap();
        assert_eq!(text.unrendered(), 1);
    }

    #[test]
    fn a_file_that_is_not_what_was_compiled_is_no_match() {
        assert_eq!(LintText::compiled("select {{ a }} b", "select 1 c", false), Err(TextError::Unaligned));
    }

    #[test]
    fn dbt_s_functions_are_guessed_as_sqlfluff_does() {
        for (inside, text) in
            [("ref('p', 'a')", "a"), ("source('s', 't')", "s_t"), ("var('x')", "item"), ("this", "this_model")]
        {
            assert_eq!(guess(inside), text);
        }
    }
}
