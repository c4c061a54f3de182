//! From manifests to a report.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::Began;
use super::args::CheckArgs;
use super::settings::Settings;
use super::summary::{self, Sources};
use super::{git, state};
use crate::artifacts::Manifest;
use crate::build::{self, Inputs, Observer, RunOptions, Unobserved};
use crate::commands::comparison::{ManifestFiles, Manifests, Planned, Wanted, compare_and_plan};
use crate::commands::progress::{Bar, Lines};
use crate::commands::recorded::RecordedFiles;
use crate::commands::{CommandError, Io, runtime};
use crate::config::Env;
use crate::plan::Plan;
use crate::project::Graph;
use crate::publish::detect::Ci;
use crate::report::{Draft, Facts, Finding, Interruption, Report, Severity, TemporarySchema, escape, rules};
use crate::warehouse::{
    self, FaultClass, GuardError, Lease, Owner, Place, Protected, TempSchema, Warehouse, WarehouseError,
};

/// Everything between settings and report.
pub(super) fn check(
    args: &CheckArgs,
    settings: &Settings,
    ci: &Ci,
    pull_request: Option<u64>,
    began: Began,
    io: &mut Io<'_>,
) -> Result<Report, CommandError> {
    let recorded_files = RecordedFiles::beside(Some(&settings.state), &settings.manifest)?;
    let recorded = recorded_files.parse()?;
    let files = ManifestFiles::read(&settings.state, settings.base.as_deref(), &settings.manifest)?;
    let manifests = files.parse()?;
    let graph = Graph::new(&manifests.pr);
    let wanted = Wanted {
        selection: &args.selection,
        indirect: settings.indirect,
        schema: settings.schema.clone(),
        more_unrendered_values: settings.more_unrendered_values,
        now: began.at,
        recorded: &recorded,
    };
    let Planned { changes, plan, issues } = compare_and_plan(&manifests, &graph, wanted)?;
    let Manifests { state, base, pr } = &manifests;

    let mut draft = Draft { facts: facts(settings, ci, pull_request, pr, io), ..Draft::default() };
    draft.base = base.as_ref().map(|base| state::facts(base, began.at));
    draft.timings.started_at = Some(began.at.to_string());
    let project = pr.metadata.project_name.as_deref().unwrap_or("project").to_owned();
    let mut of_state = state::facts(state, began.at);
    if let Some(commit) = &settings.state_commit {
        let known = git::look_up(&settings.project_dir, commit, ci.base.as_deref());
        state::add_commit(&mut of_state, commit, known, began.at);
    }
    if base.is_none() {
        draft.findings.extend(state::old(&of_state, settings.state_max_age_hours, &project));
    }
    draft.state = Some(of_state);
    summary::issues(&mut draft, &issues, &project);
    summary::planned(&mut draft, Sources { plan: &plan, pr, graph: &graph, changes: &changes });

    // What is new in the SQL is what the merge base does not have, where it is known.
    super::lint::lint(&mut draft, settings, base.as_ref().unwrap_or(state), pr, io)?;
    super::deliver::announce(args, &Report::running(draft.clone()), ci, io)?;
    let job = Job { settings, plan: &plan, state, pr, began, drop: args.drop, env: &io.env };
    let observer = observer(io);
    runtime()?.block_on(job.run(&mut draft, observer.as_ref()))?;
    drop(observer);

    draft.timings.total_ms = Some(u64::try_from(began.instant.elapsed().as_millis()).unwrap_or(u64::MAX));
    Ok(Report::conclude(draft))
}

fn observer(io: &Io<'_>) -> Box<dyn Observer> {
    if io.quiet {
        Box::new(Unobserved)
    } else if io.err_is_terminal && io.env.get("CI").is_none() {
        Box::new(Bar::new())
    } else {
        Box::new(Lines::new(std::io::stderr()))
    }
}

