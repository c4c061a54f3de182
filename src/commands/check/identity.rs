//! Which run this is and whose.

use std::hash::{BuildHasher, Hasher, RandomState};

use jiff::Timestamp;

use crate::config::Env;

/// Unlike that of any other run, also of one in another container with the same process number.
pub(super) fn run_id(at: Timestamp) -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{}-{random:016x}", at.as_millisecond(), std::process::id())
}

/// Whose run it is: the CI job's address, or the user and machine.
pub(super) fn who(env: &Env) -> String {
    let get = |name| env.get(name);
    if let (Some(server), Some(repository), Some(run)) =
        (get("GITHUB_SERVER_URL"), get("GITHUB_REPOSITORY"), get("GITHUB_RUN_ID"))
    {
        return format!("{server}/{repository}/actions/runs/{run}");
    }
    if let Some(job) = get("CI_JOB_URL").or_else(|| get("CIRCLE_BUILD_URL")).or_else(|| get("BUILD_URL")) {
        return job.to_owned();
    }
    let user = get("USER").or_else(|| get("USERNAME")).unwrap_or("unknown");
    match get("HOSTNAME").or_else(|| get("COMPUTERNAME")) {
        Some(host) => format!("{user}@{host}"),
        None => user.to_owned(),
    }
}
