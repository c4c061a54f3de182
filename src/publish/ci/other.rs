//! A system that premerge does not know, or none at all.

use super::{Ci, System, text, value};
use crate::config::Env;
use crate::publish::ForgeKind;

/// What is told in a way that many share. `GITHUB_REPOSITORY` outside of GitHub's own CI is how a user says where the
/// comment goes.
pub(super) fn read(env: &Env) -> Ci {
    let repository = text(env, "GITHUB_REPOSITORY");
    Ci {
        system: value(env, "CI").map(|_| System::Other),
        forge: repository.as_ref().map(|_| ForgeKind::GitHub),
        api_url: text(env, "GITHUB_API_URL"),
        server_url: text(env, "GITHUB_SERVER_URL"),
        job: text(env, "BUILD_URL"),
        repository,
        ..Ci::default()
    }
}
