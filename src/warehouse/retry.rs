//! When a statement that failed for a reason that passes is sent again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Times that one statement is sent at most.
pub(super) const ATTEMPTS: u32 = 4;
/// How long a statement is sent again that waits for somebody's lock, each time briefly.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// Before the second attempt; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Waits before the next attempt: twice as long each time, give or take half, so that sessions that failed
/// together do not come back together.
pub(super) async fn pause(attempt: u32) {
    let full = FIRST_PAUSE * 2_u32.saturating_pow(attempt.saturating_sub(1).min(5));
    // A hasher's random keys are randomness enough for this.
    let random = RandomState::new().build_hasher().finish() % 1000;
    let share = 0.5 + f64::from(u32::try_from(random).unwrap_or(0)) / 1000.0;
    tokio::time::sleep(full.mul_f64(share)).await;
}
