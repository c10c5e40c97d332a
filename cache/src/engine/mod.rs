//! Where entries live in this process: a bounded map that decides by itself what to forget.
//!
//! An [`Engine`] is a plain store. It never loads anything: the loading calls of the libraries behind
//! it keep an old value when a key is invalidated during the load, and this crate promises otherwise.
//!
//! | policy | library | take it when |
//! |---|---|---|
//! | `s3-fifo` (default) | foyer-memory | almost always: never far from the best on the traffic of web sites and databases |
//! | `lru` | foyer-memory | recent is what matters, or the figures of another LRU must be matched |
//! | `lfu` | foyer-memory | popularity hardly changes (it is W-TinyLFU, with a window for new keys) |
//! | `fifo` | foyer-memory | to compare with; every other one keeps more |
//! | `sieve` | foyer-memory | popularity is skewed and nothing scans |
//! | `tiny-lfu`, `moka-lru` | moka | moka is there anyway, or loops larger than the cache are common |
//! | `quick` | quick_cache | a hit must be as cheap as possible |
//!
//! # Shards
//!
//! foyer-memory and quick_cache are cut into [`SHARDS`] parts, each with its lock and its share of the
//! capacity, whatever the machine: the same requests give the same hits everywhere. A part with room
//! for a handful of entries would forget too early by bad luck of the hash, so the number is halved
//! until each part can expect 32 entries; a cache for fewer than 64 has one. moka has one
//! in any case.
//!
//! # Randomness
//!
//! All hashing starts from the seed given to [`build`]. A service gives a random one, so that nobody can
//! choose keys that collide; tests and measurements give a fixed one and get the same hits each time.

mod capacity;
#[cfg(feature = "foyer")]
mod foyer;
mod hasher;
#[cfg(feature = "moka")]
mod moka;
mod policy;
#[cfg(feature = "quick-cache")]
mod quick;

use std::fmt;
use std::hash::Hash;

pub use capacity::{Capacity, SHARDS};
pub use policy::{Policy, UnknownPolicy};

/// A bounded map that decides by itself what to forget.
///
/// Entries can be gone at any time, even the one inserted last: a policy may refuse what it does not
/// expect to be asked for. What is found is always what was inserted last under that key.
///
/// Calls never wait for anything but a short lock.
pub trait Engine<K, V>: Send + Sync {
    /// Returns a clone of the value, and notes that it was asked for.
    fn get(&self, key: &K) -> Option<V>;

    /// Inserts an entry, in place of the one with the same key, and forgets others to make room.
    ///
    /// A weight of 0 counts as 1: else any number of such entries would fit.
    ///
    /// # Errors
    ///
    /// [`TooHeavy`] if the entry could not be held even by an empty engine. Then the entry that was
    /// there under this key is gone too, because it is known to be out of date; all others stay.
    fn insert(&self, key: K, value: V, weight: usize) -> Result<(), TooHeavy>;

    /// Forgets one entry.
    fn remove(&self, key: &K);

    /// Forgets all entries that were there when the call started.
    fn clear(&self);

    /// How full it is. Walks over all shards: meant for metrics, not for each request.
    fn usage(&self) -> Usage;

    /// The heaviest entry that [`insert`](Engine::insert) takes: the share of one shard, for some
    /// policies a little less.
    fn limit(&self) -> usize;
}

/// How full an [`Engine`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Number of entries.
    pub entries: usize,
    /// Sum of their weights.
    pub weight: usize,
    /// What `weight` does not exceed once concurrent inserts have returned. One exception: `lru` cannot
    /// forget what a reader is copying at that moment, so a shard of very few entries can stay above
    /// until its next insert.
    pub capacity: usize,
    /// How many entries it has forgotten to make room, since it was made.
    pub evicted: u64,
}

/// The entry is heavier than the engine can ever hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooHeavy {
    /// The weight of the entry.
    pub weight: usize,
    /// The heaviest there can be.
    pub limit: usize,
}

impl fmt::Display for TooHeavy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { weight, limit } = self;
        write!(f, "an entry of weight {weight} is too heavy: at most {limit} fits in one shard")
    }
}

impl std::error::Error for TooHeavy {}

/// Why there is no engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError {
    /// The capacity is 0.
    ZeroCapacity,
    /// The library of this policy was not compiled in.
    FeatureOff {
        /// The policy that was asked for.
        policy: Policy,
        /// The feature of this crate that brings it.
        feature: &'static str,
    },
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroCapacity => f.write_str("the capacity must be at least 1, not 0"),
            Self::FeatureOff { policy, feature } => {
                write!(f, "the policy {policy} needs the feature {feature:?} of terrace-cache")
            }
        }
    }
}

impl std::error::Error for EngineError {}

/// Makes an engine.
///
/// `seed` is where hashing starts: random in a service, fixed where results must repeat.
///
/// # Errors
///
/// [`EngineError::ZeroCapacity`], or [`EngineError::FeatureOff`] if this build has not got the library.
///
/// ```
/// # #[cfg(feature = "foyer")] {
/// use terrace_cache::engine::{Capacity, Policy, build};
///
/// let engine = build::<u64, &str>(Policy::default(), Capacity::entries(1000), 42)?;
/// engine.insert(7, "seven", 1)?;
/// assert_eq!(engine.get(&7), Some("seven"));
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn build<K, V>(
    policy: Policy,
    capacity: Capacity,
    seed: u64,
) -> Result<Box<dyn Engine<K, V>>, EngineError>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    if capacity.weight == 0 {
        return Err(EngineError::ZeroCapacity);
    }
    let hasher = hasher::Seeded::new(seed);
    match policy {
        #[cfg(feature = "foyer")]
        Policy::Lru | Policy::Lfu | Policy::Fifo | Policy::S3Fifo | Policy::Sieve => {
            Ok(Box::new(foyer::Foyer::new(policy, capacity, hasher)))
        }
        #[cfg(feature = "moka")]
        Policy::TinyLfu | Policy::MokaLru => {
            Ok(Box::new(moka::Moka::new(policy, capacity, hasher)))
        }
        #[cfg(feature = "quick-cache")]
        Policy::Quick => Ok(Box::new(quick::Quick::new(capacity, hasher))),
        #[allow(unreachable_patterns)] // With all features.
        _ => {
            let _ = hasher;
            Err(EngineError::FeatureOff { policy, feature: policy.feature() })
        }
    }
}

#[cfg(test)]
mod tests;
