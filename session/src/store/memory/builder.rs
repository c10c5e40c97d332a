use std::sync::{Arc, Mutex};

use super::table::Table;
use super::{Index, Memory, Shared};
use crate::clock::{Clock, SystemClock};

/// Settings of a [`Memory`].
#[derive(Clone, Debug)]
pub struct MemoryBuilder {
    capacity: u64,
    clock: Arc<dyn Clock>,
}

impl Default for MemoryBuilder {
    fn default() -> Self {
        Self { capacity: 64 << 20, clock: Arc::new(SystemClock) }
    }
}

impl MemoryBuilder {
    /// Bytes for sessions, about. Default 64 MiB: some 40,000 sessions of half a KiB, and no surprise on a small
    /// server. A session that is larger than all of it is gone at once.
    #[must_use]
    pub fn capacity(self, bytes: u64) -> Self {
        Self { capacity: bytes, ..self }
    }

    /// The clock by which sessions end. Default: the machine's.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// An empty store.
    #[must_use]
    pub fn build(self) -> Memory {
        let shared = Shared {
            clock: self.clock,
            table: Table::new(self.capacity),
            index: Mutex::new(Index::default()),
        };
        Memory { shared: Arc::new(shared) }
    }
}
