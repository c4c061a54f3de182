//! Which code host a report goes to.

use super::ci::Ci;
use super::github::{self, GitHub};
use super::gitlab::{self, GitLab};
use super::{Forge, PublishError, Token};
use crate::config::Env;
use crate::report::Facts;

/// A kind of code host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgeKind {
    /// GitHub, and GitHub Enterprise Server.
    GitHub,
    /// GitLab, also self-managed.
    GitLab,
}

impl ForgeKind {
    /// GitHub's pages, where nothing else is said.
    pub const GITHUB_PAGES: &str = "https://github.com";

    /// The token of the environment: ours first, then the one that users of its CI pass.
    #[must_use]
    pub fn token(self, env: &Env) -> Option<Token> {
        let names = match self {
            Self::GitHub => ["PREMERGE_GITHUB_TOKEN", "GITHUB_TOKEN"],
            Self::GitLab => ["PREMERGE_GITLAB_TOKEN", "GITLAB_TOKEN"],
        };
        names.iter().find_map(|name| env.get(name).and_then(Token::new))
    }
}

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
