//! The part of the job that talks to the warehouse.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Began;
use super::identity::{run_id, who};
use super::settings::Settings;
use super::signals::signals;
use super::summary;
use crate::artifacts::Manifest;
use crate::build::{self, Inputs, Observer, RunOptions};
use crate::commands::CommandError;
use crate::config::{AtEnd, AtStart, Env};
use crate::plan::Plan;
use crate::report::{Draft, Finding, Interruption, Severity, TemporarySchema, escape, rules};
use crate::warehouse::{
    self, FaultClass, GuardError, Lease, Owner, Place, Protected, TempSchema, Warehouse, WarehouseError,
};

/// How long dropping the schema at the end may take: CI systems kill what does not end after a signal.
const DROP_LIMIT: Duration = Duration::from_secs(60);

/// What is to be carried out.
pub(super) struct Job<'a> {
    pub(super) settings: &'a Settings,
    pub(super) plan: &'a Plan,
    pub(super) state: &'a Manifest<'a>,
    pub(super) pr: &'a Manifest<'a>,
    pub(super) began: Began,
    pub(super) env: &'a Env,
}

impl Job<'_> {
    /// Fills the draft with what happened. A warehouse that fails makes the report incomplete; a temporary
    /// schema that may not be used is an error before anything was started.
    pub(super) async fn run(&self, draft: &mut Draft, observer: &dyn Observer) -> Result<(), CommandError> {
        let (plan, settings) = (self.plan, self.settings);
        if plan.nodes.is_empty() && plan.tests.is_empty() {
            draft.tally();
            return Ok(());
        }
        let (stop, stopped) = watch::channel(false);
        signals(stop.clone());
        let signalled = stopped.clone();
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
        let mut opened = None;
        let ended = match self.build(&warehouse, draft, observer, (stop, stopped), &mut opened).await {
            Ok(()) => Ok(()),
            Err(ended) => self.interrupted(draft, ended, warehouse.as_ref(), *signalled.borrow()),
        };
        // A newer run that has the schema drops it or keeps it.
        let ours = !matches!(draft.interruption, Some(Interruption::Superseded));
        if let Some(schema) = opened.filter(|_| ours && settings.at_end == AtEnd::Drop) {
            drop_at_end(draft, schema, warehouse.as_ref()).await;
        }
        ended
    }

    /// A run that could not be carried out is incomplete; a schema that may not be used is an error.
    fn interrupted(
        &self,
        draft: &mut Draft,
        ended: Ended,
        warehouse: &dyn Warehouse,
        signalled: bool,
    ) -> Result<(), CommandError> {
        let fault = match ended {
            Ended::Guard(GuardError::Superseded { .. }) => {
                draft.interruption = Some(Interruption::Superseded);
                draft.tally();
                return Ok(());
            }
            Ended::Guard(GuardError::Warehouse { source, .. }) | Ended::Warehouse(source) => source,
            Ended::Guard(error) => return Err(error.into()),
        };
        draft.interruption = Some(match fault.class {
            FaultClass::Superseded => Interruption::Superseded,
            FaultClass::Cancelled if signalled => {
                Interruption::Cancelled { reason: "it was stopped by a signal".to_owned() }
            }
            _ => broken(&fault, warehouse),
        });
        draft.tally();
        Ok(())
    }

    async fn build(
        &self,
        warehouse: &Arc<dyn Warehouse>,
        draft: &mut Draft,
        observer: &dyn Observer,
        (stop, stopped): (watch::Sender<bool>, watch::Receiver<bool>),
        opened: &mut Option<TempSchema>,
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
        let at_start = settings.at_start;
        if at_start == AtStart::Replace && !session.can_replace() {
            let notice = "relations cannot be replaced one by one here; those of the last run were dropped first";
            draft.findings.push(Finding::about(Severity::Notice, rules::WAREHOUSE_LIMIT, &settings.schema, notice));
        }
        let opening = TempSchema::open(warehouse, session.as_mut(), &settings.schema, &protected, owner, at_start);
        let schema = warehouse::stoppable(canceller, stopped.clone(), opening).await?;
        *opened = Some(schema.clone());
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
        if let Some(failure) = &outcome.left_behind {
            let message = format!(
                "what the last run made and this one did not could not be dropped ({}); the next run and \
                 `premerge cleanup` try again",
                failure.message
            );
            draft.findings.push(Finding::about(Severity::Warning, rules::LEFT_BEHIND, schema.name(), message));
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

fn broken(error: &WarehouseError, warehouse: &dyn Warehouse) -> Interruption {
    said(error, warehouse);
    let remedy = error.remedy.as_deref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    Interruption::Broken { reason: format!("{}{remedy}", error.class.phrase()) }
}

/// The warehouse's words go to the terminal only, and must not command a CI runner.
fn said(error: &WarehouseError, warehouse: &dyn Warehouse) {
    tracing::error!("{}: {}", warehouse.describe(), escape::log_line(&escape::terminal(&error.message, false)));
}

/// Drops the schema by its register. What cannot be dropped is said, and is clean-up's work then.
async fn drop_at_end(draft: &mut Draft, schema: TempSchema, warehouse: &dyn Warehouse) {
    let name = schema.name().to_owned();
    let dropping = async {
        let mut session = schema.connect(warehouse).await?;
        schema.drop(session.as_mut()).await
    };
    let why = match tokio::time::timeout(DROP_LIMIT, dropping).await {
        Ok(Ok(true)) => {
            if let Some(schema) = &mut draft.temporary_schema {
                schema.dropped = true;
            }
            return;
        }
        Ok(Ok(false)) => "somebody else has made relations in it".to_owned(),
        Ok(Err(error)) => {
            said(&error, warehouse);
            error.class.phrase().to_owned()
        }
        Err(_) => format!("it took longer than {} s", DROP_LIMIT.as_secs()),
    };
    let message = format!("the temporary schema was to be dropped and is still there: {why}");
    let finding = Finding::about(Severity::Warning, rules::LEFT_BEHIND, &name, message);
    draft.findings.push(finding.with_remedy("`premerge cleanup` drops it when its time has run out"));
}
