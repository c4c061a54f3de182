//! A cheap proof that two texts differ in the names of relations only.

use super::dialect::Dialect;
use super::one_sided::OneSided;

/// Two spellings of one relation: in the first text and in the second.
#[derive(Debug, Clone, Copy)]
pub struct Spelling<'n> {
    first: &'n str,
    second: &'n str,
    /// How many bytes the two have in common at the beginning.
    common: usize,
}

impl<'n> Spelling<'n> {
    /// `None` when the two are the same, or say more than that the relation lies elsewhere: another
    /// identifier, other quoting, no schema. The texts of such relations take [`same_meaning`].
    ///
    /// [`same_meaning`]: super::same_meaning
    #[must_use]
    pub fn new(first: &'n str, second: &'n str) -> Option<Self> {
        let common = common_prefix(first.as_bytes(), second.as_bytes());
        let identifiers = (first.rsplit_once('.')?.1, second.rsplit_once('.')?.1);
        let differ = common < first.len() && common < second.len();
        (differ && identifiers.0 == identifiers.1).then_some(Self { first, second, common })
    }

    /// In the first text and in the second.
    #[must_use]
    pub fn pair(&self) -> (&'n str, &'n str) {
        (self.first, self.second)
    }
}

/// Whether `a` and `b` are the same bytes but for whole relation names, outside strings and comments, that
/// stand in `spellings`, and hold no other name that only one side has (`one_sided`): such a name, spelled the same
/// in both, may be two relations, one of each side. Then [`same_meaning`] is true of them, too. True is a proof; false
/// may be for want of one.
///
/// [`same_meaning`]: super::same_meaning
///
/// Both texts are walked at once, which takes a small part of the time that cutting them into tokens does.
/// Wherever a warehouse might read a text in another way than this walk (backslashes, `$$`, comments that nest
/// or touch an operator), the answer is false.
#[must_use]
pub fn equal_but_names(a: &str, b: &str, spellings: &[Spelling<'_>], one_sided: &OneSided, dialect: Dialect) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (mut at_a, mut at_b) = (0, 0);
    let mut reader = Reader { text: a, at: 0, dialect };
    loop {
        let (Some(rest_a), Some(rest_b)) = (a.get(at_a..), b.get(at_b..)) else { return false };
        let same = common_prefix(rest_a, rest_b);
        if same == rest_a.len() && same == rest_b.len() {
            return !one_sided.is_in(rest_a);
        }
        let found = spellings.iter().find_map(|spelling| {
            let start = same.checked_sub(spelling.common)?;
            let is_a = stands_at(a, at_a + start, spelling.first);
            (is_a && stands_at(b, at_b + start, spelling.second)).then_some((start, spelling))
        });
        let Some((start, spelling)) = found else { return false };
        if one_sided.is_in(rest_a.get(..start).unwrap_or_default()) || !reader.is_code_at(at_a + start) {
            return false;
        }
        at_a += start + spelling.first.len();
        at_b += start + spelling.second.len();
    }
}

/// The length of the longest common beginning.
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    const STEP: usize = 64;
    let steps = a.chunks_exact(STEP).zip(b.chunks_exact(STEP)).take_while(|(a, b)| a == b).count() * STEP;
    let rest = |text: &'_ [u8]| text.len().saturating_sub(steps);
    let length = rest(a).min(rest(b));
    let tail = a.iter().skip(steps).zip(b.iter().skip(steps)).take(length).take_while(|(a, b)| a == b).count();
    steps + tail
}

/// Whether `name` stands at `start`, as a name of its own and no function's: no part of it comes before or behind,
/// also not with a space or, which is not looked into, a comment between.
fn stands_at(text: &[u8], start: usize, name: &str) -> bool {
    let end = start + name.len();
    let joins = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"_$.\"`'@#\\".contains(byte);
    let (before, behind) = (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
    let solid = |byte: &&u8| !byte.is_ascii_whitespace();
    text.get(start..end) == Some(name.as_bytes())
        && !before.last().is_some_and(joins)
        && !behind.first().is_some_and(joins)
        && !before.iter().rev().find(solid).is_some_and(|byte| b"./".contains(byte))
        && !behind.iter().find(solid).is_some_and(|byte| b".(-/".contains(byte))
}

/// Reads a text from its beginning to tell what is code and what strings and comments.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    dialect: Dialect,
}

