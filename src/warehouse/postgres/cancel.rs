//! Stopping a session's statement from another task.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::CancelToken;

use super::connection::Server;
use crate::warehouse::Canceller;

/// Stops statements of one session; once used it stays used until the next `canceller()`.
pub(super) struct Cancel {
    server: Arc<Server>,
    pub(super) asked: watch::Sender<bool>,
    pub(super) running: Mutex<Option<(CancelToken, bool)>>,
    sent: Mutex<Option<JoinHandle<()>>>,
}

impl Canceller for Cancel {
    fn cancel(&self) {
        self.asked.send_replace(true);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(token), Ok(runtime)) = (running.clone(), tokio::runtime::Handle::try_current()) {
            let server = Arc::clone(&self.server);
            let sent = runtime.spawn(async move { server.cancel(token).await });
            *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
        }
    }
}

impl Cancel {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        let (asked, running, sent) = (watch::Sender::new(false), Mutex::default(), Mutex::default());
        Self { server: Arc::clone(server), asked, running, sent }
    }

    /// The statement is over: nothing is cancelled any more, and what was asked for is waited for, because the process
    /// may end next.
    pub(super) async fn settle(&self, grace: Duration) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sent) = sent {
            let _ = tokio::time::timeout(grace, sent).await;
        }
    }
}
