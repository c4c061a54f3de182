//! The check that a statement stays in the temporary schema.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, visit_relations};
use sqlparser::parser::Parser;

use super::deep::{depth_of, with_deep_stack};
use super::dialect::Dialect;
use super::grammar::{Facts, Named, Refusal};
use super::names::{Name, Names};
use super::relation::{RelationName, SchemaName, texts_in};
use super::tokens::{Kind, SqlError, Tokens, parser_grammar};

/// What built statements must not name: the relations of both manifests, and the databases and
/// schemas they lie in. Sources are allowed, and so is what lies in the temporary schema.
#[derive(Debug, Clone)]
pub struct Territory {
    dialect: Dialect,
    /// Key of a relation → its node.
    relations: HashMap<Vec<String>, String>,
    /// (database, schema) of a relation; the database is empty where its name has none.
    schemas: HashSet<(String, String)>,
    /// The schemas without their databases.
    bare_schemas: HashSet<String>,
    databases: HashSet<String>,
    allowed: HashSet<Vec<String>>,
    /// The schemas that sources lie in.
    source_schemas: HashSet<String>,
    temporary: Option<SchemaName>,
}

/// A relation that a statement names and may not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignRelation {
    /// As written.
    pub relation: String,
    /// The node whose relation it is; `None` when only its schema is known.
    pub unique_id: Option<String>,
    /// The line, from 1; 0 when only the parser saw it.
    pub line: usize,
}

/// What the names of premerge's own tables in the temporary schema begin with.
const REGISTER: &str = "_premerge_";

/// What names without a schema begin with that are the engines' own catalogues.
const CATALOGUES: [&str; 8] = ["duckdb_", "pg_", "sqlite_", "stl_", "stv_", "svl_", "svv_", "sys_"];

/// What is kept from readers in them: hashes of passwords, secrets, values of columns.
const KEPT: [&str; 9] = [
    "duckdb_secrets",
    "pg_authid",
    "pg_largeobject",
    "pg_shadow",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_subscription",
    "pg_user_mapping",
    "pg_user_mappings",
];

impl Territory {
    /// An empty one.
    #[must_use]
    pub fn new(dialect: Dialect, temporary: Option<SchemaName>) -> Self {
        Self {
            dialect,
            relations: HashMap::new(),
            schemas: HashSet::new(),
            bare_schemas: HashSet::new(),
            databases: HashSet::new(),
            allowed: HashSet::new(),
            source_schemas: HashSet::new(),
            temporary,
        }
    }

    /// Forbids the relation of a node, and with it everything in its schema.
    pub fn forbid(&mut self, name: &RelationName, unique_id: &str) {
        let key = name.key(self.dialect);
        if let [.., schema, _] = key.as_slice() {
            let database = if key.len() > 2 { key.first().cloned().unwrap_or_default() } else { String::new() };
            self.bare_schemas.insert(schema.clone());
            self.databases.insert(database.clone());
            self.schemas.insert((database, schema.clone()));
        }
        self.relations.entry(key).or_insert_with(|| unique_id.to_owned());
    }

    /// Allows a source.
    pub fn allow(&mut self, name: &RelationName) {
        if let [.., schema, _] = name.key(self.dialect).as_slice() {
            self.source_schemas.insert(schema.clone());
        }
        self.let_read(name);
    }

    /// Allows one relation of production that is read in place, and nothing else beside it.
    pub fn let_read(&mut self, name: &RelationName) {
        let key = name.key(self.dialect);
        if let [_, short @ ..] = key.as_slice()
            && short.len() == 2
        {
            self.allowed.insert(short.to_vec());
        }
        self.allowed.insert(key);
    }

    /// Allows the files that a source's relation is read from.
    pub fn allow_files(&mut self, relation: &str) {
        let files = texts_in(relation, self.dialect).into_iter();
        self.allowed.extend(files.map(|file| vec![self.dialect.canonical(&file, true)]));
    }

