//! Whether two texts say the same.

use std::borrow::Cow;

use super::dialect::Dialect;
use super::letter_case;
use super::relation::RelationName;
use super::relocate::{Relocation, relocate};
use super::tokens::{Kind, SqlError, Token, Tokens};

/// A map that turns relation names into unique_ids, so that the texts of two manifests which were compiled
/// for two targets can be compared. Sources belong in it too.
#[must_use]
pub fn by_unique_id<'n>(dialect: Dialect, relations: impl IntoIterator<Item = (&'n str, RelationName)>) -> Relocation {
    let mut map = Relocation::new(dialect);
    add_by_unique_id(&mut map, relations);
    map
}

/// Adds relations to such a map; names that it has already stay what they are.
pub fn add_by_unique_id<'n>(map: &mut Relocation, relations: impl IntoIterator<Item = (&'n str, RelationName)>) {
    for (unique_id, name) in relations {
        let to = RelationName::unqualified(unique_id);
        map.insert(&name, unique_id, &to);
    }
}

/// Whether `a` and `b` mean the same to any warehouse of the dialect, for certain: their tokens are equal
/// after
/// - relation names are replaced, each side's by its own map (see [`by_unique_id`]),
/// - white space and comments are dropped, but not hints (`/*+ … */`), and no comments where the adapter is unknown,
/// - on Databricks, whose adapter cuts it off, a `;` at the end is dropped; elsewhere dbt's brackets close behind it
///   and the statement fails,
/// - words are set in capitals where their letters say nothing for certain (`letter_case`), and so are everywhere
///   the words of a closed list, which no warehouse takes for a name, unless they
///   stand behind a `.`, a `:` or an `as`, or before a `:`: Snowflake's and Databricks' paths and
///   DuckDB's keys are words of their own.
///
/// Everything else counts: quoting, numbers, strings, brackets, `join` against
/// `inner join`. So false says little, and true much. Text that cannot be read means nothing: false.
#[must_use]
pub fn same_meaning(a: &str, map_a: &Relocation, b: &str, map_b: &Relocation) -> bool {
    matches!((normalize(a, map_a), normalize(b, map_b)), (Ok(a), Ok(b)) if a == b)
}

/// What [`same_meaning`] compares.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Normalized(Vec<String>);

impl Normalized {
    /// The tokens, to see where two texts differ.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.0
    }
}

