//! Redshift's grammar: PostgreSQL's, which it grew out of, and the words that it has added.
//!
//! A text that PostgreSQL's parser does not take is given to it once more with Redshift's own words put into
//! PostgreSQL's. That is done for reading only: what is sent is the text itself. A word is put into another that stands
//! at the same place of the grammar, so that everything around it is still seen; what is still not read is refused.

use pg_query::ParserOptions;

use super::postgres::judge_with;
use super::{Facts, ProjectText, Refusal};
use crate::sql::Dialect;
use crate::sql::tokens::{Kind, Token, Tokens};

/// Redshift reads texts as PostgreSQL did before `standard_conforming_strings`.
const STRINGS: ParserOptions = ParserOptions::DISABLE_STANDARD_CONFORMING_STRINGS;

/// See [`super::judge`].
pub(super) fn judge(text: ProjectText<'_>) -> Result<Facts, Refusal> {
    let first = match judge_with(text, STRINGS) {
        Err(refusal) => refusal,
        facts => return facts,
    };
    let parts = text.parts().into_iter().map(translate).collect::<Result<Vec<_>, _>>()?;
    let translated = match (text, parts.as_slice()) {
        (ProjectText::Query(_), [text]) => judge_with(ProjectText::Query(text), STRINGS),
        (ProjectText::Column { .. }, [name, definition]) => {
            judge_with(ProjectText::Column { name, definition }, STRINGS)
        }
        (ProjectText::Constraint(_), [text]) => judge_with(ProjectText::Constraint(text), STRINGS),
        (ProjectText::Key(_), [text]) => judge_with(ProjectText::Key(text), STRINGS),
        _ => return Err(first),
    };
    // The first refusal speaks of the text as it is, unless only the second could read it at all.
    translated.map_err(|second| if first.syntax { second } else { first })
}

/// `text` with Redshift's own words put into PostgreSQL's, of the same lines.
fn translate(text: &str) -> Result<String, Refusal> {
    let tokens = Tokens::of(text, Dialect::Redshift)?;
    let solid: Vec<Token> = tokens.list.iter().filter(|token| !token.kind.is_blank()).copied().collect();
    let word = |at: usize| match solid.get(at) {
        Some(token) if token.kind == Kind::Word => tokens.text(*token).to_ascii_lowercase(),
        _ => String::new(),
    };
    let kind = |at: usize| solid.get(at).map(|token| token.kind);
    let mut edits: Vec<(usize, usize, &'static str)> = Vec::new();
    // The depth of brackets in which a `qualify` stands that PostgreSQL reads as its `order by`.
    let mut qualified: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(token) = solid.get(at).copied() {
        let (here, next) = (word(at), word(at + 1));
        let behind = match (here.as_str(), next.as_str()) {
            ("minus", "select" | "all" | "distinct") => {
                edits.push((token.start, token.end, "except"));
                at + 1
            }
            ("minus", _) if kind(at + 1) == Some(Kind::Open) && word(at + 2) == "select" => {
                edits.push((token.start, token.end, "except"));
                at + 1
            }
            ("select" | "distinct", "top") if is_number(&tokens, solid.get(at + 2)) => {
                remove(&mut edits, &solid, at + 1, at + 3);
                at + 3
            }
            ("approximate", _) if kind(at + 1) == Some(Kind::Word) && kind(at + 2) == Some(Kind::Open) => {
                remove(&mut edits, &solid, at, at + 1);
                at + 1
            }
            ("listagg", _) if kind(at + 1) == Some(Kind::Open) && word(at + 2) == "distinct" => {
                remove(&mut edits, &solid, at + 2, at + 3);
                at + 2
            }
            // `varchar(max)`
            ("max", _) if at > 1 && kind(at - 1) == Some(Kind::Open) && kind(at + 1) == Some(Kind::Close) => {
                replace(&mut edits, &solid, at, at + 1, "1");
                at + 1
            }
            ("ignore" | "respect", "nulls") => {
                remove(&mut edits, &solid, at, at + 2);
                at + 2
            }
            ("convert", _) if kind(at + 1) == Some(Kind::Open) => {
                if let Some(comma) = comma_of(&solid, at + 2) {
                    let words = solid.get(at + 2..comma).unwrap_or_default();
                    if words.iter().all(|token| in_a_type(&tokens, *token)) {
                        replace(&mut edits, &solid, at + 2, comma, "null");
                    }
                }
                at + 2
            }
            ("qualify", _) => {
                edits.push((token.start, token.end, "order by"));
                qualified.push(depth);
                at + 1
            }
            ("order", "by") if qualified.last() == Some(&depth) => {
                qualified.pop();
                replace(&mut edits, &solid, at, at + 2, ",");
                at + 2
            }
            ("union" | "intersect" | "except", _) if qualified.last() == Some(&depth) => {
                qualified.pop();
                at + 1
            }
            ("pivot" | "unpivot", _) if kind(at + 1) == Some(Kind::Open) => match closing(&solid, at + 1) {
                Some(close) if is_plain_pivot(&tokens, solid.get(at + 2..close).unwrap_or_default()) => {
                    remove(&mut edits, &solid, at, close + 1);
                    close + 1
                }
                _ => at + 1,
            },
            ("exclude" | "include", _) if kind(at + 1) == Some(Kind::Open) => match closing(&solid, at + 1) {
                Some(close) if is_names(solid.get(at + 2..close).unwrap_or_default()) => {
                    remove(&mut edits, &solid, at, close + 1);
                    close + 1
                }
                _ => at + 1,
            },
            // `from t.items as item at place`
            ("at", name) if !name.is_empty() && name != "time" && name != "local" => {
                remove(&mut edits, &solid, at, at + 2);
                at + 2
            }
            ("encode", _) if kind(at + 1) == Some(Kind::Word) => {
                remove(&mut edits, &solid, at, at + 2);
                at + 2
            }
            ("distkey" | "sortkey", _) if kind(at + 1) != Some(Kind::Open) => {
                remove(&mut edits, &solid, at, at + 1);
                at + 1
            }
            _ => at + 1,
        };
        for token in solid.get(at..behind).unwrap_or_default() {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => {
                    depth = depth.saturating_sub(1);
                    qualified.retain(|at| *at <= depth);
                }
                _ => {}
            }
        }
        at = behind;
    }
    Ok(edited(text, &edits))
}

