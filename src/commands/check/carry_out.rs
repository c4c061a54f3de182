//! The part of the job that talks to the warehouse.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Began;
use super::compiling::{self, Compiling};
use super::identity::{run_id, who};
use super::settings::Settings;
use crate::artifacts::Manifest;
use crate::build::{self, Inputs, Observer, RunOptions};
use crate::commands::CommandError;
use crate::commands::signals::signals;
use crate::compile::{AtTurn, Catalogue, Given, Listed, Place, Texts};
use crate::config::{Env, Keep};
use crate::plan::Plan;
use crate::publish::ci::Ci;
use crate::report::{Draft, Interruption, SchemaEnd, WantedSchema};
use crate::sql::{Dialect, texts_in};
use crate::text::escape;
use crate::warehouse::{
    FaultClass, GuardError, Lease, Limits, OpenContext, OpenedSchema, Opening, OpeningError, Owner, Protected,
    TempSchema, Warehouse, WarehouseError,
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
    pub(super) ci: &'a Ci,
    pub(super) env: &'a Env,
}

impl Job<'_> {
    /// Fills the draft with what happened. A warehouse that fails makes the report incomplete; a temporary
    /// schema that may not be used is an error before anything was started.
    ///
    /// `compiling`: where texts come from, if not from the manifest.
    pub(super) async fn run(
        &self,
        compiling: Option<Compiling>,
        draft: &mut Draft,
        observer: &dyn Observer,
    ) -> Result<(), CommandError> {
        let (plan, settings) = (self.plan, self.settings);
        if plan.nodes.is_empty() && plan.tests.is_empty() {
            draft.tally();
            return Ok(());
        }
        let (stop, stopped) = watch::channel(false);
        signals(stop.clone());
        let signalled = stopped.clone();
        let mut opened = Opened::default();
        let stopping = Stopping { stop, stopped };
        let ended = match self.open_and_build(compiling, draft, observer, stopping, &mut opened).await {
            Ok(()) => Ok(()),
            Err(ended) => interrupted(draft, ended, opened.warehouse.as_deref(), *signalled.borrow()),
        };
        // A newer run that has the schema drops it or keeps it.
        let ours = !matches!(draft.interruption, Some(Interruption::Superseded));
        if let (Some(warehouse), Some(schema)) = (opened.warehouse, opened.schema)
            && ours
        {
            let end = match settings.keep {
                Keep::None => drop_at_end(schema, warehouse.as_ref()).await,
                Keep::Tables => release_at_end(&schema, warehouse.as_ref()).await,
                Keep::All => None,
            };
            if let Some(end) = end {
                draft.add_schema_end(end);
            }
        }
        ended
    }

    async fn open_and_build(
        &self,
        compiling: Option<Compiling>,
        draft: &mut Draft,
        observer: &dyn Observer,
        stopping: Stopping,
        known: &mut Opened,
    ) -> Result<(), Ended> {
        let Self { settings, state, .. } = *self;
        self.same_adapter()?;
        let owner = self.owner(draft);
        // Every schema of production, sources' too, and the profile's own.
        let schemas = state.nodes.values().filter_map(|node| node.schema.as_deref());
        let schemas = schemas.chain(state.sources.values().filter_map(|source| source.schema.as_deref()));
        let protected = Protected::new(schemas.chain(settings.protected.iter().map(String::as_str)));
        let opening = Opening {
            target: &settings.target,
            context: OpenContext {
                project_dir: &settings.project_dir,
                schema: None,
                temp_dir: &settings.temp_dir,
                env: self.env,
                limits: settings.limits,
                run: Some(&owner),
            },
            wanted: &settings.schema,
            own: owner.own_schema().filter(|_| settings.schema_by_default),
            protected: &protected,
            owner: &owner,
            at_start: settings.at_start,
            files: self.files(),
        };
        let attempt = opening.open(stopping.stopped.clone()).await;
        known.warehouse = attempt.warehouse;
        let opened = attempt.opened?;
        known.schema = Some(opened.schema.clone());
        let expires_at = settings.expires_at.to_string();
        let wanted = WantedSchema { name: &settings.schema, expires_at: &expires_at, at_start: settings.at_start };
        draft.add_schema(&opened, wanted);
        self.build(compiling, draft, observer, stopping, opened).await
    }

    /// The files that sources are read from, on an engine that reads files.
    fn files(&self) -> Vec<String> {
        let Some(dialect) = Dialect::from_adapter(&self.settings.target.adapter) else { return Vec::new() };
        let sources = self.pr.sources.values().chain(self.state.sources.values());
        let names = sources.filter_map(|source| source.relation_name.as_deref());
        names.flat_map(|name| texts_in(name, dialect)).collect()
    }

    /// The manifest's SQL is one adapter's, and so is the target.
    fn same_adapter(&self) -> Result<(), CommandError> {
        let Self { plan, settings, .. } = self;
        let target = Dialect::from_adapter(&settings.target.adapter);
        if target.is_none_or(|dialect| dialect.adapter() == plan.adapter) {
            return Ok(());
        }
        Err(CommandError::Input {
            message: format!(
                "the manifest is for {}, but target `{}` of profile `{}` is {}",
                plan.adapter, settings.target.name, settings.target.profile, settings.target.adapter
            ),
            remedy: "choose the profile and target that the manifest was compiled with".to_owned(),
        })
    }

    async fn build(
        &self,
        compiling: Option<Compiling>,
        draft: &mut Draft,
        observer: &dyn Observer,
        Stopping { stop, stopped }: Stopping,
        opened: OpenedSchema,
    ) -> Result<(), Ended> {
        let Self { settings, plan, state, pr, .. } = *self;
        let OpenedSchema { warehouse, schema, session } = opened;
        let kept = Arc::clone(&warehouse);
        let warehouse = warehouse.as_ref();
        let Limits { heartbeat, give_way, .. } = settings.limits;
        let lease = Lease::keep(kept, &schema, heartbeat, give_way, settings.threads, stop).await?;
        draft.add_limit(schema.name(), lease.notice());
        let at_turn = match compiling {
            Some(Compiling { mut dbt, at_turn }) => {
                let places = places(plan, state, &schema, warehouse.dialect());
                match dbt.place(&places).await {
                    Ok(()) => {
                        let dialect = warehouse.dialect();
                        let moved = if dialect.reads_production_in_place() {
                            plan.relocation_onto_production(state, pr, dialect, schema.schema_name())
                        } else {
                            plan.relocation(state, pr, dialect, schema.schema_name())
                        };
                        let catalogue = Catalogue::new(moved, listed(plan, pr, dialect), schema.schema_name().clone());
                        Some(AtTurn::new(dbt, at_turn, schema.connect(warehouse).await?, catalogue))
                    }
                    Err(error) => return Err(compiling::failed(error).into()),
                }
            }
            None => None,
        };
        let texts: &dyn Texts = match &at_turn {
            Some(at_turn) => at_turn,
            None => &Given,
        };
        let inputs = Inputs {
            plan,
            state,
            pr,
            project_dir: &settings.project_dir,
            through_proxies: !warehouse.dialect().reads_production_in_place(),
            row_counts: settings.row_counts,
            texts,
        };
        let prepared = build::prepare(inputs, &schema, warehouse.dialect());
        let options = RunOptions { threads: settings.threads, fail_fast: settings.fail_fast };
        let outcome = build::run(warehouse, &schema, prepared, session, options, stopped, observer).await;
        if let Some(at_turn) = at_turn {
            let (dbt, askers) = at_turn.end();
            draft.add_compiled(&dbt, askers);
        }
        let lost = lease.is_lost();
        if let Err(error) = lease.end().await {
            tracing::warn!("the end of this run could not be recorded in the register: {}", error.class.phrase());
        }
        let outcome = match outcome {
            Err(error) if lost || error.class == FaultClass::Superseded => {
                draft.interrupt(taken(&schema, warehouse).await);
                return Ok(());
            }
            outcome => outcome?,
        };
        draft.add_outcome(&outcome, settings.row_limit);
        if lost || outcome.is_superseded() {
            draft.interrupt(taken(&schema, warehouse).await);
        }
        Ok(())
    }

    fn owner(&self, draft: &Draft) -> Owner {
        let facts = &draft.facts;
        let project = facts.project.clone().unwrap_or_default();
        Owner {
            repository: facts.repository.clone().unwrap_or_else(|| project.clone()),
            project,
            pull_request: facts.pull_request,
            commit: facts.commit.clone(),
            run: run_id(self.began.at),
            who: who(self.ci, self.env),
            // With all digits, so that times sort as text.
            started_at: format!("{:.9}", self.began.at),
            expires_at: self.settings.expires_at.to_string(),
        }
    }
}

