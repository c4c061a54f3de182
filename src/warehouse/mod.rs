//! The one door to a database.
//!
//! In: reads as SQL text, writes as [`Write`] values. Out: rows as text, counts, classified errors.
//! A write needs a [`TempRelation`], which only an opened [`TempSchema`] can make; there is no conversion
//! from a name that may be read. Every statement goes through [`Session`], which checks, guards and repeats it
//! for all engines; an engine is a folder here and an entry of the table in `adapters.rs`.

mod access;
mod adapters;
pub mod agate;
mod aws;
mod choose;
mod cleanup;
mod config_values;
mod configs;
mod engine;
mod error;
mod guard;
mod lease;
mod opening;
mod own_name;
mod owner;
mod postgres;
mod privileges;
mod register;
mod replace;
mod retry;
mod rows;
mod session;
mod statement;
mod temp_schema;
mod watch;
mod write;

#[cfg(feature = "duckdb")]
mod duckdb;

pub use access::{Limits, OpenContext, Warehouse};
pub use adapters::{check_adapter, open, schemas_in_files, traits_of};
pub use choose::{OpenedSchema, Opening, OpeningError};
pub use cleanup::{Dropped, KeptSchema, Unreadable};
pub use configs::RelationConfigs;
#[cfg(feature = "duckdb")]
pub use duckdb::create_database;
pub use engine::{Canceller, Meeting, Traits};
pub use error::{FaultClass, OpenError, Repeat, WarehouseError};
pub use guard::Guard;
pub use lease::Lease;
pub use owner::Owner;
pub use postgres::{Index, PostgresConfigs, RedshiftConfigs};
pub use privileges::{Privileges, SchemaPrivileges, WritingFunction, grants};
pub use rows::{ColumnType, Rows};
pub use session::{NOT_SENT, Running, Session};
pub use temp_schema::{GuardError, Protected, Replacing, TempRelation, TempSchema};
pub use watch::{Seen, TableBelow};
pub use write::{ColumnDef, RegisterSql, SeedFile, SeedKind, Write, Written};
