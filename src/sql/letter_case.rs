//! Which words of a text may be written in other letters without changing anything.

use std::ops::Range;

use super::dialect::Dialect;
use super::tokens::{Kind, Token, Tokens};

/// For each of `solid` (the tokens of a text that carry meaning) whether capital and small letters are the same there,
/// for certain: for the query's rows, and for the names of its columns as the warehouse stores them.
///
/// - PostgreSQL folds every word that is not quoted. So do Redshift and Snowflake, but for paths into semi-structured
///   values and names of staged files.
/// - DuckDB compares without regard to case and keeps the letters. They get into the names of columns where a `select`
///   lists its expressions and where an alias lists names; everywhere else they go no further than the statement.
/// - BigQuery compares the names of tables exactly and those of columns not, which the text alone does not tell apart;
///   Databricks gives a column the letters of whoever reads it. Nothing is certain there.
pub(super) fn irrelevant(tokens: &Tokens<'_>, solid: &[Token]) -> Vec<bool> {
    match tokens.dialect {
        Dialect::Postgres => solid.iter().map(|token| token.kind == Kind::Word).collect(),
        Dialect::Redshift | Dialect::Snowflake => folding(tokens, solid),
        Dialect::DuckDb => keeping(tokens, solid),
        Dialect::BigQuery | Dialect::Databricks | Dialect::Generic => vec![false; solid.len()],
    }
}

/// Words of a dialect that folds names but not the keys of semi-structured values.
fn folding(tokens: &Tokens<'_>, solid: &[Token]) -> Vec<bool> {
    // `@stage/Path/File.csv`
    if tokens.dialect == Dialect::Snowflake && solid.iter().any(|token| tokens.text(*token).contains('@')) {
        return vec![false; solid.len()];
    }
    // Whether the chain of `a.b.c` that the last token belongs to may be a path.
    let mut in_path = false;
    let mut previous: Option<&Token> = None;
    let mut found = Vec::with_capacity(solid.len());
    for token in solid {
        in_path = match (previous.map(|token| token.kind), token.kind) {
            (Some(Kind::Colon), _) => true,
            // An element of an array or what a function returned: `items[0].Name`.
            (Some(Kind::Other | Kind::Close), Kind::Period) => true,
            // On Redshift a column may be semi-structured itself: `payload.Name`.
            (_, Kind::Period) => in_path || tokens.dialect == Dialect::Redshift,
            (Some(Kind::Period), _) => in_path,
            _ => false,
        };
        found.push(token.kind == Kind::Word && !in_path);
        previous = Some(token);
    }
    found
}

/// Words of a dialect that keeps the letters of names.
fn keeping(tokens: &Tokens<'_>, solid: &[Token]) -> Vec<bool> {
    // These make names of values or of their arguments, or statements of other shapes.
    const SHAPES: [&str; 8] =
        ["pivot", "unpivot", "pivot_wider", "pivot_longer", "summarize", "describe", "struct_pack", "struct_insert"];
    let text = Solid { tokens, solid };
    if (0..solid.len()).any(|index| text.is(index, &SHAPES)) {
        return vec![false; solid.len()];
    }
    let mut found: Vec<bool> = solid.iter().map(|token| token.kind == Kind::Word).collect();
    let mut keep = |indices: Range<usize>| {
        for index in indices {
            if let Some(irrelevant) = found.get_mut(index) {
                *irrelevant = false;
            }
        }
    };
    for index in 0..solid.len() {
        if text.is(index, &["select"]) {
            text.list(index + 1).into_iter().for_each(|item| keep(text.named_by(item)));
        }
        if text.lists_names(index) {
            keep(index..text.end_of(index));
        }
    }
    found
}

/// The tokens that carry meaning, by their index.
struct Solid<'t, 's> {
    tokens: &'t Tokens<'s>,
    solid: &'t [Token],
}

impl Solid<'_, '_> {
    fn kind(&self, index: usize) -> Option<Kind> {
        self.solid.get(index).map(|token| token.kind)
    }

    fn is(&self, index: usize, words: &[&str]) -> bool {
        self.solid.get(index).is_some_and(|token| {
            let text = self.tokens.text(*token);
            token.kind == Kind::Word && words.iter().any(|word| text.eq_ignore_ascii_case(word))
        })
    }

    /// The index behind what begins here: behind the closing bracket, or the next index.
    fn end_of(&self, index: usize) -> usize {
        if self.kind(index) != Some(Kind::Open) {
            return index + 1;
        }
        let mut depth = 0_usize;
        for at in index..self.solid.len() {
            match self.kind(at) {
                Some(Kind::Open) => depth += 1,
                Some(Kind::Close) => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return at + 1;
            }
        }
        self.solid.len()
    }

