use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foyer_common::event::{Event, EventListener};
use foyer_memory::{
    Cache, EvictionConfig, FifoConfig, LfuConfig, LruConfig, S3FifoConfig, SieveConfig,
};

use super::hasher::Seeded;
use super::{Capacity, Engine, Policy, TooHeavy, Usage};

/// foyer-memory as a plain store.
pub(super) struct Foyer<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    cache: Cache<K, Slot<V>, Seeded>,
    limit: usize,
    /// Raised by `clear`: what a reader holds at that moment is not removed by the library.
    generation: Arc<AtomicU64>,
    evicted: Arc<AtomicU64>,
}

/// Counts what is forgotten to make room.
struct Evicted<K, V> {
    count: Arc<AtomicU64>,
    generation: Arc<AtomicU64>,
    of: PhantomData<fn(K, V)>,
}

impl<K, V> EventListener for Evicted<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    type Key = K;
    type Value = Slot<V>;

    fn on_leave(&self, reason: Event, _: &K, slot: &Slot<V>) {
        // To the library a clear evicts too.
        let cleared = slot.generation != self.generation.load(Ordering::Acquire);
        if reason == Event::Evict && !cleared {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Slot<V> {
    value: V,
    weight: usize,
    generation: u64,
}

impl<K, V> Foyer<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new(policy: Policy, capacity: Capacity, hasher: Seeded) -> Self {
        let config: EvictionConfig = match policy {
            Policy::Lru => LruConfig::default().into(),
            Policy::Lfu => LfuConfig::default().into(),
            Policy::Fifo => FifoConfig::default().into(),
            Policy::Sieve => SieveConfig.into(),
            _ => S3FifoConfig::default().into(),
        };
        let shards = capacity.shards();
        let (evicted, generation) = (Arc::default(), Arc::default());
        let cache = Cache::builder(capacity.weight)
            .with_shards(shards)
            .with_eviction_config(config)
            .with_event_listener(Arc::new(Evicted {
                count: Arc::clone(&evicted),
                generation: Arc::clone(&generation),
                of: PhantomData,
            }))
            .with_hash_builder(hasher)
            .with_weighter(|_: &K, slot: &Slot<V>| slot.weight)
            .build();
        Self { cache, limit: capacity.weight / shards, generation, evicted }
    }
}

impl<K, V> Engine<K, V> for Foyer<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn get(&self, key: &K) -> Option<V> {
        let entry = self.cache.get(key)?;
        let slot = entry.value();
        (slot.generation == self.generation.load(Ordering::Acquire)).then(|| slot.value.clone())
    }

    fn insert(&self, key: K, value: V, weight: usize) -> Result<(), TooHeavy> {
        let weight = weight.max(1);
        if weight > self.limit {
            self.cache.remove(&key);
            return Err(TooHeavy { weight, limit: self.limit });
        }
        let generation = self.generation.load(Ordering::Acquire);
        self.cache.insert(key, Slot { value, weight, generation });
        Ok(())
    }

    fn remove(&self, key: &K) {
        self.cache.remove(key);
    }

    fn clear(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        // Its own `clear` goes on counting the weight of what it removed, and so the room for the
        // rest would shrink each time.
        self.cache.evict_all();
    }

    fn usage(&self) -> Usage {
        Usage {
            entries: self.cache.entries(),
            weight: self.cache.usage(),
            capacity: self.cache.capacity(),
            evicted: self.evicted.load(Ordering::Relaxed),
        }
    }

    fn limit(&self) -> usize {
        self.limit
    }
}
