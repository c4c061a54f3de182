//! Stopping a session's statement from another task.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio_postgres::CancelToken;

use super::connection::Server;
use crate::warehouse::Canceller;

/// Stops statements of one session; once used it stays used until the next `canceller()`.
pub(super) struct Cancel {
    server: Arc<Server>,
    pub(super) asked: watch::Sender<bool>,
    pub(super) running: Mutex<Option<(CancelToken, bool)>>,
}

impl Canceller for Cancel {
    fn cancel(&self) {
        self.asked.send_replace(true);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some(token), Ok(runtime)) = (running, tokio::runtime::Handle::try_current()) {
            let server = Arc::clone(&self.server);
            runtime.spawn(async move { server.cancel(token).await });
        }
    }
}

impl Cancel {
    pub(super) fn new(server: &Arc<Server>) -> Self {
        Self { server: Arc::clone(server), asked: watch::Sender::new(false), running: Mutex::new(None) }
    }
}
