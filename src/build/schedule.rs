//! Tasks in dependency order, as many at once as there are sessions.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::event::{self, Event, Observer};
use super::prepare::Preparer;
use super::result::Stop;
use super::task::{Task, Work};
use super::work::{Ended, Performed, perform};
use crate::artifacts::UniqueId;
use crate::sql::Dialect;
use crate::warehouse::Session;

/// What the schedule ended with.
pub(super) struct Scheduled {
    /// One for each task.
    pub(super) finished: Vec<Finished>,
    pub(super) sessions: Vec<Session>,
    pub(super) statements: u64,
    pub(super) waited: Duration,
    pub(super) stopped: Option<Stop>,
}

/// What became of one task.
pub(super) struct Finished {
    pub(super) ended: Ended,
    /// From sending to answer; zero when it never ran.
    pub(super) duration: Duration,
    /// How many times it was sent.
    pub(super) attempts: u32,
    /// When the answer came; `None` when it never ran.
    pub(super) at: Option<Instant>,
}

impl Finished {
    fn unsent(ended: Ended) -> Self {
        Self { ended, duration: Duration::ZERO, attempts: 0, at: None }
    }
}

/// How the tasks are run.
pub(super) struct Running<'a> {
    pub(super) dialect: Dialect,
    /// Stop at the first failure.
    pub(super) fail_fast: bool,
    pub(super) observer: &'a dyn Observer,
    /// Prepares what is prepared at its turn.
    pub(super) preparer: &'a Preparer<'a>,
}

impl Running<'_> {
    /// Runs those of `tasks` that `before` has nothing of; those that become ready at the same time start in list order.
    /// A task whose predecessor did not end well is skipped, and so are its successors.
    pub(super) async fn run(
        &self,
        tasks: Arc<Vec<Task>>,
        before: Vec<Option<Finished>>,
        sessions: Vec<Session>,
        mut stop: watch::Receiver<bool>,
    ) -> Scheduled {
        let mut state = State::new(&tasks, before, self.observer);
        let mut idle = sessions;
        let mut running: JoinSet<Ran> = JoinSet::new();
        // Turns true when what is running is to be cancelled.
        let (halt, halted) = watch::channel(false);
        let (mut statements, mut waited, mut stopped) = (0, Duration::ZERO, None);
        // Texts that are being made, and what was made of them.
        let mut making = FuturesUnordered::new();
        let mut made: HashMap<usize, Work> = HashMap::new();
        // Since when at least one answer is awaited.
        let mut busy_since: Option<Instant> = None;
        loop {
            while stopped.is_none() && !idle.is_empty() {
                let Some(at) = state.ready.pop_first() else { break };
                let Some(task) = tasks.get(at) else { break };
                if let Some(because) = state.blocked_by.get(at).cloned().flatten() {
                    state.finish(at, Finished::unsent(Ended::skipped(&task.work, because)));
                    continue;
                }
                if let Work::Later(later) = &task.work
                    && !made.contains_key(&at)
                {
                    making.push(async move { (at, self.preparer.at_turn(&task.unique_id, later).await) });
                    continue;
                }
                let Some(session) = idle.pop() else { break };
                if task.work.is_shown() {
                    self.observer.on(&Event::Started { name: &task.name });
                }
                let turn = Turn { at, made: made.remove(&at), dialect: self.dialect };
                running.spawn(carry_out(Arc::clone(&tasks), turn, session, halted.clone()));
            }
            if stopped.is_some() {
                making.clear();
            }
            if running.is_empty() && making.is_empty() {
                break;
            }
            if !running.is_empty() {
                busy_since.get_or_insert_with(Instant::now);
            }
            tokio::select! {
                Some(ended) = running.join_next() => {
                    // A task that panicked took its session with it; its node or test stays "not run", and the run is
                    // incomplete.
                    let Ok(Ran { at, session, finished, statements: sent }) = ended else { continue };
                    idle.push(session);
                    statements += sent;
                    if running.is_empty() {
                        waited += busy_since.take().map(|since| since.elapsed()).unwrap_or_default();
                    }
                    let well = state.finish(at, finished);
                    if self.fail_fast && !well && stopped.is_none() {
                        stopped = Some(Stop::FailFast);
                        halt.send_replace(true);
                    }
                }
                Some((at, work)) = making.next() => {
                    made.insert(at, work);
                    state.ready.insert(at);
                }
                Ok(_) = stop.wait_for(|stop| *stop), if stopped.is_none() => {
                    stopped = Some(Stop::Signal);
                    halt.send_replace(true);
                }
            }
        }
        let finished = state.finished.into_iter().zip(tasks.iter());
        let finished =
            finished.map(|(ended, task)| ended.unwrap_or_else(|| Finished::unsent(Ended::not_run(&task.work))));
        Scheduled { finished: finished.collect(), sessions: idle, statements, waited, stopped }
    }
}

