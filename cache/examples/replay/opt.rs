//! Belady's optimum.

use std::collections::{BinaryHeap, HashMap};

/// How many requests the best of all caches would answer, which knows those to come.
///
/// It drops what is needed last, be it the entry that just came: a cache that may refuse entries
/// cannot do better, and neither can one that may not.
pub(crate) fn hits(keys: &[u64], capacity: usize) -> usize {
    let next = next_requests(keys);
    // The requests for which the cache holds the key, the last one on top.
    let mut held = BinaryHeap::new();
    let mut is_held = vec![false; keys.len()];
    let (mut hits, mut size) = (0, 0);
    for (now, &next) in next.iter().enumerate() {
        if is_held[now] {
            // Its mark in the heap stays, and is harmless: all others there are later.
            hits += 1;
            size -= 1;
        }
        // What is never asked for again is not worth a place.
        if next == NEVER {
            continue;
        }
        held.push(next);
        is_held[next] = true;
        size += 1;
        if size > capacity
            && let Some(last) = held.pop()
        {
            is_held[last] = false;
            size -= 1;
        }
    }
    hits
}

const NEVER: usize = usize::MAX;

/// For each request, the next one for the same key.
fn next_requests(keys: &[u64]) -> Vec<usize> {
    let mut seen = HashMap::new();
    let mut next = vec![NEVER; keys.len()];
    for (index, key) in keys.iter().enumerate().rev() {
        if let Some(later) = seen.insert(key, index) {
            next[index] = later;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The best of all choices, by trying each one.
    fn tried(keys: &[u64], held: &BTreeSet<u64>, capacity: usize) -> usize {
        let Some((key, rest)) = keys.split_first() else { return 0 };
        if held.contains(key) {
            return 1 + tried(rest, held, capacity);
        }
        let mut with = held.clone();
        with.insert(*key);
        let mut best = tried(rest, held, capacity);
        if with.len() <= capacity {
            return best.max(tried(rest, &with, capacity));
        }
        for victim in held {
            let mut kept = with.clone();
            kept.remove(victim);
            best = best.max(tried(rest, &kept, capacity));
        }
        best
    }

    #[test]
    fn no_sequence_of_choices_is_better() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let keys: Vec<u64> = (0..9).map(|_| rng.u64(0..5)).collect();
            for capacity in 1..4 {
                assert_eq!(
                    hits(&keys, capacity),
                    tried(&keys, &BTreeSet::new(), capacity),
                    "{keys:?} {capacity}"
                );
            }
        }
    }

    #[test]
    fn a_loop_keeps_what_fits() {
        let keys: Vec<u64> = (0..10).flat_map(|_| 0..100).collect();
        assert_eq!(hits(&keys, 50), 9 * 50);
        assert_eq!(hits(&keys, 100), 9 * 100);
    }
}
