use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::hasher::Seeded;
use super::{Capacity, Engine, Policy, TooHeavy, Usage};

/// moka as a plain store.
///
/// moka applies reads and writes later, in batches, which are started by their number or by the clock.
/// Here each write applies what is outstanding: it keeps the weight within the capacity, and hits
/// independent of the clock. It costs writers a lock that they would otherwise share out.
pub(super) struct Moka<K, V> {
    cache: Cache<K, Slot<V>, Seeded>,
    capacity: usize,
    limit: usize,
    /// Raised by `clear`: moka's own compares times, and two can be equal.
    generation: AtomicU64,
    evicted: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Slot<V> {
    value: V,
    weight: u32,
    generation: u64,
}

impl<K, V> Moka<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new(policy: Policy, capacity: Capacity, hasher: Seeded) -> Self {
        let eviction = match policy {
            Policy::MokaLru => EvictionPolicy::lru(),
            _ => EvictionPolicy::tiny_lfu(),
        };
        let evicted = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&evicted);
        let cache = Cache::builder()
            .eviction_listener(move |_: Arc<K>, _, cause| {
                if cause == RemovalCause::Size {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
            .max_capacity(capacity.weight as u64)
            .eviction_policy(eviction)
            .weigher(|_: &K, slot: &Slot<V>| slot.weight)
            .build_with_hasher(hasher);
        // Its weights are 32 bits wide.
        let limit = capacity.weight.min(u32::MAX as usize);
        Self { cache, capacity: capacity.weight, limit, generation: AtomicU64::new(0), evicted }
    }
}

impl<K, V> Engine<K, V> for Moka<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn get(&self, key: &K) -> Option<V> {
        let slot = self.cache.get(key)?;
        (slot.generation == self.generation.load(Ordering::Acquire)).then_some(slot.value)
    }

    fn insert(&self, key: K, value: V, weight: usize) -> Result<(), TooHeavy> {
        let heavy = TooHeavy { weight, limit: self.limit };
        let fits = u32::try_from(weight.max(1)).ok().filter(|_| weight <= self.limit);
        let Some(weight) = fits else {
            self.remove(&key);
            return Err(heavy);
        };
        let generation = self.generation.load(Ordering::Acquire);
        self.cache.insert(key, Slot { value, weight, generation });
        self.cache.run_pending_tasks();
        Ok(())
    }

    fn remove(&self, key: &K) {
        self.cache.invalidate(key);
        self.cache.run_pending_tasks();
    }

    fn clear(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.cache.invalidate_all();
        self.cache.run_pending_tasks();
    }

    fn usage(&self) -> Usage {
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Usage {
            entries: count(self.cache.entry_count()),
            weight: count(self.cache.weighted_size()),
            capacity: self.capacity,
            evicted: self.evicted.load(Ordering::Relaxed),
        }
    }

    fn limit(&self) -> usize {
        self.limit
    }
}
