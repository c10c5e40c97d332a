//! Numbers that nobody guesses and that do not repeat: tokens of leases, and where counters begin.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A keyed hash, with a key from the operating system, of a counter.
#[derive(Debug, Default)]
pub(super) struct Random {
    key: RandomState,
    count: AtomicU64,
}

impl Random {
    pub(super) fn next(&self) -> u64 {
        self.key.hash_one(self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// Where a count of bumps begins: far from wherever one began before. Below 2^59, so that all
    /// that will ever be counted has at most 18 digits.
    pub(super) fn start(&self) -> u64 {
        (self.next() >> 5).max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Random;

    #[test]
    fn two_processes_draw_different_numbers_and_none_twice() {
        let (one, other) = (Random::default(), Random::default());
        let drawn: HashSet<u64> = (0..1_000).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(drawn.len(), 2_000);
    }

    #[test]
    fn a_start_leaves_room_to_count() {
        let random = Random::default();
        assert!((0..1_000).all(|_| (1..1 << 59).contains(&random.start())));
    }
}
