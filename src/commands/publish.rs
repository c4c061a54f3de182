//! `premerge publish`: a saved report brought to its pull request, the second of two jobs.
//!
//! The first job ran untrusted code, so the report is data of a stranger: it is read with a size limit, rendered
//! again from typed values, and what says *where* it goes (repository, run, links) comes from this job's own
//! environment, never from the report. Only the pull request's number may come from it, and only if that pull
//! request's head is the commit that this job knows it was started for.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::render::{ReportFileError, read_report};
use crate::config::Env;
use crate::publish::ci::{self, Ci, DetectError};
use crate::publish::{ForgeKind, Posted, PublishError, Token, forge, write_to_ci};
use crate::report::{Address, Report, Verdict};
use crate::text::escape;

/// Arguments of `premerge publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// The report, as `premerge check --output` wrote it
    pub report: PathBuf,
    /// The pull request [default: from CI]
    #[arg(long, value_name = "NUMBER", env = "PREMERGE_PR")]
    pub pr: Option<u64>,
    /// The repository [default: from CI]
    #[arg(long, value_name = "OWNER/NAME", env = "PREMERGE_REPOSITORY")]
    pub repository: Option<String>,
}

/// Why a report could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishCommandError {
    /// The report cannot be used.
    #[error(transparent)]
    Report(#[from] ReportFileError),
    /// CI's description cannot be used.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// No token for the forge.
    #[error("no token: {help}")]
    NoToken {
        /// How a job gets one.
        help: &'static str,
    },
    /// The report names its pull request itself, and nothing vouches for it.
    #[error("no commit to check this report against: run in CI, or pass --pr")]
    NoHead,
    /// The forge.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl PublishCommandError {
    fn no_token(ci: &Ci) -> Self {
        Self::NoToken { help: ci.forge.unwrap_or(ForgeKind::GitHub).token_help() }
    }

    /// 2 for bad input or settings, 3 when the forge is the reason.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Publish(PublishError::Settings(_)) => 2,
            Self::Publish(_) => 3,
            Self::Report(_) | Self::Detect(_) | Self::NoToken { .. } | Self::NoHead => 2,
        }
    }
}

/// The token for the forge of `ci`, GitHub where it says none.
#[must_use]
pub fn token(ci: &Ci, env: &Env) -> Option<Token> {
    ci.forge.unwrap_or(ForgeKind::GitHub).token(env)
}

/// Brings a fresh report to CI: the comment where there is a pull request and a token, then summary, outputs and
/// annotations. `log` is the job's log, past any [`LogWriter`](crate::publish::LogWriter).
///
/// A comment that cannot be posted is said in the log and changes nothing else: the gate is not about comments.
///
/// # Errors
/// When one of CI's files or the log cannot be written.
pub async fn deliver(
    report: &Report,
    ci: &Ci,
    token: Option<Token>,
    report_path: Option<&Path>,
    log: &mut dyn Write,
) -> Result<Option<Posted>, PublishError> {
    let posted = comment(report, ci, token, log).await?;
    write_to_ci(report, ci, posted.as_ref(), report_path, log)?;
    Ok(posted)
}

/// Only the comment, as [`deliver`] writes it: for the report of a run that is not over.
///
/// # Errors
/// When the log cannot be written.
pub async fn comment(
    report: &Report,
    ci: &Ci,
    token: Option<Token>,
    log: &mut dyn Write,
) -> Result<Option<Posted>, PublishError> {
    if ci.pull_request.or(report.facts.pull_request).is_none() {
        return Ok(None);
    }
    let posted = match token {
        None => Err(PublishCommandError::no_token(ci).to_string()),
        Some(token) => upsert(report, ci, token).await.map_err(|error| error.to_string()),
    };
    match posted {
        Ok(posted) => Ok(Some(posted)),
        Err(reason) => {
            writeln!(log, "{}", escape::log_line(&escape::visible(&format!("no comment: {reason}"))))?;
            Ok(None)
        }
    }
}

