use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use super::hasher::Seeded;
use super::{Capacity, Engine, TooHeavy, Usage};

/// The library's share of a shard for what was asked for again: nothing heavier ever enters. Set
/// here, although it is the default, because the limit is computed from it.
const HOT: f64 = 0.97;

/// quick_cache as a plain store.
pub(super) struct Quick<K, V> {
    cache: Cache<K, Slot<V>, SlotWeight, Seeded, Evicted>,
    limit: usize,
    evicted: Evicted,
}

/// Counts what is forgotten to make room.
#[derive(Clone, Default)]
struct Evicted(Arc<AtomicU64>);

impl<K, V> Lifecycle<K, Slot<V>> for Evicted {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: K, _: Slot<V>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Slot<V> {
    value: V,
    weight: u64,
}

#[derive(Clone)]
struct SlotWeight;

impl<K, V> Weighter<K, Slot<V>> for SlotWeight {
    fn weight(&self, _: &K, slot: &Slot<V>) -> u64 {
        slot.weight
    }
}

impl<K, V> Quick<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new(capacity: Capacity, hasher: Seeded) -> Self {
        let shards = capacity.shards() as u64;
        // The library rounds shares up, and would hold more than it was given.
        let weight = capacity.weight as u64 / shards * shards;
        let options = OptionsBuilder::new()
            .shards(capacity.shards())
            .hot_allocation(HOT)
            .estimated_items_capacity(capacity.expected())
            .weight_capacity(weight)
            .build();
        let evicted = Evicted::default();
        let cache = match options {
            Ok(options) => Cache::with_options(options, SlotWeight, hasher, evicted.clone()),
            // Fails only if one of the settings above is left out.
            Err(_) => Cache::with(capacity.expected(), weight, SlotWeight, hasher, evicted.clone()),
        };
        let share = cache.shard_capacity();
        #[allow(clippy::cast_possible_truncation)] // The library's own sum, to the last bit.
        let limit = ((share as f64 * HOT) as u64).clamp(1, share) as usize;
        Self { cache, limit, evicted }
    }
}

impl<K, V> Engine<K, V> for Quick<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn get(&self, key: &K) -> Option<V> {
        self.cache.get(key).map(|slot| slot.value)
    }

    fn insert(&self, key: K, value: V, weight: usize) -> Result<(), TooHeavy> {
        let weight = weight.max(1);
        if weight > self.limit {
            self.cache.remove(&key);
            return Err(TooHeavy { weight, limit: self.limit });
        }
        self.cache.insert(key, Slot { value, weight: weight as u64 });
        Ok(())
    }

    fn remove(&self, key: &K) {
        self.cache.remove(key);
    }

    fn clear(&self) {
        self.cache.clear();
    }

    fn usage(&self) -> Usage {
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Usage {
            entries: self.cache.len(),
            weight: count(self.cache.weight()),
            capacity: count(self.cache.capacity()),
            evicted: self.evicted.0.load(Ordering::Relaxed),
        }
    }

    fn limit(&self) -> usize {
        self.limit
    }
}
