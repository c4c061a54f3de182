//! Work on many members, on all processors.

use std::thread::available_parallelism;

use indexmap::IndexMap;

/// Fewer members than this are not worth a thread.
const SMALLEST: usize = 500;

/// What `work` makes of each part of `0..length`, in order. The parts are worked on at the same time.
pub(super) fn in_parts<T: Send>(length: usize, work: impl Fn(std::ops::Range<usize>) -> T + Sync) -> Vec<T> {
    let threads = available_parallelism().map_or(1, std::num::NonZero::get).min(length / SMALLEST).max(1);
    let size = length.div_ceil(threads).max(1);
    let ranges: Vec<_> = (0..length).step_by(size).map(|start| start..(start + size).min(length)).collect();
    let work = &work;
    std::thread::scope(|scope| {
        let mut ranges = ranges.into_iter();
        let own = ranges.next();
        let others: Vec<_> = ranges.map(|range| scope.spawn(move || work(range))).collect();
        let mut found: Vec<T> = own.map(work).into_iter().collect();
        for other in others {
            match other.join() {
                Ok(part) => found.push(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    })
}

/// The members of a map at the places of `range`.
pub(super) fn members<K, V>(map: &IndexMap<K, V>, range: std::ops::Range<usize>) -> impl Iterator<Item = (&K, &V)> {
    range.filter_map(|place| map.get_index(place))
}
