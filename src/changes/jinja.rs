//! A template cut into text and code, and code into words: as much of Jinja as it takes to see which names a
//! template uses.

/// A piece of a template. Comments are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// What renders to itself.
    Text(&'t str),
    /// The inside of `{{ … }}` or `{% … %}`.
    Code(&'t str),
}

/// A word of code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word<'t> {
    Name(&'t str),
    /// A number, or a string without its quotes.
    Literal(&'t str),
    /// Anything else; `==`, `!=`, `>=` and `<=` are one.
    Sign(&'t str),
}

/// The pieces of a template, in its order.
pub(super) fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        let (text, behind) = rest.split_at(opening(rest));
        if !text.is_empty() {
            found.push(Piece::Text(text));
        }
        let inside = behind.get(2..).unwrap_or_default();
        let end = match behind.as_bytes().get(1) {
            Some(b'#') => inside.find("#}").unwrap_or(inside.len()),
            Some(b'{') => end_of_code(inside, "}}"),
            _ => end_of_code(inside, "%}"),
        };
        if !behind.is_empty() && !behind.starts_with("{#") {
            found.push(Piece::Code(inside.get(..end).unwrap_or_default()));
        }
        rest = inside.get(end + 2..).unwrap_or_default();
    }
    found
}

/// Where the first tag of a template begins; its length if it has none.
fn opening(template: &str) -> usize {
    let found = template.as_bytes().windows(2).position(|pair| matches!(pair, b"{{" | b"{%" | b"{#"));
    found.unwrap_or(template.len())
}

/// Where code ends: at `closing`, outside of strings and of the braces of dictionaries.
fn end_of_code(code: &str, closing: &str) -> usize {
    let mut braces = 0_usize;
    let mut at = 0;
    while let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) {
        if braces == 0 && rest.starts_with(closing) {
            return at;
        }
        at += match rest.chars().next() {
            Some('\'' | '"') => string(rest).map_or(rest.len(), |body| body.len() + 2),
            Some(sign) => {
                match sign {
                    '{' => braces += 1,
                    '}' => braces = braces.saturating_sub(1),
                    _ => {}
                }
                sign.len_utf8()
            }
            None => 1,
        };
    }
    code.len()
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
pub(super) fn words(code: &str) -> Vec<Word<'_>> {
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
pub(super) fn names(value: &str) -> Vec<&str> {
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
