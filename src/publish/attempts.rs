//! How often and after which pause something is tried again.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// The pauses between attempts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempts {
    /// Attempts in all.
    pub(super) most: u32,
    /// Pause after the first; it doubles each time.
    pub(super) pause: Duration,
    /// No pause is longer, also when the forge asks for it.
    pub(super) longest: Duration,
}

impl Attempts {
    /// The pause after attempt `number` (from 1): what the forge asked for, or a doubling one with jitter, so
    /// that many jobs that failed together do not come back together. `None` when the forge asks for more than
    /// a job should wait.
    pub(super) fn pause_after(&self, number: u32, asked: Option<Duration>) -> Option<Duration> {
        if let Some(asked) = asked {
            return (asked <= self.longest).then_some(asked);
        }
        let doubled = self.pause.saturating_mul(2_u32.saturating_pow(number.saturating_sub(1))).min(self.longest);
        // Between half and all of it.
        let random = HashMap::<(), ()>::new().hasher().build_hasher().finish();
        let share = 50 + u32::try_from(random % 51).unwrap_or(0);
        Some(doubled.saturating_mul(share) / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_stay_within_bounds_and_obey_the_forge() {
        let attempts = Attempts { most: 4, pause: Duration::from_secs(1), longest: Duration::from_secs(60) };
        for number in 1..40 {
            let pause = attempts.pause_after(number, None).unwrap();
            assert!(pause >= Duration::from_millis(500) && pause <= Duration::from_secs(60), "{number}: {pause:?}");
        }
        assert!(attempts.pause_after(5, None).unwrap() >= Duration::from_secs(8));
        assert_eq!(attempts.pause_after(1, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(attempts.pause_after(1, Some(Duration::from_secs(3_600))), None);
    }
}