fn facts(settings: &Settings, ci: &Ci, pull_request: Option<u64>, pr: &Manifest<'_>, io: &Io<'_>) -> Facts {
    let mut facts = Facts {
        pull_request,
        project: pr.metadata.project_name.as_deref().map(str::to_owned),
        repository: io.env.get("GITHUB_REPOSITORY").map(str::to_owned),
        premerge_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        dbt_version: pr.metadata.dbt_version.as_deref().map(str::to_owned),
        ..Facts::default()
    };
    ci.fill(&mut facts);
    let workspace = ci.workspace.as_deref().and_then(|workspace| fs_err::canonicalize(workspace).ok());
    let project = fs_err::canonicalize(&settings.project_dir).ok();
    if let (Some(workspace), Some(project)) = (workspace, project)
        && let Ok(folder) = project.strip_prefix(&workspace)
    {
        facts.project_folder = Some(folder.to_string_lossy().replace('\\', "/"));
    }
    facts
}

/// The part that talks to the warehouse.
struct Job<'a> {
    settings: &'a Settings,
    plan: &'a Plan,
    state: &'a Manifest<'a>,
    pr: &'a Manifest<'a>,
    began: Began,
    drop: bool,
    env: &'a Env,
}

impl Job<'_> {
    /// Fills the draft with what happened. A warehouse that fails makes the report incomplete; a temporary
    /// schema that may not be used is an error before anything was started.
    async fn run(&self, draft: &mut Draft, observer: &dyn Observer) -> Result<(), CommandError> {
        let (plan, settings) = (self.plan, self.settings);
        if plan.nodes.is_empty() && plan.tests.is_empty() {
            draft.tally();
            return Ok(());
        }
        let (stop, stopped) = watch::channel(false);
        signals(stop.clone());
        let ended = stopped.clone();
        let place = Place {
            project_dir: &settings.project_dir,
            schema: &settings.schema,
            temp_dir: &settings.project_dir.join("target/premerge"),
            env: self.env,
            limits: settings.limits,
        };
        let warehouse = warehouse::open(&settings.target, place)?;
        if warehouse.dialect().adapter() != plan.adapter {
            return Err(CommandError::Input {
                message: format!(
                    "the manifest is for {}, but target `{}` of profile `{}` is {}",
                    plan.adapter, settings.target.name, settings.target.profile, settings.target.adapter
                ),
                remedy: "choose the profile and target that the manifest was compiled with".to_owned(),
            });
        }
        match self.build(&warehouse, draft, observer, (stop, stopped)).await {
            Ok(()) => Ok(()),
            Err(Ended::Guard(GuardError::Warehouse { source, .. }) | Ended::Warehouse(source))
                if source.class == FaultClass::Superseded =>
            {
                draft.interruption = Some(Interruption::Superseded);
                draft.tally();
                Ok(())
            }
            Err(Ended::Guard(GuardError::Superseded { .. })) => {
                draft.interruption = Some(Interruption::Superseded);
                draft.tally();
                Ok(())
            }
            Err(Ended::Guard(GuardError::Warehouse { source, .. }) | Ended::Warehouse(source))
                if source.class == FaultClass::Cancelled && *ended.borrow() =>
            {
                draft.interruption = Some(Interruption::Cancelled { reason: "it was stopped by a signal".to_owned() });
                draft.tally();
                Ok(())
            }
            Err(Ended::Guard(GuardError::Warehouse { source, .. }) | Ended::Warehouse(source)) => {
                broken(draft, &source, warehouse.as_ref());
                Ok(())
            }
            Err(Ended::Guard(error)) => Err(error.into()),
        }
    }

    async fn build(
        &self,
        warehouse: &Arc<dyn Warehouse>,
        draft: &mut Draft,
        observer: &dyn Observer,
        (stop, stopped): (watch::Sender<bool>, watch::Receiver<bool>),
    ) -> Result<(), Ended> {
        let Self { settings, plan, state, pr, .. } = *self;
        let kept = Arc::clone(warehouse);
        let warehouse = warehouse.as_ref();
        let mut session = warehouse.connect().await?;
        for notice in warehouse.notices() {
            draft.findings.push(Finding::about(Severity::Notice, rules::WAREHOUSE_LIMIT, &settings.schema, notice));
        }
        // Every schema of production, sources' too, and the profile's own.
        let schemas = state.nodes.values().filter_map(|node| node.schema.as_deref());
        let schemas = schemas.chain(state.sources.values().filter_map(|source| source.schema.as_deref()));
        let protected = Protected::new(schemas.chain(settings.protected.iter().map(String::as_str)));
        let owner = self.owner(draft);
        let canceller = session.canceller();
        let opening = TempSchema::open(warehouse, session.as_mut(), &settings.schema, &protected, owner);
        let schema = warehouse::stoppable(canceller, stopped.clone(), opening).await?;
        draft.temporary_schema = Some(TemporarySchema {
            name: schema.name().to_owned(),
            database: schema.database().map(str::to_owned),
            expires_at: Some(settings.expires_at.to_string()),
            dropped: false,
        });
        let lease = Lease::keep(kept, &schema, settings.limits.heartbeat, stop).await?;
        let inputs = Inputs { plan, state, pr, project_dir: &settings.project_dir, row_counts: settings.row_counts };
        let prepared = build::prepare(inputs, &schema, warehouse.dialect());
        let options = RunOptions { threads: settings.threads, fail_fast: settings.fail_fast };
        let outcome = build::run(warehouse, &schema, prepared, session, options, stopped, observer).await;
        let lost = lease.is_lost();
        if let Err(error) = lease.end().await {
            tracing::warn!("the register does not know that this run is over: {}", error.class.phrase());
        }
        let outcome = match outcome {
            Err(error) if lost || error.class == FaultClass::Superseded => {
                return Err(Ended::Guard(GuardError::Superseded { schema: schema.name().to_owned() }));
            }
            outcome => outcome?,
        };
        summary::happened(draft, &outcome);
        if lost || outcome.is_superseded() {
            // The newer run has the schema, and drops it or keeps it.
            draft.interruption = Some(Interruption::Superseded);
            return Ok(());
        }
        if self.drop {
            let mut session = warehouse.connect().await?;
            // It stays when somebody else has made something in it.
            let dropped = schema.drop(session.as_mut()).await?;
            if let Some(schema) = &mut draft.temporary_schema {
                schema.dropped = dropped;
            }
        }
        Ok(())
    }

    fn owner(&self, draft: &Draft) -> Owner {
        let Draft { facts, .. } = draft;
        let project = facts.project.clone().unwrap_or_default();
        Owner {
            repository: facts.repository.clone().unwrap_or_else(|| project.clone()),
            project,
            pull_request: facts.pull_request,
            commit: facts.commit.clone(),
            run: run_id(self.began.at),
            who: who(self.env),
            // With all digits, so that times sort as text.
            started_at: format!("{:.9}", self.began.at),
            expires_at: self.settings.expires_at.to_string(),
        }
    }
}

