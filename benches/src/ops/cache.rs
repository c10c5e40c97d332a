//! Hits: the cheapest thing that a cache does, and what it does nearly always.

use std::hint::black_box;
use std::sync::Arc;

use terrace_cache::engine::{Capacity, Engine, Policy, build};
use terrace_cache::freshness::Freshness;
use terrace_cache::tag::row;
use terrace_cache::{BoxError, Cache};

use super::{Op, now};

/// Entries that are there; one after the other is asked for.
const KEYS: u64 = 1_000;
/// Room for all of them, so that none is forgotten.
const CAPACITY: usize = 10_000;

/// The value: as large as a small row.
pub type Value = [u64; 8];

fn value(key: u64) -> Value {
    [key; 8]
}

/// The next key, in an order that no prefetcher guesses.
fn next(key: &mut u64) -> u64 {
    *key = (*key + 619) % KEYS;
    *key
}

/// A hit of terrace-cache, as it comes.
#[derive(Debug)]
pub struct Terrace {
    cache: Cache<u64, Value>,
    key: u64,
}

impl Terrace {
    /// With every key loaded, each with so many tags.
    ///
    /// # Errors
    ///
    /// If there is no runtime to load in.
    pub fn new(policy: Policy, tags: u64) -> Result<Self, BoxError> {
        let cache = Cache::builder("bench")
            .policy(policy)
            .capacity(CAPACITY)
            .seed(7)
            // Nothing ends while it is measured.
            .freshness(Freshness::default().early_refresh(0.0))
            .loader((), move |(), key, cx: terrace_cache::LoadCx<Value>| async move {
                (0..tags).for_each(|tag| cx.tag(row("bench", tag)));
                Ok::<_, BoxError>(Some(value(key)))
            })
            .build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async {
            for key in 0..KEYS {
                cache.get(&key).await?;
            }
            Ok::<_, BoxError>(())
        })?;
        Ok(Self { cache, key: 0 })
    }
}

impl Op for Terrace {
    fn once(&mut self) {
        let key = next(&mut self.key);
        drop(now(self.cache.get(&key)));
    }
}

/// The engine behind it with nothing around it.
#[expect(missing_debug_implementations, reason = "an engine of others has none")]
pub struct Bare {
    engine: Box<dyn Engine<u64, Arc<Value>>>,
    key: u64,
}

impl Bare {
    /// With every key inserted.
    ///
    /// # Errors
    ///
    /// If the policy was not compiled in.
    pub fn new(policy: Policy) -> Result<Self, BoxError> {
        let engine = build(policy, Capacity::entries(CAPACITY), 7)?;
        for key in 0..KEYS {
            engine.insert(key, Arc::new(value(key)), 1)?;
        }
        Ok(Self { engine, key: 0 })
    }
}

impl Op for Bare {
    fn once(&mut self) {
        let key = next(&mut self.key);
        black_box(self.engine.get(&key));
    }
}

/// foyer-memory by itself, with its own hasher.
#[derive(Debug)]
pub struct Foyer {
    cache: foyer_memory::Cache<u64, Arc<Value>>,
    key: u64,
}

impl Default for Foyer {
    fn default() -> Self {
        let cache = foyer_memory::Cache::builder(CAPACITY)
            .with_shards(8)
            .with_eviction_config(foyer_memory::S3FifoConfig::default())
            .build();
        for key in 0..KEYS {
            cache.insert(key, Arc::new(value(key)));
        }
        Self { cache, key: 0 }
    }
}

impl Op for Foyer {
    fn once(&mut self) {
        let key = next(&mut self.key);
        black_box(self.cache.get(&key).map(|entry| Arc::clone(entry.value())));
    }
}

/// moka's read-through call, on a key that is there.
#[derive(Debug)]
pub struct Moka {
    cache: moka::future::Cache<u64, Arc<Value>>,
    key: u64,
}

impl Default for Moka {
    fn default() -> Self {
        let cache = moka::future::Cache::new(CAPACITY as u64);
        for key in 0..KEYS {
            now(cache.insert(key, Arc::new(value(key))));
        }
        now(cache.run_pending_tasks());
        Self { cache, key: 0 }
    }
}

impl Op for Moka {
    fn once(&mut self) {
        let key = next(&mut self.key);
        drop(now(self.cache.get_with(key, async move { Arc::new(value(key)) })));
    }
}

/// What the macro of `cached` makes of a function.
#[cached::macros::cached(max_size = 10_000)]
async fn remembered(key: u64) -> Arc<Value> {
    Arc::new(value(key))
}

/// The crate `cached`, on a key that is there.
#[derive(Debug)]
pub struct Cached {
    key: u64,
}

impl Default for Cached {
    fn default() -> Self {
        for key in 0..KEYS {
            now(remembered(key));
        }
        Self { key: 0 }
    }
}

impl Op for Cached {
    fn once(&mut self) {
        let key = next(&mut self.key);
        drop(now(remembered(key)));
    }
}
