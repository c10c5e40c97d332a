//! Sessions in the memory of one process.
//!
//! A session is one object behind a lock of its own, and the table of keys only leads to it. So a renewed session
//! has two keys and one state, a patch that waited while somebody logged out finds the object dead, and what the
//! table drops or keeps too long changes no answer.
//!
//! Locks are taken in this order, and no other: the index, a session, what is inside moka. A second session is only
//! locked by who holds the index. Loads and patches take no more than their session's lock; what changes which
//! sessions there are holds the index, so that a revocation, a limit and a login happen one after the other.
//!
//! Not for more than one process: each would have sessions of its own. Use one file of SQLite, Redis or PostgreSQL
//! there.

mod builder;
mod index;
mod session;
mod table;
#[cfg(test)]
mod tests;
mod work;

pub use builder::MemoryBuilder;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use self::index::Index;
use self::table::Table;
use super::{
    Capabilities, Created, Epoch, Guard, Listed, Loaded, NewSession, Patched, Rotated, Rotation,
    Store, Subject,
};
use crate::clock::Clock;
use crate::error::StoreError;
use crate::expiry::Touch;
use crate::record::{Limits, Patch};
use crate::token::SessionKey;

/// How many sessions a sweep looks at before it lets others at the index.
const BATCH: usize = 256;

/// Sessions in the memory of this process, up to a number of bytes.
///
/// A session that is not kept for want of room is a logout: the one that was not used for longest goes, and
/// [`evictions`](Self::evictions) counts it. Give it room for all that are alive at a time.
///
/// # Examples
///
/// ```
/// use terrace_session::store::Memory;
///
/// // For about 40,000 sessions of half a KiB.
/// let store = Memory::new();
/// // For ten times as many.
/// let store = Memory::builder().capacity(640 << 20).build();
/// ```
///
/// # Clone
///
/// Clones are the same store.
#[derive(Clone, Debug)]
pub struct Memory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    table: Table,
    /// Guards which sessions there are, and whose.
    index: Mutex<Index>,
}

impl Memory {
    /// A store with room for 64 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A store with settings of its own.
    #[must_use]
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder::default()
    }

    /// How many sessions had to go for want of room, since the start. Each was somebody's.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.shared.table.evictions()
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for Memory {
    async fn load(&self, key: &SessionKey, touch: Touch) -> Result<Option<Loaded>, StoreError> {
        Ok(self.shared.load(key, touch))
    }

    async fn create(&self, key: &SessionKey, new: &NewSession) -> Result<Created, StoreError> {
        Ok(self.shared.create(key, new))
    }

    async fn patch(
        &self,
        key: &SessionKey,
        patch: &Patch,
        guard: Guard,
        limits: Limits,
    ) -> Result<Patched, StoreError> {
        Ok(self.shared.patch(key, patch, guard, limits))
    }

    async fn rotate(
        &self,
        old: &SessionKey,
        new: &SessionKey,
        rotation: &Rotation,
    ) -> Result<Rotated, StoreError> {
        Ok(self.shared.rotate(old, new, rotation))
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        Ok(self.shared.delete(key))
    }

    async fn list(&self, subject: &Subject) -> Result<Vec<Listed>, StoreError> {
        Ok(self.shared.list(subject))
    }

    async fn revoke(
        &self,
        subject: &Subject,
        except: Option<&SessionKey>,
    ) -> Result<u64, StoreError> {
        Ok(self.shared.revoke(subject, except))
    }

    async fn epoch(&self, subject: &Subject) -> Result<Epoch, StoreError> {
        Ok(self.shared.index().epoch(subject))
    }

    async fn sweep(&self, limit: usize) -> Result<usize, StoreError> {
        let mut removed = 0;
        while removed < limit {
            let look = BATCH.min(limit - removed);
            let reaped = self.shared.sweep(look);
            removed += reaped.removed;
            if reaped.seen < look {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(removed)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::in_process()
    }
}