fn remove(edits: &mut Vec<(usize, usize, &'static str)>, solid: &[Token], from: usize, to: usize) {
    replace(edits, solid, from, to, "");
}

fn replace(edits: &mut Vec<(usize, usize, &'static str)>, solid: &[Token], from: usize, to: usize, by: &'static str) {
    if let (Some(first), Some(last)) = (solid.get(from), to.checked_sub(1).and_then(|to| solid.get(to))) {
        edits.push((first.start, last.end, by));
    }
}

/// Lines stay what they are: the ends of those that are taken out are kept.
fn edited(text: &str, edits: &[(usize, usize, &'static str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (start, end, by) in edits {
        out.push_str(text.get(from..*start).unwrap_or_default());
        out.push_str(by);
        out.extend(text.get(*start..*end).unwrap_or_default().chars().filter(|c| *c == '\n'));
        from = *end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

fn is_number(tokens: &Tokens<'_>, token: Option<&Token>) -> bool {
    token.is_some_and(|token| token.kind == Kind::Other && tokens.text(*token).bytes().all(|c| c.is_ascii_digit()))
}

/// A word, a number or a bracket of `varchar(10)`.
fn in_a_type(tokens: &Tokens<'_>, token: Token) -> bool {
    matches!(token.kind, Kind::Word | Kind::Open | Kind::Close | Kind::Comma) || is_number(tokens, Some(&token))
}

/// The comma that ends the first argument.
fn comma_of(solid: &[Token], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in solid.iter().enumerate().skip(from) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.checked_sub(1)?,
            Kind::Comma if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// The bracket that closes the one at `open`.
fn closing(solid: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in solid.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn is_names(inner: &[Token]) -> bool {
    inner.iter().all(|token| matches!(token.kind, Kind::Word | Kind::Quoted | Kind::Comma))
}

/// `sum(x) as s for y in ('a', 'b')`: no query in it, and no call but of the aggregate.
fn is_plain_pivot(tokens: &Tokens<'_>, inner: &[Token]) -> bool {
    let plain = |token: &Token| match token.kind {
        Kind::Word => {
            !["select", "with", "values", "table"].iter().any(|w| tokens.text(*token).eq_ignore_ascii_case(w))
        }
        Kind::Quoted | Kind::Comma | Kind::Text | Kind::Open | Kind::Close | Kind::Period => true,
        Kind::Other => is_number(tokens, Some(token)) || ["*", "-", "+"].contains(&tokens.text(*token)),
        _ => false,
    };
    let calls = inner.windows(2).filter(|pair| match pair {
        [name, open] => {
            open.kind == Kind::Open
                && matches!(name.kind, Kind::Word | Kind::Quoted)
                && !tokens.text(*name).eq_ignore_ascii_case("in")
                && !AGGREGATES.iter().any(|known| tokens.text(*name).eq_ignore_ascii_case(known))
        }
        _ => false,
    });
    inner.iter().all(plain) && calls.count() == 0
}

const AGGREGATES: [&str; 10] =
    ["any_value", "avg", "count", "listagg", "max", "median", "min", "stddev", "sum", "variance"];
