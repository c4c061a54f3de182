//! Small results.

/// Rows as text; premerge reads counts, names and types, never whole tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Column names, as the warehouse returned them.
    pub columns: Vec<String>,
    /// Values as the warehouse prints them; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// The value in the first row and column, if there is one and it is not NULL.
    #[must_use]
    pub fn scalar(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }
}

/// A column of a query or relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// Its name, in the warehouse's case.
    pub name: String,
    /// Its type as the warehouse spells it.
    pub data_type: String,
}