async fn upsert(report: &Report, ci: &Ci, token: Token) -> Result<Posted, PublishError> {
    forge::open(ci, &report.facts, token)?.upsert(report).await
}

/// Publishes a saved report. `log` is the job's log, past any [`LogWriter`](crate::publish::LogWriter).
///
/// # Errors
/// When the report, the environment or the forge does not allow it.
pub async fn run(args: &PublishArgs, env: &Env, log: &mut dyn Write) -> Result<Posted, PublishCommandError> {
    let mut ci = ci::detect(env)?;
    let report = readdressed(read_report(&args.report)?, args, &mut ci)?;
    let token = token(&ci, env).ok_or_else(|| PublishCommandError::no_token(&ci))?;
    let posted = upsert(&report, &ci, token).await?;
    write_to_ci(&report, &ci, Some(&posted), Some(&args.report), log)?;
    Ok(posted)
}

/// The report with everything that says where it goes replaced by what this job knows.
fn readdressed(report: Report, args: &PublishArgs, ci: &mut Ci) -> Result<Report, PublishCommandError> {
    let running = report.verdict() == Verdict::Running;
    let mut draft = report.into_draft();
    let named = args.pr.or(ci.pull_request);
    if ci.head.is_none() && named.is_none() {
        return Err(PublishCommandError::NoHead);
    }
    if ci.head.is_none() {
        ci.head.clone_from(&draft.facts.commit);
    }
    draft.readdress(Address {
        pull_request: named,
        repository: args.repository.clone().or_else(|| ci.repository.clone()),
        commit: ci.head.clone(),
        server_url: ci.server_url.clone(),
        run: ci.run.clone(),
    });
    Ok(if running { Report::running(draft) } else { Report::conclude(draft) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Draft, RunFacts};

    fn foreign() -> Report {
        let mut draft = Draft::default();
        draft.facts.repository = Some("evil/repo".into());
        draft.facts.pull_request = Some(7);
        draft.facts.commit = Some("0badc0de".into());
        draft.facts.server_url = Some("https://evil.example".into());
        draft.facts.run = Some(RunFacts { url: Some("https://evil.example/run".into()), ..RunFacts::default() });
        Report::conclude(draft)
    }

    #[test]
    fn a_report_does_not_say_where_it_goes() {
        let args = PublishArgs { report: PathBuf::new(), pr: None, repository: None };
        let mut ci = Ci {
            repository: Some("acme/analytics".into()),
            head: Some("7c1f0ab".into()),
            server_url: Some("https://github.com".into()),
            ..Ci::default()
        };
        let facts = readdressed(foreign(), &args, &mut ci).unwrap().into_draft().facts;
        assert_eq!(facts.repository.as_deref(), Some("acme/analytics"));
        assert_eq!((facts.commit.as_deref(), facts.run), (Some("7c1f0ab"), None));
        assert_eq!(facts.server_url.as_deref(), Some("https://github.com"));
        // Only the number, which the head vouches for.
        assert_eq!(facts.pull_request, Some(7));
    }

    #[test]
    fn a_number_that_nothing_vouches_for_is_not_used() {
        let args = PublishArgs { report: PathBuf::new(), pr: None, repository: None };
        let error = readdressed(foreign(), &args, &mut Ci::default()).unwrap_err();
        assert!(matches!(error, PublishCommandError::NoHead));
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn the_first_token_that_is_not_empty_is_used() {
        let env = |vars: &[(&str, &str)]| Env::new(vars.iter().copied(), PathBuf::from("/"));
        assert!(token(&Ci::default(), &env(&[("PREMERGE_GITHUB_TOKEN", ""), ("GITHUB_TOKEN", "ghs_x")])).is_some());
        assert!(token(&Ci::default(), &env(&[])).is_none());
        assert!(PublishCommandError::no_token(&Ci::default()).to_string().contains("${{ github.token }}"));
    }
}
