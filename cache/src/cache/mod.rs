//! The cache itself: [`Cache`] and its [`Builder`].

mod batch;
mod builder;
mod core;
mod entry;
mod get;
mod level;
mod many;
mod read;
mod shared;
mod write;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

pub use self::builder::Builder;
use self::core::Core;
pub(crate) use self::core::{Ask, Look};
pub(crate) use self::entry::Entry;
pub use self::entry::{Cached, Found, Status, Why};
pub use self::get::Get;
use crate::bus::Change;
use crate::error::{BoxError, InvalidateError, LoadError, PutError};
use crate::key::CacheKey;
use crate::load::{LoadCx, once};
use crate::store::Capabilities;
use crate::tag::Tag;
use crate::telemetry::Stats;

/// A read-through cache. A clone is another handle to the same one.
///
/// See the [crate](crate) for what it promises. Values are dropped while a lock of the cache is held:
/// a value whose `Drop` calls the same cache may wait for itself.
pub struct Cache<K, V> {
    core: Arc<Core<K, V>>,
}

impl<K, V> Cache<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Begins to build a cache. The name stands in front of its keys in a shared store and in its
    /// metrics: 1 to 64 of `A-Z a-z 0-9 _ . -`.
    pub fn builder(name: &str) -> Builder<K, V> {
        Builder::new(name)
    }

    /// The value of a key: from memory, from the second level, or from the loader that the cache was
    /// [built with](Builder::loader).
    ///
    /// Of all who ask for a key at a time, in this process, one loads it. A value that is there is
    /// returned without waiting and without an allocation.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the load fails and no older value may be served in its place.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped stops waiting. The load goes on, and the next reader has its value.
    #[inline]
    pub fn get<'a>(&'a self, key: &'a K) -> Get<'a, K, V> {
        Get::new(self, key)
    }

    async fn get_slowly(&self, key: &K) -> Result<Cached<V>, LoadError> {
        match self.core.look(key) {
            Look::Hit(cached) => Ok(cached),
            Look::Refresh(cached, ask) => {
                self.core.refresh(key.clone(), ask, None);
                Ok(cached)
            }
            Look::Ask(_) if self.core.loaders.is_none() => Err(LoadError::NoLoader),
            Look::Ask(ask) => {
                let answer = self.core.resolve(key.clone(), ask, None).await;
                self.core.telemetry.resolved(&answer);
                answer
            }
        }
    }

    /// The value of a key, loaded by `load` if it must be. Whoever asks for the key meanwhile waits
    /// for this load, whatever they brought along themselves.
    ///
    /// `load` owns what it needs, because it may outlive the caller; `Ok(None)` is the knowledge that
    /// there is no value, which is remembered too.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// As for [`get`](Self::get).
    pub async fn get_or_load<F, Fut, E>(&self, key: &K, load: F) -> Result<Cached<V>, LoadError>
    where
        F: FnOnce(LoadCx<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        if let Some(cached) = self.core.hit(key) {
            return Ok(cached);
        }
        match self.core.look(key) {
            Look::Hit(cached) => Ok(cached),
            Look::Refresh(cached, ask) => {
                self.core.refresh(key.clone(), ask, Some(once(load)));
                Ok(cached)
            }
            Look::Ask(ask) => {
                let own = Some(once(load));
                let answer = Box::pin(self.core.resolve(key.clone(), ask, own)).await;
                self.core.telemetry.resolved(&answer);
                answer
            }
        }
    }

    /// The values of several keys, in their order: one trip to the second level for all that memory
    /// has not got, and one call of the [loader of many](Builder::load_many), if there is one, for
    /// all that are left. A key that is named twice is loaded once.
    ///
    /// # Errors
    ///
    /// One result for each key: as for [`get`](Self::get).
    ///
    /// # Cancel safety
    ///
    /// As for [`get`](Self::get).
    pub async fn get_many(&self, keys: &[K]) -> Vec<Result<Cached<V>, LoadError>> {
        self.core.get_many(keys).await
    }

    /// What memory has of a key that may be served without waiting. Asks nobody and starts nothing.
    #[must_use]
    pub fn peek(&self, key: &K) -> Option<Cached<V>> {
        match self.core.look(key) {
            Look::Hit(cached) | Look::Refresh(cached, _) => Some(cached),
            Look::Ask(_) => None,
        }
    }

    /// Makes a key's value old, after its source has changed: call it when the write is visible
    /// there, never before.
    ///
    /// Once this is `Ok`, no read that starts afterwards in this process, nor at the second level for
    /// anybody, gets a value from before, whatever was loading at that moment.
    ///
    /// # Errors
    ///
    /// [`InvalidateError`] if the second level could not be told. This process is up to date even
    /// then.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped may have done a part of it, this process's part if it was polled at
    /// all. Call it again.
    pub async fn invalidate(&self, key: &K) -> Result<(), InvalidateError> {
        self.core.invalidate(&[self.key_change(key)]).await
    }

    /// The same for every entry that carries this tag.
    ///
    /// # Errors
    ///
    /// As for [`invalidate`](Self::invalidate).
    pub async fn invalidate_tag(&self, tag: Tag) -> Result<(), InvalidateError> {
        self.core.invalidate(&[Change::Tag(tag.id())]).await
    }

    /// The same for everything in this cache.
    ///
    /// # Errors
    ///
    /// As for [`invalidate`](Self::invalidate).
    pub async fn clear(&self) -> Result<(), InvalidateError> {
        self.core.invalidate(&[Change::Clear]).await
    }

    /// Writes through: runs `write`, which changes the source and returns the value that is there
    /// now, and keeps that.
    ///
    /// Of two writers of one key at the same time nobody knows here whose write came last, so
    /// neither's value is kept, and the next reader loads it.
    ///
    /// # Errors
    ///
    /// [`PutError::Write`] with the writer's error; the key is invalidated then.
    /// [`PutError::Store`] if the write was done and the second level could not be told.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped during the write leaves it to `write` what becomes of it, and
    /// invalidates the key.
    pub async fn put_through<E>(
        &self,
        key: &K,
        write: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Cached<V>, PutError<E>> {
        self.core.put(key, &[], write).await
    }

    /// The same for a value that carries tags.
    ///
    /// # Errors
    ///
    /// As for [`put_through`](Self::put_through).
    pub async fn put_through_tagged<E>(
        &self,
        key: &K,
        tags: &[Tag],
        write: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Cached<V>, PutError<E>> {
        self.core.put(key, tags, write).await
    }

    /// Figures since the cache was built.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (values, absences) = self.core.level.usage();
        self.core.telemetry.stats(values, absences, self.core.flights.len())
    }

    /// What the second level can do, and how much of it answers, as far as is known; `None` without
    /// one.
    #[must_use]
    pub fn capabilities(&self) -> Option<Capabilities> {
        self.core.shared.as_ref().map(|shared| shared.store.capabilities())
    }

    /// The cache's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.core.space.name()
    }

    /// The same for every handle, and another one for another cache that lives at the same time.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.core).addr()
    }

    pub(crate) fn core(&self) -> &Arc<Core<K, V>> {
        &self.core
    }

    pub(crate) fn key_change(&self, key: &K) -> Change {
        Change::Key(Bytes::from(self.core.places.placed(key).bytes))
    }

    pub(crate) async fn apply(&self, changes: &[Change]) -> Result<(), InvalidateError> {
        self.core.invalidate(changes).await
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("space", &self.core.space).finish_non_exhaustive()
    }
}
