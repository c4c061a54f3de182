//! Work on several cores, each piece with a time limit.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Stack of a worker. The lint library's parser recurses; address space costs nothing until it is used.
const STACK: usize = 256 * 1024 * 1024;

enum Event<R> {
    Began(usize, Instant),
    Ended(usize, R),
}

/// Works on `jobs`; a result is `None` where the time limit passed.
///
/// A thread cannot be stopped from outside: one that is over its limit is left alone, another takes its
/// place, and the process does not wait for it at its end.
pub(crate) fn run<J, R, W>(jobs: Vec<J>, threads: usize, limit: Duration, work: W) -> Vec<Option<R>>
where
    J: Send + 'static,
    R: Send + 'static,
    W: Fn(J) -> R + Send + Sync + 'static,
{
    let total = jobs.len();
    let mut results: Vec<Option<R>> = (0..total).map(|_| None).collect();
    let queue: Arc<Mutex<VecDeque<(usize, J)>>> = Arc::new(Mutex::new(jobs.into_iter().enumerate().collect()));
    let work = Arc::new(work);
    let (sender, events) = channel();
    let start = || usize::from(worker(&queue, &work, &sender));
    // Workers that still take jobs: those that were given up are not counted.
    let mut alive: usize = (0..threads.min(total)).map(|_| start()).sum();
    let mut running: HashMap<usize, Instant> = HashMap::new();
    let mut open = total;
    // A system that gives no thread leaves the jobs undone, which the caller reports.
    while open > 0 && alive > 0 {
        match events.recv_timeout(limit.min(Duration::from_millis(200))) {
            Ok(Event::Began(number, at)) => {
                running.insert(number, at);
            }
            Ok(Event::Ended(number, result)) => {
                // One that was given up already counts as such.
                if running.remove(&number).is_some() {
                    open -= 1;
                    if let Some(slot) = results.get_mut(number) {
                        *slot = Some(result);
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let late: Vec<usize> =
            running.iter().filter(|(_, began)| began.elapsed() > limit).map(|(number, _)| *number).collect();
        for number in late {
            running.remove(&number);
            open -= 1;
            alive = alive - 1 + start();
        }
    }
    results
}

/// Starts a worker; whether the system gave a thread.
fn worker<J, R, W>(queue: &Arc<Mutex<VecDeque<(usize, J)>>>, work: &Arc<W>, sender: &Sender<Event<R>>) -> bool
where
    J: Send + 'static,
    R: Send + 'static,
    W: Fn(J) -> R + Send + Sync + 'static,
{
    let (queue, work, sender) = (Arc::clone(queue), Arc::clone(work), sender.clone());
    let body = move || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((number, job)) = next else { return };
            if sender.send(Event::Began(number, Instant::now())).is_err() {
                return;
            }
            let result = work(job);
            if sender.send(Event::Ended(number, result)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("premerge-lint".to_owned()).stack_size(STACK).spawn(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_given_up_and_the_rest_is_done() {
        let jobs = vec![0_u64, 60_000, 0, 0];
        let results = run(jobs, 1, Duration::from_millis(100), |ms| {
            std::thread::sleep(Duration::from_millis(ms));
            ms
        });
        assert_eq!(results, [Some(0), None, Some(0), Some(0)]);
    }
}
