//! A prepared plan carried out.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::event::{Event, Observer};
use super::result::{FailedProxy, Failure, NodeResult, NodeStatus, Outcome, Stop, TestResult, TestStatus};
use super::schedule::{Finished, Running, Scheduled};
use super::task::{Prepared, Proxy, Task};
use super::work::Ended;
use crate::artifacts::UniqueId;
use crate::warehouse::{FaultClass, Session, TempSchema, Warehouse, WarehouseError, Write};

/// How to run.
#[derive(Debug, Clone, Copy)]
pub struct RunOptions {
    /// Tasks at once: sessions opened. At least 1.
    pub threads: usize,
    /// Stop at the first failure.
    pub fail_fast: bool,
}

/// Makes the proxies, then does all tasks in dependency order.
///
/// `first` is a session that is open already; `stop` turns true when the run is to end early.
///
/// # Errors
/// When no connection can be had or the register cannot be written: nothing was built then. What fails
/// later is part of the outcome.
pub async fn run(
    warehouse: &dyn Warehouse,
    schema: &TempSchema,
    prepared: Prepared,
    first: Session,
    options: RunOptions,
    stop: watch::Receiver<bool>,
    observer: &dyn Observer,
) -> Result<Outcome, WarehouseError> {
    let Prepared { mut tasks, proxies, identifiers } = prepared;
    let shown = tasks.iter().filter(|task| task.work.is_shown()).count();
    observer.on(&Event::Begin { tasks: shown, proxies: proxies.len() });

    let mut session = first;
    let names: Vec<&str> = identifiers.iter().map(String::as_str).collect();
    session.begin().until(stop.clone(), async |session| schema.register(session, &names).await).await?;

    let began = Instant::now();
    let making = async |session: &mut Session| make_proxies(&proxies, schema, session).await;
    let made = session.begin().until(stop.clone(), making).await;
    let mut outcome = Outcome {
        proxies: proxies.len() - made.failed.len(),
        failed_proxies: made.failed,
        statements: made.statements,
        waited: began.elapsed(),
        ..Outcome::default()
    };
    observer.on(&Event::Proxies { made: outcome.proxies, duration: outcome.waited });
    block(&mut tasks, &outcome.failed_proxies);
    let before = reads_of(&proxies, schema, &mut session).await;

    let mut sessions = vec![session];
    let threads = options.threads.clamp(1, tasks.len().max(1));
    while sessions.len() < threads {
        sessions.push(schema.connect(warehouse).await?);
    }
    let tasks = Arc::new(tasks);
    let running = Running { dialect: warehouse.dialect(), fail_fast: options.fail_fast, observer };
    let Scheduled { finished, sessions, statements, waited, stopped } =
        running.run(Arc::clone(&tasks), sessions, stop.clone()).await;
    outcome.statements += statements;
    outcome.waited += waited;
    for (task, finished) in tasks.iter().zip(finished) {
        outcome.add(task, finished);
    }

    if let Some(mut session) = sessions.into_iter().next() {
        if let Some(before) = before {
            outcome.rebuilt = rebuilt_since(&before, &proxies, schema, &mut session).await;
        }
        if !outcome.rebuilt.is_empty() {
            excuse(&mut outcome);
        }
        if stopped.is_none() && !*stop.borrow() {
            let made = outcome.made(&tasks, &proxies);
            let began = Instant::now();
            let sweeping = async |session: &mut Session| schema.sweep(session, &made).await;
            let swept = session.begin().until(stop.clone(), sweeping).await;
            outcome.waited += began.elapsed();
            outcome.left_behind = swept.err().map(Failure::from);
        }
    }
    // A signal while proxies are made is not seen by the schedule.
    outcome.stopped = stopped.or_else(|| (*stop.borrow()).then_some(Stop::Signal));
    Ok(outcome)
}

impl Outcome {
    /// Adds what became of a task.
    fn add(&mut self, task: &Task, Finished { ended, duration, attempts }: Finished) {
        let unique_id = task.unique_id.clone();
        match ended {
            Ended::Node(status) => self.nodes.push(NodeResult { unique_id, status, duration, attempts }),
            Ended::Test(status) => self.tests.push(TestResult { unique_id, status, duration, attempts }),
            Ended::Counted(count) => self.row_counts.push(count),
            Ended::Compared(misfit) => self.misfits.extend(misfit),
            Ended::Nothing => {}
        }
    }

    /// Identifiers of what this run has made.
    fn made<'a>(&self, tasks: &'a [Task], proxies: &'a [Proxy]) -> Vec<&'a str> {
        let built: BTreeSet<&UniqueId> = self
            .nodes
            .iter()
            .filter(|result| matches!(result.status, NodeStatus::Built { .. }))
            .map(|result| &result.unique_id)
            .collect();
        let built = tasks.iter().filter(|task| built.contains(&task.unique_id)).filter_map(|task| task.work.makes());
        let failed = |proxy: &Proxy| self.failed_proxies.iter().any(|failed| failed.unique_id == proxy.unique_id);
        let proxies = proxies.iter().filter(|proxy| !failed(proxy)).map(|proxy| &proxy.at);
        built.chain(proxies).map(|at| at.identifier()).collect()
    }
}

