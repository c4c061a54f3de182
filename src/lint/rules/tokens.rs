//! The words of a model's SQL with their places, for rules that need no syntax tree.

use sqlparser::tokenizer::{Token, Tokenizer};

use super::tree::grammar;
use crate::sql::Dialect;

/// A word or sign of the SQL.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Upper-case for an unquoted word; the sign otherwise; empty for strings and quoted names.
    pub(super) word: String,
    pub(super) line: u64,
    pub(super) column: u64,
    /// How many brackets are open.
    pub(super) depth: usize,
}

/// Everything but white space and comments.
#[derive(Debug, Clone)]
pub(super) struct Tokens(pub(super) Vec<Item>);

impl Tokens {
    /// Cuts SQL; `None` where the tokenizer gives up.
    pub(super) fn of(sql: &str, dialect: Option<Dialect>) -> Option<Self> {
        let grammar = grammar(dialect);
        let tokens = Tokenizer::new(grammar.as_ref(), sql).tokenize_with_location().ok()?;
        let mut depth = 0_usize;
        let mut items = Vec::new();
        for token in tokens {
            let word = match &token.token {
                Token::Whitespace(_) => continue,
                Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
                Token::Word(_) | Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => String::new(),
                Token::RParen => {
                    depth = depth.saturating_sub(1);
                    ")".to_owned()
                }
                other => other.to_string(),
            };
            let place = token.span.start;
            items.push(Item { word, line: place.line, column: place.column, depth });
            depth += usize::from(token.token == Token::LParen);
        }
        Some(Self(items))
    }

    /// Each item with the one before and the one after it.
    pub(super) fn around(&self) -> impl Iterator<Item = (&str, &Item, &str)> {
        let word = |at: Option<usize>| at.and_then(|at| self.0.get(at)).map_or("", |item| item.word.as_str());
        self.0.iter().enumerate().map(move |(at, item)| (word(at.checked_sub(1)), item, word(Some(at + 1))))
    }
}
