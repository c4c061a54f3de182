//! A file of Jinja SQL cut into literals, tags and comments, for the style rules.
//!
//! The pieces are those of sqlfluff's `JinjaAnalyzer`, because the rules look at them: white space that
//! `{%-` or `-%}` takes away is a literal of its own that renders to nothing.

use std::ops::Range;

use crate::sql::jinja::{TagKind, next_tag};

/// What a piece of the file is to the style rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// SQL as it stands.
    Literal,
    /// A tag that may put text in its place.
    Templated,
    /// `{# … #}`
    Comment,
    /// `{% if … %}`, `{% for … %}`, …
    BlockStart,
    /// `{% elif … %}`, `{% else %}`
    BlockMid,
    /// `{% endif %}`, `{% endfor %}`, …
    BlockEnd,
}

/// What a piece of the file does when it is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Renders to itself.
    Text,
    /// Renders to nothing: comments, `config`, `set`, `do`, trimmed white space.
    Silent,
    /// Renders to text that only dbt knows.
    Output,
    /// `if`
    If,
    /// `elif` or `else`
    Branch,
    /// `endif`
    EndIf,
    /// `for`
    For,
    /// `endfor`
    EndFor,
    /// A block whose inside renders to nothing where it stands: `macro`, `set` with a body.
    Hidden,
    /// A block whose result only dbt knows: `call`, `filter`.
    Opaque,
    /// The end of either.
    EndBlock,
}

/// One piece; the pieces of a file cover it without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    pub(crate) role: Role,
    /// Bytes of the file.
    pub(crate) range: Range<usize>,
    /// Counts block tags, as sqlfluff does.
    pub(crate) block: usize,
    /// The first word of a block tag.
    pub(crate) tag: Option<String>,
    /// Inside of the tag, without delimiters and white space around it.
    pub(crate) inside: Range<usize>,
}

/// Why a file cannot be cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JinjaError {
    /// A tag that is never closed.
    #[error("a Jinja tag is not closed (line {0})")]
    Open(usize),
    /// Block tags that do not fit together.
    #[error("the Jinja blocks do not fit together (line {0})")]
    Unbalanced(usize),
}

/// Cuts `source`.
pub(crate) fn cut(source: &str) -> Result<Vec<Piece>, JinjaError> {
    Cutter { source, pieces: Vec::new(), block: 0 }.run()
}

/// Whether all that a file holds is macros, generic tests or materializations, with comments between them: nothing
/// that dbt compiles by itself.
#[must_use]
pub fn defines_only_macros(source: &str) -> bool {
    let Ok(pieces) = cut(source) else { return false };
    let (mut depth, mut any) = (0_usize, false);
    for piece in pieces {
        let tag = piece.tag.as_deref().unwrap_or_default();
        match piece.kind {
            Kind::BlockStart if depth == 0 && !MACROS.contains(&tag) => return false,
            Kind::BlockStart => (depth, any) = (depth + 1, true),
            Kind::BlockEnd => depth = depth.saturating_sub(1),
            Kind::Literal if depth == 0 => {
                let text = source.get(piece.range).unwrap_or_default();
                if text.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with("--")) {
                    return false;
                }
            }
            Kind::Templated if depth == 0 && piece.role == Role::Output => return false,
            _ => {}
        }
    }
    any
}

/// The blocks that dbt keeps as macros, and `docs`, which it keeps as text.
const MACROS: [&str; 5] = ["macro", "test", "data_test", "materialization", "docs"];

/// The line of a byte, counted from 1.
pub(crate) fn line_of(source: &str, at: usize) -> usize {
    source.get(..at).unwrap_or(source).matches('\n').count() + 1
}

struct Cutter<'s> {
    source: &'s str,
    pieces: Vec<Piece>,
    block: usize,
}

/// One tag found in the text.
struct Tag<'s> {
    kind: TagKind,
    range: Range<usize>,
    inside: Range<usize>,
    text: &'s str,
    trim_before: bool,
    trim_after: bool,
}

