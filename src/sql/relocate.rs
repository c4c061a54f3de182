//! Relation names in a text, moved to the temporary schema.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::dialect::Dialect;
use super::names::{Name, Names, Then};
use super::relation::RelationName;
use super::tokens::{Kind, SqlError, Tokens};

/// Where each relation of a run lies: from its name as compiled SQL spells it to its place in the
/// temporary schema.
///
/// Names are compared part by part as the dialect compares them. A name of three parts is also found
/// without its database (`ref('x').include(database=false)`) where that names one relation only.
#[derive(Debug, Clone)]
pub struct Relocation {
    dialect: Dialect,
    entries: Vec<Entry>,
    /// The whole key → its entry.
    whole: HashMap<Vec<String>, usize>,
    /// Schema and identifier of a name of three parts → its entry; `None` when two databases have it.
    short: HashMap<Vec<String>, Option<usize>>,
}

#[derive(Debug, Clone)]
struct Entry {
    unique_id: String,
    to: RelationName,
    to_key: Vec<String>,
}

/// A text after relocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocated {
    /// The text.
    pub sql: String,
    /// unique_ids of the relations that it names, moved or already in place.
    pub used: BTreeSet<String>,
}

impl Relocation {
    /// One that moves nothing.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, entries: Vec::new(), whole: HashMap::new(), short: HashMap::new() }
    }

    /// The dialect of the names.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Maps `name` to `to`. False, and nothing done, when `name` is mapped for another node already:
    /// map the names that matter more first.
    pub fn insert(&mut self, name: &RelationName, unique_id: &str, to: &RelationName) -> bool {
        let key = name.key(self.dialect);
        if let Some(entry) = self.whole.get(&key).and_then(|entry| self.entries.get(*entry)) {
            return entry.unique_id == unique_id;
        }
        let index = self.entries.len();
        if let [_, short @ ..] = key.as_slice()
            && short.len() == 2
        {
            let same = |other: &usize| self.entries.get(*other).is_some_and(|entry| entry.unique_id == unique_id);
            self.short.entry(short.to_vec()).and_modify(|other| *other = other.filter(same)).or_insert(Some(index));
        }
        self.whole.insert(key, index);
        self.entries.push(Entry { unique_id: unique_id.to_owned(), to: to.clone(), to_key: to.key(self.dialect) });
        true
    }

    /// Whether nothing is mapped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The node whose relation `name` is.
    #[must_use]
    pub fn unique_id(&self, name: &RelationName) -> Option<&str> {
        let entry = *self.whole.get(&name.key(self.dialect))?;
        self.entries.get(entry).map(|entry| entry.unique_id.as_str())
    }

    /// The entry of a name that is written in full, or without its database.
    fn find(&self, key: &[String]) -> Option<usize> {
        let whole = self.whole.get(key).copied();
        whole.or_else(|| if key.len() == 2 { self.short.get(key).copied().flatten() } else { None })
    }
}

/// `sql` with every mapped relation name replaced by its place in the temporary schema, in the
/// dialect's quoting. Everything else keeps its bytes; comments are never touched, and strings only where they name a
/// relation for the server to look up (`pg_relation_size('…')`, `'…'::regclass`); text
/// that names no mapped relation, or names it in its new place, comes back as it was.
///
/// - A name matches when it is as long as the mapped one: `db.schema.t` does not match within
///   `server.db.schema.t`, nor `schema.t` in a `FROM` where `schema.t.x` stands.
/// - A column spelled with its relation (`"db"."schema"."t"."col"`) follows the relation.
/// - Where the relation's identifier changes (two nodes of one name) and the text says `t.col` or `t`,
///   the relation gets its old identifier as its alias.
///
/// # Errors
/// When the text cannot be read, and when such an alias is needed where none can stand.
pub fn relocate(sql: &str, relocation: &Relocation) -> Result<Relocated, SqlError> {
    let tokens = Tokens::of(sql, relocation.dialect)?;
    let names = Names::of(&tokens);
    let mut edits = Edits { tokens: &tokens, names: &names, relocation, list: Vec::new(), used: BTreeSet::new() };
    let tables = edits.tables()?;
    edits.columns(&tables);
    edits.texts();
    Ok(edits.apply())
}

