//! Production that is rebuilt while the run reads it.
//!
//! What the run reads is looked at before and after. Where something was replaced or written to in between, what reads it
//! may be of old and new, so it is done again; that is bounded, because production may go on.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::changed::{Changed, Disturbance};
use super::result::{Failure, NodeStatus, TestStatus};
use super::schedule::Finished;
use super::task::{Task, Watch, Watched};
use super::work::Ended;
use crate::artifacts::UniqueId;
use crate::warehouse::{FaultClass, Seen, Session, TableBelow};

/// Times that what reads a changed relation is done again.
pub(super) const ROUNDS: usize = 3;
/// How often, and how many times, a relation is looked for that is not there for the moment: dbt drops what reads a table
/// when it replaces the table, and makes it again in its turn.
const PAUSE: Duration = Duration::from_millis(500);
const LOOKS: usize = 10;

/// What the run reads of production, as it was when it was looked at.
pub(super) struct Sight(Option<Vec<Seen>>);

impl Sight {
    /// Looks, and where `before` or production's manifest says that there is a relation and there is none, again for a
    /// few seconds.
    pub(super) async fn take(watch: &Watch, before: Option<&Self>, session: &mut Session) -> Self {
        let names: Vec<_> = watch.relations.iter().map(|watched| &watched.name).collect();
        let mut looks = 1;
        loop {
            // Beside the point where it cannot be asked: the statements that follow say why.
            let Ok(Some(seen)) = session.look_at(&names).await else { return Self(None) };
            let sight = Self(Some(seen));
            let settled = match before {
                Some(before) => !before.changes(&sight, watch).iter().any(|found| found.change == Disturbance::Missing),
                None => sight.missing(watch).next().is_none(),
            };
            if settled || looks == LOOKS {
                return sight;
            }
            looks += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Looks again until all shows that was written before `until`, or something has changed.
    pub(super) async fn wait(&self, watch: &Watch, until: Instant, session: &mut Session) -> Option<Self> {
        let names: Vec<_> = watch.relations.iter().map(|watched| &watched.name).collect();
        loop {
            // First who is there, then what they have written: what those wrote that have left shows.
            let late = session.shows_late(&names).await.ok()?;
            let sight = Self(session.look_at(&names).await.ok()?);
            let is_over = late.is_none_or(|late| until.elapsed() >= late);
            if is_over || !self.changes(&sight, watch).is_empty() {
                return Some(sight);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What production's manifest names and that is not there.
    fn missing<'w>(&self, watch: &'w Watch) -> impl Iterator<Item = &'w Watched> {
        let pairs = watch.relations.iter().zip(self.0.iter().flatten());
        pairs.filter(|(watched, seen)| !seen.is_there() && watched.is_productions).map(|(watched, _)| watched)
    }

    /// What has changed until `after`, and what is not there.
    pub(super) fn changes(&self, after: &Self, watch: &Watch) -> Vec<Changed> {
        let (Some(before), Some(after)) = (&self.0, &after.0) else { return Vec::new() };
        let pairs = before.iter().zip(after);
        let changes = watch.relations.iter().zip(pairs).filter_map(|(watched, (before, after))| {
            let change = if !after.is_there() {
                // A source that never was there is the pull request's mistake.
                (before.is_there() || watched.is_productions).then_some(Disturbance::Missing)?
            } else if before.made_of != after.made_of {
                Disturbance::Replaced
            } else {
                let mut written = before.written_until(after).peekable();
                written.peek()?;
                let by_dbt = |table: &TableBelow| watch.built.contains(&(table.schema.clone(), table.name.clone()));
                if written.any(by_dbt) { Disturbance::Written } else { Disturbance::Loaded }
            };
            Some(Changed { unique_id: watched.unique_id.clone(), change })
        });
        changes.collect()
    }
}

/// The tasks that have to be done again, because what they read was changed. Rows that come into a source all the time are
/// no reason as long as all went well; where something failed, they may be why, and `first` says that it was not tried
/// again yet.
pub(super) fn affected(tasks: &[Task], finished: &[Finished], changed: &[Changed], first: bool) -> BTreeSet<usize> {
    let changes: HashMap<&UniqueId, Disturbance> =
        changed.iter().map(|found| (&found.unique_id, found.change)).collect();
    let certain = |id: &UniqueId| changes.get(id).is_some_and(|change| *change != Disturbance::Loaded);
    let mut affected = with_dependents(tasks, |task| task.reads.iter().any(certain));
    if first {
        let perhaps = with_dependents(tasks, |task| task.reads.iter().any(|id| changes.contains_key(id)));
        if perhaps.iter().any(|at| finished.get(*at).is_some_and(|finished| failed(&finished.ended))) {
            affected.extend(perhaps);
        }
    }
    affected
}

/// When the last task failed that may have failed for a mixture of old and new: one that reads production, or what was built
/// of it.
pub(super) fn questionable(tasks: &[Task], finished: &[Finished]) -> Option<Instant> {
    let readers = with_dependents(tasks, |task| !task.reads.is_empty());
    let readers = readers.into_iter().filter_map(|at| finished.get(at));
    readers.filter(|finished| is_excusable(&finished.ended)).filter_map(|finished| finished.at).max()
}

fn failed(ended: &Ended) -> bool {
    match ended {
        Ended::Node(NodeStatus::Error(_)) | Ended::Test(TestStatus::Error(_) | TestStatus::Fail { .. }) => true,
        Ended::Node(NodeStatus::Built { .. } | NodeStatus::Skipped { .. } | NodeStatus::NotRun)
        | Ended::Test(TestStatus::Pass | TestStatus::Warn { .. } | TestStatus::Skipped { .. } | TestStatus::NotRun)
        | Ended::Counted(_)
        | Ended::Compared(_)
        | Ended::Keys(_)
        | Ended::Nothing => false,
    }
}

/// What failed while production was rebuilt may have failed for that, and what a test found may be a mixture of old and
/// new.
pub(super) fn excuse(ended: &mut Ended) {
    let rebuilt = || Failure {
        class: Some(FaultClass::Conflict),
        remedy: Some("run the check again".to_owned()),
        ..Failure::refused("production was being rebuilt while the check read it")
    };
    if !is_excusable(ended) {
        return;
    }
    match ended {
        Ended::Node(status) => *status = NodeStatus::Error(rebuilt()),
        Ended::Test(status) => *status = TestStatus::Error(rebuilt()),
        Ended::Counted(_) | Ended::Compared(_) | Ended::Keys(_) | Ended::Nothing => {}
    }
}

/// Whether it may have failed because production was rebuilt.
fn is_excusable(ended: &Ended) -> bool {
    let perhaps = |failure: &Failure| {
        matches!(
            failure.class,
            Some(FaultClass::MissingRelation | FaultClass::Binding | FaultClass::Data | FaultClass::Other)
        )
    };
    match ended {
        Ended::Node(NodeStatus::Error(failure)) | Ended::Test(TestStatus::Error(failure)) => perhaps(failure),
        Ended::Test(TestStatus::Fail { .. }) => true,
        Ended::Node(NodeStatus::Built { .. } | NodeStatus::Skipped { .. } | NodeStatus::NotRun)
        | Ended::Test(TestStatus::Pass | TestStatus::Warn { .. } | TestStatus::Skipped { .. } | TestStatus::NotRun)
        | Ended::Counted(_)
        | Ended::Compared(_)
        | Ended::Keys(_)
        | Ended::Nothing => false,
    }
}

/// Those that `begin` picks, and all that comes after them.
fn with_dependents(tasks: &[Task], begin: impl Fn(&Task) -> bool) -> BTreeSet<usize> {
    let mut successors: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, task) in tasks.iter().enumerate() {
        for before in &task.after {
            successors.entry(*before).or_default().push(at);
        }
    }
    let mut left: Vec<usize> = tasks.iter().enumerate().filter(|(_, task)| begin(task)).map(|(at, _)| at).collect();
    let mut found: HashSet<usize> = left.iter().copied().collect();
    while let Some(at) = left.pop() {
        for next in successors.get(&at).into_iter().flatten() {
            if found.insert(*next) {
                left.push(*next);
            }
        }
    }
    found.into_iter().collect()
}
