//! The dotted names of a statement, and where in it they stand.
//!
//! A small state machine over tokens, no parser: it must work on every text that a warehouse takes,
//! also where sqlparser's grammar does not. It follows brackets and the clause words that begin and
//! end a `FROM`, and nothing else.

use std::borrow::Cow;
use std::collections::HashSet;

use super::dialect::Dialect;
use super::tokens::{Kind, SqlError, Token, Tokens};

/// One part of a dotted name.
#[derive(Debug, Clone)]
pub(crate) struct Part<'s> {
    /// Without quotes.
    pub(crate) text: Cow<'s, str>,
    /// Whether it was quoted.
    pub(crate) quoted: bool,
    /// Bytes of its token. Parts of one BigQuery token (`` `a.b.c` ``) share them.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A name of one part or more, as long as it goes: `a`, `a.b`, `"a"."b"."c"`.
#[derive(Debug)]
pub(crate) struct Name<'s> {
    pub(crate) parts: Vec<Part<'s>>,
    /// Each part as the dialect compares it.
    pub(crate) key: Vec<String>,
    /// Whether it stands where a table is named, in a `FROM` or behind a `JOIN`.
    pub(crate) table: bool,
    /// The table place is the operand of a word that is not a `FROM` (`TABLE t`), so takes no alias.
    pub(crate) bare: bool,
    /// Names with the same number belong to the same `FROM`.
    pub(crate) scope: usize,
    /// Whether `(` follows: a function.
    pub(crate) call: bool,
    /// Whether `.` follows, as in `t.*`.
    pub(crate) more: bool,
    /// What follows a table.
    pub(crate) then: Then,
}

/// What stands behind a table's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// An alias.
    Alias,
    /// A clause that must come before an alias: time travel, sampling, pivoting.
    Clause,
    /// Neither.
    Nothing,
}

/// All names of a text.
#[derive(Debug)]
pub(crate) struct Names<'s> {
    pub(crate) list: Vec<Name<'s>>,
    /// Aliases and names of common table expressions, and tables without qualifier, as the dialect
    /// compares them. Too many rather than too few.
    pub(crate) local: HashSet<String>,
}

/// Every part of every name in `sql`, in small letters: a relation that none of them is the identifier of is not
/// named there.
///
/// # Errors
/// When the text cannot be read.
pub fn identifiers(sql: &str, dialect: Dialect) -> Result<HashSet<String>, SqlError> {
    let tokens = Tokens::of(sql, dialect)?;
    let parts = Names::of(&tokens).list.into_iter().flat_map(|name| name.key);
    Ok(parts.map(|part| part.to_ascii_lowercase()).collect())
}

struct Frame {
    /// In the tables of a `FROM`.
    from: bool,
    /// The next name is a table.
    table: bool,
    /// That table is the operand of a bare word.
    bare: bool,
    /// Opened as the arguments of a function, where `from` may be a word of its own (`extract(day from x)`).
    call: bool,
    /// A `SELECT` was seen, so `from` is a clause.
    select: bool,
    scope: usize,
}

impl<'s> Names<'s> {
    /// The names in `tokens`.
    pub(crate) fn of(tokens: &Tokens<'s>) -> Self {
        let mut walk = Walk {
            tokens,
            frames: Vec::new(),
            top: Frame { from: false, table: false, bare: false, call: false, select: false, scope: 0 },
            scopes: 0,
            words: [None, None],
            alias: false,
            list: Vec::new(),
            local: HashSet::new(),
        };
        walk.run();
        Names { list: walk.list, local: walk.local }
    }
}

struct Walk<'t, 's> {
    tokens: &'t Tokens<'s>,
    frames: Vec<Frame>,
    top: Frame,
    scopes: usize,
    /// The last two solid tokens, newest first.
    words: [Option<Token>; 2],
    /// The next word is the alias of a table.
    alias: bool,
    list: Vec<Name<'s>>,
    local: HashSet<String>,
}