impl<'s> Cutter<'s> {
    fn run(mut self) -> Result<Vec<Piece>, JinjaError> {
        let mut at = 0;
        let mut trimmed = false;
        while let Some(tag) = self.next_tag(at)? {
            self.literal(at..tag.range.start, trimmed, tag.trim_before);
            at = tag.range.end;
            trimmed = tag.trim_after;
            if tag.kind == TagKind::Block && tag.text == "raw" {
                at = self.raw_block(&tag)?;
                trimmed = false;
                continue;
            }
            self.tag(&tag);
        }
        self.literal(at..self.source.len(), trimmed, false);
        Ok(self.pieces)
    }

    /// The next tag at or after `from`.
    fn next_tag(&self, from: usize) -> Result<Option<Tag<'s>>, JinjaError> {
        let Some(found) = next_tag(self.source, from) else { return Ok(None) };
        if !found.is_closed {
            return Err(JinjaError::Open(line_of(self.source, found.range.start)));
        }
        let inner = self.source.get(found.inside.clone()).unwrap_or_default();
        let trim_before = inner.starts_with('-');
        let trim_after = inner.len() > 1 && inner.ends_with('-');
        let bare = inner.strip_prefix(['-', '+']).unwrap_or(inner);
        let lead = inner.len() - bare.len();
        let bare = if bare.is_empty() { bare } else { bare.strip_suffix(['-', '+']).unwrap_or(bare) };
        let text = bare.trim();
        let inside = found.inside.start + lead + (bare.len() - bare.trim_start().len());
        Ok(Some(Tag {
            kind: found.kind,
            range: found.range,
            inside: inside..inside + text.len(),
            text,
            trim_before,
            trim_after,
        }))
    }

    fn push(&mut self, kind: Kind, role: Role, range: Range<usize>, tag: Option<&str>, inside: Range<usize>) {
        self.pieces.push(Piece { kind, role, range, block: self.block, tag: tag.map(str::to_owned), inside });
    }

    /// Text between tags; white space that a neighbour takes away becomes a silent piece.
    fn literal(&mut self, range: Range<usize>, trim_start: bool, trim_end: bool) {
        let text = self.source.get(range.clone()).unwrap_or_default();
        if text.is_empty() {
            return;
        }
        let lead = if trim_start { text.len() - text.trim_start().len() } else { 0 };
        let kept = text.get(lead..).unwrap_or_default();
        let kept = if trim_end { kept.trim_end() } else { kept };
        let from = range.start + lead;
        let to = from + kept.len();
        for (part, role) in [(range.start..from, Role::Silent), (from..to, Role::Text), (to..range.end, Role::Silent)] {
            if !part.is_empty() {
                self.push(Kind::Literal, role, part.clone(), None, part);
            }
        }
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        let (range, inside) = (tag.range.clone(), tag.inside.clone());
        match tag.kind {
            TagKind::Comment => self.push(Kind::Comment, Role::Silent, range, None, inside),
            TagKind::Output => {
                let role = if is_call(tag.text, "config") { Role::Silent } else { Role::Output };
                self.push(Kind::Templated, role, range, None, inside);
            }
            TagKind::Block => self.block_tag(tag),
        }
    }

    fn block_tag(&mut self, tag: &Tag<'_>) {
        let word: String = tag.text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let (kind, role) = match word.as_str() {
            "if" => (Kind::BlockStart, Role::If),
            "elif" | "else" => (Kind::BlockMid, Role::Branch),
            "endif" => (Kind::BlockEnd, Role::EndIf),
            "for" => (Kind::BlockStart, Role::For),
            "endfor" => (Kind::BlockEnd, Role::EndFor),
            // `{% set x = 1 %}` is not a block; `{% set x %}…{% endset %}` is.
            "set" if assigns(tag.text) => (Kind::Templated, Role::Silent),
            "do" | "include" | "import" | "from" => (Kind::Templated, Role::Silent),
            // dbt keeps only the inside; sqlfluff lints the file with the tags as an ordinary block.
            "snapshot" => (Kind::BlockStart, Role::Silent),
            "endsnapshot" => (Kind::BlockEnd, Role::Silent),
            "call" | "filter" | "block" => (Kind::BlockStart, Role::Opaque),
            word if word.starts_with("end") => (Kind::BlockEnd, Role::EndBlock),
            // `macro`, `set`, and the blocks that dbt adds: `test`, `materialization`, `docs`.
            _ => (Kind::BlockStart, Role::Hidden),
        };
        if kind == Kind::BlockStart {
            self.block += 1;
        }
        let tag_word = (kind != Kind::Templated).then_some(word.as_str());
        self.push(kind, role, tag.range.clone(), tag_word, tag.inside.clone());
        if kind == Kind::BlockEnd {
            self.block += 1;
        }
    }

    /// `{% raw %}…{% endraw %}`: tags inside are text. Returns where the text goes on.
    fn raw_block(&mut self, tag: &Tag<'_>) -> Result<usize, JinjaError> {
        let mut from = tag.range.end;
        let unclosed = || JinjaError::Open(line_of(self.source, tag.range.start));
        let end = loop {
            let offset = self.source.get(from..).and_then(|rest| rest.find("{%")).ok_or_else(unclosed)?;
            let start = from + offset;
            match self.next_tag(start)? {
                Some(end) if end.text == "endraw" => break end,
                _ => from = start + 2,
            }
        };
        self.block += 1;
        self.push(Kind::BlockStart, Role::Silent, tag.range.clone(), Some("raw"), tag.inside.clone());
        self.literal(tag.range.end..end.range.start, tag.trim_after, end.trim_before);
        self.push(Kind::BlockEnd, Role::Silent, end.range.clone(), Some("endraw"), end.inside.clone());
        self.block += 1;
        Ok(end.range.end)
    }
}