    /// The relations of `sql` that lie in forbidden territory, in the order of the text. None means
    /// that the statement may run; a name without any period is not judged, because it means whatever
    /// the session's search path says, and that is the temporary schema.
    ///
    /// A dotted name is found out when
    /// - it stands where a table is named, and its database and schema, or, when it has two parts,
    ///   its schema, are those of any node (`main` of a node's database, on DuckDB, included);
    /// - it stands anywhere else, has three parts or more, and begins with a node's database and schema;
    /// - it is the text of a function's only argument (`identifier('db.schema.t')`) and one of those.
    ///
    /// Not found out are names whose first part is an alias, a common table expression or a table
    /// without qualifier of the same text (outside of a `FROM`; on BigQuery, whose `FROM` takes the
    /// paths of arrays, also there), functions, sources, and the temporary schema.
    ///
    /// Where sqlparser can parse the text, the relations that its syntax tree holds are judged too, so
    /// that no table is missed because the walk over tokens took it for a column.
    ///
    /// # Errors
    /// When the text cannot be read.
    pub fn foreign(&self, sql: &str) -> Result<Vec<ForeignRelation>, SqlError> {
        let tokens = Tokens::of(sql, self.dialect)?;
        depth_of(&tokens)?;
        let names = Names::of(&tokens);
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for name in &names.list {
            if !self.trespasses(name, &names.local) {
                continue;
            }
            let (Some(first), Some(last)) = (name.parts.first(), name.parts.last()) else { continue };
            let relation = sql.get(first.start..last.end).unwrap_or_default().to_owned();
            seen.insert(name.key.clone());
            found.push(ForeignRelation { relation, unique_id: self.node(&name.key), line: tokens.line(first.start) });
        }
        self.quoted_in_text(&tokens, &mut found);
        with_deep_stack(|| self.parsed(sql, &names.local, &seen, &mut found));
        Ok(found)
    }

    /// Whether the relations that the engine's grammar found in `sql` are those that the tokens show, name for name,
    /// and each may be named: one of the temporary schema that is not the register, a source, a relation beside a
    /// source, or one of the engine's own catalogue.
    ///
    /// # Errors
    /// The first that is not.
    pub fn agrees(&self, sql: &str, facts: &Facts) -> Result<(), Refusal> {
        let tokens = Tokens::of(sql, self.dialect)?;
        let names = Names::of(&tokens);
        let seen: HashSet<&[String]> =
            names.list.iter().filter(|name| name.table).map(|name| name.key.as_slice()).collect();
        let is_path = |key: &[String]| {
            let first = key.first().filter(|_| self.dialect == Dialect::Redshift && key.len() > 1);
            first.is_some_and(|first| names.local.contains(first) || facts.aliases.contains(first))
        };
        let mut read = HashSet::new();
        for named in &facts.relations {
            let key: Vec<String> = named.parts.iter().map(|part| self.dialect.canonical(part, true)).collect();
            let shown = named.parts.join(".");
            if !is_path(&key) {
                if key.len() > 1 && !seen.contains(key.as_slice()) {
                    let rule =
                        format!("`{shown}`: the engine's parser and premerge's disagree on whether this is a relation");
                    return Err(Refusal::new(rule, named.line));
                }
                if !self.may_be_read(&key) {
                    let rule = format!("`{shown}` is neither in the temporary schema nor a source");
                    return Err(Refusal::new(rule, named.line));
                }
            }
            read.insert(key);
        }
        for name in names.list.iter().filter(|name| name.table && !name.call && name.key.len() > 1) {
            if !read.contains(&name.key) && !is_path(&name.key) {
                let line = name.parts.first().map_or(0, |part| tokens.line(part.start));
                let rule = format!(
                    "`{}`: premerge's parser and the engine's disagree on whether this is a relation",
                    name.key.join(".")
                );
                return Err(Refusal::new(rule, line));
            }
        }
        Ok(())
    }

