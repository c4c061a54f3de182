//! The name of a relation, in parts.

use super::dialect::Dialect;

/// A relation's name as the warehouse knows it: unquoted parts, outermost first.
///
/// It names something that may be read. What may be written has a type of its own
/// (`warehouse::TempRelation`), and there is no way from this one to that.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationName {
    /// Database, catalog or project.
    pub database: Option<String>,
    /// Schema or dataset.
    pub schema: Option<String>,
    /// Table or view.
    pub identifier: String,
}

impl RelationName {
    /// The name with every part quoted.
    #[must_use]
    pub fn quoted(&self, dialect: Dialect) -> String {
        let parts = [self.database.as_deref(), self.schema.as_deref(), Some(self.identifier.as_str())];
        parts.into_iter().flatten().map(|part| dialect.quote(part)).collect::<Vec<_>>().join(".")
    }
}

impl std::fmt::Display for RelationName {
    /// `database.schema.identifier`, for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in [&self.database, &self.schema].into_iter().flatten() {
            write!(f, "{part}.")?;
        }
        f.write_str(&self.identifier)
    }
}
