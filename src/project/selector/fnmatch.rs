//! Shell wildcards as Python's `fnmatch` reads them: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`; with regard to case.

/// Whether a text holds characters that make it a pattern.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', ']'])
}

/// A pattern, ready to match.
pub(super) struct Pattern(Vec<Piece>);

enum Piece {
    Star,
    Any,
    Literal(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Self {
        let chars: Vec<char> = pattern.chars().collect();
        let mut pieces = Vec::new();
        let mut rest = chars.as_slice();
        while let [first, tail @ ..] = rest {
            rest = tail;
            match first {
                // Several stars in a row mean no more than one.
                '*' if matches!(pieces.last(), Some(Piece::Star)) => {}
                '*' => pieces.push(Piece::Star),
                '?' => pieces.push(Piece::Any),
                '[' => match class(tail) {
                    Some((piece, after)) => {
                        pieces.push(piece);
                        rest = after;
                    }
                    // A bracket that nothing closes is itself.
                    None => pieces.push(Piece::Literal('[')),
                },
                other => pieces.push(Piece::Literal(*other)),
            }
        }
        Self(pieces)
    }

    /// Whether the whole of `text` matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        let (mut piece, mut index) = (0, 0);
        // Where to go on when the last star has to take one character more.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match (self.0.get(piece), chars.get(index)) {
                (Some(Piece::Star), _) => {
                    piece += 1;
                    retry = Some((piece, index + 1));
                }
                (Some(single), Some(c)) if single.matches(*c) => {
                    piece += 1;
                    index += 1;
                }
                (None, None) => return true,
                _ => match retry {
                    Some((after_star, next)) if next <= chars.len() => {
                        piece = after_star;
                        index = next;
                        retry = Some((after_star, next + 1));
                    }
                    _ => return false,
                },
            }
        }
    }
}

impl Piece {
    fn matches(&self, c: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => true,
            Self::Literal(literal) => *literal == c,
            Self::Class { negated, ranges } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated,
        }
    }
}

/// The class that stands after `[`, and what follows it.
fn class(chars: &[char]) -> Option<(Piece, &[char])> {
    let (negated, body) = match chars {
        ['!', body @ ..] => (true, body),
        body => (false, body),
    };
    // A closing bracket in the first place belongs to the class.
    let end = body.iter().skip(1).position(|c| *c == ']')? + 1;
    let (mut members, after) = (body.get(..end)?, body.get(end + 1..)?);
    let mut ranges = Vec::new();
    loop {
        match members {
            [low, '-', high, rest @ ..] => {
                ranges.push((*low, *high));
                members = rest;
            }
            [single, rest @ ..] => {
                ranges.push((*single, *single));
                members = rest;
            }
            [] => break,
        }
    }
    Some((Piece::Class { negated, ranges }, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_python() {
        let matches = |pattern: &str, text: &str| Pattern::new(pattern).matches(text);
        for (pattern, text) in [
            ("*", ""),
            ("stg_*", "stg_a"),
            ("*_a", "stg_a"),
            ("a*b*c", "axxbyyc"),
            ("a?c", "abc"),
            ("[ab]x", "bx"),
            ("[a-c]x", "bx"),
            ("[!a-c]x", "dx"),
            ("[]x]", "]"),
            ("[", "["),
            ("a[b", "a[b"),
            ("*a*a*a", "aaa"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("stg_*", "STG_a"), ("a?c", "ac"), ("[!a-c]x", "bx"), ("", "a"), ("*a*a*a*a", "aaa")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
