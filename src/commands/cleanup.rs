//! `premerge cleanup`: temporary schemas dropped by their registers.

use std::collections::BTreeSet;

use clap::Args;
use jiff::Timestamp;
use tokio::sync::watch;

use super::signals::signals;
use super::{CommandError, Io, ci, limits, runtime, temp_dir};
use crate::config::{Env, ProjectArgs, Settings};
use crate::text::words::count_of;
use crate::warehouse::{
    self, Dropped, FaultClass, KeptSchema, Meeting, OpenContext, Protected, Session, Unreadable, WarehouseError,
};

/// `premerge cleanup`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  premerge cleanup --pr 123               when the pull request is closed
  premerge cleanup --expired              every night
  premerge cleanup --expired --dry-run    show what would be dropped

A schema that premerge did not make and mark is never touched, whatever its name and whatever is in it.")]
pub struct CleanupArgs {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// Drop the schemas of this pull request [env: PREMERGE_PR]
    // Not clap's `env`: a variable that CI sets for every job would be in conflict with `--expired`.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) pr: Option<u64>,
    /// Drop every expired schema, whichever project it belongs to
    #[arg(long, conflicts_with = "pr")]
    pub(crate) expired: bool,
    /// Print what would be dropped, and drop nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Runs `premerge cleanup` and returns the exit code.
///
/// # Errors
/// Bad usage or configuration; or a warehouse that failed.
pub fn run(args: &CleanupArgs, io: &mut Io<'_>) -> Result<u8, CommandError> {
    let ci = ci(&io.env)?;
    let settings = Settings::open(&args.project, &io.env, &ci.checkout(args.pr))?;
    let target = settings.target()?;
    let wanted = Wanted {
        pull_request: args.pull_request(&io.env)?,
        project: settings.project_name()?,
        // As `check` records it.
        repository: ci.repository,
        now: Timestamp::now(),
        protected: Protected::new(settings.protected_schemas(&target)),
    };
    let limits = limits(&settings);
    let project_dir = &settings.project_dir;
    let temp_dir = temp_dir(&settings, &target)?;
    let schemas = match warehouse::traits_of(&target)?.meeting {
        // One connection sees them all.
        Meeting::Register => vec![None],
        Meeting::File => warehouse::schemas_in_files(&target, &temp_dir).into_iter().map(Some).collect(),
    };
    let mut failed = 0_usize;
    for schema in schemas {
        let schema = schema.as_deref();
        let context = OpenContext { project_dir, schema, temp_dir: &temp_dir, env: &io.env, limits, run: None };
        let warehouse = warehouse::open(&target, context)?;
        let (done, stopped) = runtime()?.block_on(async {
            let (stop, stopped) = watch::channel(false);
            signals(stop);
            (clean(warehouse.as_ref(), &wanted, args.dry_run, stopped.clone()).await, *stopped.borrow())
        });
        let stopped = stopped
            .then(|| CommandError::Incomplete("stopped by a signal; the next cleanup drops the rest".to_owned()));
        let ended = match (done, stopped) {
            (Ok(lines), stopped) => {
                for Line { text, well } in lines {
                    failed += usize::from(!well);
                    writeln!(io.out, "{text}")
                        .map_err(|source| CommandError::Write { what: "the result".to_owned(), source })?;
                }
                stopped
            }
            (Err(_), Some(stopped)) => Some(stopped),
            (Err(error), None) => {
                tracing::error!("{}: {}", warehouse.describe(), error.message);
                Some(CommandError::Incomplete(reason(&error)))
            }
        };
        if let Some(error) = ended {
            return Err(error);
        }
    }
    if failed > 0 {
        return Err(CommandError::Incomplete(format!("could not drop {}", count_of(failed, "schema"))));
    }
    Ok(0)
}

impl CleanupArgs {
    /// The pull request whose schemas are to be dropped; `None` for all that have expired.
    fn pull_request(&self, env: &Env) -> Result<Option<u64>, CommandError> {
        if self.expired {
            return Ok(None);
        }
        if let Some(number) = self.pr {
            return Ok(Some(number));
        }
        let Some(text) = env.get("PREMERGE_PR") else {
            return Err(CommandError::Usage("nothing to drop: pass --pr NUMBER or --expired".to_owned()));
        };
        let number = text.parse();
        number.map(Some).map_err(|_| CommandError::Usage(format!("PREMERGE_PR is not a pull request number: {text}")))
    }
}

/// Which schemas to drop.
struct Wanted {
    /// `None` means those that have expired.
    pull_request: Option<u64>,
    project: Option<String>,
    repository: Option<String>,
    now: Timestamp,
    /// Schemas that are not premerge's to drop, register or not.
    protected: Protected,
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

/// What became of one schema.
struct Line {
    text: String,
    well: bool,
}

impl Line {
    fn good(text: String) -> Self {
        Self { text, well: true }
    }

