//! Signals that end a run early.

use tokio::sync::watch;

/// Turns true on SIGINT or SIGTERM: CI systems send one before they kill.
pub(super) fn signals(stop: watch::Sender<bool>) {
    tokio::spawn(async move {
        if wait_for_signal().await.is_ok() {
            stop.send_replace(true);
            // Kept, so that the receivers see the value and not the end of the channel.
            stop.closed().await;
        }
    });
}

#[cfg(unix)]
async fn wait_for_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn wait_for_signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
