//! A map that is bounded by the bytes that its values take, and decides by itself what to forget.

mod builder;
mod hasher;
#[cfg(feature = "moka")]
mod moka;
mod quick;
mod rule;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use builder::{CapacityError, Engine, MemoryBuilder};
use rule::Rule;

/// Locks for updates. Two keys share one once in 64, and then only their writers meet.
const STRIPES: usize = 64;

/// How many bytes a value takes in memory.
pub trait Weigh {
    /// The bytes. Asked once, when the value is put in.
    fn weight(&self) -> u64;
}

/// What becomes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<V> {
    /// What is there stays, or nothing if there is nothing.
    Keep,
    /// What is there goes.
    Remove,
    /// This is there from now on.
    Put(Arc<V>),
}

/// Objects in memory, by the hash of their key.
///
/// The sum of the weights stays below the capacity; what the index itself takes for an entry is
/// counted in. Anything can be gone at any time, even what was put in last: [`Engine::Moka`] does not
/// take what it expects to be asked for less often than what it would have to forget. What is
/// found is always what was put in last.
///
/// The keys are hashes already: uniform, and of a seed that nobody outside knows.
///
/// ```
/// use std::sync::Arc;
///
/// use terrace_cdn_edge::store::{Change, Memory, Weigh};
///
/// struct Page(String);
///
/// impl Weigh for Page {
///     fn weight(&self) -> u64 {
///         self.0.len() as u64
///     }
/// }
///
/// let memory = Memory::builder().capacity_bytes(16 << 20).build()?;
/// memory.update(1, |_| Change::Put(Arc::new(Page("first".to_owned()))))?;
/// // What is put depends on what is there, and nothing comes between.
/// memory.update(1, |old| match old {
///     Some(old) => Change::Put(Arc::new(Page(format!("after {}", old.0)))),
///     None => Change::Keep,
/// })?;
/// assert_eq!(memory.get(1).map(|page| page.0.clone()).as_deref(), Some("after first"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Memory<V: Weigh + Send + Sync + 'static> {
    index: Index<V>,
    stripes: Box<[Mutex<()>; STRIPES]>,
}

enum Index<V> {
    Quick(quick::Quick<V>),
    #[cfg(feature = "moka")]
    Moka(moka::Moka<V>),
}

/// For what both engines can do.
macro_rules! either {
    ($index:expr, $engine:ident => $do:expr) => {
        match $index {
            Index::Quick($engine) => $do,
            #[cfg(feature = "moka")]
            Index::Moka($engine) => $do,
        }
    };
}

impl<V: Weigh + Send + Sync + 'static> Memory<V> {
    /// Starts building one: 64 MiB, with the default engine.
    #[must_use]
    pub fn builder() -> MemoryBuilder<V> {
        MemoryBuilder::new()
    }

    fn new(index: Index<V>) -> Self {
        Self { index, stripes: Box::new([const { Mutex::new(()) }; STRIPES]) }
    }

    /// The value of this key, and a note that it was asked for.
    #[must_use]
    pub fn get(&self, key: u128) -> Option<Arc<V>> {
        either!(&self.index, engine => engine.get(key))
    }

    /// Decides about a key by what is there now.
    ///
    /// Nothing comes between looking and changing: updates of one key happen one after the other.
    /// The closure runs under a lock that other keys share, so it should be short, and it must not
    /// update this memory.
    ///
    /// # Errors
    ///
    /// [`TooHeavy`] if the new value is heavier than the memory ever takes. Then the old one is gone
    /// too, because it is known to be out of date. All others stay.
    pub fn update(
        &self,
        key: u128,
        change: impl FnOnce(Option<&Arc<V>>) -> Change<V>,
    ) -> Result<(), TooHeavy> {
        // Outlives the lock: to free a large object takes time.
        let old;
        let _one_at_a_time = rule::on(Rule::OneAtATime).then(|| self.lock(key));
        old = either!(&self.index, engine => engine.peek(key));
        match change(old.as_ref()) {
            Change::Keep => {}
            Change::Remove if old.is_none() => {}
            Change::Remove => either!(&self.index, engine => engine.remove(key)),
            Change::Put(value) => {
                let weight = value.weight().saturating_add(self.overhead());
                let limit = self.engine_limit();
                if weight > limit {
                    if rule::on(Rule::ForgetOutdated) {
                        either!(&self.index, engine => engine.remove(key));
                    }
                    return Err(TooHeavy { weight: value.weight(), limit: self.limit() });
                }
                either!(&self.index, engine => engine.put(key, value, weight, old.as_ref()));
            }
        }
        Ok(())
    }

    /// Forgets everything that was there when the call started, and what updates that run
    /// meanwhile make of it. Takes as long as there are entries, and readers do not wait for it.
    pub fn clear(&self) {
        let _all = rule::on(Rule::ClearWaits).then(|| {
            // In one order, so that two of these do not wait for each other.
            self.stripes
                .each_ref()
                .map(|stripe| stripe.lock().unwrap_or_else(PoisonError::into_inner))
        });
        either!(&self.index, engine => engine.clear());
    }

    /// The sum of the weights, with what the index takes. For metrics, not for each request.
    #[must_use]
    pub fn weight(&self) -> u64 {
        either!(&self.index, engine => engine.weight())
    }

    /// How many entries there are. For metrics, not for each request.
    #[must_use]
    pub fn len(&self) -> usize {
        either!(&self.index, engine => engine.len())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most that [`weight`](Memory::weight) gets to.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        either!(&self.index, engine => engine.capacity())
    }

    /// The heaviest value that is taken: more than an eighth of the capacity.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.engine_limit().saturating_sub(self.overhead())
    }

    /// What was forgotten to make room, since the memory was made.
    #[must_use]
    pub fn evictions(&self) -> Evictions {
        either!(&self.index, engine => engine.evictions())
    }

    fn overhead(&self) -> u64 {
        either!(&self.index, engine => engine.overhead())
    }

    fn engine_limit(&self) -> u64 {
        either!(&self.index, engine => engine.limit())
    }

    /// The weight of what is there, counted one by one: also what waits to be forgotten.
    #[cfg(test)]
    fn held(&self) -> u64 {
        either!(&self.index, engine => engine.held())
    }

    fn lock(&self, key: u128) -> MutexGuard<'_, ()> {
        let [low, ..] = key.to_le_bytes();
        // What a panic in a closure leaves behind is the old value, which is whole.
        self.stripes[usize::from(low) % STRIPES].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Weigh + Send + Sync + 'static> fmt::Debug for Memory<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("capacity", &self.capacity())
            .field("evictions", &self.evictions())
            .finish_non_exhaustive()
    }
}

/// What was forgotten to make room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evictions {
    /// How many values.
    pub count: u64,
    /// The sum of their weights.
    pub bytes: u64,
}

/// The value is heavier than the memory ever takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooHeavy {
    /// The weight of the value.
    pub weight: u64,
    /// The heaviest there can be: [`Memory::limit`].
    pub limit: u64,
}

impl fmt::Display for TooHeavy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { weight, limit } = self;
        write!(f, "an object of {weight} bytes is too large for the memory: at most {limit} fit")
    }
}

impl std::error::Error for TooHeavy {}
