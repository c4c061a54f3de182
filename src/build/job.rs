//! One thing to do, prepared before anything runs.

use crate::artifacts::TestConfig;
use crate::warehouse::{ColumnDef, RelationConfigs, SeedFile, TempRelation};

use super::meeting::Meeting;
use super::outcome::Failure;
use super::run::Count;

/// Everything that a plan asks for, ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    /// In the plan's order.
    pub jobs: Vec<Job>,
    /// Made before any job.
    pub proxies: Vec<Proxy>,
    /// Relations whose rows are counted at the end.
    pub counts: Vec<Count>,
    /// Tables of production whose columns are compared at the end.
    pub meetings: Vec<Meeting>,
    /// Every relation that will be made, for the register.
    pub identifiers: Vec<String>,
}

/// A view onto production's relation.
#[derive(Debug)]
pub struct Proxy {
    /// The node it stands for.
    pub unique_id: String,
    /// Its place.
    pub at: TempRelation,
    /// What it reads, for people.
    pub production: String,
    /// Its query.
    pub select: String,
}

/// A node to build or a test to run, with all its text relocated.
#[derive(Debug)]
pub struct Job {
    /// The node or test.
    pub unique_id: String,
    /// What people call it.
    pub name: String,
    /// What to do.
    pub work: Work,
    /// Jobs that must end well before this one starts, by their place in the list.
    pub after: Vec<usize>,
    /// unique_ids of the proxied nodes it reads.
    pub reads: Vec<String>,
    /// Whether it is a test.
    pub is_test: bool,
}

/// What a job does.
#[derive(Debug)]
pub enum Work {
    /// A view.
    View(Select),
    /// A table made of a query: tables, incremental models as full builds, snapshots as first runs.
    Table(Select),
    /// A table or view with an enforced contract.
    Contract {
        /// The query.
        select: Select,
        /// The query whose column types are the declared ones.
        declared: String,
        /// `None` for a view, which only the comparison concerns.
        table: Option<TypedTable>,
    },
    /// A seed.
    Seed {
        /// Its place.
        at: TempRelation,
        /// Its file.
        seed: SeedFile,
    },
    /// A data test.
    Test {
        /// Its query, wrapped.
        sql: String,
        /// Its thresholds.
        config: TestConfig,
    },
    /// It could not be prepared, so it fails without being sent.
    Refused(Failure),
}

impl Work {
    /// The relation that it makes, if it makes one.
    #[must_use]
    pub fn makes(&self) -> Option<&TempRelation> {
        match self {
            Self::View(select) | Self::Table(select) | Self::Contract { select, .. } => Some(&select.at),
            Self::Seed { at, .. } => Some(at),
            Self::Test { .. } | Self::Refused(_) => None,
        }
    }
}

/// A query and where its result goes.
#[derive(Debug)]
pub struct Select {
    /// The place.
    pub at: TempRelation,
    /// dbt's `sql_header`.
    pub header: Option<String>,
    /// The query, relocated.
    pub sql: String,
    /// Clauses from the node's configuration.
    pub configs: RelationConfigs,
}

/// Columns and constraints of a contracted table.
#[derive(Debug)]
pub struct TypedTable {
    /// In the contract's order.
    pub columns: Vec<ColumnDef>,
    /// Model-level constraints.
    pub constraints: Vec<String>,
}