/// Whether `text` is one call of `name`.
pub(crate) fn is_call(text: &str, name: &str) -> bool {
    text.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('(')) && text.ends_with(')')
}

/// Whether a `set` tag has its value in it.
fn assigns(text: &str) -> bool {
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' | '[' | '{' | '|' => depth += 1,
            '=' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> Vec<(Role, &str)> {
        cut(source).unwrap().iter().map(|piece| (piece.role, source.get(piece.range.clone()).unwrap())).collect()
    }

    #[test]
    fn pieces_cover_the_file_and_trimmed_space_is_its_own() {
        let source = "a {%- if x -%} b {% endif %}\n{{ config(a='}}') }}{# c #}";
        assert_eq!(
            shown(source),
            [
                (Role::Text, "a"),
                (Role::Silent, " "),
                (Role::If, "{%- if x -%}"),
                (Role::Silent, " "),
                (Role::Text, "b "),
                (Role::EndIf, "{% endif %}"),
                (Role::Text, "\n"),
                (Role::Silent, "{{ config(a='}}') }}"),
                (Role::Silent, "{# c #}"),
            ]
        );
    }

    #[test]
    fn a_file_of_macros_is_told_from_a_model_with_one() {
        let block = "-- about it\n{% macro m() %}select {% if a %}1{% endif %}{% endmacro %}\n{# end #}\n";
        assert!(defines_only_macros(block));
        assert!(defines_only_macros("{% test t(model) %}\nselect 1\n{% endtest %}"));
        for model in
            ["select 1", "", "{% if a %}select 1{% endif %}", "{{ m() }}", "{% snapshot s %}a{% endsnapshot %}"]
        {
            assert!(!defines_only_macros(model), "{model}");
            assert!(!defines_only_macros(&format!("{block}{model}x")), "{model}");
        }
    }

    #[test]
    fn a_set_with_a_value_is_no_block() {
        assert_eq!(shown("{% set a = 1 %}")[0].0, Role::Silent);
        assert_eq!(shown("{% set a %}x{% endset %}")[0].0, Role::Hidden);
    }

    #[test]
    fn braces_inside_an_output_do_not_close_it() {
        assert_eq!(shown("{{ f({'a': {}}) }}x").len(), 2);
    }

    #[test]
    fn tags_inside_raw_are_text() {
        assert_eq!(shown("{% raw %}{{ a }}{% endraw %}")[1], (Role::Text, "{{ a }}"));
    }

    #[test]
    fn an_open_tag_is_named_by_its_line() {
        assert_eq!(cut("a\n{{ b"), Err(JinjaError::Open(2)));
    }
}
