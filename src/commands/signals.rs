//! Signals that end a command early.

use std::time::Duration;

use tokio::sync::watch;

/// Turns true on SIGINT, SIGTERM or SIGHUP: CI systems send one before they kill, and a terminal that is closed
/// sends the last.
pub(super) fn signals(stop: watch::Sender<bool>) {
    tokio::spawn(async move {
        if wait_for_signal().await.is_ok() {
            stop.send_replace(true);
            exit_after(AFTER_ONE);
            tokio::spawn(async {
                if wait_for_signal().await.is_ok() {
                    exit_after(AFTER_TWO);
                }
            });
            // Kept, so that the receivers see the value and not the end of the channel.
            stop.closed().await;
        }
    });
}

/// How long a command may take to come to its end after a signal: it stops its statements and drops its schema. An
/// engine in this process may go on with a statement that it does not let be interrupted.
const AFTER_ONE: Duration = Duration::from_secs(90);

/// The same after a second signal: whoever sends it does not want to wait.
const AFTER_TWO: Duration = Duration::from_secs(3);

/// Ends the process after so long, whatever it does. What it had to say in that case was written when it began.
#[allow(clippy::exit, reason = "nothing else ends a thread that an engine holds")]
fn exit_after(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        std::process::exit(INCOMPLETE);
    });
}

/// The exit code of a run that did not come to its end.
const INCOMPLETE: i32 = 3;

#[cfg(unix)]
async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hang_up = if ignores_hang_up() { None } else { Some(signal(SignalKind::hangup())?) };
    let hung_up = async {
        match &mut hang_up {
            Some(hang_up) => hang_up.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hung_up => {}
    }
    Ok(())
}

/// Whether the command was started by `nohup`, as far as the system tells: listening would undo that.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // SIGHUP is the first.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(not(unix))]
async fn wait_for_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
