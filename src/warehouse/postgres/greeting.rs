//! What a server says when a connection is made, and what follows for the statements that are sent to it.

/// Whether a backslash in an ordinary string is a character like any other. premerge's reading of the project's text
/// rests on it.
pub(super) const CONFORMING: &str = "standard_conforming_strings";

/// How often a server looks whether the client of a running statement is still there: it ends the statement of a run that
/// was killed.
pub(super) const CHECK: &str = "client_connection_check_interval";
/// Milliseconds between two such looks.
pub(super) const CHECK_EVERY: u64 = 1000;

/// What the first connection finds at the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Milliseconds that a statement may take by what is set for the role or the database; 0 for no limit.
    pub(super) statement_limit: u128,
    /// When deadlocks are looked for; `None` where the server did not say.
    pub(super) deadlock: Option<Deadlock>,
    /// Milliseconds between two looks for the client; `None` where the server knows no such thing.
    pub(super) check: Option<u64>,
    /// Whether an administrator lets the role only read: dbt's statements fail then.
    pub(super) only_reads: bool,
}

/// When sessions look whether they are in a deadlock: each once, that long after it began to wait. The one that finds it
/// is the victim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlock {
    /// Milliseconds, of everybody's sessions.
    pub(super) usual: u64,
    /// Whether the role may say it for its own.
    pub(super) may_set: bool,
    /// Milliseconds that an administrator lets the role wait for a lock, which are not raised; 0 for no limit.
    pub(super) longest_wait: u64,
}

impl Deadlock {
    /// As long a wait for a lock as asked for, or as the role may.
    pub(super) fn at_most(self, milliseconds: u64) -> u64 {
        let limit = if self.longest_wait == 0 { u64::MAX } else { self.longest_wait };
        milliseconds.clamp(1, limit)
    }

    /// Where production closes the circle, ours gives up before production looks; where ours closes it, ours looks at once.
    pub(super) fn settings(self) -> Vec<String> {
        let lock = format!("set local lock_timeout to {}", self.at_most(self.usual * 4 / 5));
        let look = format!("set local deadlock_timeout to {}", self.usual.div_ceil(20));
        std::iter::once(lock).chain(self.may_set.then_some(look)).collect()
    }
}

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing but read.
    Read,
    /// Write, into the temporary schema.
    Write,
}

/// What a server says of itself when a connection is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Greeting {
    pub(super) is_superuser: bool,
    /// The first number of its version.
    pub(super) major: Option<u32>,
}

impl Greeting {
    pub(super) fn of(is_superuser: Option<&str>, version: Option<&str>) -> Self {
        let major = version.and_then(|version| version.split(['.', ' ']).next()?.parse::<u32>().ok());
        Self { is_superuser: is_superuser == Some("on"), major }
    }
}

/// Whether the role may set what is a superuser's to set.
#[derive(Debug, Clone, Copy)]
pub(super) enum MaySet {
    Yes,
    No,
    /// Where somebody has granted it, which servers know from version 15 on.
    Granted,
}

impl MaySet {
    pub(super) fn of(is_superuser: bool, major: Option<u32>) -> Self {
        match (is_superuser, major) {
            (true, _) => Self::Yes,
            (_, Some(15..)) => Self::Granted,
            _ => Self::No,
        }
    }

    pub(super) fn as_sql(self) -> &'static str {
        match self {
            Self::Yes => "true",
            Self::No => "false",
            Self::Granted => "pg_catalog.has_parameter_privilege(session_user, 'deadlock_timeout', 'set')",
        }
    }
}