impl<'s> Walk<'_, 's> {
    fn run(&mut self) {
        let mut index = 0;
        while let Some(at) = self.tokens.next_solid(index) {
            let Some(token) = self.tokens.get(at) else { break };
            index = at + 1;
            match token.kind {
                Kind::Open => self.open(),
                Kind::Close => {
                    if let Some(frame) = self.frames.pop() {
                        self.top = frame;
                    }
                }
                Kind::Comma => (self.top.table, self.top.bare) = (self.top.from, false),
                Kind::Word | Kind::Quoted => {
                    index = self.word(at, token);
                    continue;
                }
                // BigQuery's pipes: whatever follows `|>` is another clause.
                Kind::Other if self.tokens.text(token) == "|>" => (self.top.from, self.top.table) = (false, false),
                _ => {}
            }
            self.remember(token);
        }
    }

    fn remember(&mut self, token: Token) {
        self.words = [Some(token), self.words[0]];
    }

    fn open(&mut self) {
        self.scopes += 1;
        let call = self.words[0].is_some_and(|word| {
            matches!(word.kind, Kind::Word | Kind::Quoted) && !is_any(self.tokens.text(word), BEFORE_A_BRACKET)
        });
        // `from (a join b)`: the bracket belongs to the tables. `from (select …)` is put right by its SELECT.
        let inner = Frame {
            from: self.top.table && !call,
            table: self.top.table && !call,
            bare: false,
            call,
            select: false,
            scope: self.scopes,
        };
        self.top.table = false;
        self.frames.push(std::mem::replace(&mut self.top, inner));
    }

    /// A word: a clause, or the beginning of a name. Returns the index behind it.
    fn word(&mut self, at: usize, token: Token) -> usize {
        let follows_period = self.words[0].is_some_and(|before| before.kind == Kind::Period);
        let (parts, behind, more) = self.parts(at, token);
        let single = parts.len() == 1 && !more;
        if single && token.kind == Kind::Word && !follows_period && self.clause(token) {
            self.remember(token);
            return behind;
        }
        let call = self.tokens.next_solid(behind).and_then(|next| self.tokens.get(next)).map(|next| next.kind)
            == Some(Kind::Open);
        let dialect = self.tokens.dialect;
        let key: Vec<String> = parts.iter().map(|part| dialect.canonical(&part.text, part.quoted)).collect();
        let after_as = self.words[0].is_some_and(|word| {
            word.kind == Kind::Close || (word.kind == Kind::Word && is_any(self.tokens.text(word), &["as", "with"]))
        });
        let table = self.top.table && !follows_period;
        if single && (self.alias || !call && (table || after_as) || self.then_as(behind)) {
            self.local.extend(key.first().cloned());
        }
        let then = if table && !call { self.then(behind) } else { Then::Nothing };
        self.alias = then == Then::Alias;
        if !follows_period {
            let (bare, scope) = (self.top.bare, self.top.scope);
            self.list.push(Name { parts, key, table, bare, scope, call, more, then });
        }
        self.top.table = false;
        // The name's last token, so that an alias or a bracket behind it is seen for what it is.
        let last = self.tokens.list.get(..behind).and_then(|list| list.iter().rfind(|t| !t.kind.is_blank()));
        self.remember(last.copied().unwrap_or(token));
        behind
    }

    /// The parts of the name that begins at `at`, the index behind them, and whether a period follows.
    fn parts(&self, at: usize, token: Token) -> (Vec<Part<'s>>, usize, bool) {
        let mut parts = Vec::new();
        let mut behind = self.part(at, token, &mut parts);
        loop {
            let Some(period) = self.tokens.next_solid(behind) else { return (parts, behind, false) };
            if self.tokens.get(period).is_none_or(|token| token.kind != Kind::Period) {
                return (parts, behind, false);
            }
            let next = self.tokens.next_solid(period + 1).and_then(|next| Some((next, self.tokens.get(next)?)));
            match next {
                Some((next, token)) if matches!(token.kind, Kind::Word | Kind::Quoted) => {
                    behind = self.part(next, token, &mut parts);
                }
                _ => return (parts, behind, true),
            }
        }
    }

    fn part(&self, at: usize, token: Token, parts: &mut Vec<Part<'s>>) -> usize {
        let quoted = token.kind == Kind::Quoted;
        let (start, mut end) = (token.start, token.end);
        let text = self.tokens.identifier(token);
        if self.tokens.dialect != super::Dialect::BigQuery {
            parts.push(Part { text, quoted, start, end });
            return at + 1;
        }
        if quoted {
            // No BigQuery identifier holds a period, so a quoted one is a path.
            parts.extend(text.split('.').map(|text| Part { text: Cow::Owned(text.to_owned()), quoted, start, end }));
            return at + 1;
        }
        // `my-project.dataset.table`: dashes without white space belong to the project, if a period follows.
        let mut behind = at + 1;
        if parts.is_empty() {
            let mut ahead = behind;
            while let (Some(dash), Some(word)) = (self.tokens.get(ahead), self.tokens.get(ahead + 1)) {
                if self.tokens.text(dash) != "-" || word.kind != Kind::Word {
                    break;
                }
                ahead += 2;
                if self.tokens.get(ahead).is_some_and(|next| next.kind == Kind::Period) {
                    (behind, end) = (ahead, word.end);
                }
            }
        }
        let text = self.tokens.sql.get(start..end).unwrap_or_default();
        parts.push(Part { text: Cow::Borrowed(text), quoted, start, end });
        behind
    }

    /// Takes a clause word; false for any other.
    fn clause(&mut self, token: Token) -> bool {
        let text = self.tokens.text(token);
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        let operates = (!self.top.from || self.begins_a_query(text)) && is_any(text, OPERATORS);
        let frame = &mut self.top;
        if is("select") {
            self.scopes += 1;
            *frame = Frame { from: false, table: false, bare: false, select: true, scope: self.scopes, ..*frame };
        } else if is("from") {
            let before = self.words[0].filter(|word| word.kind == Kind::Word).map(|word| self.tokens.text(word));
            let older = self.words[1].filter(|word| word.kind == Kind::Word).map(|word| self.tokens.text(word));
            let distinct = before.is_some_and(|word| word.eq_ignore_ascii_case("distinct"))
                && older.is_some_and(|word| is_any(word, &["is", "not"]));
            if (frame.select || !frame.call) && !distinct {
                (frame.from, frame.table, frame.bare) = (true, true, false);
            }
        } else if is("with") {
            // It begins a query in brackets; otherwise (`with offset`) it is nothing to us.
            if frame.table {
                (frame.from, frame.table) = (false, false);
            }
        } else if is("join") {
            (frame.from, frame.table, frame.bare) = (true, true, false);
        } else if is_any(text, &["lateral", "only", "inner", "outer", "left", "right", "full", "cross", "natural"]) {
            // They stand before a table or a JOIN and change nothing.
        } else if operates {
            (frame.from, frame.table, frame.bare) = (false, true, true);
        } else if is_any(text, AFTER_FROM) {
            (frame.from, frame.table) = (false, false);
        } else if is_any(text, WITHIN_FROM) {
            frame.table = false;
        } else {
            return false;
        }
        true
    }

    /// `from (pivot t on c)`: where these words are reserved, they begin a query in brackets.
    fn begins_a_query(&self, word: &str) -> bool {
        let reserved = match self.tokens.dialect {
            Dialect::DuckDb => true,
            Dialect::Postgres | Dialect::Redshift => word.eq_ignore_ascii_case("table"),
            Dialect::Snowflake | Dialect::BigQuery | Dialect::Databricks | Dialect::Generic => false,
        };
        reserved && self.words[0].is_some_and(|before| before.kind == Kind::Open)
    }

    fn then_as(&self, behind: usize) -> bool {
        let Some(next) = self.tokens.next_solid(behind) else { return false };
        self.tokens
            .get(next)
            .is_some_and(|token| token.kind == Kind::Word && self.tokens.text(token).eq_ignore_ascii_case("as"))
    }

    fn then(&self, behind: usize) -> Then {
        let Some(token) = self.tokens.next_solid(behind).and_then(|next| self.tokens.get(next)) else {
            return Then::Nothing;
        };
        let text = self.tokens.text(token);
        match token.kind {
            Kind::Quoted => Then::Alias,
            Kind::Word if is_any(text, BEFORE_AN_ALIAS) => Then::Clause,
            Kind::Word if is_any(text, AFTER_FROM) || is_any(text, WITHIN_FROM) || is_any(text, JOINS) => Then::Nothing,
            Kind::Word => Then::Alias,
            _ => Then::Nothing,
        }
    }
}

