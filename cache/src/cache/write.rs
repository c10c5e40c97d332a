//! Writers: invalidations in the order that keeps the promise, and write-through.
//!
//! The second level comes between two steps of the first. Without the one before it, a caller that is
//! dropped in the middle would leave the old value here; without the one after it, a load that took the
//! old value from the second level in between could keep it.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;

use super::batch::millis;
use super::core::Core;
use super::{Cached, Entry, Status};
use crate::bus::{Change, Subscriber};
use crate::error::{InvalidateError, PutError};
use crate::freshness::{Kept, Load, Moment};
use crate::key::CacheKey;
use crate::store::{Filled, Lease, StoreError};
use crate::tag::Tag;
use crate::version::Captured;

impl<K, V> Core<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Makes everything here old that these changes concern.
    pub(crate) fn change(&self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Key(bytes) => {
                    let place = self.places.of_bytes(bytes);
                    self.versions.invalidate(place, || self.level.remove(place));
                }
                Change::Tag(id) => self.versions.bump_tag(Tag::of_id(*id).place()),
                Change::Clear => {
                    self.versions.clear();
                    self.level.clear();
                }
            }
        }
    }

    /// The same everywhere.
    pub(crate) async fn invalidate(&self, changes: &[Change]) -> Result<(), InvalidateError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.telemetry.invalidated(changes.len());
        self.change(changes);
        let stored = self.change_store(changes).await;
        if self.shared.is_some() {
            self.change(changes);
        }
        // Also if the store failed: what other processes have in memory is old all the same.
        self.tell(changes).await;
        stored.map_err(|store| {
            self.telemetry.store_failed(&store);
            InvalidateError { store }
        })
    }

    async fn change_store(&self, changes: &[Change]) -> Result<(), StoreError> {
        let Some(shared) = &self.shared else { return Ok(()) };
        if changes.contains(&Change::Clear) {
            return shared.store.clear().await;
        }
        let (mut keys, mut tags) = (Vec::new(), Vec::new());
        for change in changes {
            match change {
                Change::Key(bytes) => keys.push(shared.wire(bytes)),
                Change::Tag(id) => tags.push(*id),
                Change::Clear => {}
            }
        }
        // Both in any case: what can be done of the one is not left because the other failed.
        let removed = match keys.is_empty() {
            true => Ok(()),
            false => shared.store.remove(&keys).await,
        };
        let bumped = match tags.is_empty() {
            true => Ok(()),
            false => shared.store.bump_tags(&tags).await,
        };
        removed.and(bumped)
    }

    async fn tell(&self, changes: &[Change]) {
        let Some(bus) = &self.bus else { return };
        match bus.publish(self.space.prefix(), changes).await {
            Ok(()) => self.telemetry.bus_answered(),
            Err(error) => self.telemetry.bus_failed(&error),
        }
    }

    pub(crate) async fn put<E>(
        self: &Arc<Self>,
        key: &K,
        tags: &[Tag],
        write: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Cached<V>, PutError<E>> {
        let placed = self.places.placed(key);
        let change = [Change::Key(Bytes::copy_from_slice(&placed.bytes))];
        // Before the write: what is read from the source from here on may be older than it.
        let captured = self.versions.capture(placed.place);
        let given = self.now();
        let lease = self.lease_for_write(&placed.bytes).await;
        let unfinished = Unfinished { core: self, change: &change };
        let value = match write.await {
            Ok(value) => value,
            Err(error) => {
                // An error says too little: the write may have happened.
                let _ = self.invalidate(&change).await;
                unfinished.over();
                return Err(PutError::Write(error));
            }
        };
        let entry = self.written(value, &placed.bytes, lease.as_ref(), given);
        let stored = self.put_store(&placed.bytes, lease, &entry, tags).await;
        let entry = self.put_here(&captured, placed.place, entry, tags);
        unfinished.over();
        self.tell(&change).await;
        match stored {
            Ok(()) => Ok(Cached::new(entry, Status::Written)),
            Err(store) => {
                self.telemetry.store_failed(&store);
                Err(PutError::Store(InvalidateError { store }))
            }
        }
    }

    async fn lease_for_write(&self, bytes: &[u8]) -> Option<Lease> {
        let shared = self.shared.as_ref()?;
        match shared.store.lease_for_write(&shared.wire(bytes)).await {
            Ok(lease) => Some(lease),
            Err(error) => {
                self.telemetry.store_failed(&error);
                None
            }
        }
    }

    fn written(
        &self,
        value: Option<V>,
        bytes: &[u8],
        lease: Option<&Lease>,
        given: Moment,
    ) -> Entry<V> {
        let now = self.now();
        let kept = if value.is_some() { Kept::Value } else { Kept::Absence };
        // Counted from before the write, as for a load.
        let load = Load { began: given, ended: now, kept, ttl: None };
        let lifetime = self.freshness.lifetime(&load, self.draw());
        let written = lease.map_or(0, |lease| lease.now.saturating_add(millis(now.since(given))));
        self.entry(value, bytes, lifetime, now, written)
    }

    /// Fills the second level under the writer's lease; where that is not possible, removes what is
    /// there.
    async fn put_store(
        &self,
        bytes: &[u8],
        lease: Option<Lease>,
        entry: &Entry<V>,
        tags: &[Tag],
    ) -> Result<(), StoreError> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let wire = shared.wire(bytes);
        if let Some(lease) = lease
            && let Some(tags) = shared.hold(&lease, tags).await
            && let Some((bytes, keep)) =
                shared.envelope(&wire, entry, tags, std::time::Duration::ZERO, entry.loaded)
        {
            match shared.store.fill(&wire, &lease, bytes, keep).await {
                Ok(Filled::Kept) => return Ok(()),
                Ok(Filled::Refused) => shared.telemetry.fill_refused(),
                Err(error) => shared.telemetry.store_failed(&error),
            }
        }
        shared.store.remove(&[wire]).await
    }

    fn put_here(
        &self,
        captured: &Captured,
        place: u64,
        entry: Entry<V>,
        tags: &[Tag],
    ) -> Arc<Entry<V>> {
        let weight = self.weigh(&entry.bytes, entry.value.as_ref());
        let keep = entry.lifetime.gone_at() > entry.loaded;
        let tags: Vec<u64> = tags.iter().map(|tag| tag.place()).collect();
        let mut entry = Arc::new(entry);
        let heavy = self.versions.put(captured, &tags, |stamp| match stamp {
            Ok(stamp) if keep => {
                if let Some(entry) = Arc::get_mut(&mut entry) {
                    entry.stamp = Some(stamp);
                }
                self.level.forget_failure(place);
                self.level.insert(place, Arc::clone(&entry), weight)
            }
            _ => {
                self.level.remove(place);
                Ok(())
            }
        });
        if let Err(heavy) = heavy {
            self.telemetry.too_heavy(heavy);
        }
        entry
    }
}

/// A write whose end nobody has seen. Dropped, it may have happened, and the key is invalidated.
struct Unfinished<'a, K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    core: &'a Arc<Core<K, V>>,
    change: &'a [Change; 1],
}

impl<K, V> Unfinished<'_, K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Everything was done that a drop would do.
    fn over(self) {
        std::mem::forget(self);
    }
}

impl<K, V> Drop for Unfinished<'_, K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn drop(&mut self) {
        self.core.change(self.change);
        if let Ok(runtime) = Handle::try_current() {
            let (core, change) = (Arc::clone(self.core), self.change.clone());
            // Whether it succeeds nobody is there to be told.
            runtime.spawn(async move { core.invalidate(&change).await });
        }
    }
}

impl<K, V> Subscriber for Core<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn changed(&self, change: &Change) {
        self.telemetry.told();
        self.change(std::slice::from_ref(change));
    }

    fn missed(&self) {
        self.telemetry.missed();
        // The entries' memory is freed as others take their places.
        self.versions.clear();
    }
}
