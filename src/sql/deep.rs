//! Parsers call themselves as deep as a text is nested, so depth is bounded before any of them sees a text, and they
//! work on threads whose stacks are known.

use std::thread;

use super::dialect::Dialect;
use super::tokens::{Kind, SqlError, Token, Tokens};

/// How deep a text may be nested at most. PostgreSQL itself gives up at some thousands of levels
/// (`max_stack_depth`), DuckDB at 1,000 (`max_expression_depth`).
const DEEPEST: usize = 20_000;

/// Enough for [`DEEPEST`] levels of the parser with the largest frames. Only what is used of it takes memory.
const STACK: usize = 512 * 1024 * 1024;

/// Runs `work` on a thread with a stack for the deepest text; `None` when there is no thread to be had, or the work
/// panicked.
pub(crate) fn with_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("parser".to_owned()).stack_size(STACK);
        thread.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

/// Refuses a text that may be nested deeper than any parser can follow.
///
/// # Errors
/// [`SqlError::Unsupported`], and what the tokenizer cannot read.
pub fn check_depth(sql: &str, dialect: Dialect) -> Result<(), SqlError> {
    depth_of(&Tokens::of(sql, dialect)?)
}

/// Whether a text of any dialect may be nested deeper than `deepest`. What no tokenizer can read, no parser follows.
#[must_use]
pub fn is_deeper_than(sql: &str, deepest: usize) -> bool {
    Tokens::of(sql, Dialect::DuckDb).is_ok_and(|tokens| within(&tokens, deepest).is_err())
}

/// See [`check_depth`].
///
/// Never less than the depth of the syntax tree: within a pair of brackets, operators and words nest only between two
/// commas, but for those that hold whole lists.
pub(super) fn depth_of(tokens: &Tokens<'_>) -> Result<(), SqlError> {
    within(tokens, DEEPEST)
}

fn within(tokens: &Tokens<'_>, deepest: usize) -> Result<(), SqlError> {
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::default();
    for token in &tokens.list {
        match bracket(tokens, *token) {
            Some(true) => outer.push(std::mem::take(&mut level)),
            Some(false) => {
                if let Some(around) = outer.pop() {
                    let inner = level.depth();
                    level = around;
                    level.inner = level.inner.max(inner);
                }
            }
            None => level.see(tokens, *token),
        }
        let depth = outer.len() + level.depth();
        if depth > deepest {
            return Err(SqlError::Unsupported {
                what: "SQL that is nested too deeply",
                line: tokens.line(token.start),
            });
        }
    }
    let whole = outer.iter().fold(level.depth(), |inner, around| around.within(inner));
    if whole > deepest {
        return Err(SqlError::Unsupported { what: "SQL that is nested too deeply", line: 1 });
    }
    Ok(())
}

/// One pair of brackets.
#[derive(Default)]
struct Level {
    /// What nests across commas.
    lists: usize,
    /// What nests between the last two commas, and the most that did so before.
    segment: usize,
    longest: usize,
    /// The deepest pair of brackets inside.
    inner: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.within(0)
    }

    fn within(&self, inner: usize) -> usize {
        self.lists + self.longest.max(self.segment) + self.inner.max(inner) + 1
    }

    fn see(&mut self, tokens: &Tokens<'_>, token: Token) {
        match token.kind {
            Kind::Comma | Kind::Semicolon => {
                self.longest = self.longest.max(self.segment);
                self.segment = 0;
            }
            Kind::Word if LISTS.iter().any(|word| tokens.text(token).eq_ignore_ascii_case(word)) => self.lists += 1,
            Kind::Word | Kind::Other | Kind::Colon => self.segment += 1,
            _ => {}
        }
    }
}

/// Whether a token opens (`true`) or closes brackets.
fn bracket(tokens: &Tokens<'_>, token: Token) -> Option<bool> {
    match token.kind {
        Kind::Open => Some(true),
        Kind::Close => Some(false),
        Kind::Other => match tokens.text(token) {
            "[" | "{" => Some(true),
            "]" | "}" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Words that begin something with commas in it.
const LISTS: [&str; 12] = [
    "select",
    "from",
    "with",
    "union",
    "intersect",
    "except",
    "minus",
    "join",
    "lambda",
    "case",
    "describe",
    "summarize",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_and_flat_is_not_deep() {
        let list = (0..100_000).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ");
        let columns = (0..20_000).map(|n| format!("cast(a.c{n} as int) + 1 as c{n}")).collect::<Vec<_>>().join(",\n");
        let unions = vec!["select a, b, c from t where a = 1 and b = 2"; 3000].join("\nunion all\n");
        for sql in [format!("select * from t where a in ({list})"), format!("select {columns} from a"), unions] {
            check_depth(&sql, Dialect::Postgres).unwrap();
        }
    }

    #[test]
    fn what_is_nested_deep_is_refused() {
        let sums = vec!["1"; 300_000].join("+");
        let brackets = format!("{}1{}", "(".repeat(300_000), ")".repeat(300_000));
        let arrays = format!("{}1{}", "[1, ".repeat(100_000), "]".repeat(100_000));
        let unions = vec!["select 1, 2"; 100_000].join(" union ");
        let cases = "case when a then b else ".repeat(100_000);
        let lambdas = "lambda x, y : ".repeat(100_000);
        for sql in [sums, brackets, arrays, unions, cases, lambdas] {
            for dialect in [Dialect::Postgres, Dialect::DuckDb, Dialect::Redshift] {
                assert!(check_depth(&sql, dialect).is_err());
            }
        }
    }
}