fn is_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Words that take a table as their operand.
const OPERATORS: &[&str] = &["table", "describe", "summarize", "pivot", "unpivot"];

/// Words that end the tables of a `FROM`.
const AFTER_FROM: &[&str] = &[
    "where",
    "group",
    "by",
    "having",
    "qualify",
    "window",
    "order",
    "limit",
    "fetch",
    "union",
    "except",
    "intersect",
    "minus",
    "values",
];

/// Words of a join condition, behind which a name is a column.
const WITHIN_FROM: &[&str] = &["on", "using"];

/// Words that begin a join, so are not an alias of the table before them.
const JOINS: &[&str] = &[
    "join",
    "inner",
    "outer",
    "left",
    "right",
    "full",
    "cross",
    "natural",
    "lateral",
    "semi",
    "anti",
    "asof",
    "positional",
    "straight_join",
    "from",
    "select",
    "offset",
    "cluster",
    "distribute",
    "sort",
    "connect",
    "start",
];

/// Clauses between a table and its alias.
const BEFORE_AN_ALIAS: &[&str] = &[
    "at",
    "before",
    "changes",
    "for",
    "match_recognize",
    "pivot",
    "sample",
    "tablesample",
    "timestamp",
    "unpivot",
    "version",
    "with",
];

/// Words that may stand before a bracket without being a function.
const BEFORE_A_BRACKET: &[&str] = &[
    "all",
    "and",
    "any",
    "as",
    "case",
    "else",
    "except",
    "exists",
    "from",
    "having",
    "in",
    "intersect",
    "join",
    "lateral",
    "materialized",
    "minus",
    "not",
    "on",
    "only",
    "or",
    "select",
    "some",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
    "with",
    "qualify",
    "by",
];