impl Reader<'_> {
    /// Whether the byte at `index` is code, for certain. Indices must be asked for in ascending order.
    fn is_code_at(&mut self, index: usize) -> bool {
        while self.at < index {
            match self.step() {
                Some(next) if next > self.at => self.at = next,
                _ => return false,
            }
        }
        self.at == index
    }

    fn byte(&self, index: usize) -> Option<u8> {
        self.text.get(index).copied()
    }

    /// The index behind the string, comment or character that begins here; `None` when it is not certain.
    fn step(&self) -> Option<usize> {
        let next = self.byte(self.at + 1);
        match self.byte(self.at)? {
            quote @ (b'\'' | b'"' | b'`') => self.behind_quote(quote),
            b'-' if next == Some(b'-') => {
                let length = self.comment()?.iter().position(|byte| *byte == b'\n')?;
                let comment = self.text.get(self.at..self.at + length)?;
                // For some a lone carriage return ends a comment.
                let plain = !comment.strip_suffix(b"\r").unwrap_or(comment).contains(&b'\r');
                plain.then_some(self.at + length)
            }
            b'/' if next == Some(b'*') => {
                let inner = self.comment()?.get(2..)?;
                let length = inner.windows(2).position(|pair| pair == b"*/")?;
                let nests = inner.get(..length)?.windows(2).any(|pair| pair == b"/*");
                (!nests).then_some(self.at + 2 + length + 2)
            }
            b'/' if next == Some(b'/') => None,
            // A bracket quotes in Redshift's JSON paths.
            b'[' if self.dialect == Dialect::Redshift => None,
            b'$' | b'#' | b'\\' => None,
            _ => Some(self.at + 1),
        }
    }

    /// The text from here on, unless an operator is before it.
    fn comment(&self) -> Option<&[u8]> {
        let before = self.at.checked_sub(1).and_then(|before| self.byte(before));
        let glued = before.is_some_and(|byte| b"+-*/<>=~!@#%^&|?:".contains(&byte));
        if glued { None } else { self.text.get(self.at..) }
    }

    fn behind_quote(&self, quote: u8) -> Option<usize> {
        let inner = self.text.get(self.at + 1..)?;
        let length = inner.iter().position(|byte| *byte == quote)?;
        let body = inner.get(..length)?;
        let is_string =
            quote == b'\'' || (quote == b'"' && matches!(self.dialect, Dialect::BigQuery | Dialect::Databricks));
        // An empty string before another quote may also be three quotes, which open a string of their own.
        let triple = length == 0 && inner.get(1) == Some(&quote);
        let certain = !triple && !((is_string || quote == b'`') && body.contains(&b'\\'));
        certain.then_some(self.at + 1 + length + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{RelationName, by_unique_id, same_meaning};

    const NAMES: [(&str, &str, &str); 3] = [
        ("model.p.a", r#""wh"."prod"."a""#, r#""wh"."ci"."a""#),
        ("model.p.ab", r#""wh"."prod"."ab""#, r#""wh"."ci"."ab""#),
        ("model.p.b", "wh.prod_core.b", "wh.ci_core.b"),
    ];

    fn proved(a: &str, b: &str) -> bool {
        let spellings: Vec<Spelling<'_>> = NAMES.iter().filter_map(|(_, a, b)| Spelling::new(a, b)).collect();
        assert_eq!(spellings.len(), NAMES.len());
        let one_sided = OneSided::new(NAMES.map(|name| name.1), NAMES.map(|name| name.2)).unwrap();
        equal_but_names(a, b, &spellings, &one_sided, Dialect::DuckDb)
    }

    /// What the tokens say.
    fn same(a: &str, b: &str) -> bool {
        let map = |side: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
            let names = NAMES.iter().map(|name| (name.0, RelationName::parse(side(name), Dialect::DuckDb).unwrap()));
            by_unique_id(Dialect::DuckDb, names)
        };
        same_meaning(a, &map(|name| name.1), b, &map(|name| name.2))
    }

    /// The text as each target compiles it.
    fn both(template: &str) -> (String, String) {
        let fill = |side: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
            NAMES.iter().fold(template.to_owned(), |text, name| text.replace(&format!("<{}>", name.0), side(name)))
        };
        (fill(|name| name.1), fill(|name| name.2))
    }

    #[test]
    fn texts_of_two_targets_are_proved_equal() {
        for template in [
            "select * from <model.p.a>",
            "select x.y from <model.p.a> as x join <model.p.ab> as y using (z) where 'it''s' = y.q",
            "-- it's\nselect 1 /* ' */ from <model.p.b>",
            "with a as (select * from <model.p.a>), b as (select \"'\" from <model.p.b>)\nselect * from a, b",
            "select 1",
            "",
        ] {
            let (a, b) = both(template);
            assert!(proved(&a, &b) && same(&a, &b), "{template}");
        }
    }

    #[test]
    fn nothing_is_proved_that_the_tokens_deny_or_that_is_not_certain() {
        for template in [
            "select '<model.p.a>'",
            "select ' ', 'x <model.p.a>' from t",
            "select $$ <model.p.a> $$",
            "select e'\\' <model.p.a>'",
            "select 1 /* /* */ ' */ from <model.p.a>",
            "select a ||-- '\n<model.p.a>",
            "select ''' <model.p.a> '",
            "select x<model.p.b>y from t",
            "select <model.p.b>('x')",
            "select * from <model.p.a> .x",
            "select * from x. <model.p.a>",
            "select <model.p.a> /* - */ .x from t",
            // A name that stands in both as it is, and is a relation of one side only; or may be part of one.
            "select * from <model.p.a>, wh.ci_core.b",
            "with prod as (select 1) select prod.x from <model.p.a>, prod",
            "select CI_core.b.x from <model.p.b>",
        ] {
            let (a, b) = both(template);
            assert!(!proved(&a, &b), "{template}");
        }
        let (a, _) = both("select * from <model.p.a>");
        let (_, b) = both("select * from <model.p.b>");
        assert!(!proved(&a, &b));
        assert!(!proved("select 1", "select 2") && !proved("select 1", "select 1 "));
        assert!(Spelling::new("wh.prod.a", "wh.ci.b").is_none(), "another identifier");
        assert!(Spelling::new("a", "b").is_none() && Spelling::new("a.a", "a.a.a").is_none());
    }
}
