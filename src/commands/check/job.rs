//! From manifests to a report.

use super::Began;
use super::args::CheckArgs;
use super::carry_out::Job;
use super::compiling::{self, Compiling};
use super::settings::Settings;
use crate::artifacts::Manifest;
use crate::build::{Observer, Unobserved};
use crate::commands::comparison::{Comparing, ManifestFiles, Manifests, Planned, Wanted, compare_and_plan, seed_files};
use crate::commands::progress::{Bar, Lines};
use crate::commands::recorded::RecordedFiles;
use crate::commands::state_age as state;
use crate::commands::{CommandError, Io, runtime};
use crate::compile::Dbt;
use crate::config::{ChangeRules, git};
use crate::publish::ci::Ci;
use crate::report::{Draft, Facts, Planned as Gathered, Report};
use crate::warehouse;

/// Everything between settings and report.
pub(super) fn check(
    args: &CheckArgs,
    settings: &Settings,
    ci: &Ci,
    pull_request: Option<u64>,
    began: Began,
    io: &mut Io<'_>,
) -> Result<Report, CommandError> {
    let runtime = runtime()?;
    let mut dbt = match &settings.compile {
        Some(compile) => Some(runtime.block_on(compiling::start(compile, settings))?),
        None => None,
    };
    let manifest = dbt.as_ref().map_or(settings.manifest.as_path(), Dbt::manifest);
    let recorded_files = RecordedFiles::beside(Some(&settings.state), manifest)?;
    let recorded = recorded_files.parse()?;
    let files = ManifestFiles::read(&settings.state, settings.base.as_deref(), manifest)?;
    let rounds = compiling::Rounds::new();
    let mut manifests = files.parse()?;
    buildable(&manifests)?;
    let comparing = Comparing {
        compiled: args.selection.changes == ChangeRules::Compiled,
        more_unrendered_values: settings.more_unrendered_values,
        package_overrides: settings.dbt_behaviors.package_overrides(),
        now: began.at,
    };
    let late = match &mut dbt {
        Some(dbt) => {
            let filling = compiling::fill(&mut manifests, &rounds, dbt, comparing);
            Some(runtime.block_on(filling)?)
        }
        None => None,
    };
    let wanted = Wanted {
        selection: &args.selection,
        indirect: settings.indirect,
        schema: settings.schema.clone(),
        more_unrendered_values: settings.more_unrendered_values,
        package_overrides: settings.dbt_behaviors.package_overrides(),
        seed_files: seed_files(&settings.project_dir, &ci.checkout(pull_request)),
        builds: true,
        now: began.at,
        recorded: &recorded,
        late: late.as_ref(),
    };
    let Planned { graph, changes, plan, issues } = compare_and_plan(&manifests, wanted)?;
    let Manifests { state, base, pr } = &manifests;

    let mut draft = Draft::began(facts(settings, ci, pull_request, pr), began.at);
    let project = pr.metadata.project_name.as_deref().unwrap_or("project").to_owned();
    let mut of_state = state::facts(state, began.at);
    if let Some(commit) = &settings.state_commit {
        let known = git::look_up(&settings.project_dir, commit, ci.base.as_deref());
        state::add_commit(&mut of_state, commit, known, began.at);
    }
    let of_base = base.as_ref().map(|base| state::facts(base, began.at));
    let limit = settings.state_max_age_hours;
    let old = if base.is_none() { state::old(&of_state, limit, &project) } else { None };
    draft.add_manifests(of_state, of_base, old);
    draft.add_issues(&issues, &project);
    let before = base.as_ref().unwrap_or(state);
    draft.add_findings(super::gate::findings(settings, ci, before, pr));
    let of_selector = super::gate::of_selector(args.selection.selector.as_deref(), before, pr);
    draft.add_findings(of_selector.into_iter().collect());
    draft.add_plan(Gathered { plan: &plan, pr, graph: &graph, changes: &changes });

    // What is new in the SQL is what the merge base does not have, where it is known.
    draft.add_lint(super::lint::lint(settings, base.as_ref().unwrap_or(state), pr, io)?);
    super::deliver::announce(args, &Report::running(draft.clone()), ci, io)?;
    let job = Job { settings, plan: &plan, state, pr, began, ci, env: &io.env };
    let observer = observer(ci, io);
    let compiling = dbt.zip(late).map(|(dbt, late)| Compiling { dbt, at_turn: late.at_turn });
    let ran = runtime.block_on(job.run(compiling, &mut draft, observer.as_ref()));
    // A statement that an engine in this process does not give up is left behind.
    runtime.shutdown_background();
    ran?;
    drop(observer);

    draft.ended(began.instant.elapsed());
    Ok(Report::conclude(draft))
}

/// Refuses manifests of an adapter without an engine, and of two adapters: what `plan` can still answer, a build
/// cannot.
fn buildable(Manifests { state, pr, .. }: &Manifests<'_>) -> Result<(), CommandError> {
    let adapter = pr.metadata.adapter_type.as_deref().unwrap_or_default();
    if let Some(other) = state.metadata.adapter_type.as_deref().filter(|other| *other != adapter) {
        return Err(CommandError::Input {
            message: format!("production's manifest was made for {other}, the pull request's for {adapter}"),
            remedy: "make both with the same adapter; `premerge plan` shows what dbt's own comparison says".to_owned(),
        });
    }
    Ok(warehouse::check_adapter(adapter)?)
}

fn observer(ci: &Ci, io: &Io<'_>) -> Box<dyn Observer> {
    if io.quiet {
        Box::new(Unobserved)
    } else if io.err_is_terminal && ci.system.is_none() {
        Box::new(Bar::new())
    } else {
        Box::new(Lines::new(std::io::stderr()))
    }
}

fn facts(settings: &Settings, ci: &Ci, pull_request: Option<u64>, pr: &Manifest<'_>) -> Facts {
    let mut facts = Facts {
        pull_request,
        project: pr.metadata.project_name.as_deref().map(str::to_owned),
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