/// A task that has ended, and its session for the next one.
struct Ran {
    at: usize,
    session: Session,
    finished: Finished,
    statements: u64,
}

/// Which task, and what was made of it at its turn.
struct Turn {
    at: usize,
    made: Option<Work>,
    dialect: Dialect,
}

async fn carry_out(
    tasks: Arc<Vec<Task>>,
    Turn { at, made, dialect }: Turn,
    mut session: Session,
    halted: watch::Receiver<bool>,
) -> Ran {
    let started = Instant::now();
    let Some(task) = tasks.get(at) else {
        return Ran { at, session, finished: Finished::unsent(Ended::Nothing), statements: 0 };
    };
    let work = made.as_ref().unwrap_or(&task.work);
    let work = async |session: &mut Session| perform(work, dialect, session).await;
    let Performed { ended, statements, attempts } = session.begin().until(halted.clone(), work).await;
    let ended = if *halted.borrow() { ended.stopped() } else { ended };
    let finished = Finished { ended, duration: started.elapsed(), attempts, at: Some(Instant::now()) };
    Ran { at, session, finished, statements }
}

struct State<'a> {
    tasks: &'a [Task],
    observer: &'a dyn Observer,
    /// Predecessors that have not ended, for each task.
    waiting: Vec<usize>,
    successors: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
    /// The first failure upstream of each task.
    blocked_by: Vec<Option<UniqueId>>,
    finished: Vec<Option<Finished>>,
    /// Nodes and tests that have ended.
    done: usize,
    /// Nodes and tests in all.
    of: usize,
}

impl<'a> State<'a> {
    fn new(tasks: &'a [Task], before: Vec<Option<Finished>>, observer: &'a dyn Observer) -> Self {
        let is_done = |at: usize| before.get(at).is_some_and(Option::is_some);
        let mut blocked_by = vec![None; tasks.len()];
        let mut successors = vec![Vec::new(); tasks.len()];
        let mut waiting = vec![0; tasks.len()];
        for (at, (task, waiting)) in tasks.iter().zip(&mut waiting).enumerate() {
            for before in &task.after {
                if let Some(list) = successors.get_mut(*before) {
                    list.push(at);
                    *waiting += usize::from(!is_done(*before));
                }
            }
        }
        for (at, finished) in before.iter().enumerate() {
            let blame = tasks.get(at).zip(finished.as_ref()).and_then(|(task, f)| f.ended.blame(&task.unique_id));
            for successor in successors.get(at).into_iter().flatten().filter(|_| blame.is_some()) {
                if let Some(slot) = blocked_by.get_mut(*successor) {
                    *slot = blame.clone();
                }
            }
        }
        let ready = waiting.iter().enumerate().filter(|(at, waiting)| **waiting == 0 && !is_done(*at));
        let ready = ready.map(|(at, _)| at).collect();
        let shown = |at: &usize| tasks.get(*at).is_some_and(|task| task.work.is_shown());
        let done = (0..tasks.len()).filter(|at| is_done(*at)).filter(shown).count();
        let mut finished = before;
        finished.resize_with(tasks.len(), || None);
        Self {
            tasks,
            observer,
            waiting,
            successors,
            ready,
            blocked_by,
            finished,
            done,
            of: tasks.iter().filter(|task| task.work.is_shown()).count(),
        }
    }

    /// Keeps what became of a task and lets its successors know; whether it ended well.
    fn finish(&mut self, at: usize, finished: Finished) -> bool {
        let Some(task) = self.tasks.get(at) else { return true };
        let blame = finished.ended.blame(&task.unique_id);
        for successor in self.successors.get(at).cloned().unwrap_or_default() {
            if let (Some(blame), Some(slot)) = (&blame, self.blocked_by.get_mut(successor)) {
                slot.get_or_insert_with(|| blame.clone());
            }
            if let Some(waiting) = self.waiting.get_mut(successor) {
                *waiting -= 1;
                if *waiting == 0 {
                    self.ready.insert(successor);
                }
            }
        }
        self.show(task, &finished);
        if let Some(slot) = self.finished.get_mut(at) {
            *slot = Some(finished);
        }
        blame.is_none()
    }

    fn show(&mut self, task: &Task, Finished { ended, duration, .. }: &Finished) {
        self.done += usize::from(task.work.is_shown());
        let which = event::Ended { name: &task.name, duration: *duration, done: self.done, of: self.of };
        match ended {
            Ended::Node(status) => self.observer.on(&Event::Node { status, ended: which }),
            Ended::Test(status) => self.observer.on(&Event::Test { status, ended: which }),
            Ended::Counted(_) | Ended::Compared(_) | Ended::Keys(_) | Ended::Nothing => {}
        }
    }
}
