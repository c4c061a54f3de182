//! Work on many members, on all processors.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use crate::artifacts::Members;

/// How many members a thread takes at a time. Manifests hold models before tests, and a model takes much longer than
/// a test: with one large part for each thread, one of them would get all models.
const PART: usize = 512;

/// What `work` makes of each part of `0..length`, in order. The parts are worked on at the same time.
pub(super) fn in_parts<T: Send>(length: usize, work: impl Fn(std::ops::Range<usize>) -> T + Sync) -> Vec<T> {
    let parts = length.div_ceil(PART);
    let threads = available_parallelism().map_or(1, std::num::NonZero::get).min(parts);
    let next = AtomicUsize::new(0);
    let on_one_thread = || {
        let mut found = Vec::new();
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return found;
            }
            let start = part * PART;
            found.push((part, work(start..(start + PART).min(length))));
        }
    };
    let mut found = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(on_one_thread)).collect();
        let mut found = on_one_thread();
        for other in others {
            match other.join() {
                Ok(parts) => found.extend(parts),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    });
    found.sort_by_key(|(part, _)| *part);
    found.into_iter().map(|(_, made)| made).collect()
}

/// The members of a map at the places of `range`.
pub(super) fn members<'m, T>(
    map: &'m Members<'m, T>,
    range: std::ops::Range<usize>,
) -> impl Iterator<Item = (&'m str, &'m T)> {
    range.filter_map(|place| map.get_index(place)).map(|(id, member)| (id.as_ref(), member))
}

#[cfg(test)]
mod tests {
    use super::in_parts;

    #[test]
    fn every_place_is_worked_on_once_and_in_order() {
        for length in [0, 1, 511, 512, 513, 10_000] {
            let places: Vec<usize> = in_parts(length, Iterator::collect::<Vec<_>>).into_iter().flatten().collect();
            assert!(places.into_iter().eq(0..length), "{length}");
        }
    }
}
