//! SQL text cut into tokens that know their bytes.
//!
//! sqlparser's tokenizer does the cutting; its positions are lines and columns of characters, which
//! are turned into byte offsets here, once. The text of all tokens, joined, is the input again.
//!
//! Whatever the tokenizer could read in another way than the warehouse is an error: a string or
//! comment misread hides a relation name.

use std::borrow::Cow;

use sqlparser::dialect as grammar;
use sqlparser::tokenizer::{Token as Parsed, Tokenizer, Whitespace};

use super::dialect::Dialect;

/// Why SQL text cannot be worked on. The node that it belongs to is then not built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// A string, quoted name or comment that never ends, mostly.
    #[error("could not read the SQL at line {line}, column {column}: {message}")]
    Tokenize {
        /// What is wrong.
        message: String,
        /// From 1.
        line: u64,
        /// From 1, in characters.
        column: u64,
    },
    /// Legal text that premerge could misread.
    #[error("{what} (line {line}): write it another way")]
    Unsupported {
        /// What it is.
        what: &'static str,
        /// From 1.
        line: usize,
    },
    /// A `;` in text that dbt puts inside a statement.
    #[error("a `;` on line {line}: dbt puts this text inside a statement; remove it")]
    Semicolon {
        /// Of the `;`, from 1.
        line: usize,
    },
    /// A relation gets another identifier in the temporary schema, the text uses the old one as a
    /// qualifier, and the place does not take an alias.
    #[error("`{relation}` needs an alias here (line {line}): its name is different in the temporary schema")]
    NeedsAlias {
        /// As written.
        relation: String,
        /// From 1.
        line: usize,
    },
    /// Two relations of one name in one `FROM`, and a column that says neither.
    #[error("`{alias}` names two relations of one FROM (line {line}): give them aliases")]
    AmbiguousAlias {
        /// The name.
        alias: String,
        /// From 1.
        line: usize,
    },
}

/// What a token is, as far as names matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An unquoted identifier or a keyword.
    Word,
    /// A quoted identifier.
    Quoted,
    /// `.`
    Period,
    /// `,`
    Comma,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// `:`, also a path of semi-structured data.
    Colon,
    /// A space, a tab, an end of line.
    Space,
    /// A comment up to the end of its line, without it.
    LineComment,
    /// `/* … */`.
    BlockComment,
    /// A string of any kind.
    Text,
    /// Everything else: numbers, operators, placeholders.
    Other,
}

impl Kind {
    /// Whether it stands for nothing: white space and comments.
    pub(crate) fn is_blank(self) -> bool {
        matches!(self, Self::Space | Self::LineComment | Self::BlockComment)
    }
}

/// One token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// First byte.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
}

/// A text and its tokens.
#[derive(Debug)]
pub(crate) struct Tokens<'s> {
    pub(crate) sql: &'s str,
    pub(crate) dialect: Dialect,
    pub(crate) list: Vec<Token>,
}

impl<'s> Tokens<'s> {
    /// Cuts `sql`, as sqlparser reads it: [`Tokens::of`] is for everybody else.
    pub(super) fn unchecked(sql: &'s str, dialect: Dialect) -> Result<Self, SqlError> {
        let grammar = tokenizer_grammar(dialect);
        // Without unescaping, which is work for nothing: text is taken from the source.
        let parsed =
            Tokenizer::new(grammar.as_ref(), sql).with_unescape(false).tokenize_with_location().map_err(|error| {
                SqlError::Tokenize { message: error.message, line: error.location.line, column: error.location.column }
            })?;
        let mut list = Vec::with_capacity(parsed.len());
        let mut cursor = Cursor::new(sql);
        for token in &parsed {
            let start = cursor.offset;
            cursor.advance_to(token.span.end.line, token.span.end.column);
            list.push(Token { kind: kind(&token.token), start, end: cursor.offset });
        }
        Ok(Self { sql, dialect, list })
    }

    /// The source text of a token.
    pub(crate) fn text(&self, token: Token) -> &'s str {
        self.sql.get(token.start..token.end).unwrap_or_default()
    }

    /// The token at `index`.
    pub(crate) fn get(&self, index: usize) -> Option<Token> {
        self.list.get(index).copied()
    }

    /// The index of the first token at or after `index` that is not blank.
    pub(crate) fn next_solid(&self, index: usize) -> Option<usize> {
        let rest = self.list.get(index..)?;
        rest.iter().position(|token| !token.kind.is_blank()).map(|step| index + step)
    }

    /// The line of a byte, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.sql.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }

    /// The identifier that a word or quoted token spells, without its quotes.
    pub(crate) fn identifier(&self, token: Token) -> Cow<'s, str> {
        let text = self.text(token);
        if token.kind != Kind::Quoted {
            return Cow::Borrowed(text);
        }
        let quote = self.dialect.quote_char();
        let inner = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)).unwrap_or(text);
        if inner.contains(quote) {
            let doubled = [quote, quote].iter().collect::<String>();
            Cow::Owned(inner.replace(&doubled, &quote.to_string()))
        } else {
            Cow::Borrowed(inner)
        }
    }
}

