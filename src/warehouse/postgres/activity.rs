//! Which server processes run statements of premerge's.
//!
//! A name is not enough. A pooler keeps `application_name` on its connections, and lends them to clients that set none;
//! a person may run a text of premerge's that stands in a log. So both are asked for, the name and the mark at the
//! beginning of the text, and nothing is done to a process that is idle.

use crate::sql::Dialect;

/// What every statement of a session begins with.
pub(super) fn mark(tag: &str, session: u64, dialect: Dialect) -> String {
    match dialect {
        Dialect::Redshift => format!("/* {tag} */ "),
        _ => format!("/* {tag} #{session} */ "),
    }
}

/// The condition that a process, a row of `pg_stat_activity` with this alias, runs a statement of the run with that tag, and
/// of that session of it. Others' texts are shown to the user of the profile only, so a role that was taken on does not
/// do.
pub(super) fn runs(alias: &str, tag: &str, session: Option<u64>) -> String {
    let literal = |text: &str| Dialect::Postgres.literal(text);
    let begins = match session {
        Some(session) => mark(tag, session, Dialect::Postgres),
        None => format!("/* {tag} #"),
    };
    format!(
        "coalesce({alias}.application_name = {} and {alias}.state <> 'idle' \
         and pg_catalog.strpos({alias}.query, {}) = 1, false)",
        literal(tag),
        literal(&begins)
    )
}

/// The number of the session whose statement such a process runs. A tag has no `#`.
pub(super) fn session_of(alias: &str) -> String {
    format!("pg_catalog.split_part(pg_catalog.split_part({alias}.query, '#', 2), ' ', 1)")
}