    fn bad(text: String) -> Self {
        Self { text, well: false }
    }
}

async fn clean(
    warehouse: &dyn warehouse::Warehouse,
    wanted: &Wanted,
    dry_run: bool,
    stopped: watch::Receiver<bool>,
) -> Result<Vec<Line>, WarehouseError> {
    let mut session = warehouse.connect().await?;
    let finding = async |session: &mut Session| KeptSchema::find(warehouse, session).await;
    let (found, unreadable) = session.begin().until(stopped.clone(), finding).await?;
    let mut lines: Vec<_> = unreadable.iter().map(unread).collect();
    let timeless = found.iter().filter(|kept| wanted.pull_request.is_none() && kept.expires_at.is_none());
    lines.extend(timeless.map(|kept| {
        let why = "its register has no readable expiry; pass --pr";
        Line::bad(format!("not dropped: {}: {why}", kept.name()))
    }));
    let (found, left): (Vec<_>, Vec<_>) = found.into_iter().partition(|kept| wanted.takes(kept));
    for kept in left {
        let asking = async |session: &mut Session| kept.views_that_hold(session).await;
        let views = session.begin().until(stopped.clone(), asking).await?;
        lines.extend(holding(&kept, views).map(|what| Line::good(format!("kept {what}"))));
    }
    let repositories: BTreeSet<&str> = found.iter().map(|kept| kept.owner().repository.as_str()).collect();
    if let Some(number) = wanted.pull_request
        && repositories.len() > 1
    {
        let list: Vec<_> = repositories.into_iter().collect();
        let why = format!(
            "several repositories have a pull request {number}; set GITHUB_REPOSITORY to one of {}",
            list.join(", ")
        );
        lines.push(Line::bad(why));
        return Ok(lines);
    }
    for kept in found {
        let owner = kept.owner();
        let whose = match owner.pull_request {
            Some(number) => format!("pull request {number} of {}", owner.repository),
            None => format!("{} of {}", owner.who, owner.repository),
        };
        let what = format!("{} ({whose}, {})", kept.name(), count_of(kept.relations, "relation"));
        if wanted.protected.contains(kept.name()) {
            let why = "it is the profile's schema or listed in protected_schemas";
            lines.push(Line::bad(format!("not dropped: {what}: {why}")));
            continue;
        }
        if dry_run {
            lines.push(Line::good(format!("would drop {what}")));
            continue;
        }
        let dropping = async |session: &mut Session| kept.drop(session).await;
        let dropped = session.begin().until(stopped.clone(), dropping).await;
        lines.push(match dropped {
            Ok(Dropped::Gone) => Line::good(format!("dropped {what}")),
            Ok(Dropped::OthersLeft) => Line::good(format!(
                "emptied {what}; the schema stays because it has relations that premerge did not make"
            )),
            Ok(Dropped::InUse) => Line::good(format!("left {what}: a run has just started in it")),
            Err(error) => {
                tracing::error!("{what}: {}", error.message);
                Line::bad(format!("could not drop {what}: {}", reason(&error)))
            }
        });
        if *stopped.borrow() {
            break;
        }
    }
    if lines.is_empty() {
        lines.push(Line::good("nothing to drop".to_owned()));
    }
    Ok(lines)
}

/// What holds production's tables, and how it goes.
pub(super) fn holding(kept: &KeptSchema, views: usize) -> Option<String> {
    let how = match kept.owner().pull_request {
        Some(number) => format!("`premerge cleanup --pr {number}` drops them"),
        None => "`premerge cleanup --expired` drops them after expiry".to_owned(),
    };
    let verb = if views == 1 { "holds" } else { "hold" };
    (views > 0).then(|| format!("{}: {} in it {verb} production's tables; {how}", kept.name(), count_of(views, "view")))
}

/// A register that could not be read may be of a schema that was to be dropped.
fn unread(found: &Unreadable) -> Line {
    tracing::error!("{}: {}", found.name, found.error.message);
    let hint = match found.error.class {
        FaultClass::Permission => "; another role made it: run cleanup as that role".to_owned(),
        _ => found.error.remedy.as_deref().map(|remedy| format!("; {remedy}")).unwrap_or_default(),
    };
    Line::bad(format!("could not read the register of {}: {}{hint}", found.name, found.error.class.phrase()))
}

fn reason(error: &WarehouseError) -> String {
    let remedy = error.remedy.as_deref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    format!("{}{remedy}", error.class.phrase())
}