/// sqlparser's dialect whose *tokenizer* is nearest to the warehouse's.
///
/// DuckDB's lexer is PostgreSQL's (`e'\''`, nested comments, dollar quotes, `\r` ends a comment);
/// sqlparser's DuckDB dialect has none of that.
/// What the plain strings of a text hold: `orders` of `'orders'`.
///
/// # Errors
/// When the text cannot be read.
pub fn strings(sql: &str, dialect: Dialect) -> Result<std::collections::BTreeSet<String>, SqlError> {
    let tokens = Tokens::of(sql, dialect)?;
    let texts = tokens.list.iter().filter(|token| token.kind == Kind::Text).map(|token| tokens.text(*token));
    Ok(texts.filter_map(|text| Some(text.strip_prefix('\'')?.strip_suffix('\'')?.to_owned())).collect())
}

pub(crate) fn tokenizer_grammar(dialect: Dialect) -> Box<dyn grammar::Dialect> {
    match dialect {
        Dialect::DuckDb | Dialect::Postgres => Box::new(grammar::PostgreSqlDialect {}),
        _ => parser_grammar(dialect),
    }
}

/// sqlparser's dialect whose *grammar* is nearest to the warehouse's.
pub(crate) fn parser_grammar(dialect: Dialect) -> Box<dyn grammar::Dialect> {
    match dialect {
        Dialect::DuckDb => Box::new(grammar::DuckDbDialect {}),
        Dialect::Postgres => Box::new(grammar::PostgreSqlDialect {}),
        Dialect::Redshift => Box::new(grammar::RedshiftSqlDialect {}),
        Dialect::Snowflake => Box::new(grammar::SnowflakeDialect {}),
        Dialect::BigQuery => Box::new(grammar::BigQueryDialect {}),
        Dialect::Databricks => Box::new(grammar::DatabricksDialect {}),
        Dialect::Generic => Box::new(grammar::GenericDialect {}),
    }
}

fn kind(token: &Parsed) -> Kind {
    match token {
        Parsed::Word(word) => match word.quote_style {
            // A bracket quotes in Redshift's JSON paths only, and then no relation.
            Some('[') => Kind::Other,
            Some(_) => Kind::Quoted,
            None => Kind::Word,
        },
        Parsed::Period => Kind::Period,
        Parsed::Comma => Kind::Comma,
        Parsed::LParen => Kind::Open,
        Parsed::RParen => Kind::Close,
        Parsed::SemiColon => Kind::Semicolon,
        Parsed::Colon => Kind::Colon,
        Parsed::Whitespace(Whitespace::SingleLineComment { .. }) => Kind::LineComment,
        Parsed::Whitespace(Whitespace::MultiLineComment(_)) => Kind::BlockComment,
        Parsed::Whitespace(_) => Kind::Space,
        Parsed::SingleQuotedString(_)
        | Parsed::DoubleQuotedString(_)
        | Parsed::TripleSingleQuotedString(_)
        | Parsed::TripleDoubleQuotedString(_)
        | Parsed::DollarQuotedString(_)
        | Parsed::SingleQuotedByteStringLiteral(_)
        | Parsed::DoubleQuotedByteStringLiteral(_)
        | Parsed::TripleSingleQuotedByteStringLiteral(_)
        | Parsed::TripleDoubleQuotedByteStringLiteral(_)
        | Parsed::SingleQuotedRawStringLiteral(_)
        | Parsed::DoubleQuotedRawStringLiteral(_)
        | Parsed::TripleSingleQuotedRawStringLiteral(_)
        | Parsed::TripleDoubleQuotedRawStringLiteral(_)
        | Parsed::NationalStringLiteral(_)
        | Parsed::QuoteDelimitedStringLiteral(_)
        | Parsed::NationalQuoteDelimitedStringLiteral(_)
        | Parsed::EscapedStringLiteral(_)
        | Parsed::UnicodeStringLiteral(_)
        | Parsed::HexStringLiteral(_) => Kind::Text,
        _ => Kind::Other,
    }
}

/// Walks a text once, counting lines and columns as sqlparser does: a line ends at `\n` and nowhere
/// else, a column is a character.
struct Cursor<'s> {
    chars: std::str::Chars<'s>,
    offset: usize,
    line: u64,
    column: u64,
}

impl<'s> Cursor<'s> {
    fn new(sql: &'s str) -> Self {
        Self { chars: sql.chars(), offset: 0, line: 1, column: 1 }
    }

    fn advance_to(&mut self, line: u64, column: u64) {
        while (self.line, self.column) < (line, column) {
            let Some(c) = self.chars.next() else { return };
            self.offset += c.len_utf8();
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_joined_are_the_text() {
        let cases = [
            "select 'ä', \"ö\"\r\n\tfrom\t\"ü\".\"t\" -- 日本\r\nwhere x = $$a;b$$ /* ; */",
            "",
            "\n\n  select 1.5e3, .5, 0x1F, a::text, b->>'c'",
            "select e'it\\'s', 'it''s' from t",
        ];
        for sql in cases {
            let tokens = Tokens::of(sql, Dialect::DuckDb).unwrap();
            let joined: String = tokens.list.iter().map(|token| tokens.text(*token)).collect();
            assert_eq!(joined, sql);
        }
    }
}
