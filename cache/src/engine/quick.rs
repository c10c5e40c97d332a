use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use super::hasher::Seeded;
use super::{Capacity, Engine, TooHeavy, Usage};

/// The library's share of a shard for what was asked for again: nothing heavier ever enters. Set
/// here, although it is the default, because the limit is computed from it.
const HOT: f64 = 0.97;

/// quick_cache as a plain store.
pub(super) struct Quick<K, V> {
    cache: Cache<K, Slot<V>, SlotWeight, Seeded>,
    limit: usize,
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
        let cache = match options {
            Ok(options) => {
                Cache::with_options(options, SlotWeight, hasher, DefaultLifecycle::default())
            }
            // Fails only if one of the settings above is left out.
            Err(_) => Cache::with(
                capacity.expected(),
                weight,
                SlotWeight,
                hasher,
                DefaultLifecycle::default(),
            ),
        };
        let share = cache.shard_capacity();
        #[allow(clippy::cast_possible_truncation)] // The library's own sum, to the last bit.
        let limit = ((share as f64 * HOT) as u64).clamp(1, share) as usize;
        Self { cache, limit }
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
        }
    }

    fn limit(&self) -> usize {
        self.limit
    }
}
