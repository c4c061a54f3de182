//! What a warehouse can answer instead of a result.

use std::path::PathBuf;

use crate::config::mask;

/// What kind of fault it was, so that the report can say it without the warehouse's own text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// The SQL does not parse.
    Syntax,
    /// A column or function that is not there, or types that do not fit.
    Binding,
    /// A name that comes twice, or that could mean several things.
    Ambiguous,
    /// A column that is neither grouped nor aggregated.
    Ungrouped,
    /// A relation, schema or database that is not there.
    MissingRelation,
    /// The server is there, and the profile's database is not.
    MissingDatabase,
    /// Running the query met a value it could not handle: cast, division, overflow, constraint.
    Data,
    /// The role may not.
    Permission,
    /// No connection, or it broke.
    Connection,
    /// The warehouse refused the login: user, password, role, certificate or client address.
    Authentication,
    /// The encryption that the profile asks for could not be had.
    Encryption,
    /// All the connections that the warehouse allows are taken.
    TooManyConnections,
    /// The warehouse is starting, stopping or moving.
    Restart,
    /// Out of memory, disk or quota.
    Resources,
    /// The statement ran longer than it may.
    Timeout,
    /// A newer run of the same pull request has taken over the temporary schema, or clean-up has.
    Superseded,
    /// The temporary schema is another project's or repository's.
    SomebodyElses,
    /// Cancelled, by us or by somebody else.
    Cancelled,
    /// Two sessions changed the same thing; a repetition may succeed.
    Conflict,
    /// Somebody's open transaction holds what is to be dropped or replaced.
    Locked,
    /// Something the engine of this build lacks; the message names it.
    Unsupported,
    /// Anything else.
    Other,
}

impl FaultClass {
    /// A phrase that may be published: it holds nothing of the warehouse's text.
    #[must_use]
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Syntax => "the warehouse could not parse the SQL",
            Self::Binding => "the SQL uses a column or function that does not exist, or types do not match",
            Self::Ambiguous => "the SQL names a column twice, or uses a name that could mean several",
            Self::Ungrouped => "the SQL selects a column that is neither grouped nor aggregated",
            Self::MissingRelation => "the SQL reads a relation that does not exist",
            Self::MissingDatabase => "the profile's database does not exist",
            Self::Data => "a value could not be processed (cast, overflow, division or constraint)",
            Self::Permission => "the role lacks a permission",
            Self::Connection => "the connection to the warehouse failed",
            Self::Authentication => "the warehouse refused the login",
            Self::Encryption => "the connection could not be encrypted as the profile asks",
            Self::TooManyConnections => "the warehouse has no connection left",
            Self::Restart => "the warehouse was restarting",
            Self::Resources => "the warehouse ran out of memory, disk or quota",
            Self::Timeout => "the statement ran longer than the time limit",
            Self::Superseded => "a newer run of this pull request, or cleanup, took the temporary schema",
            Self::SomebodyElses => "the temporary schema belongs to another project or repository",
            Self::Cancelled => "the statement was cancelled",
            Self::Conflict => "another session changed the same object",
            Self::Locked => "another session's open transaction holds a relation that is to be dropped or replaced",
            Self::Unsupported => "this build's engine lacks something that the SQL needs",
            Self::Other => "the warehouse reported an error",
        }
    }

    /// Whether the fault says nothing about the pull request, so that the run is incomplete rather
    /// than failed.
    #[must_use]
    pub fn is_infrastructure(self) -> bool {
        match self {
            Self::Connection
            | Self::MissingDatabase
            | Self::Authentication
            | Self::Encryption
            | Self::TooManyConnections
            | Self::Restart
            | Self::Resources
            | Self::Timeout
            | Self::SomebodyElses
            | Self::Cancelled
            | Self::Conflict
            | Self::Locked
            | Self::Permission
            | Self::Superseded
            | Self::Unsupported => true,
            Self::Syntax
            | Self::Binding
            | Self::Ambiguous
            | Self::Ungrouped
            | Self::MissingRelation
            | Self::Data
            | Self::Other => false,
        }
    }
}

/// Whether a statement that failed may be sent again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// No: it would fail again.
    #[default]
    Never,
    /// Yes: it has done nothing, and the reason may pass.
    Safe,
    /// Yes, and often: it waits briefly each time for a lock that others have, so that nobody waits for it.
    Waits,
    /// The connection broke while it ran, so whether it has done anything has to be looked up first.
    Unknown,
}

/// A statement or connection that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct WarehouseError {
    /// What kind of fault.
    pub class: FaultClass,
    /// The warehouse's own text. It may quote SQL and data: for the terminal, never for a comment.
    pub message: String,
    /// What the reader can do about it, if that is known.
    pub remedy: Option<String>,
    /// Whether the statement may be sent again.
    pub repeat: Repeat,
}

impl WarehouseError {
    /// An error without a remedy, not to be repeated.
    #[must_use]
    pub fn new(class: FaultClass, message: impl Into<String>) -> Self {
        // Servers and drivers quote users, hosts and passwords as they like.
        let message = mask(&message.into()).into_owned();
        Self { class, message, remedy: None, repeat: Repeat::Never }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// The same, to be repeated or not.
    #[must_use]
    pub fn with_repeat(self, repeat: Repeat) -> Self {
        Self { repeat, ..self }
    }
}

/// Why a target of profiles.yml gives no warehouse.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// premerge does not know the adapter.
    #[error("premerge cannot build on adapter `{adapter}` yet; it builds on {known}")]
    UnknownAdapter {
        /// dbt's name of it.
        adapter: String,
        /// Those that it can talk to.
        known: String,
    },
    /// This build lacks the engine.
    #[error("this build of premerge has no {adapter} engine; build it with `--features {adapter}`")]
    NotCompiledIn {
        /// dbt's name of it.
        adapter: &'static str,
    },
    /// Each temporary schema of this engine is a database of its own, so one has to be named.
    #[error("{adapter} keeps each temporary schema in a file of its own, and no schema was named")]
    NoSchema {
        /// dbt's name of it.
        adapter: &'static str,
    },
    /// A field of the target does not fit.
    #[error("profile `{profile}`, target `{target}`: {why}")]
    Field {
        /// By its name in profiles.yml.
        profile: String,
        /// By its name within the profile.
        target: String,
        /// Which field, what is wrong and what to do.
        why: String,
    },
    /// Production's database file is not there.
    #[error("production's database {path} does not exist (profile `{profile}`, field `path`)")]
    NoDatabase {
        /// The file.
        path: PathBuf,
        /// By its name in profiles.yml.
        profile: String,
    },
}

/// An error's text and those of its causes, which drivers and HTTP clients leave out of their own.
pub(super) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