/// The tokens of `sql` that carry meaning.
///
/// # Errors
/// When the text cannot be read.
pub fn normalize(sql: &str, map: &Relocation) -> Result<Normalized, SqlError> {
    let neutral = relocate(sql, map)?.sql;
    let tokens = Tokens::of(&neutral, map.dialect())?;
    // What begins a comment is not known of every adapter: `1--1` is 2 on MySQL.
    let comments_count = map.dialect() == Dialect::Generic;
    // PostgreSQL before 16 reads a vertical tab as no white space.
    let is_strange = |token: Token| token.kind == Kind::Space && tokens.text(token).contains('\u{b}');
    let counts = |token: Token| {
        is_strange(token)
            || !token.kind.is_blank()
            || is_hint(tokens.text(token))
            || (comments_count && token.kind != Kind::Space)
    };
    let solid: Vec<usize> = (0..tokens.list.len()).filter(|index| tokens.get(*index).is_some_and(counts)).collect();
    let at = |index: usize| solid.get(index).and_then(|token| tokens.get(*token));
    let all: Vec<Token> = solid.iter().filter_map(|token| tokens.get(*token)).collect();
    let folds = letter_case::irrelevant(&tokens, &all);

    let mut found: Vec<String> = Vec::with_capacity(solid.len());
    for index in 0..solid.len() {
        let Some(token) = at(index) else { break };
        let text = tokens.text(token);
        let before = index.checked_sub(1).and_then(at);
        let after = at(index + 1);
        match token.kind {
            Kind::Word => {
                let is_key = before.is_some_and(|token| token.kind == Kind::Colon)
                    || after.is_some_and(|token| token.kind == Kind::Colon || is_argument_arrow(tokens.text(token)));
                let is_named = before
                    .is_some_and(|token| token.kind == Kind::Period || tokens.text(token).eq_ignore_ascii_case("as"));
                let folds = folds.get(index).copied().unwrap_or_default();
                let next = after.map(|token| tokens.text(token)).unwrap_or_default();
                let word = if !is_key && (folds || (!is_named && is_reserved(text, next, map.dialect()))) {
                    Cow::Owned(text.to_ascii_uppercase())
                } else {
                    Cow::Borrowed(text)
                };
                found.push(word.into_owned());
            }
            // Two strings are one if there is a line's end between them, and an error or an alias if not.
            Kind::Text => {
                if let Some(before) = before.filter(|before| before.kind == Kind::Text)
                    && let Some(gap) = tokens.sql.get(before.end..token.start)
                    && gap.contains(['\n', '\r'])
                {
                    // A block comment between them takes the line's end its meaning.
                    found.push(if gap.contains("/*") { "/**/" } else { "\n" }.to_owned());
                }
                found.push(text.to_owned());
            }
            Kind::Other if is_operator(text) && before.is_some_and(|before| is_beside(&tokens, before, token)) => {
                match found.last_mut() {
                    Some(operator) => operator.push_str(text),
                    None => found.push(text.to_owned()),
                }
            }
            _ => found.push(text.to_owned()),
        }
    }
    let mut found: Vec<String> = found.into_iter().flat_map(operators).collect();
    while map.dialect() == Dialect::Databricks && found.last().is_some_and(|last| last == ";") {
        found.pop();
    }
    Ok(Normalized(found))
}

/// What PostgreSQL and DuckDB make operators of.
const OPERATORS: &str = "+-*/<>=~!@#%^&|`?";

fn is_operator(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| OPERATORS.contains(c))
}

/// Whether two operators stand side by side, so that the warehouse may read them as one.
fn is_beside(tokens: &Tokens<'_>, before: Token, token: Token) -> bool {
    before.end == token.start && before.kind == Kind::Other && is_operator(tokens.text(before))
}

/// The operators that PostgreSQL's lexer, and DuckDB's after it, reads in characters without a gap: they are one, but a
/// `+` or `-` at the end is one of its own unless one of `~ ! @ # % ^ & | \` ?` is among them ("Lexical Structure" in
/// PostgreSQL's manual). So `1 !=-1` is `!=-`, and `1 <>-1` is `<>` and `-`.
fn operators(text: String) -> Vec<String> {
    if text.len() < 2 || !is_operator(&text) || text.contains(|c| "~!@#%^&|`?".contains(c)) {
        return vec![text];
    }
    let front = text.trim_end_matches(['+', '-']);
    let signs = text.chars().skip(front.chars().count()).map(String::from);
    Some(front.to_owned()).filter(|front| !front.is_empty()).into_iter().chain(signs).collect()
}

fn is_hint(text: &str) -> bool {
    text.starts_with("/*+")
}

fn is_argument_arrow(text: &str) -> bool {
    matches!(text, "=>" | ":=")
}

/// Whether `word` is on the closed list. Some words are only clauses before certain others.
fn is_reserved(word: &str, next: &str, dialect: Dialect) -> bool {
    let among = |words: &[&str]| words.iter().any(|reserved| word.eq_ignore_ascii_case(reserved));
    // DuckDB takes these two for columns' names, too, and keeps their letters.
    let is_name = dialect == Dialect::DuckDb && among(&["between", "exists"]);
    (among(RESERVED) && !is_name)
        || (word.eq_ignore_ascii_case("over") && next == "(")
        || (word.eq_ignore_ascii_case("partition") && next.eq_ignore_ascii_case("by"))
}

