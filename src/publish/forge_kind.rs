//! The kinds of code hosts.

use super::Token;
use crate::config::Env;

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

    /// Variables that hold tokens of forges, whichever system runs the job.
    pub const TOKEN_VARIABLES: [&str; 4] =
        ["PREMERGE_GITHUB_TOKEN", "GITHUB_TOKEN", "PREMERGE_GITLAB_TOKEN", "GITLAB_TOKEN"];

    /// The token of the environment: ours first, then the one that users of its CI pass.
    #[must_use]
    pub fn token(self, env: &Env) -> Option<Token> {
        let names = match self {
            Self::GitHub => ["PREMERGE_GITHUB_TOKEN", "GITHUB_TOKEN"],
            Self::GitLab => ["PREMERGE_GITLAB_TOKEN", "GITLAB_TOKEN"],
        };
        names.iter().find_map(|name| env.get(name).and_then(Token::new))
    }

    /// How a job gets such a token.
    #[must_use]
    pub fn token_help(self) -> &'static str {
        match self {
            Self::GitHub => "set GITHUB_TOKEN, in GitHub Actions with `env: GITHUB_TOKEN: ${{ github.token }}`",
            Self::GitLab => {
                "set GITLAB_TOKEN to a project or group access token with the scope api, in a masked variable; a job's own \
                 token cannot write notes"
            }
        }
    }
}