    /// Whether a text names a relation or, by its schema, a function outside of the temporary schema.
    #[must_use]
    pub fn is_left_by(&self, facts: &Facts) -> bool {
        let key = |named: &Named| named.parts.iter().map(|part| self.dialect.canonical(part, true)).collect::<Vec<_>>();
        let is_outside = |named: &Named| !self.is_temporary(&key(named));
        let is_called_by_schema =
            |named: &&Named| named.parts.len() > 1 && named.parts.first().is_some_and(|s| s != "pg_catalog");
        facts.relations.iter().any(is_outside)
            || facts.functions.iter().any(|named| is_called_by_schema(&named) && is_outside(named))
    }

    /// Whether a relation is one that a text of the project may name.
    fn may_be_read(&self, key: &[String]) -> bool {
        let Some((identifier, place)) = key.split_last() else { return false };
        if self.is_temporary(key) {
            return !identifier.to_ascii_lowercase().starts_with(REGISTER);
        }
        // A source that is declared over the catalogue does not open it.
        let is_catalogue = place.last().is_none_or(|schema| schema == "pg_catalog");
        if is_catalogue && KEPT.contains(&identifier.as_str()) {
            return false;
        }
        if self.allowed.contains(key) {
            return true;
        }
        match place {
            [] | [_] | [_, _]
                if KEPT.contains(&identifier.as_str())
                    && !place.last().is_some_and(|schema| self.source_schemas.contains(schema)) =>
            {
                false
            }
            [] => CATALOGUES.iter().any(|prefix| identifier.starts_with(prefix)),
            [.., schema] if schema == "information_schema" || schema == "pg_catalog" => true,
            [schema] => self.source_schemas.contains(schema) && !self.bare_schemas.contains(schema),
            [.., database, schema] => {
                self.source_schemas.contains(schema) && !self.schemas.contains(&(database.clone(), schema.clone()))
            }
        }
    }

    fn trespasses(&self, name: &Name<'_>, local: &HashSet<String>) -> bool {
        let exact = self.relations.contains_key(&name.key);
        if name.key.len() < 2 || (name.call && !exact) {
            return false;
        }
        let paths = self.dialect == Dialect::BigQuery;
        let is_local = name.key.first().is_some_and(|first| local.contains(first));
        if is_local && (!name.table || paths) && !(exact && name.key.len() > 2) {
            return false;
        }
        if name.table { self.table_is_forbidden(&name.key) } else { self.path_is_forbidden(&name.key) }
    }

    /// A name that is a table.
    fn table_is_forbidden(&self, key: &[String]) -> bool {
        if self.allowed.contains(key) || self.is_temporary(key) {
            return false;
        }
        match key {
            [] | [_] => false,
            [schema, _] => {
                self.bare_schemas.contains(schema)
                    || (self.dialect == Dialect::DuckDb && self.schemas.contains(&(schema.clone(), "main".to_owned())))
            }
            _ => self.path_is_forbidden(key) || self.ends_in_a_forbidden_schema(key),
        }
    }

    /// A name of which only the beginning is a relation, perhaps.
    fn path_is_forbidden(&self, key: &[String]) -> bool {
        let [database, schema, identifier, ..] = key else { return false };
        let relation = [database.clone(), schema.clone(), identifier.clone()];
        if self.allowed.contains(relation.as_slice()) || self.is_temporary(&relation) {
            return false;
        }
        self.schemas.contains(&(database.clone(), schema.clone()))
    }

    /// `server.database.schema.table`; and `database.schema.table` where the manifests' names have no database.
    fn ends_in_a_forbidden_schema(&self, key: &[String]) -> bool {
        let [.., database, schema, _] = key else { return false };
        self.schemas.contains(&(database.clone(), schema.clone()))
            || self.schemas.contains(&(String::new(), schema.clone()))
    }

