//! What may be written, as values.

use std::path::PathBuf;

use super::configs::RelationConfigs;
use super::temp_schema::{TempRelation, TempSchema};
use crate::sql::ProjectText;

/// One write into the temporary schema. Every variant names its target by a [`TempRelation`] or the
/// [`TempSchema`] itself.
#[derive(Debug, Clone)]
pub enum Write<'a> {
    /// `create schema`, which fails where it exists.
    CreateSchema {
        /// The schema to make.
        schema: &'a TempSchema,
    },
    /// The register and then the schema, both or neither: neither when something else is left in it.
    DropSchema {
        /// The schema to drop.
        schema: &'a TempSchema,
    },
    /// A view that stands for a relation of production.
    Proxy {
        /// The view.
        at: &'a TempRelation,
        /// The query of production's relation.
        select: &'a str,
    },
    /// `create view at as select`.
    View {
        /// The view.
        at: &'a TempRelation,
        /// Text put before the statement: dbt's `sql_header`.
        header: Option<&'a str>,
        /// The query, already relocated.
        select: &'a str,
        /// Clauses from the node's configuration.
        configs: &'a RelationConfigs,
    },
    /// A view that looks up what it reads whenever it is read, so that nothing belongs to it.
    LateView {
        /// The view.
        at: &'a TempRelation,
        /// The name of what stands behind it, where the engine ties views to what they read.
        behind: &'a TempRelation,
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
        /// Clauses from the node's configuration.
        configs: &'a RelationConfigs,
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
        /// Clauses from the node's configuration.
        configs: &'a RelationConfigs,
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
        /// What is dropped.
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
    /// A change of the register's own rows.
    Bookkeeping {
        /// The register table.
        at: &'a TempRelation,
        /// What to change.
        sql: &'a RegisterSql,
    },
}

/// A statement over the register's tables. Only the register's own code makes one.
#[derive(Debug, Clone)]
pub struct RegisterSql(pub(super) String);

impl Write<'_> {
    /// The relation that it makes, if it makes one.
    #[must_use]
    pub fn makes(&self) -> Option<&TempRelation> {
        match self {
            Self::Proxy { at, .. }
            | Self::View { at, .. }
            | Self::LateView { at, .. }
            | Self::Table { at, .. }
            | Self::TypedTable { at, .. }
            | Self::Seed { at, .. } => Some(at),
            Self::CreateSchema { .. }
            | Self::DropSchema { .. }
            | Self::Drop { .. }
            | Self::Register { .. }
            | Self::Bookkeeping { .. } => None,
        }
    }

    /// The same made at another place.
    pub(super) fn made_at<'b>(&'b self, place: &'b TempRelation) -> Write<'b> {
        let mut write = self.clone();
        match &mut write {
            Write::Proxy { at, .. }
            | Write::View { at, .. }
            | Write::LateView { at, .. }
            | Write::Table { at, .. }
            | Write::TypedTable { at, .. }
            | Write::Seed { at, .. } => *at = place,
            Write::CreateSchema { .. }
            | Write::DropSchema { .. }
            | Write::Drop { .. }
            | Write::Register { .. }
            | Write::Bookkeeping { .. } => {}
        }
        write
    }

    /// The header of the project that stands in front of it.
    pub(super) fn header(&self) -> Option<&str> {
        match self {
            Self::View { header, .. } | Self::Table { header, .. } | Self::TypedTable { header, .. } => *header,
            Self::CreateSchema { .. }
            | Self::DropSchema { .. }
            | Self::Proxy { .. }
            | Self::LateView { .. }
            | Self::Seed { .. }
            | Self::Drop { .. }
            | Self::Register { .. }
            | Self::Bookkeeping { .. } => None,
        }
    }

    /// The texts in it that come from the manifest, and have to stay at their places in the statement.
    pub(super) fn texts(&self) -> Vec<ProjectText<'_>> {
        let mut texts = Vec::new();
        match self {
            Self::Proxy { select, .. } | Self::LateView { select, .. } => texts.push(ProjectText::Query(select)),
            Self::View { select, configs, header, .. } | Self::Table { select, configs, header, .. } => {
                texts.push(ProjectText::Query(select));
                texts.extend(header.map(ProjectText::Header));
                texts.extend(configs.texts());
            }
            Self::TypedTable { select, columns, constraints, configs, header, .. } => {
                texts.push(ProjectText::Query(select));
                texts.extend(header.map(ProjectText::Header));
                texts.extend(columns.iter().map(ColumnDef::text));
                texts.extend(constraints.iter().map(|text| ProjectText::Constraint(text)));
                texts.extend(configs.texts());
            }
            Self::Seed { seed, .. } => texts.extend(seed.columns.iter().map(ColumnDef::text)),
            Self::CreateSchema { .. }
            | Self::DropSchema { .. }
            | Self::Drop { .. }
            | Self::Register { .. }
            | Self::Bookkeeping { .. } => {}
        }
        texts
    }
}

/// A column as it stands in a `create table`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDef {
    /// The name as it is written into the statement: quoted, if it is to be quoted.
    pub name: String,
    /// The type and column constraints, rendered.
    pub definition: String,
}

impl ColumnDef {
    /// The project's text in it.
    #[must_use]
    pub fn text(&self) -> ProjectText<'_> {
        ProjectText::Column { name: &self.name, definition: &self.definition }
    }
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
    /// How dbt reads the values of each column, in the same order.
    pub kinds: Vec<SeedKind>,
}

/// What dbt makes of the values of a seed's column before it inserts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedKind {
    /// A number without digits after the point: currency and percent signs and group separators go.
    Integer,
    /// Any other number.
    Float,
    /// `%Y-%m-%d`.
    Date,
    /// A date and time, perhaps with an offset.
    Timestamp,
    /// `true` or `false` in any case.
    Boolean,
    /// As it stands; also every column with a type of its own in `column_types`.
    Text,
}

/// What a write did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows written, where the warehouse says so.
    pub rows: Option<u64>,
    /// Statements sent.
    pub statements: u64,
}
