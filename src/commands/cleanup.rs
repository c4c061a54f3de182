//! `premerge cleanup`: temporary schemas dropped by their registers.

use std::collections::BTreeSet;

use clap::Args;
use jiff::Timestamp;

use super::check::ProjectArgs;
use super::{CommandError, Io, runtime};
use crate::config::DbtProject;
use crate::publish::detect::detect;
use crate::warehouse::{self, Dropped, KeptSchema, Limits, Place, WarehouseError};

/// `premerge cleanup`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  premerge cleanup --pr 123               when the pull request is closed
  premerge cleanup --expired              every night
  premerge cleanup --expired --dry-run    what that would drop

A schema without premerge's register is never touched, whatever its name.")]
pub struct CleanupArgs {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// Drop the schemas of this pull request
    #[arg(long, value_name = "NUMBER", env = "PREMERGE_PR", required_unless_present = "expired")]
    pub(crate) pr: Option<u64>,
    /// Drop every schema whose time has run out, whichever project's it is
    #[arg(long, conflicts_with = "pr")]
    pub(crate) expired: bool,
    /// Say what would be dropped, and drop nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Runs `premerge cleanup` and returns the exit code.
///
/// # Errors
/// Bad usage or configuration; or a warehouse that failed.
pub fn run(args: &CleanupArgs, io: &mut Io<'_>) -> Result<u8, CommandError> {
    let project_dir = args.project.folder(&io.env);
    let file = args.project.file(&io.env)?;
    let project = DbtProject::read(&project_dir, &io.env)?;
    let target = args.project.target(&project, &io.env)?;
    let ci =
        detect(&|name| io.env.get(name).map(str::to_owned)).map_err(|error| CommandError::Usage(error.to_string()))?;
    let wanted = Wanted {
        pull_request: args.pr.filter(|_| !args.expired),
        project: project.name,
        // As `check` records it.
        repository: ci.repository.or_else(|| io.env.get("GITHUB_REPOSITORY").map(str::to_owned)),
        now: Timestamp::now(),
    };
    let mut limits = Limits::default();
    if let Some(seconds) = file.statement_timeout_seconds.filter(|seconds| *seconds > 0) {
        limits.statement = std::time::Duration::from_secs(seconds);
    }
    let temp_dir = project_dir.join("target/premerge");
    // A server shows all its schemas to one connection; each DuckDB file has its own.
    let schemas = warehouse::schemas_in_files(&target, &temp_dir).unwrap_or_else(|| vec![String::new()]);
    let mut failed = 0_usize;
    for schema in schemas {
        let place =
            Place { project_dir: &project_dir, schema: &schema, temp_dir: &temp_dir, env: &io.env, limits, run: None };
        let warehouse = warehouse::open(&target, place)?;
        let lines = runtime()?.block_on(clean(warehouse.as_ref(), &wanted, args.dry_run)).map_err(|error| {
            tracing::error!("{}: {}", warehouse.describe(), error.message);
            let remedy = error.remedy.as_deref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
            CommandError::Incomplete(format!("{}{remedy}", error.class.phrase()))
        })?;
        for (line, well) in lines {
            failed += usize::from(!well);
            writeln!(io.out, "{line}")
                .map_err(|source| CommandError::Write { what: "the result".to_owned(), source })?;
        }
    }
    if failed > 0 {
        return Err(CommandError::Incomplete(format!("{failed} schemas could not be dropped")));
    }
    Ok(0)
}

/// Which schemas to drop.
struct Wanted {
    /// `None` means those that have expired.
    pull_request: Option<u64>,
    project: Option<String>,
    repository: Option<String>,
    now: Timestamp,
}

impl Wanted {
    fn takes(&self, kept: &KeptSchema) -> bool {
        let Some(number) = self.pull_request else { return kept.is_expired(self.now) };
        let owner = kept.owner();
        // Other projects and repositories have pull requests of the same number.
        let same = |ours: &Option<String>, theirs: &str| ours.as_deref().is_none_or(|ours| ours == theirs);
        owner.pull_request == Some(number)
            && same(&self.project, &owner.project)
            && same(&self.repository, &owner.repository)
    }
}

/// What was done, as lines, and whether it went well.
async fn clean(
    warehouse: &dyn warehouse::Warehouse,
    wanted: &Wanted,
    dry_run: bool,
) -> Result<Vec<(String, bool)>, WarehouseError> {
    let mut session = warehouse.connect().await?;
    let mut lines = Vec::new();
    let found: Vec<_> =
        KeptSchema::find(warehouse, session.as_mut()).await?.into_iter().filter(|kept| wanted.takes(kept)).collect();
    let repositories: BTreeSet<&str> = found.iter().map(|kept| kept.owner().repository.as_str()).collect();
    if let Some(number) = wanted.pull_request
        && repositories.len() > 1
    {
        let list: Vec<_> = repositories.into_iter().collect();
        let why =
            format!("pull request {number} of which repository? set GITHUB_REPOSITORY to one of {}", list.join(", "));
        return Ok(vec![(why, false)]);
    }
    for kept in found {
        let owner = kept.owner();
        let whose = match owner.pull_request {
            Some(number) => format!("pull request {number} of {}", owner.repository),
            None => format!("{} of {}", owner.who, owner.repository),
        };
        let what = format!("{} ({whose}, {} relations)", kept.name(), kept.relations);
        if dry_run {
            lines.push((format!("would drop {what}"), true));
            continue;
        }
        lines.push(match kept.drop(session.as_mut()).await {
            Ok(Dropped::Gone) => (format!("dropped {what}"), true),
            Ok(Dropped::OthersLeft) => {
                (format!("emptied {what}; the schema stays, because somebody else made relations in it"), true)
            }
            Ok(Dropped::InUse) => (format!("left {what}: a run has just begun in it"), true),
            Err(error) => {
                tracing::error!("{what}: {}", error.message);
                let remedy = error.remedy.as_deref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
                (format!("could not drop {what}: {}{remedy}", error.class.phrase()), false)
            }
        });
    }
    if lines.is_empty() {
        lines.push(("nothing to drop".to_owned(), true));
    }
    Ok(lines)
}