const RESERVED: &[&str] = &[
    "select",
    "from",
    "where",
    "group",
    "by",
    "having",
    "order",
    "limit",
    "union",
    "except",
    "intersect",
    "all",
    "distinct",
    "join",
    "inner",
    "left",
    "right",
    "full",
    "outer",
    "cross",
    "natural",
    "on",
    "using",
    "and",
    "or",
    "not",
    "in",
    "is",
    "null",
    "like",
    "between",
    "exists",
    "case",
    "when",
    "then",
    "else",
    "end",
    "as",
    "with",
    "asc",
    "desc",
    "true",
    "false",
    "cast",
    "qualify",
    "lateral",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn same(dialect: Dialect, a: &str, b: &str) -> bool {
        let none = Relocation::new(dialect);
        same_meaning(a, &none, b, &none)
    }

    #[test]
    fn cosmetic_changes_are_seen_as_such() {
        let pairs = [
            ("select a, b from t", "select a,\n       b\nfrom t"),
            ("select a from t", "SELECT a FROM t"),
            ("select a from t", "-- why\nselect a /* which */ from t -- done"),
            (
                "select a from t where x is not null and y in (1, 2)",
                "SELECT a FROM t WHERE x IS NOT NULL AND y IN (1,2)",
            ),
            (
                "select sum(a) over (partition by b order by c desc)",
                "select sum(a) OVER(PARTITION BY b ORDER BY c DESC)",
            ),
            ("select case when a then 1 else 2 end as x", "select CASE WHEN a THEN 1 ELSE 2 END as x"),
            (
                "with a as (select 1) select * from a left join b using (x)",
                "WITH a AS (\n\tSELECT 1\r\n)\r\nSELECT * FROM a LEFT JOIN b USING (x)",
            ),
            ("select date '2020-01-01'", "select date'2020-01-01'"),
            ("select a <>-1, b=-1, c<=-d, e- -f, g->-1", "select a <> -1, b = -1, c <= -d, e - -f, g -> -1"),
            ("select a from t where b between 1 and 2", "select a from t where b BETWEEN 1 and 2"),
        ];
        for (a, b) in pairs {
            assert!(same(Dialect::DuckDb, a, b), "{a}\n{b}");
        }
        assert!(same(Dialect::Databricks, "select a from t", "select a from t;\n"));
        assert!(same(Dialect::Snowflake, "select a // x\nfrom t", "select a from t"));
        assert!(same(Dialect::BigQuery, "select a # x\nfrom t", "select a from t"));
    }

    #[test]
    fn nothing_that_could_matter_is_called_cosmetic() {
        let pairs = [
            ("select a from t", "select b from t"),
            ("select a, b from t", "select b, a from t"),
            ("select a from t", "select distinct a from t"),
            ("select a from t", "select a from t;"),
            ("select a from t", "select a from t; -- done\n"),
            ("select a from t", "select a from t where true"),
            ("select a from t where x > 1", "select a from t where x >= 1"),
            ("select a from t where x = 'A'", "select a from t where x = 'a'"),
            ("select a from t where x = 'a b'", "select a from t where x = 'a  b'"),
            ("select a from t join u on x", "select a from t left join u on x"),
            ("select a from t union select 1", "select a from t union all select 1"),
            ("select a from t order by b", "select a from t order by b desc"),
            ("select a from t limit 10", "select a from t limit 100"),
            ("select 1.0", "select 1.00"),
            ("select count(a)", "select count(distinct a)"),
            ("select a as x from t", "select a as y from t"),
            ("select a as End from t", "select a as end from t"),
            (r#"select "A" from t"#, r#"select "a" from t"#),
            (r#"select "a" from t"#, "select a from t"),
            ("select t.Left from t", "select t.left from t"),
            ("select a from t where (x or y) and z", "select a from t where x or (y and z)"),
            ("select a - b - c", "select a - (b - c)"),
            ("select /*+ broadcast(t) */ a from t", "select a from t"),
            ("select /*+ broadcast(t) */ a from t", "select /*+ broadcast(u) */ a from t"),
            ("select listagg(a) within group (order by b)", "select listagg(a) within group (order by b desc)"),
            ("select a, -- b\nfrom t", "select a, b\nfrom t"),
            ("select sum(a) over (order by b rows 1 preceding)", "select sum(a) over (order by b range 1 preceding)"),
            ("select a::int from t", "select a::bigint from t"),
            ("select $$a$$", "select $$A$$"),
            ("select 'a'\n'b'", "select 'a' 'b'"),
            ("select {All: 1}", "select {all: 1}"),
            ("select f(Using := 1)", "select f(using := 1)"),
            ("select a from t tablesample (1 percent)", "select a from t tablesample (2 percent)"),
            ("select x from a, b", "select x from b, a"),
            ("select 1\u{b}+ 1", "select 1 + 1"),
            ("select 1 !=-1", "select 1 != -1"),
            ("select 2 ^-1", "select 2 ^ -1"),
            ("select 2 * * 3", "select 2 ** 3"),
            ("select 2 / / 3", "select 2 // 3"),
            ("select 'a' -- x\n'b'", "select 'a' /* x */\n'b'"),
            ("select 'a'\n'b'", "select 'a' /* x */\n'b'"),
            ("select Between from t", "select between from t"),
            ("select 1 as x, Exists from t", "select 1 as x, exists from t"),
        ];
        for (a, b) in pairs {
            assert!(!same(Dialect::DuckDb, a, b), "{a}\n{b}");
        }
        let traps = [
            (Dialect::Snowflake, "select payload:Type from t", "select payload:type from t"),
            (Dialect::Snowflake, "select payload:Select from t", "select payload:SELECT from t"),
            (Dialect::Snowflake, "select payload:a.From from t", "select payload:a.FROM from t"),
            (Dialect::BigQuery, "select * from d.Date", "select * from d.date"),
            (Dialect::BigQuery, "select * from d.End", "select * from d.END"),
            (Dialect::BigQuery, "select r'a\\b'", "select 'a\\b'"),
            (Dialect::Databricks, "select \"a\"", "select \"A\""),
        ];
        for (dialect, a, b) in traps {
            assert!(!same(dialect, a, b), "{a}\n{b}");
        }
        let unreadable = "select 'a";
        assert!(!same(Dialect::DuckDb, unreadable, unreadable));
    }

    #[test]
    fn names_of_two_targets_are_one_name() {
        let name = |text| RelationName::parse(text, Dialect::DuckDb).unwrap();
        let prod = by_unique_id(
            Dialect::DuckDb,
            [
                ("model.p.a", name("wh.prod.a")),
                ("model.p.b", name("wh.prod_core.twin")),
                ("model.p.c", name("wh.prod_fin.twin")),
            ],
        );
        let pr = by_unique_id(
            Dialect::DuckDb,
            [
                ("model.p.a", name("wh.ci.a")),
                ("model.p.b", name("wh.ci_core.twin")),
                ("model.p.c", name("wh.ci_fin.twin")),
            ],
        );
        let same = |a, b| same_meaning(a, &prod, b, &pr);
        assert!(same(r#"select a.x from "wh"."prod"."a""#, r#"select a.x from "wh"."ci"."a""#));
        assert!(same("select b.x from wh.prod.a as b", r#"select b.x from "wh".ci.a as b"#));
        assert!(same("select x from wh.prod_core.twin", "select x from wh.ci_core.twin"));
        assert!(!same("select x from wh.prod_core.twin", "select x from wh.ci_fin.twin"));
        assert!(!same("select 'wh.prod.a' from wh.prod.a", "select 'wh.ci.a' from wh.ci.a"));
        assert!(!same("select * from wh.prod.other", "select * from wh.ci.other"));
    }
}
