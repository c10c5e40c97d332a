use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use smallvec::SmallVec;

use super::Evictions;
use super::hasher::Fold;

/// Parts with a lock each. Few, because an object must fit into one: with four, what is heavier than a
/// fifth of the capacity is not taken. Readers share a part's lock, so that few are enough.
const SHARDS: u64 = 4;
/// With less for each part there are fewer of them, down to one: large objects leave room in each that
/// none of them fits into.
const SHARD_BYTES: u64 = 32 << 20;
/// The library's share of a part for what was asked for again: nothing heavier ever enters. Set here,
/// although it is the default, because the limit is computed from it.
const HOT: f64 = 0.97;
/// What an object is taken to weigh. It decides how many forgotten keys the library remembers; ten
/// times too many or too few does little harm.
const TYPICAL_BYTES: u64 = 16 << 10;
/// What the index takes for an entry: from 75 bytes, when its tables are full, to this, when they have
/// just grown. `tests/memory_cost.rs` prints it.
const OVERHEAD: u64 = 130;

/// quick_cache as a plain index.
pub(super) struct Quick<V> {
    cache: Cache<u128, Slot<V>, SlotWeight, Fold, Collect>,
    limit: u64,
    count: AtomicU64,
    bytes: AtomicU64,
}

struct Slot<V> {
    value: Arc<V>,
    /// Kept, because the library asks for it again and again and must get the same each time.
    weight: u64,
}

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), weight: self.weight }
    }
}

#[derive(Clone)]
struct SlotWeight;

impl<V> Weighter<u128, Slot<V>> for SlotWeight {
    fn weight(&self, _: &u128, slot: &Slot<V>) -> u64 {
        slot.weight
    }
}

/// Takes what is forgotten out of the lock, where it can be counted and freed in peace.
#[derive(Clone)]
struct Collect;

impl<V> Lifecycle<u128, Slot<V>> for Collect {
    type RequestState = SmallVec<[Slot<V>; 4]>;

    fn on_evict(&self, forgotten: &mut Self::RequestState, _: u128, slot: Slot<V>) {
        forgotten.push(slot);
    }
}

impl<V> Quick<V> {
    pub(super) fn new(capacity: u64, seed: u64) -> Self {
        let mut shards = SHARDS;
        while shards > 1 && capacity / shards < SHARD_BYTES {
            shards /= 2;
        }
        // The library rounds shares up, and would hold more than it was given.
        let weight = capacity / shards * shards;
        let items = usize::try_from(weight / TYPICAL_BYTES).unwrap_or(usize::MAX);
        // With fewer than 32 in a part it would make fewer parts.
        let items = items.max(32 * 4);
        let options = OptionsBuilder::new()
            .shards(usize::try_from(shards).unwrap_or(1))
            .hot_allocation(HOT)
            .estimated_items_capacity(items)
            .weight_capacity(weight)
            .build();
        let cache = match options {
            Ok(options) => Cache::with_options(options, SlotWeight, Fold::new(seed), Collect),
            // Fails only if one of the settings above is left out.
            Err(_) => Cache::with(items, weight, SlotWeight, Fold::new(seed), Collect),
        };
        let share = cache.shard_capacity();
        #[expect(clippy::cast_possible_truncation)] // The library's own sum, to the last bit.
        let limit = ((share as f64 * HOT) as u64).clamp(1, share);
        Self { cache, limit, count: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    #[inline]
    pub(super) fn get(&self, key: u128) -> Option<Arc<V>> {
        self.cache.get(&key).map(|slot| slot.value)
    }

    pub(super) fn peek(&self, key: u128) -> Option<Arc<V>> {
        self.cache.peek(&key).map(|slot| slot.value)
    }

    pub(super) fn put(&self, key: u128, value: Arc<V>, weight: u64, old: Option<&Arc<V>>) {
        let mut forgotten = SmallVec::new();
        self.cache.insert_with_lifecycle(key, Slot { value, weight }, &mut forgotten);
        // What was replaced is among them.
        let replaced = |slot: &&Slot<V>| old.is_some_and(|old| Arc::ptr_eq(old, &slot.value));
        for slot in forgotten.iter().filter(|slot| !replaced(slot)) {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(slot.weight, Ordering::Relaxed);
        }
    }

    pub(super) fn remove(&self, key: u128) {
        self.cache.remove(&key);
    }

    /// One by one: the library's own call frees all of a part under its lock.
    pub(super) fn clear(&self) {
        self.cache.drain().for_each(drop);
    }

    pub(super) fn weight(&self) -> u64 {
        self.cache.weight()
    }

    pub(super) fn len(&self) -> usize {
        self.cache.len()
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.cache.iter().map(|(_, slot)| slot.weight).sum()
    }

    pub(super) fn capacity(&self) -> u64 {
        self.cache.capacity()
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn overhead(&self) -> u64 {
        OVERHEAD
    }

    pub(super) fn evictions(&self) -> Evictions {
        Evictions {
            count: self.count.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