    fn is_temporary(&self, key: &[String]) -> bool {
        let Some(temporary) = &self.temporary else { return false };
        let home = temporary.key(self.dialect);
        let Some((_, schema)) = key.split_last() else { return false };
        schema == home || (schema.len() == 1 && home.last() == schema.last())
    }

    fn node(&self, key: &[String]) -> Option<String> {
        let whole = self.relations.get(key).or_else(|| self.relations.get(key.get(..3)?));
        whole.cloned()
    }

    /// `identifier('db.schema.t')`, `table('…')`, `query_table('…')`.
    fn quoted_in_text(&self, tokens: &Tokens<'_>, found: &mut Vec<ForeignRelation>) {
        let solid: Vec<_> = tokens.list.iter().filter(|token| !token.kind.is_blank()).copied().collect();
        for window in solid.windows(4) {
            let [function, open, text, close] = window else { continue };
            let call = function.kind == Kind::Word
                && ["identifier", "table", "query_table"]
                    .iter()
                    .any(|name| tokens.text(*function).eq_ignore_ascii_case(name));
            if !call || (open.kind, text.kind, close.kind) != (Kind::Open, Kind::Text, Kind::Close) {
                continue;
            }
            let relation = tokens.text(*text);
            let Some(name) = RelationName::parse(relation.trim_matches('\''), self.dialect) else { continue };
            let key = name.key(self.dialect);
            if self.table_is_forbidden(&key) {
                let (relation, line) = (relation.to_owned(), tokens.line(text.start));
                found.push(ForeignRelation { relation, unique_id: self.node(&key), line });
            }
        }
    }

    /// The second opinion: sqlparser's own relations.
    fn parsed(
        &self,
        sql: &str,
        local: &HashSet<String>,
        seen: &BTreeSet<Vec<String>>,
        found: &mut Vec<ForeignRelation>,
    ) {
        let grammar = parser_grammar(self.dialect);
        let Ok(statements) = Parser::parse_sql(grammar.as_ref(), sql) else { return };
        let _: ControlFlow<()> = visit_relations(&statements, |relation: &ObjectName| {
            let mut key = Vec::new();
            for part in &relation.0 {
                let Some(ident) = part.as_ident() else { return ControlFlow::Continue(()) };
                match ident.quote_style {
                    Some(_) if self.dialect == Dialect::BigQuery => {
                        key.extend(ident.value.split('.').map(str::to_owned));
                    }
                    quote => key.push(self.dialect.canonical(&ident.value, quote.is_some())),
                }
            }
            let path = self.dialect == Dialect::BigQuery && key.first().is_some_and(|first| local.contains(first));
            if !path && self.table_is_forbidden(&key) && !seen.contains(&key) {
                found.push(ForeignRelation { relation: relation.to_string(), unique_id: self.node(&key), line: 0 });
            }
            ControlFlow::Continue(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_over_the_catalogue_does_not_open_it() {
        let name = |text| RelationName::parse(text, Dialect::Postgres).unwrap();
        let mut territory = Territory::new(Dialect::Postgres, name("wh.pr.x").schema().cloned());
        for source in ["wh.pg_catalog.pg_authid", "wh.pg_catalog.pg_class", "wh.raw.pg_shadow"] {
            territory.allow(&name(source));
        }
        let may_be_read = |text: &str| {
            let key: Vec<String> = text.split('.').map(str::to_owned).collect();
            territory.may_be_read(&key)
        };
        for refused in ["wh.pg_catalog.pg_authid", "pg_catalog.pg_authid", "pg_authid", "pg_catalog.pg_largeobject"] {
            assert!(!may_be_read(refused), "{refused}");
        }
        for allowed in ["wh.pg_catalog.pg_class", "pg_class", "wh.raw.pg_shadow"] {
            assert!(may_be_read(allowed), "{allowed}");
        }
    }
}
