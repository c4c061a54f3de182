//! A prepared plan carried out.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use super::changed::{Changed, Disturbance};
use super::event::{Event, Observer};
use super::moving::{ROUNDS, Sight, affected, excuse, questionable};
use super::prepare::Preparer;
use super::result::{FailedProxy, Failure, NodeResult, NodeStatus, Outcome, Stop, TestResult};
use super::schedule::{Finished, Running, Scheduled};
use super::task::{Prepared, Proxy, Task};
use super::work::Ended;
use crate::artifacts::UniqueId;
use crate::warehouse::{Session, TempSchema, Warehouse, WarehouseError, Write};

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
    (prepared, preparer): (Prepared, Preparer<'_>),
    first: Session,
    options: RunOptions,
    stop: watch::Receiver<bool>,
    observer: &dyn Observer,
) -> Result<Outcome, WarehouseError> {
    let Prepared { mut tasks, proxies, watch, identifiers } = prepared;
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
    let mut sight = session.begin().until(stop.clone(), async |s| Sight::take(&watch, None, s).await).await;

    let mut sessions = vec![session];
    let threads = options.threads.clamp(1, tasks.len().max(1));
    while sessions.len() < threads {
        sessions.push(schema.connect(warehouse).await?);
    }
    let tasks = Arc::new(tasks);
    let running = Running { dialect: warehouse.dialect(), fail_fast: options.fail_fast, observer, preparer: &preparer };
    let mut before = Vec::new();
    let mut round = 0;
    let (mut finished, mut last, stopped) = loop {
        let ran = running.run(Arc::clone(&tasks), before, sessions, stop.clone()).await;
        outcome.statements += ran.statements;
        outcome.waited += ran.waited;
        let Scheduled { mut finished, sessions: mut idle, stopped, .. } = ran;
        let Some(session) = idle.first_mut().filter(|_| stopped != Some(Stop::Signal)) else {
            break (finished, idle.into_iter().next(), stopped);
        };
        let looking = async |session: &mut Session| Sight::take(&watch, Some(&sight), session).await;
        let after = session.begin().until(stop.clone(), looking).await;
        let mut after = after;
        if stopped.is_none()
            && let Some(failed_at) = questionable(&tasks, &finished)
            && sight.changes(&after, &watch).is_empty()
        {
            // A red run pays with seconds for not being red for a mixture of old and new.
            let looking = async |session: &mut Session| sight.wait(&watch, failed_at, session).await;
            after = session.begin().until(stop.clone(), looking).await.unwrap_or(after);
        }
        let changed = sight.changes(&after, &watch);
        let again = affected(&tasks, &finished, &changed, round == 0);
        let is_missing = changed.iter().any(|found| found.change == Disturbance::Missing);
        outcome.remember(&changed);
        if again.is_empty() {
            break (finished, idle.into_iter().next(), stopped);
        }
        let tries_again = stopped.is_none() && round < ROUNDS && !is_missing;
        if !tries_again || drop_again(&tasks, &again, session, stop.clone()).await.is_err() {
            outcome.rebuilt = changed.into_iter().map(|found| found.unique_id).collect();
            finished
                .iter_mut()
                .enumerate()
                .filter(|(at, _)| again.contains(at))
                .for_each(|(_, f)| excuse(&mut f.ended));
            break (finished, idle.into_iter().next(), stopped);
        }
        let undone = |(at, finished)| if again.contains(&at) { None } else { Some(finished) };
        before = finished.into_iter().enumerate().map(undone).collect();
        (sight, sessions, round) = (after, idle, round + 1);
    };
    outcome.rounds = round;
    for (task, finished) in tasks.iter().zip(finished.drain(..)) {
        outcome.add(task, finished);
    }

    if let Some(session) = last.as_mut().filter(|_| stopped.is_none() && !*stop.borrow()) {
        let made = outcome.made(&tasks, &proxies);
        let began = Instant::now();
        let sweeping = async |session: &mut Session| schema.sweep(session, &made).await;
        let swept = session.begin().until(stop.clone(), sweeping).await;
        outcome.waited += began.elapsed();
        outcome.left_behind = swept.err().map(Failure::from);
    }
    // A signal while proxies are made is not seen by the schedule.
    outcome.stopped = stopped.or_else(|| (*stop.borrow()).then_some(Stop::Signal));
    Ok(outcome)
}

impl Outcome {
    /// Adds relations of production that have changed.
    fn remember(&mut self, changed: &[Changed]) {
        for found in changed {
            match self.changed.iter_mut().find(|known| known.unique_id == found.unique_id) {
                Some(known) => known.change = known.change.min(found.change),
                None => self.changed.push(found.clone()),
            }
        }
    }

    /// Adds what became of a task.
    fn add(&mut self, task: &Task, Finished { ended, duration, attempts, at: _ }: Finished) {
        let unique_id = task.unique_id.clone();
        match ended {
            Ended::Node(status) => self.nodes.push(NodeResult { unique_id, status, duration, attempts }),
            Ended::Test(status) => self.tests.push(TestResult { unique_id, status, duration, attempts }),
            Ended::Counted(count) => self.row_counts.push(count),
            Ended::Compared(compared) => {
                self.misfits.extend(compared.misfit);
                self.kept_rows.extend(compared.rows);
            }
            Ended::Keys(repeated) => self.repeated_keys.push(repeated),
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
        let built = tasks.iter().filter(|task| built.contains(&task.unique_id)).flat_map(|task| task.work.makes());
        let failed = |proxy: &Proxy| self.failed_proxies.iter().any(|failed| failed.unique_id == proxy.unique_id);
        let proxies = proxies.iter().filter(|proxy| !failed(proxy)).map(|proxy| &proxy.at);
        built.chain(proxies).map(|at| at.identifier()).collect()
    }
}

/// Drops what these tasks have built, for them to be done again.
async fn drop_again(
    tasks: &[Task],
    again: &BTreeSet<usize>,
    session: &mut Session,
    stop: watch::Receiver<bool>,
) -> Result<(), WarehouseError> {
    let made = again.iter().filter_map(|at| tasks.get(*at)).flat_map(|task| task.work.makes());
    let drops: Vec<_> = made.map(|at| Write::Drop { at }).collect();
    if drops.is_empty() {
        return Ok(());
    }
    let dropping = async |session: &mut Session| session.write(&drops).await.map(|_| ());
    session.begin().until(stop, dropping).await
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
                    Some("check that the relation exists in production and that the role can read it".into())
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