/// Unlike that of any other run, also of one in another container with the same process number.
fn run_id(at: Timestamp) -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{}-{random:016x}", at.as_millisecond(), std::process::id())
}

/// Whose run it is: the CI job's address, or the user and machine.
fn who(env: &Env) -> String {
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

/// Why the warehouse part ended without an outcome.
enum Ended {
    Guard(GuardError),
    Warehouse(WarehouseError),
}

impl From<GuardError> for Ended {
    fn from(error: GuardError) -> Self {
        Self::Guard(error)
    }
}

impl From<WarehouseError> for Ended {
    fn from(error: WarehouseError) -> Self {
        Self::Warehouse(error)
    }
}

fn broken(draft: &mut Draft, error: &WarehouseError, warehouse: &dyn Warehouse) {
    // The warehouse's words go to the terminal only, and must not command a CI runner.
    tracing::error!("{}: {}", warehouse.describe(), escape::log_line(&escape::terminal(&error.message, false)));
    let remedy = error.remedy.as_deref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    draft.interruption = Some(Interruption::Broken { reason: format!("{}{remedy}", error.class.phrase()) });
    draft.tally();
}

/// Turns true on SIGINT or SIGTERM: CI systems send one before they kill.
fn signals(stop: watch::Sender<bool>) {
    tokio::spawn(async move {
        if wait_for_signal().await.is_ok() {
            stop.send_replace(true);
            // Kept, so that the receivers see the value and not the end of the channel.
            stop.closed().await;
        }
    });
}

#[cfg(unix)]
async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn wait_for_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
