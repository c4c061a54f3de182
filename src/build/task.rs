//! One thing to do, prepared before anything runs.

use std::collections::HashSet;

use super::count::Count;
use super::existing_table::ExistingTable;
use super::keys::KeyCheck;
use super::result::Failure;
use crate::artifacts::{TestConfig, UniqueId};
use crate::sql::RelationName;
use crate::warehouse::{ColumnDef, RelationConfigs, SeedFile, TempRelation};

/// Everything that a plan asks for, ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    /// In the plan's order; what is done beside building and testing comes last, so that it fills idle sessions.
    pub tasks: Vec<Task>,
    /// Made before any task. None where statements name production's relations themselves.
    pub proxies: Vec<Proxy>,
    /// Production's relations that tasks read.
    pub watch: Watch,
    /// Every relation that will be made, for the register.
    pub identifiers: Vec<String>,
}

/// A view onto production's relation.
#[derive(Debug)]
pub struct Proxy {
    /// The node it stands for.
    pub unique_id: UniqueId,
    /// The view.
    pub at: TempRelation,
    /// What it reads, for people.
    pub production: String,
    /// Its query.
    pub select: String,
}

/// What is looked at of production before and after it is read.
#[derive(Debug)]
pub struct Watch {
    /// What tasks read.
    pub relations: Vec<Watched>,
    /// Schema and identifier of everything in production that dbt builds.
    pub built: HashSet<(String, String)>,
}

/// A relation of production that is read.
#[derive(Debug)]
pub struct Watched {
    /// The node or source.
    pub unique_id: UniqueId,
    /// Its name there.
    pub name: RelationName,
    /// Whether production's manifest has it, so that it is missing where it is not there.
    pub is_productions: bool,
}

/// Something to do, with all its text relocated.
#[derive(Debug)]
pub struct Task {
    /// The node or test that it is about.
    pub unique_id: UniqueId,
    /// What people call it.
    pub name: String,
    /// What to do.
    pub work: Work,
    /// Tasks that must end well before this one starts, by their position in the list.
    pub after: Vec<usize>,
    /// The nodes of production and the sources that it reads.
    pub reads: Vec<UniqueId>,
}

/// What a task does. What could not be prepared fails with its reason, without being sent.
#[derive(Debug)]
pub enum Work {
    /// A node is built.
    Build(Result<Build, Failure>),
    /// A data test is run.
    Test(Result<Test, Failure>),
    /// Rows are counted on both sides.
    Count(Count),
    /// Columns are compared with those of the table that dbt goes on writing into.
    Compare(ExistingTable),
    /// Keys of a snapshot are counted that are not unique.
    Keys(KeyCheck),
    /// A node is built, or a data test is run, whose text is made when its turn comes.
    Later(Later),
}

/// What is known of a task before its text is made.
#[derive(Debug)]
pub enum Later {
    /// A node is built.
    Build {
        /// Where.
        at: TempRelation,
        /// What may have to stand behind it: [`Build::View::behind`].
        behind: Option<Box<TempRelation>>,
    },
    /// A data test is run.
    Test,
}

impl Work {
    /// The relations that it makes: none, one, or a view and what stands behind it.
    pub fn makes(&self) -> impl Iterator<Item = &TempRelation> {
        self.made().into_iter().flat_map(|(at, behind)| [Some(at), behind]).flatten()
    }

    /// What stands behind the view that it makes.
    #[must_use]
    pub fn behind(&self) -> Option<&TempRelation> {
        self.made()?.1
    }

    /// The relation that it makes, and what stands behind it if that is a view.
    fn made(&self) -> Option<(&TempRelation, Option<&TempRelation>)> {
        match self {
            Self::Build(Ok(build)) => Some((build.at(), build.behind())),
            Self::Later(Later::Build { at, behind, .. }) => Some((at, behind.as_deref())),
            Self::Build(Err(_))
            | Self::Test(_)
            | Self::Count(_)
            | Self::Compare(_)
            | Self::Keys(_)
            | Self::Later(Later::Test) => None,
        }
    }

    /// Lets it fail with that reason, without being sent.
    pub(super) fn refuse(&mut self, why: Failure) {
        match self {
            Self::Build(build) => *build = Err(why),
            Self::Test(test) => *test = Err(why),
            Self::Later(Later::Build { .. }) => *self = Self::Build(Err(why)),
            Self::Later(Later::Test) => *self = Self::Test(Err(why)),
            Self::Count(_) | Self::Compare(_) | Self::Keys(_) => {}
        }
    }

    /// Whether it shows in the progress: what is only looked up does not.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        match self {
            Self::Build(_) | Self::Test(_) | Self::Later(_) => true,
            Self::Count(_) | Self::Compare(_) | Self::Keys(_) => false,
        }
    }
}

/// How a node is built.
#[derive(Debug)]
pub enum Build {
    /// A view, by its query.
    View {
        /// Its query.
        select: Select,
        /// What stands behind it; `None` where it is bound to what it reads, or the engine binds no view.
        behind: Option<Box<TempRelation>>,
    },
    /// A table made of a query: tables, incremental models as full builds, snapshots as first runs.
    Table(Select),
    /// A table or view with an enforced contract.
    Contract {
        /// The query.
        select: Select,
        /// The query whose column types are the declared ones.
        declared: String,
        /// What is built of it.
        made: Contracted,
    },
    /// A table with the rows of a file.
    Seed {
        /// The table.
        at: TempRelation,
        /// Where its rows are, and how they are read.
        seed: SeedFile,
    },
}

impl Build {
    /// The relation that it makes.
    #[must_use]
    pub fn at(&self) -> &TempRelation {
        match self {
            Self::View { select, .. } | Self::Table(select) | Self::Contract { select, .. } => &select.at,
            Self::Seed { at, .. } => at,
        }
    }

    /// What stands behind a view that looks up what it reads.
    #[must_use]
    pub fn behind(&self) -> Option<&TempRelation> {
        match self {
            Self::View { behind, .. } | Self::Contract { made: Contracted::View { behind }, .. } => behind.as_deref(),
            Self::Table(_) | Self::Contract { made: Contracted::Table(_), .. } | Self::Seed { .. } => None,
        }
    }
}

/// What is built of a query with an enforced contract.
#[derive(Debug)]
pub enum Contracted {
    /// A view, which only the comparison concerns.
    View {
        /// As of any view.
        behind: Option<Box<TempRelation>>,
    },
    /// A table with the contract's columns.
    Table(TypedTable),
}

/// A data test.
#[derive(Debug)]
pub struct Test {
    /// Its query, wrapped.
    pub sql: String,
    /// Its thresholds.
    pub config: TestConfig,
}

/// A query and where its result goes.
#[derive(Debug)]
pub struct Select {
    /// Where its result goes.
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
