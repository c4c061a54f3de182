//! Signs of life, and the news that a newer run has taken the schema.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::register::{RUNS, Register};
use super::write::Write;
use super::{FaultClass, Session, TempSchema, Warehouse, WarehouseError};

/// How often a run on an engine without a server looks for a newer one.
const LOOK: Duration = Duration::from_millis(200);

/// Keeps a temporary schema while a run works in it. A session of its own tells the register every few
/// seconds that the run lives, and learns there that a newer run has taken over.
pub struct Lease {
    schema: TempSchema,
    lost: Arc<AtomicBool>,
    notice: Option<String>,
    done: watch::Sender<bool>,
    task: JoinHandle<Option<Session>>,
}

impl Lease {
    /// Begins to keep `schema`. `stop` turns true when a newer run has it: the same channel that ends a run on
    /// a signal, so that running statements are cancelled. Who waits for a lock of this run's is seen at two of its looks
    /// in a row, so that its statement is cancelled before `give_way` is over. `workers` are the sessions that will send
    /// statements beside it.
    ///
    /// # Errors
    /// When no connection can be made.
    pub async fn keep(
        warehouse: Arc<dyn Warehouse>,
        schema: &TempSchema,
        every: Duration,
        give_way: Duration,
        workers: usize,
        stop: watch::Sender<bool>,
    ) -> Result<Self, WarehouseError> {
        // No guard: this session has to write the end of a run that has lost its schema, too.
        let mut session = warehouse.connect().await?;
        let notice = session.reserve(workers).await?;
        let lost = Arc::new(AtomicBool::new(false));
        let (done, mut ended) = watch::channel(false);
        let (kept, flag) = (schema.clone(), Arc::clone(&lost));
        let task = tokio::spawn(async move {
            let mut beat = tokio::time::interval(every.max(LOOK));
            let mut look = tokio::time::interval(LOOK);
            let mut polite = tokio::time::interval((give_way * 2 / 5).max(LOOK / 4));
            let mut waiting = Vec::new();
            loop {
                let found = tokio::select! {
                    _ = ended.changed() => return Some(session),
                    _ = look.tick() => warehouse.superseded(),
                    _ = polite.tick() => {
                        let passing = session.let_pass(&waiting);
                        waiting = tokio::time::timeout(every * 4, passing).await.ok().and_then(Result::ok).unwrap_or_default();
                        false
                    }
                    _ = beat.tick() => {
                        // A warehouse that hangs must not keep the run from ending.
                        let beat = beat_once(&kept, &mut session);
                        tokio::time::timeout(every * 4, beat).await.unwrap_or(false)
                    }
                };
                if found {
                    flag.store(true, Ordering::Relaxed);
                    stop.send_replace(true);
                    return Some(session);
                }
            }
        });
        Ok(Self { schema: schema.clone(), lost, notice, done, task })
    }

    /// What the reader should know of how the schema is kept.
    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Whether a newer run has taken the schema.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Writes into the register that the run is over.
    ///
    /// # Errors
    /// What the warehouse said; the schema is then taken for that of a run that was killed.
    pub async fn end(self) -> Result<(), WarehouseError> {
        self.done.send_replace(true);
        let Ok(Some(mut session)) = self.task.await else { return Ok(()) };
        let at = self.schema.relation(RUNS);
        let sql = Register::of(&self.schema).end(&self.schema.owner().run, &Timestamp::now().to_string());
        session.write(&[Write::Bookkeeping { at: &at, sql: &sql }]).await.map(|_| ())
    }
}

/// Whether the schema is lost. A fault of the warehouse says nothing about it; the next beat tries again.
async fn beat_once(schema: &TempSchema, session: &mut Session) -> bool {
    let owner = schema.owner();
    let now = Timestamp::now();
    let span = |from: &str, to: &str| -> Option<SignedDuration> {
        Some(to.parse::<Timestamp>().ok()?.duration_since(from.parse().ok()?))
    };
    // As long after this sign of life as the first expiry was after the start.
    let kept = span(&owner.started_at, &owner.expires_at).unwrap_or(SignedDuration::from_hours(24));
    let expires = now.checked_add(kept).unwrap_or(now);
    let at = schema.relation(RUNS);
    let sql = Register::of(schema).beat(&owner.run, &now.to_string(), &expires.to_string());
    match session.write(&[Write::Bookkeeping { at: &at, sql: &sql }]).await {
        Ok(written) => written.rows == Some(0),
        // Clean-up has dropped the register.
        Err(error) => matches!(error.class, FaultClass::MissingRelation | FaultClass::Superseded),
    }
}
