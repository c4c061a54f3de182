//! The name of a relation, in parts.

use super::dialect::Dialect;
use super::names::Names;
use super::tokens::{Kind, Tokens};

/// A relation's name as the warehouse knows it: unquoted parts, outermost first.
///
/// It names something that may be read. What may be written has a type of its own
/// (`warehouse::TempRelation`), and there is no way from this one to that.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationName {
    schema: Option<SchemaName>,
    identifier: String,
}

/// The name of a schema or dataset as the warehouse knows it, in its database where names have three parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaName {
    database: Option<String>,
    name: String,
}

impl SchemaName {
    /// Unquoted parts. `database`: database, catalog or project.
    #[must_use]
    pub fn new(database: Option<String>, name: String) -> Self {
        Self { database, name }
    }

    /// Database, catalog or project.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// The schema's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A table or view in it.
    #[must_use]
    pub fn relation(&self, identifier: impl Into<String>) -> RelationName {
        RelationName { schema: Some(self.clone()), identifier: identifier.into() }
    }

    /// The name with every part quoted.
    #[must_use]
    pub fn quoted(&self, dialect: Dialect) -> String {
        self.parts().map(|part| dialect.quote(part)).collect::<Vec<_>>().join(".")
    }

    /// Its parts as the dialect compares them.
    #[must_use]
    pub fn key(&self, dialect: Dialect) -> Vec<String> {
        self.parts().map(|part| dialect.canonical(part, true)).collect()
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.database.as_deref().into_iter().chain([self.name.as_str()])
    }
}

impl RelationName {
    /// A name of one part.
    #[must_use]
    pub fn unqualified(identifier: impl Into<String>) -> Self {
        Self { schema: None, identifier: identifier.into() }
    }

    /// A written name without quotes, white space and case: coarser than any warehouse compares two, and made without
    /// taking the name apart, which for every name of a large project takes long.
    #[must_use]
    pub fn coarse(written: &str) -> String {
        let mut coarse: String = written.chars().filter(|c| !matches!(c, '"' | '`') && !c.is_whitespace()).collect();
        coarse.make_ascii_lowercase();
        coarse
    }

    /// Its schema, if it names one.
    #[must_use]
    pub fn schema(&self) -> Option<&SchemaName> {
        self.schema.as_ref()
    }

    /// The name of the table or view.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// A manifest's `relation_name`: one to three parts, quoted or not, each folded as the warehouse
    /// folds it (Snowflake's `analytics.orders` is `ANALYTICS` and `ORDERS`).
    ///
    /// `None` for text that is not a name, such as the `'data/x.csv'` and `read_parquet(…)` of DuckDB's
    /// external sources.
    #[must_use]
    pub fn parse(text: &str, dialect: Dialect) -> Option<Self> {
        let text = text.trim();
        let tokens = Tokens::of(text, dialect).ok()?;
        let names = Names::of(&tokens);
        let [name] = names.list.as_slice() else { return None };
        let whole = name.parts.first()?.start == 0 && name.parts.last()?.end == text.len();
        if !whole || name.more || name.parts.iter().any(|part| part.text.is_empty()) {
            return None;
        }
        let mut parts = name.parts.iter().map(|part| dialect.folded(&part.text, part.quoted)).rev();
        let (identifier, schema, database) = (parts.next()?, parts.next(), parts.next());
        let schema = schema.map(|name| SchemaName { database, name });
        parts.next().is_none().then_some(Self { schema, identifier })
    }

    /// The name that dbt renders of parts, for what has no `relation_name` in the manifest (functions): every
    /// part quoted, on Snowflake none.
    #[must_use]
    pub fn from_parts(database: Option<&str>, schema: Option<&str>, identifier: &str, dialect: Dialect) -> Self {
        let part = |text: &str| dialect.folded(text, dialect != Dialect::Snowflake);
        let schema = schema.map(|name| SchemaName { database: database.map(part), name: part(name) });
        Self { schema, identifier: part(identifier) }
    }

    /// The name with every part quoted.
    #[must_use]
    pub fn quoted(&self, dialect: Dialect) -> String {
        self.parts().map(|part| dialect.quote(part)).collect::<Vec<_>>().join(".")
    }

    /// Its parts, outermost first.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.schema.iter().flat_map(SchemaName::parts).chain([self.identifier.as_str()])
    }

    /// Its parts as the dialect compares them: two names with equal keys are one relation.
    #[must_use]
    pub fn key(&self, dialect: Dialect) -> Vec<String> {
        self.parts().map(|part| dialect.canonical(part, true)).collect()
    }
}

impl std::fmt::Display for RelationName {
    /// `database.schema.identifier`, for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.schema.iter().flat_map(SchemaName::parts).try_for_each(|part| write!(f, "{part}."))?;
        f.write_str(&self.identifier)
    }
}

/// The string literals of a text, without their quotes: the files that a source's relation is read from. None when
/// the text cannot be read.
#[must_use]
pub fn texts_in(sql: &str, dialect: Dialect) -> Vec<String> {
    let Ok(tokens) = Tokens::of(sql, dialect) else { return Vec::new() };
    let texts = tokens.list.iter().filter(|token| token.kind == Kind::Text).map(|token| tokens.text(*token));
    let inner = texts.filter_map(|text| text.strip_prefix('\'')?.strip_suffix('\''));
    inner.map(|text| text.replace("''", "'")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, dialect: Dialect) -> Option<String> {
        RelationName::parse(text, dialect).map(|name| name.to_string())
    }

    #[test]
    fn manifest_names_are_read_as_each_warehouse_reads_them() {
        let cases = [
            (Dialect::DuckDb, r#""db"."Main"."t x""#, Some("db.Main.t x")),
            (Dialect::DuckDb, "'data/x.csv'", None),
            (Dialect::DuckDb, "read_parquet('x.parquet')", None),
            (Dialect::DuckDb, r#""db"."s"."a""b""#, Some(r#"db.s.a"b"#)),
            (Dialect::DuckDb, r#""db"."s"."#, None),
            (Dialect::DuckDb, "", None),
            (Dialect::Postgres, r#"DB.Core."Orders""#, Some("db.core.Orders")),
            (Dialect::Snowflake, "analytics.core.orders", Some("ANALYTICS.CORE.ORDERS")),
            (Dialect::Snowflake, r#"analytics."core".orders"#, Some("ANALYTICS.core.ORDERS")),
            (Dialect::BigQuery, "`my-project.ds.t`", Some("my-project.ds.t")),
            (Dialect::BigQuery, "`my-project`.`ds`.`t`", Some("my-project.ds.t")),
            (Dialect::BigQuery, "my-project.ds.t", Some("my-project.ds.t")),
            (Dialect::Databricks, "`core`.`orders`", Some("core.orders")),
            (Dialect::Databricks, "`a.b`.`orders`", Some("a.b.orders")),
        ];
        for (dialect, text, expected) in cases {
            assert_eq!(parse(text, dialect).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn redshift_folds_quoted_names_too() {
        let a = RelationName::parse(r#""db"."Core"."T""#, Dialect::Redshift).unwrap();
        let b = RelationName::parse("db.core.t", Dialect::Redshift).unwrap();
        assert_eq!(a.key(Dialect::Redshift), b.key(Dialect::Redshift));
    }
}