/// PostgreSQL's functions whose first argument is a relation that the server looks up.
const LOOKED_UP: &[&str] = &[
    "has_any_column_privilege",
    "has_column_privilege",
    "has_table_privilege",
    "pg_get_viewdef",
    "pg_indexes_size",
    "pg_relation_filenode",
    "pg_relation_filepath",
    "pg_relation_size",
    "pg_table_size",
    "pg_total_relation_size",
    "to_regclass",
];

/// Where a name ends, and what it becomes.
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

struct Edits<'a, 's> {
    tokens: &'a Tokens<'s>,
    names: &'a Names<'s>,
    relocation: &'a Relocation,
    list: Vec<Edit>,
    used: BTreeSet<String>,
}

/// How a relation is called in the rest of a statement: entry → its alias, if it was given one.
type Tables = HashMap<usize, Option<String>>;

impl<'s> Edits<'_, 's> {
    /// The entry of a name that stands for a relation as a whole.
    fn relation(&self, name: &Name<'s>) -> Option<usize> {
        let entry = self.relocation.find(&name.key)?;
        if name.more {
            return None;
        }
        // Outside a FROM, two parts whose first is an alias are a column.
        let column = !name.table && name.key.len() < 3 && name.key.first().is_some_and(|first| self.is_local(first));
        (!column && (name.table || name.key.len() > 1)).then_some(entry)
    }

    fn is_local(&self, key: &str) -> bool {
        self.names.local.contains(key)
    }

    fn tables(&mut self) -> Result<Tables, SqlError> {
        let found: Vec<(&Name<'s>, usize)> =
            self.names.list.iter().filter_map(|name| Some((name, self.relation(name)?))).collect();
        let starts: HashSet<usize> = found.iter().filter_map(|(name, _)| Some(name.parts.first()?.start)).collect();
        // Identifiers that the text uses as qualifiers, or as whole rows.
        let qualifiers: HashSet<&str> = self
            .names
            .list
            .iter()
            .filter(|name| name.parts.first().is_some_and(|part| !starts.contains(&part.start)))
            .filter_map(|name| name.key.first().map(String::as_str))
            .collect();

        let mut tables = Tables::new();
        let mut given: HashMap<(usize, String), usize> = HashMap::new();
        for (name, index) in found {
            let (Some(entry), Some(first), Some(last), Some(old)) =
                (self.relocation.entries.get(index), name.parts.first(), name.parts.last(), name.key.last())
            else {
                continue;
            };
            self.used.insert(entry.unique_id.clone());
            let renamed = entry.to_key.last() != Some(old);
            let mut text = entry.to.quoted(self.relocation.dialect);
            let mut alias = None;
            if name.table && renamed && name.then != Then::Alias && qualifiers.contains(old.as_str()) {
                let line = self.tokens.line(first.start);
                if name.then == Then::Clause || name.bare || name.call {
                    let relation = self.tokens.sql.get(first.start..last.end).unwrap_or_default().to_owned();
                    return Err(SqlError::NeedsAlias { relation, line });
                }
                if given.insert((name.scope, old.clone()), index).is_some_and(|other| other != index) {
                    return Err(SqlError::AmbiguousAlias { alias: old.clone(), line });
                }
                let spelled = self.spelled(&last.text, last.quoted);
                text = format!("{text} as {spelled}");
                alias = Some(spelled);
            }
            if name.table && name.then != Then::Alias {
                let known = tables.entry(index).or_insert(None);
                *known = alias.or(known.take());
            }
            if name.key != entry.to_key {
                self.list.push(Edit { start: first.start, end: last.end, text });
            }
        }
        Ok(tables)
    }

    /// An identifier as an alias; quoted ones stay quoted.
    fn spelled(&self, text: &str, quoted: bool) -> String {
        if quoted { self.relocation.dialect.quote(text) } else { text.to_owned() }
    }

    /// Columns that are spelled with their relation.
    fn columns(&mut self, tables: &Tables) {
        for name in &self.names.list {
            if name.table || self.relation(name).is_some() {
                continue;
            }
            let longest = if name.more { name.key.len() } else { name.key.len().saturating_sub(1) };
            let found = (2..=longest.min(3)).rev().find_map(|length| {
                let key = name.key.get(..length)?;
                let whole = self.relocation.whole.get(key).copied();
                // Without the database, only a relation of this statement can be meant.
                let short = || self.relocation.find(key).filter(|index| tables.contains_key(index));
                let index =
                    if length == 3 { whole } else { whole.filter(|index| tables.contains_key(index)).or_else(short) };
                Some((length, index?))
            });
            let Some((length, index)) = found else { continue };
            let (Some(entry), Some(first), Some(last)) =
                (self.relocation.entries.get(index), name.parts.first(), name.parts.get(length - 1))
            else {
                continue;
            };
            // An alias or CTE of that name takes precedence over a schema.
            if length == 2 && name.key.first().is_some_and(|first| self.is_local(first)) {
                continue;
            }
            self.used.insert(entry.unique_id.clone());
            if name.key.get(..length) == Some(entry.to_key.as_slice()) {
                continue;
            }
            let text = match tables.get(&index) {
                Some(Some(alias)) => alias.clone(),
                _ => entry.to.quoted(self.relocation.dialect),
            };
            self.list.push(Edit { start: first.start, end: last.end, text });
        }
    }

    /// Relations that a string names for the server to look up.
    fn texts(&mut self) {
        let dialect = self.relocation.dialect;
        if dialect != Dialect::Postgres {
            return;
        }
        let solid: Vec<_> = self.tokens.list.iter().filter(|token| !token.kind.is_blank()).copied().collect();
        let is = |at: Option<usize>, texts: &[&str]| {
            let token = at.and_then(|at| solid.get(at));
            token.is_some_and(|token| texts.iter().any(|text| self.tokens.text(*token).eq_ignore_ascii_case(text)))
        };
        for (at, token) in solid.iter().enumerate().filter(|(_, token)| token.kind == Kind::Text) {
            let is_looked_up = is(at.checked_sub(1), &["("]) && is(at.checked_sub(2), LOOKED_UP);
            let is_cast = is(Some(at + 1), &["::"]) && is(Some(at + 2), &["regclass"])
                || is(Some(at + 1), &["as"]) && is(Some(at + 2), &["regclass"]);
            if !is_looked_up && !is_cast {
                continue;
            }
            let text = self.tokens.text(*token);
            let Some(inner) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) else { continue };
            let Some(name) = RelationName::parse(&inner.replace("''", "'"), dialect) else { continue };
            let key = name.key(dialect);
            let entry = if key.len() > 1 { self.relocation.find(&key) } else { None };
            let Some(entry) = entry.and_then(|entry| self.relocation.entries.get(entry)) else { continue };
            self.used.insert(entry.unique_id.clone());
            if key != entry.to_key {
                let text = dialect.literal(&entry.to.quoted(dialect));
                self.list.push(Edit { start: token.start, end: token.end, text });
            }
        }
    }

    fn apply(mut self) -> Relocated {
        let sql = self.tokens.sql;
        self.list.sort_by_key(|edit| edit.start);
        let mut out = String::with_capacity(sql.len() + self.list.len() * 16);
        let mut done = 0;
        for edit in &self.list {
            out.push_str(sql.get(done..edit.start).unwrap_or_default());
            out.push_str(&edit.text);
            done = edit.end;
        }
        out.push_str(sql.get(done..).unwrap_or_default());
        Relocated { sql: out, used: self.used }
    }
}
