use std::fmt;
use std::marker::PhantomData;

use super::{Index, Memory, Weigh, quick};

/// With less, a memory would hold nothing but an entry or two of its index.
const LEAST: u64 = 1024;

/// Which library keeps the index and decides what to forget.
///
/// | | take it when |
/// |---|---|
/// | `Quick` | almost always: a hit costs a read lock of one shard and a copied pointer |
/// | `Moka` | one-time requests must not push out what is asked for often: it compares frequencies before it takes something new |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// quick_cache, in the manner of S3-FIFO.
    #[default]
    Quick,
    /// moka: TinyLFU.
    #[cfg(feature = "moka")]
    #[cfg_attr(docsrs, doc(cfg(feature = "moka")))]
    Moka,
}

/// Makes a [`Memory`].
pub struct MemoryBuilder<V> {
    capacity: u64,
    engine: Engine,
    seed: u64,
    value: PhantomData<fn() -> V>,
}

impl<V: Weigh + Send + Sync + 'static> MemoryBuilder<V> {
    pub(super) fn new() -> Self {
        Self { capacity: 64 << 20, engine: Engine::default(), seed: 0, value: PhantomData }
    }

    /// How many bytes the values may take, with what the index takes for each. 64 MiB unless said: a
    /// thousand covers, on the smallest of servers.
    #[must_use]
    pub fn capacity_bytes(self, capacity: u64) -> Self {
        Self { capacity, ..self }
    }

    /// Which library to use.
    #[must_use]
    pub fn engine(self, engine: Engine) -> Self {
        Self { engine, ..self }
    }

    /// Where folding the keys starts. They are hashes of a secret seed already, so that the default of
    /// 0 is as good; a test gives what it gives everything else.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Makes the memory. It is allocated as it fills.
    ///
    /// # Errors
    ///
    /// [`CapacityError`] if it would be too small to hold anything.
    pub fn build(self) -> Result<Memory<V>, CapacityError> {
        let Self { capacity, engine, seed, .. } = self;
        if capacity < LEAST {
            return Err(CapacityError { bytes: capacity });
        }
        Ok(Memory::new(match engine {
            Engine::Quick => Index::Quick(quick::Quick::new(capacity, seed)),
            #[cfg(feature = "moka")]
            Engine::Moka => Index::Moka(super::moka::Moka::new(capacity, seed)),
        }))
    }
}

impl<V> fmt::Debug for MemoryBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBuilder")
            .field("capacity", &self.capacity)
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

/// The capacity is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityError {
    /// What was asked for.
    pub bytes: u64,
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the memory of the cache must be at least {LEAST} bytes, not {}", self.bytes)
    }
}

impl std::error::Error for CapacityError {}
