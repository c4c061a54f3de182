//! Which run this is and whose.

use std::hash::{BuildHasher, Hasher, RandomState};

use jiff::Timestamp;

use crate::config::Env;
use crate::publish::ci::Ci;

/// Unlike that of any other run, also of one in another container with the same process number.
pub(super) fn run_id(at: Timestamp) -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{}-{random:016x}", at.as_millisecond(), std::process::id())
}

/// Whose run it is: the CI job's address, or the user and machine.
pub(super) fn who(ci: &Ci, env: &Env) -> String {
    if let Some(job) = &ci.job {
        return job.clone();
    }
    let get = |name| env.get(name);
    let user = get("USER").or_else(|| get("USERNAME")).unwrap_or("unknown");
    match get("HOSTNAME").or_else(|| get("COMPUTERNAME")) {
        Some(host) => format!("{user}@{host}"),
        None => user.to_owned(),
    }
}
