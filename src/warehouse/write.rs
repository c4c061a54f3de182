//! What may be written, as values.

use std::path::PathBuf;

use super::temp_schema::{TempRelation, TempSchema};

/// One write into the temporary schema. Every variant names its target by a [`TempRelation`] or the
/// [`TempSchema`] itself.
#[derive(Debug, Clone)]
pub enum Write<'a> {
    /// `create schema`.
    CreateSchema {
        /// The schema.
        schema: &'a TempSchema,
    },
    /// `drop schema`, unless something is left in it.
    DropSchema {
        /// The schema.
        schema: &'a TempSchema,
    },
    /// `create view at as select`.
    View {
        /// The view.
        at: &'a TempRelation,
        /// Text put before the statement: dbt's `sql_header`.
        header: Option<&'a str>,
        /// The query, already relocated.
        select: &'a str,
    },
    /// `create table at as select`.
    Table {
        /// The table.
        at: &'a TempRelation,
        /// Text put before the statement: dbt's `sql_header`.
        header: Option<&'a str>,
        /// The query, already relocated.
        select: &'a str,
    },
    /// A table with declared columns, filled by a query: what dbt makes of an enforced contract.
    TypedTable {
        /// The table.
        at: &'a TempRelation,
        /// Its columns, in order.
        columns: &'a [ColumnDef],
        /// Model-level constraints, rendered.
        constraints: &'a [String],
        /// Text put before the statement: dbt's `sql_header`.
        header: Option<&'a str>,
        /// The query, already relocated; its columns are taken by name.
        select: &'a str,
    },
    /// A table filled from a CSV file of the checkout.
    Seed {
        /// The table.
        at: &'a TempRelation,
        /// The file and how to read it.
        seed: &'a SeedFile,
    },
    /// `drop … if exists`, whatever kind it is.
    Drop {
        /// The relation.
        at: &'a TempRelation,
    },
    /// Rows of the register, as literals.
    Register {
        /// The register table.
        at: &'a TempRelation,
        /// Names and types of its columns; the table is made when it is missing.
        columns: &'a [ColumnDef],
        /// Values; `None` is NULL.
        rows: &'a [Vec<Option<String>>],
    },
}

/// A column as it stands in a `create table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDef {
    /// The name as it is written into the statement: quoted, if it is to be quoted.
    pub name: String,
    /// The type and column constraints, rendered.
    pub definition: String,
}

/// A CSV file to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedFile {
    /// The file.
    pub path: PathBuf,
    /// The separator.
    pub delimiter: char,
    /// The columns, in the file's order.
    pub columns: Vec<ColumnDef>,
}

/// What a write did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows written, where the warehouse says so.
    pub rows: Option<u64>,
    /// Statements sent.
    pub statements: u64,
}