/// Where what is built lies in the temporary schema, and what is not built in production.
fn places<'a>(
    plan: &'a Plan,
    state: &'a Manifest<'_>,
    schema: &'a TempSchema,
    dialect: Dialect,
) -> BTreeMap<&'a str, Place<'a>> {
    let built = plan
        .nodes
        .iter()
        .map(|node| (node.unique_id.as_str(), (schema.database(), schema.name(), node.identifier.as_str(), true)));
    let read = plan.read_of_production(state, dialect).filter_map(|(unique_id, name)| {
        let of = name.schema()?;
        Some((unique_id.as_str(), (of.database(), of.name(), name.identifier(), false)))
    });
    read.chain(built).collect()
}

/// What is built, by its names in the profile's target.
fn listed(plan: &Plan, pr: &Manifest<'_>, dialect: Dialect) -> Vec<Listed> {
    let built = plan.nodes.iter().filter_map(|planned| {
        let name = pr.nodes.get(planned.unique_id.as_str())?.relation(dialect)?.clone();
        Some(Listed { name, identifier: planned.identifier.clone() })
    });
    built.collect()
}

/// A run that could not be carried out is incomplete; a schema that may not be used is an error.
fn interrupted(
    draft: &mut Draft,
    ended: Ended,
    warehouse: Option<&dyn Warehouse>,
    signalled: bool,
) -> Result<(), CommandError> {
    let fault = match ended {
        Ended::Refused(error) => return Err(error),
        Ended::Guard(GuardError::Superseded { .. }) => {
            draft.interrupt(Interruption::Superseded);
            return Ok(());
        }
        Ended::Guard(GuardError::Warehouse { source, .. }) | Ended::Warehouse(source) => source,
        Ended::Guard(error) => return Err(error.into()),
    };
    draft.interrupt(match fault.class {
        FaultClass::Superseded => Interruption::Superseded,
        FaultClass::Cancelled if signalled => Interruption::Cancelled { reason: "stopped by a signal".to_owned() },
        _ => broken(&fault, warehouse),
    });
    Ok(())
}

