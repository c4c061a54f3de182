//! Which code host a report goes to.

use super::ci::Ci;
use super::github::{self, GitHub};
use super::gitlab::{self, GitLab};
use super::{Forge, ForgeKind, PublishError, Token};
use crate::report::Facts;

/// The code host of `ci`, GitHub where it says none. What CI leaves open comes from the report's `facts`. To be called
/// inside a tokio runtime; no request is made yet.
///
/// # Errors
/// When the repository or the pull request is not known or has no name that the host could have, or premerge cannot
/// comment there.
pub fn open(ci: &Ci, facts: &Facts, token: Token) -> Result<Box<dyn Forge>, PublishError> {
    match ci.forge.unwrap_or(ForgeKind::GitHub) {
        ForgeKind::GitHub => Ok(Box::new(GitHub::new(&github::Settings::new(ci, facts, token)?)?)),
        ForgeKind::GitLab => Ok(Box::new(GitLab::new(&gitlab::Settings::new(ci, facts, token)?)?)),
    }
}
