//! A Jinja template cut into text and tags where Jinja's own lexer cuts it, and code into words: for everybody who has
//! to see which names a template uses, or where its text stands.

use std::ops::Range;

/// What a tag is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TagKind {
    /// `{{ … }}`
    Output,
    /// `{% … %}`
    Block,
    /// `{# … #}`
    Comment,
}

/// A tag of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) kind: TagKind,
    /// With its delimiters.
    pub(crate) range: Range<usize>,
    /// Between the delimiters.
    pub(crate) inside: Range<usize>,
    /// Whether it ends. One that does not goes on to the end of the template.
    pub(crate) is_closed: bool,
}

/// The next tag of a template at or after a byte.
pub(crate) fn next_tag(template: &str, from: usize) -> Option<Tag> {
    let text = template.get(from..)?;
    let opening = text.as_bytes().windows(2).position(|pair| matches!(pair, b"{{" | b"{%" | b"{#"))?;
    let start = from + opening;
    let (kind, closing) = match template.as_bytes().get(start + 1) {
        Some(b'{') => (TagKind::Output, "}}"),
        Some(b'#') => (TagKind::Comment, "#}"),
        _ => (TagKind::Block, "%}"),
    };
    let body = template.get(start + 2..).unwrap_or_default();
    let length = if kind == TagKind::Comment { body.find(closing) } else { end_of_code(body, closing) };
    let inside = start + 2..start + 2 + length.unwrap_or(body.len());
    let end = if length.is_some() { inside.end + closing.len() } else { inside.end };
    Some(Tag { kind, range: start..end, inside, is_closed: length.is_some() })
}

/// Where code ends: at `closing`, outside of strings and brackets.
fn end_of_code(code: &str, closing: &str) -> Option<usize> {
    let mut quote: Option<char> = None;
    let mut escaped = false;
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if depth == 0 && code.get(at..).is_some_and(|rest| rest.starts_with(closing)) => return Some(at),
            None => match c {
                '\'' | '"' => quote = Some(c),
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
    }
    None
}

/// A piece of a template. Comments are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// What renders to itself.
    Text(&'t str),
    /// The inside of `{{ … }}` or `{% … %}`.
    Code(&'t str),
}

/// A word of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word<'t> {
    Name(&'t str),
    /// A number, or a string without its quotes.
    Literal(&'t str),
    /// Anything else; `==`, `!=`, `>=` and `<=` are one.
    Sign(&'t str),
}

/// The pieces of a template, in its order.
pub(crate) fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    let text = |range: Range<usize>| template.get(range).filter(|text| !text.is_empty()).map(Piece::Text);
    while let Some(tag) = next_tag(template, at) {
        found.extend(text(at..tag.range.start));
        match tag.kind {
            TagKind::Output | TagKind::Block => {
                found.push(Piece::Code(template.get(tag.inside).unwrap_or_default()));
            }
            TagKind::Comment => {}
        }
        at = tag.range.end;
    }
    found.extend(text(at..template.len()));
    found
}

/// The string that `text` begins with, without its quotes; `None` when it never ends.
fn string(text: &str) -> Option<&str> {
    let quote = text.chars().next()?;
    let inside = text.get(1..)?;
    let mut escaped = false;
    let end = inside.find(|c: char| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    inside.get(..end)
}

/// The words of code.
pub(crate) fn words(code: &str) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let of_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = |is_in: &dyn Fn(char) -> bool| rest.find(|c: char| !is_in(c)).unwrap_or(rest.len());
        let (end, word) = if first.is_ascii_digit() {
            let end = length(&|c| of_name(c) || c == '.');
            (end, Word::Literal(rest.get(..end).unwrap_or_default()))
        } else if of_name(first) {
            let end = length(&of_name);
            (end, Word::Name(rest.get(..end).unwrap_or_default()))
        } else if matches!(first, '\'' | '"') {
            string(rest).map_or((rest.len(), Word::Literal(rest)), |body| (body.len() + 2, Word::Literal(body)))
        } else {
            let double = ["==", "!=", ">=", "<="].iter().any(|sign| rest.starts_with(sign));
            let end = if double { 2 } else { first.len_utf8() };
            (end, Word::Sign(rest.get(..end).unwrap_or_default()))
        };
        found.push(word);
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    found
}

/// The names that a configuration's value uses, other than those looked up in another: of a template, and of code
/// that dbt printed as a syntax tree (`Call(node=Name(name='var', …), …)`).
pub(crate) fn names(value: &str) -> Vec<&str> {
    let mut found: Vec<&str> =
        value.split("Name(name='").skip(1).filter_map(|behind| behind.split('\'').next()).collect();
    for piece in pieces(value) {
        let Piece::Code(code) = piece else { continue };
        let mut before = None;
        for word in words(code) {
            if let Word::Name(name) = word
                && before != Some(Word::Sign("."))
            {
                found.push(name);
            }
            before = Some(word);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_code_are_told_apart() {
        let cut = pieces("a {{ f('}}', {'x': {'y': 1}}) }}b{# target.x {{ #}{%- if x -%}c{% endif %} {{ open");
        let expected = [
            Piece::Text("a "),
            Piece::Code(" f('}}', {'x': {'y': 1}}) "),
            Piece::Text("b"),
            Piece::Code("- if x -"),
            Piece::Text("c"),
            Piece::Code(" endif "),
            Piece::Text(" "),
            Piece::Code(" open"),
        ];
        assert_eq!(cut, expected);
        assert_eq!(pieces("select 'é' from {t}"), [Piece::Text("select 'é' from {t}")]);
    }

    #[test]
    fn words_are_names_literals_and_signs() {
        use Word::{Literal, Name, Sign};
        assert_eq!(
            words(r#"if target.name != 'it\'s' and é == "x" ~ 1.5"#),
            [
                Name("if"),
                Name("target"),
                Sign("."),
                Name("name"),
                Sign("!="),
                Literal(r"it\'s"),
                Name("and"),
                Name("é"),
                Sign("=="),
                Literal("x"),
                Sign("~"),
                Literal("1.5"),
            ]
        );
        assert_eq!(words("x 'open"), [Name("x"), Literal("'open")]);
    }

    #[test]
    fn a_value_s_names_are_those_of_its_code() {
        assert_eq!(names("target {{ var('target_key') }} {{ x.target }}"), ["var", "x"]);
        assert_eq!(names("Call(node=Name(name='env_var', ctx='load'), args=[Const(value='target')])"), ["env_var"]);
    }
}
