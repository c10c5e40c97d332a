use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::Tag;
use crate::bus::Change;
use crate::cache::Cache;
use crate::error::InvalidateError;
use crate::key::CacheKey;

/// Invalidations that are collected while a transaction runs, and sent when it has committed.
///
/// Sent before the commit they would be too early: a reader in between loads the old row and keeps
/// it. Dropped unsent they do nothing, which is right for a transaction that was rolled back. One
/// collection serves several caches.
///
/// ```
/// # use terrace_cache::{Cache, Invalidations};
/// # use terrace_cache::tag::row;
/// # async fn example(users: Cache<u64, String>, pages: Cache<String, String>)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let mut changes = Invalidations::new();
/// // … in the transaction, beside each statement:
/// changes.key(&users, &7).tag(&pages, row("users", 7));
/// // … after the commit:
/// changes.send().await?;
/// # Ok(()) }
/// ```
#[derive(Default)]
#[must_use = "invalidations that are not sent after the commit leave old values behind"]
pub struct Invalidations {
    caches: Vec<(usize, Arc<dyn Target>, Vec<Change>)>,
}

#[async_trait]
trait Target: Send + Sync {
    async fn apply(&self, changes: &[Change]) -> Result<(), InvalidateError>;
}

#[async_trait]
impl<K, V> Target for Cache<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    async fn apply(&self, changes: &[Change]) -> Result<(), InvalidateError> {
        Self::apply(self, changes).await
    }
}

impl Invalidations {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A key of a cache.
    pub fn key<K, V>(&mut self, cache: &Cache<K, V>, key: &K) -> &mut Self
    where
        K: CacheKey + Clone + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        self.add(cache, cache.key_change(key))
    }

    /// A tag of a cache.
    pub fn tag<K, V>(&mut self, cache: &Cache<K, V>, tag: Tag) -> &mut Self
    where
        K: CacheKey + Clone + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        self.add(cache, Change::Tag(tag.id()))
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.caches.is_empty()
    }

    /// Invalidates all of it, each cache in one step.
    ///
    /// # Errors
    ///
    /// The first cache's error whose second level could not be told. All caches are tried in any
    /// case.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped may have done a part of it.
    pub async fn send(self) -> Result<(), InvalidateError> {
        let mut result = Ok(());
        for (_, cache, changes) in &self.caches {
            result = result.and(cache.apply(changes).await);
        }
        result
    }

    fn add<K, V>(&mut self, cache: &Cache<K, V>, change: Change) -> &mut Self
    where
        K: CacheKey + Clone + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let id = cache.id();
        match self.caches.iter_mut().find(|(other, ..)| *other == id) {
            Some((_, _, changes)) if changes.contains(&change) => {}
            Some((_, _, changes)) => changes.push(change),
            None => self.caches.push((id, Arc::new(cache.clone()), vec![change])),
        }
        self
    }
}

impl fmt::Debug for Invalidations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = self.caches.iter().map(|(_, _, changes)| changes);
        f.debug_list().entries(changes).finish()
    }
}
