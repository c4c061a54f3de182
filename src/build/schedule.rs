//! Jobs in dependency order, as many at once as there are sessions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::event::{Event, Observer};
use super::job::Job;
use super::outcome::{JobResult, JobStatus, Stop};
use super::work::{Performed, perform};
use crate::warehouse::Session;

/// What the schedule ended with.
pub(super) struct Scheduled {
    pub(super) results: Vec<JobResult>,
    pub(super) sessions: Vec<Session>,
    pub(super) statements: u64,
    pub(super) waited: Duration,
    pub(super) stopped: Option<Stop>,
}

/// Runs `jobs`; jobs that become ready at the same time start in list order. A job whose predecessor did
/// not end well is skipped, and so are its successors.
pub(super) async fn run(
    jobs: Arc<Vec<Job>>,
    sessions: Vec<Session>,
    fail_fast: bool,
    mut stop: watch::Receiver<bool>,
    observer: &dyn Observer,
) -> Scheduled {
    let mut state = State::new(&jobs);
    let mut idle = sessions;
    let mut running: JoinSet<Ran> = JoinSet::new();
    // Turns true when what is running is to be cancelled.
    let (halt, halted) = watch::channel(false);
    let (mut statements, mut waited, mut stopped) = (0, Duration::ZERO, None);
    // Since when at least one answer is awaited.
    let mut busy_since: Option<Instant> = None;
    loop {
        while stopped.is_none() && !idle.is_empty() {
            let Some(at) = state.ready.pop_first() else { break };
            let Some(job) = jobs.get(at) else { break };
            if let Some(because) = state.blocked_by.get(at).cloned().flatten() {
                let status = JobStatus::Skipped { because };
                let done = Performed { status, rows: None, statements: 0, attempts: 0 };
                finish(&mut state, &jobs, at, done, Duration::ZERO, observer);
                continue;
            }
            let Some(mut session) = idle.pop() else { break };
            observer.on(&Event::Started { name: &job.name, test: job.is_test });
            let (jobs, halted) = (Arc::clone(&jobs), halted.clone());
            running.spawn(async move {
                let started = Instant::now();
                let done = match jobs.get(at) {
                    Some(job) => {
                        let work = async |session: &mut Session| perform(&job.work, session).await;
                        session.begin().until(halted, work).await
                    }
                    None => Performed { status: JobStatus::NotRun, rows: None, statements: 0, attempts: 0 },
                };
                Ran { at, session, done, duration: started.elapsed() }
            });
        }
        if running.is_empty() {
            break;
        }
        busy_since.get_or_insert_with(Instant::now);
        tokio::select! {
            Some(ended) = running.join_next() => {
                // A task that panicked took its session with it; its job stays "not run", and the run is incomplete.
                let Ok(ran) = ended else { continue };
                let Ran { at, session, done, duration } = ran;
                idle.push(session);
                statements += done.statements;
                if running.is_empty() {
                    waited += busy_since.take().map(|since| since.elapsed()).unwrap_or_default();
                }
                let well = done.status.lets_descendants_run();
                finish(&mut state, &jobs, at, done, duration, observer);
                if fail_fast && !well && stopped.is_none() {
                    stopped = Some(Stop::FailFast);
                    halt.send_replace(true);
                }
            }
            Ok(_) = stop.wait_for(|stop| *stop), if stopped.is_none() => {
                stopped = Some(Stop::Signal);
                halt.send_replace(true);
            }
        }
    }
    let results = state
        .results
        .into_iter()
        .zip(jobs.iter())
        .map(|(result, job)| {
            result.unwrap_or_else(|| JobResult {
                unique_id: job.unique_id.clone(),
                status: JobStatus::NotRun,
                rows: None,
                duration: Duration::ZERO,
                attempts: 0,
            })
        })
        .collect();
    Scheduled { results, sessions: idle, statements, waited, stopped }
}

struct Ran {
    at: usize,
    session: Session,
    done: Performed,
    duration: Duration,
}

struct State {
    /// Predecessors that have not ended, for each job.
    waiting: Vec<usize>,
    successors: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    /// The first failure upstream of each job.
    blocked_by: Vec<Option<String>>,
    results: Vec<Option<JobResult>>,
    done: usize,
}

impl State {
    fn new(jobs: &[Job]) -> Self {
        let mut successors = vec![Vec::new(); jobs.len()];
        let mut waiting = vec![0; jobs.len()];
        for (at, (job, waiting)) in jobs.iter().zip(&mut waiting).enumerate() {
            for before in &job.after {
                if let Some(list) = successors.get_mut(*before) {
                    list.push(at);
                    *waiting += 1;
                }
            }
        }
        let ready = waiting.iter().enumerate().filter(|(_, waiting)| **waiting == 0).map(|(at, _)| at).collect();
        Self {
            waiting,
            successors,
            ready,
            blocked_by: vec![None; jobs.len()],
            results: jobs.iter().map(|_| None).collect(),
            done: 0,
        }
    }
}

fn finish(state: &mut State, jobs: &[Job], at: usize, done: Performed, duration: Duration, observer: &dyn Observer) {
    let Performed { status, rows, attempts, .. } = done;
    let Some(job) = jobs.get(at) else { return };
    let blame = match &status {
        JobStatus::Skipped { because } => Some(because.clone()),
        status if status.lets_descendants_run() => None,
        _ => Some(job.unique_id.clone()),
    };
    for successor in state.successors.get(at).cloned().unwrap_or_default() {
        if let (Some(blame), Some(slot)) = (&blame, state.blocked_by.get_mut(successor)) {
            slot.get_or_insert_with(|| blame.clone());
        }
        if let Some(waiting) = state.waiting.get_mut(successor) {
            *waiting -= 1;
            if *waiting == 0 {
                state.ready.insert(successor);
            }
        }
    }
    state.done += 1;
    observer.on(&Event::Finished {
        name: &job.name,
        test: job.is_test,
        status: &status,
        rows,
        duration,
        done: state.done,
        jobs: jobs.len(),
    });
    if let Some(slot) = state.results.get_mut(at) {
        *slot = Some(JobResult { unique_id: job.unique_id.clone(), status, rows, duration, attempts });
    }
}
