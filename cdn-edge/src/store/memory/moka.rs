use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::Evictions;
use super::hasher::Fold;
use super::rule::{self, Rule};

/// Its weights have 32 bits: in units of 64 bytes, objects of 256 GiB fit.
const UNIT: u64 = 64;
/// What the index takes for an entry: `tests/memory_cost.rs` prints it.
const OVERHEAD: u64 = 256;

/// moka as a plain index.
///
/// moka writes at once, and counts and forgets later: after 64 writes, or 0.3 seconds. Until then large
/// objects take several times the capacity. Worse, where a value is replaced by one of another weight
/// and removed before that was counted, version 0.12.16 takes off the weight of the second and has
/// counted that of the first, for ever: over the days the room shrinks, or grows. So here every write
/// counts and forgets. Writes are misses and purges, which have asked an origin or a person before,
/// and can bear the lock.
pub(super) struct Moka<V> {
    cache: Cache<u128, Slot<V>, Fold>,
    /// In units.
    capacity: u64,
    forgotten: Arc<Forgotten>,
}

#[derive(Default)]
struct Forgotten {
    count: AtomicU64,
    bytes: AtomicU64,
}

struct Slot<V> {
    value: Arc<V>,
    units: u32,
}

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), units: self.units }
    }
}

impl<V: Send + Sync + 'static> Moka<V> {
    pub(super) fn new(capacity: u64, seed: u64) -> Self {
        let capacity = capacity / UNIT;
        let forgotten = Arc::new(Forgotten::default());
        let counts = Arc::clone(&forgotten);
        let cache = Cache::builder()
            .max_capacity(capacity)
            .eviction_policy(EvictionPolicy::tiny_lfu())
            .weigher(|_: &u128, slot: &Slot<V>| slot.units)
            .eviction_listener(move |_: Arc<u128>, slot: Slot<V>, cause| {
                if cause == RemovalCause::Size {
                    counts.count.fetch_add(1, Ordering::Relaxed);
                    counts.bytes.fetch_add(u64::from(slot.units) * UNIT, Ordering::Relaxed);
                }
            })
            .build_with_hasher(Fold::new(seed));
        Self { cache, capacity, forgotten }
    }

    #[inline]
    pub(super) fn get(&self, key: u128) -> Option<Arc<V>> {
        self.cache.get(&key).map(|slot| slot.value)
    }

    /// The library has no reading that it does not note.
    pub(super) fn peek(&self, key: u128) -> Option<Arc<V>> {
        self.get(key)
    }

    pub(super) fn put(&self, key: u128, value: Arc<V>, weight: u64, _: Option<&Arc<V>>) {
        // Not above the limit.
        let units = u32::try_from(weight.div_ceil(UNIT)).unwrap_or(u32::MAX);
        self.cache.insert(key, Slot { value, units });
        self.settle();
    }

    /// Counts what was written, and forgets what is over the capacity.
    fn settle(&self) {
        if !rule::on(Rule::Settle) {
            return;
        }
        let mut before = u64::MAX;
        loop {
            self.cache.run_pending_tasks();
            let now = self.cache.weighted_size();
            // A run stops after a tenth of a second, so there can be another one to do.
            if now <= self.capacity || now >= before {
                return;
            }
            before = now;
        }
    }

    pub(super) fn remove(&self, key: u128) {
        self.cache.invalidate(&key);
        self.settle();
    }

    /// One by one: the library's own call compares times, and two can be equal.
    pub(super) fn clear(&self) {
        for (key, _) in &self.cache {
            self.cache.invalidate(&*key);
        }
        self.settle();
    }

    pub(super) fn weight(&self) -> u64 {
        self.cache.run_pending_tasks();
        self.cache.weighted_size() * UNIT
    }

    pub(super) fn len(&self) -> usize {
        self.cache.run_pending_tasks();
        usize::try_from(self.cache.entry_count()).unwrap_or(usize::MAX)
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.cache.iter().map(|(_, slot)| u64::from(slot.units) * UNIT).sum()
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity * UNIT
    }

    pub(super) fn limit(&self) -> u64 {
        self.capacity.min(u32::MAX.into()) * UNIT
    }

    pub(super) fn overhead(&self) -> u64 {
        OVERHEAD
    }

    pub(super) fn evictions(&self) -> Evictions {
        Evictions {
            count: self.forgotten.count.load(Ordering::Relaxed),
            bytes: self.forgotten.bytes.load(Ordering::Relaxed),
        }
    }
}