/// What the proxy views read, as the server sees it; `None` where it does not tie them to it.
async fn reads_of(proxies: &[Proxy], schema: &TempSchema, session: &mut Session) -> Option<BTreeSet<[String; 3]>> {
    if proxies.is_empty() || !session.traits().binds_proxies {
        return None;
    }
    // Beside the point where it cannot be asked: the statements that follow say why.
    session.reads_outside(schema.name()).await.ok().map(|reads| reads.into_iter().collect())
}

/// The nodes whose proxy views have gone with a relation of production, or read one that has stepped aside.
async fn rebuilt_since(
    before: &BTreeSet<[String; 3]>,
    proxies: &[Proxy],
    schema: &TempSchema,
    session: &mut Session,
) -> Vec<UniqueId> {
    let Some(after) = reads_of(proxies, schema, session).await else { return Vec::new() };
    let changed: BTreeSet<&str> = before.difference(&after).map(|[view, ..]| view.as_str()).collect();
    let rebuilt = proxies.iter().filter(|proxy| changed.contains(proxy.at.identifier()));
    rebuilt.map(|proxy| proxy.unique_id.clone()).collect()
}

/// What failed while production was rebuilt may have failed for that, and what a test found may be a mixture of old and
/// new.
fn excuse(outcome: &mut Outcome) {
    let rebuilt = || Failure {
        class: Some(FaultClass::Conflict),
        remedy: Some("run the check again".to_owned()),
        ..Failure::refused("production was rebuilt while the check read it")
    };
    let missing = |failure: &Failure| matches!(failure.class, Some(FaultClass::MissingRelation | FaultClass::Binding));
    for NodeResult { status, .. } in &mut outcome.nodes {
        match status {
            NodeStatus::Error(failure) if missing(failure) => *status = NodeStatus::Error(rebuilt()),
            NodeStatus::Built { .. } | NodeStatus::Error(_) | NodeStatus::Skipped { .. } | NodeStatus::NotRun => {}
        }
    }
    for TestResult { status, .. } in &mut outcome.tests {
        match status {
            TestStatus::Fail { .. } => *status = TestStatus::Error(rebuilt()),
            TestStatus::Error(failure) if missing(failure) => *status = TestStatus::Error(rebuilt()),
            TestStatus::Pass
            | TestStatus::Warn { .. }
            | TestStatus::Error(_)
            | TestStatus::Skipped { .. }
            | TestStatus::NotRun => {}
        }
    }
}

/// What came of the proxy views.
struct MadeProxies {
    failed: Vec<FailedProxy>,
    statements: u64,
}

/// All in one batch; where that fails, one by one, to know which.
async fn make_proxies(proxies: &[Proxy], schema: &TempSchema, session: &mut Session) -> MadeProxies {
    if proxies.is_empty() {
        return MadeProxies { failed: Vec::new(), statements: 0 };
    }
    let views: Vec<Write<'_>> =
        proxies.iter().map(|proxy| Write::Proxy { at: &proxy.at, select: &proxy.select }).collect();
    if let Ok(written) = session.write(&views).await {
        return MadeProxies { failed: Vec::new(), statements: written.statements };
    }
    let mut failed = Vec::new();
    for (proxy, view) in proxies.iter().zip(views) {
        // The batch may have made it before it failed at another; an earlier run's is replaced, not dropped.
        let drop = (!schema.replaces()).then_some(Write::Drop { at: &proxy.at });
        let writes: Vec<_> = drop.into_iter().chain([view]).collect();
        if let Err(error) = session.write(&writes).await {
            let failure = Failure {
                message: format!("could not create a proxy view of {}", proxy.production),
                remedy: error.remedy.clone().or_else(|| {
                    Some("production's manifest names it; does the relation exist, and may the role read it?".into())
                }),
                ..error.into()
            };
            failed.push(FailedProxy { unique_id: proxy.unique_id.clone(), failure });
        }
    }
    MadeProxies { failed, statements: 3 * u64::try_from(proxies.len()).unwrap_or(u64::MAX) }
}

/// Tasks that read a proxy that could not be made fail with its reason instead of the warehouse's.
fn block(tasks: &mut [Task], failed: &[FailedProxy]) {
    if failed.is_empty() {
        return;
    }
    let failed: HashMap<&UniqueId, &Failure> = failed.iter().map(|proxy| (&proxy.unique_id, &proxy.failure)).collect();
    for task in tasks {
        if let Some(failure) = task.reads.iter().find_map(|id| failed.get(id)) {
            task.work.refuse((*failure).clone());
        }
    }
}