/// By whom the schema was taken from the run.
async fn taken(schema: &TempSchema, warehouse: &dyn Warehouse) -> Interruption {
    match schema.is_cleaned_up(warehouse).await {
        Ok(true) => Interruption::Cancelled {
            reason: "`premerge cleanup` dropped the temporary schema during the run".to_owned(),
        },
        _ => Interruption::Superseded,
    }
}

/// What a run has come to.
#[derive(Default)]
struct Opened {
    warehouse: Option<Arc<dyn Warehouse>>,
    schema: Option<TempSchema>,
}

/// What ends a run early: a signal, or the news that another run has the schema.
struct Stopping {
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
}

/// Why the warehouse part ended without an outcome.
enum Ended {
    Refused(CommandError),
    Guard(GuardError),
    Warehouse(WarehouseError),
}

impl From<CommandError> for Ended {
    fn from(error: CommandError) -> Self {
        Self::Refused(error)
    }
}

impl From<OpeningError> for Ended {
    fn from(error: OpeningError) -> Self {
        match error {
            OpeningError::Target(error) => Self::Refused(error.into()),
            OpeningError::Guard(error) => Self::Guard(error),
            OpeningError::Warehouse(error) => Self::Warehouse(error),
        }
    }
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

fn broken(error: &WarehouseError, warehouse: Option<&dyn Warehouse>) -> Interruption {
    said(error, warehouse);
    let remedy = error.remedy.as_deref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    Interruption::Broken { reason: format!("{}{remedy}", error.class.phrase()) }
}

/// The warehouse's words go to the terminal only, and must not command a CI runner.
fn said(error: &WarehouseError, warehouse: Option<&dyn Warehouse>) {
    let place = warehouse.map(Warehouse::describe).unwrap_or_default();
    tracing::error!("{place}: {}", escape::log_line(&escape::terminal(&error.message, false)));
}

/// Drops the views that belong to production's relations: as long as they are there, production cannot change what
/// they read.
async fn release_at_end(schema: &TempSchema, warehouse: &dyn Warehouse) -> Option<SchemaEnd> {
    if !warehouse.traits().binds_views {
        return None;
    }
    let releasing = async {
        let mut session = schema.connect(warehouse).await?;
        schema.release(&mut session).await
    };
    let why = match tokio::time::timeout(DROP_LIMIT, releasing).await {
        Ok(Ok(0)) => return None,
        Ok(Ok(views)) => return Some(SchemaEnd::Released { views }),
        // A newer run has the schema, or clean-up has dropped it.
        Ok(Err(error)) if error.class == FaultClass::Superseded => return None,
        Ok(Err(error)) => phrase(&error, warehouse),
        Err(_) => too_long(),
    };
    Some(SchemaEnd::NotReleased { why })
}

/// Drops the schema by its register. What cannot be dropped is said, and is clean-up's work then.
async fn drop_at_end(schema: TempSchema, warehouse: &dyn Warehouse) -> Option<SchemaEnd> {
    let dropping = async {
        let mut session = schema.connect(warehouse).await?;
        schema.drop(&mut session).await
    };
    let why = match tokio::time::timeout(DROP_LIMIT, dropping).await {
        Ok(Ok(true)) => return Some(SchemaEnd::Dropped),
        Ok(Ok(false)) => "it has relations that premerge did not make".to_owned(),
        // Clean-up or a newer run was faster.
        Ok(Err(error)) if error.class == FaultClass::Superseded => return None,
        Ok(Err(error)) => phrase(&error, warehouse),
        Err(_) => too_long(),
    };
    Some(SchemaEnd::NotDropped { why })
}

/// The fault without the warehouse's own words, which go to the terminal.
fn phrase(error: &WarehouseError, warehouse: &dyn Warehouse) -> String {
    said(error, Some(warehouse));
    error.class.phrase().to_owned()
}

fn too_long() -> String {
    format!("it took longer than {} s", DROP_LIMIT.as_secs())
}