    /// The items of the list that begins here.
    fn list(&self, start: usize) -> Vec<Range<usize>> {
        const ENDS: [&str; 12] = [
            "from",
            "where",
            "group",
            "having",
            "order",
            "limit",
            "offset",
            "qualify",
            "window",
            "union",
            "except",
            "intersect",
        ];
        let (mut items, mut first, mut at) = (Vec::new(), start, start);
        while at < self.solid.len() && self.kind(at) != Some(Kind::Close) && !self.is(at, &ENDS) {
            if self.kind(at) == Some(Kind::Comma) {
                items.push(first..at);
                first = at + 1;
            }
            at = self.end_of(at);
        }
        items.push(first..at);
        items
    }

    /// The part of an item of a `select` that its column is named by: its alias; the last part of a column's name,
    /// which may be an alias of the same list; else all of it.
    fn named_by(&self, item: Range<usize>) -> Range<usize> {
        let start = if self.is(item.start, &["distinct", "all"]) { item.start + 1 } else { item.start };
        let Some(last) = item.end.checked_sub(1).filter(|last| *last >= start) else { return item };
        let is_name = |index| matches!(self.kind(index), Some(Kind::Word | Kind::Quoted));
        let is_aliased = last > start + 1 && is_name(last) && self.is(last - 1, &["as"]);
        let is_column = (start..last).all(|index| match (index - start) % 2 {
            0 => is_name(index),
            _ => self.kind(index) == Some(Kind::Period),
        }) && (last - start) % 2 == 0;
        if is_aliased || is_column { last..item.end } else { item }
    }

    /// Whether a bracket begins here that may list the names of a relation's columns: `from t as x(a, b)`.
    fn lists_names(&self, index: usize) -> bool {
        self.kind(index) == Some(Kind::Open)
            && index.checked_sub(1).is_some_and(|before| {
                matches!(self.kind(before), Some(Kind::Word | Kind::Quoted))
                    && !self
                        .is(before, &["as", "materialized", "in", "exists", "on", "using", "and", "or", "not", "from"])
            })
            && !self.is(index + 1, &["select", "with", "from", "values"])
            && !self.is_behind_a_list(index)
    }

    /// Whether the part of the query that this index belongs to is one that names no relations.
    fn is_behind_a_list(&self, index: usize) -> bool {
        let mut depth = 0_usize;
        for at in (0..index).rev() {
            match self.kind(at) {
                Some(Kind::Close) => depth += 1,
                Some(Kind::Open) if depth == 0 => return false,
                Some(Kind::Open) => depth -= 1,
                _ if depth > 0 => {}
                _ if self.is(at, &["from", "with"]) => return false,
                _ if self.is(at, &["select", "where", "group", "having", "order", "limit", "qualify"]) => return true,
                _ => {}
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with a `^` for each word whose letters matter not.
    fn marked(dialect: Dialect, sql: &str) -> String {
        let tokens = Tokens::of(sql, dialect).unwrap();
        let solid: Vec<Token> = tokens.list.iter().copied().filter(|token| !token.kind.is_blank()).collect();
        let found = irrelevant(&tokens, &solid);
        let words = solid.iter().zip(found).filter(|(token, _)| token.kind == Kind::Word);
        words
            .map(|(token, irrelevant)| {
                let text = tokens.text(*token);
                if irrelevant { text.to_ascii_lowercase() } else { text.to_ascii_uppercase() }
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn duckdb_names_columns_by_what_a_select_lists() {
        let of = |sql| marked(Dialect::DuckDb, sql);
        assert_eq!(of("select Eh.Id, Eh.Amount + 1 from T as Eh"), "select eh ID EH AMOUNT from t as eh");
        assert_eq!(of("select Upper(T.A) as X from T"), "select upper t a as X from t");
        assert_eq!(of("select Upper(T.A) X from T"), "select UPPER T A X from t");
        assert_eq!(
            of("with C(A) as (select B from T) select * from C where A > 1"),
            "with c A as select B from t select from c where a"
        );
        assert_eq!(of("select distinct T.A from T order by A"), "select distinct t A from t order by a");
        assert_eq!(of("select (select Max(X) from U) from T"), "select SELECT MAX X FROM U from t");
        assert_eq!(of("pivot T on A using Sum(B)"), "PIVOT T ON A USING SUM B");
    }

    #[test]
    fn paths_into_values_keep_their_letters() {
        assert_eq!(
            marked(Dialect::Snowflake, "select P:Name.First::Text, T.Id from T"),
            "select p NAME FIRST text t id from t"
        );
        assert_eq!(marked(Dialect::Snowflake, "select P[0].Name from T"), "select p NAME from t");
        assert_eq!(marked(Dialect::Snowflake, "select A from @Stage/Dir"), "SELECT A FROM STAGE DIR");
        assert_eq!(marked(Dialect::Redshift, "select P.Name from S.T"), "select p NAME from s T");
        assert_eq!(marked(Dialect::Postgres, "select T.Id::Text from S.T"), "select t id text from s t");
        assert_eq!(marked(Dialect::BigQuery, "select Id from T"), "SELECT ID FROM T");
    }
}
