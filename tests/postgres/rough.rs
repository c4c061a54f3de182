//! A server for tests that kill, cut and drop, and how they run premerge on it.

use std::process::{Child, Command, Output, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use crate::cluster::Cluster;
use crate::ferry::{Checkout, with_production};

/// How long anything may take on a busy machine before it counts as hanging.
const HANGING: Duration = Duration::from_secs(60);

/// Waits for a run, and kills one that hangs: its exit code is then none.
pub fn finish(child: Child) -> Output {
    let pid = child.id().to_string();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if ended.recv_timeout(HANGING) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    watch.join().unwrap();
    output
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Output {
    finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// A server of its own: these tests drop what others would look at.
pub static ROUGH: LazyLock<Cluster> = LazyLock::new(|| with_production(Cluster::start(&[])));
/// And they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// How often, in the suite; `PREMERGE_TEST_REPEATS` multiplies it for runs by hand.
pub fn times(count: usize) -> usize {
    count * std::env::var("PREMERGE_TEST_REPEATS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

pub fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What a report says of every node and test, without times.
pub fn statuses(checkout: &Checkout) -> Vec<String> {
    let report = checkout.report();
    let mut list = Vec::new();
    for part in ["nodes", "tests"] {
        for entry in report[part].as_array().unwrap() {
            list.push(format!("{} {} {}", entry["unique_id"], entry["status"], entry["rows"]));
        }
    }
    list
}
