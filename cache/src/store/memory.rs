//! A store in this process.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use super::random::Random;
use super::{
    Capabilities, Fetched, Filled, KEEP_AT_MOST, Lease, Leased, OpenStore, Store, StoreError,
    TagId, Terms, Want, tail,
};
use crate::key::WireKey;

/// When a clock begins that was not told: some day in 2023.
const ORIGIN: u64 = 1_700_000_000_000;

/// Below so many values and leases none is thrown away.
const SWEEP_AT: usize = 1_024;

/// A second level in this process's memory: for tests, and for several caches of one process.
///
/// It does what [`Store`] says in the plainest way, so that other stores can be compared with it. It
/// has no limit: what is not invalidated stays until its time is over. For a bounded memory, use a
/// cache without a second level.
///
/// Stores that are [opened](OpenStore::open) from one `Memory`, or from its clones, share what they
/// keep if their prefixes are the same, like processes that share a server.
#[derive(Clone, Debug)]
pub struct Memory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    spaces: Mutex<HashMap<String, Space>>,
    random: Random,
    began: Instant,
    origin: u64,
}

/// What is kept under one prefix.
#[derive(Debug)]
struct Space {
    epoch: u64,
    sequence: u64,
    values: HashMap<WireKey, Kept>,
    leases: HashMap<WireKey, Held>,
    tags: HashMap<TagId, u64>,
    /// At how many values and leases those are thrown away whose time is over.
    sweep_at: usize,
}

#[derive(Debug)]
struct Kept {
    bytes: Bytes,
    until: u64,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    by: Holder,
    until: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Reader(u64),
    Writer(u64),
    /// Two writers, so neither.
    Contended,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty store, whose clock says some time in 2023 now.
    #[must_use]
    pub fn new() -> Self {
        Self::at(ORIGIN)
    }

    /// An empty store, whose clock says `now` now, in milliseconds since 1970, and goes on with
    /// tokio's.
    #[must_use]
    pub fn at(now: u64) -> Self {
        let spaces = Mutex::default();
        let (random, began) = (Random::default(), Instant::now());
        Self { shared: Arc::new(Shared { spaces, random, began, origin: now }) }
    }
}

impl OpenStore for Memory {
    fn open(&self, terms: Terms) -> Arc<dyn Store> {
        Arc::new(Opened { shared: Arc::clone(&self.shared), terms })
    }
}

#[derive(Debug)]
struct Opened {
    shared: Arc<Shared>,
    terms: Terms,
}

impl Opened {
    fn now(&self) -> u64 {
        let passed = Instant::now().saturating_duration_since(self.shared.began);
        self.shared.origin.saturating_add(millis(passed))
    }

    /// Does this with the space as of `now`, as one step.
    fn with<T>(&self, step: impl FnOnce(&mut Space, u64) -> T) -> T {
        let now = self.now();
        let mut spaces = self.shared.spaces.lock().unwrap_or_else(PoisonError::into_inner);
        let space = spaces.entry(self.terms.prefix.clone()).or_insert_with(|| Space {
            epoch: self.shared.random.next(),
            sequence: self.shared.random.start(),
            values: HashMap::new(),
            leases: HashMap::new(),
            tags: HashMap::new(),
            sweep_at: SWEEP_AT,
        });
        space.sweep(now);
        step(space, now)
    }

    fn lease_until(&self, now: u64) -> u64 {
        now.saturating_add(millis(self.terms.lease))
    }
}

impl Space {
    /// Twice as many as were left the last time, so that it costs each of them little.
    fn sweep(&mut self, now: u64) {
        if self.values.len() + self.leases.len() < self.sweep_at {
            return;
        }
        self.values.retain(|_, kept| kept.until > now);
        self.leases.retain(|_, held| held.until > now);
        self.sweep_at = SWEEP_AT.max(2 * (self.values.len() + self.leases.len()));
    }

    fn value(&self, key: &WireKey, now: u64) -> Option<Bytes> {
        self.values.get(key).filter(|kept| kept.until > now).map(|kept| kept.bytes.clone())
    }

    fn holder(&self, key: &WireKey, now: u64) -> Option<Holder> {
        self.leases.get(key).filter(|held| held.until > now).map(|held| held.by)
    }

    fn lease(&self, token: u64, now: u64) -> Lease {
        Lease { token, now, epoch: self.epoch, sequences: Box::new([Some(self.sequence)]) }
    }

    fn holds(&self, key: &WireKey, lease: &Lease, now: u64) -> bool {
        let ours = [Holder::Reader(lease.token), Holder::Writer(lease.token)];
        let holder = self.holder(key, now);
        self.epoch == lease.epoch && holder.is_some_and(|holder| ours.contains(&holder))
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl Store for Opened {
    async fn fetch(&self, keys: &[WireKey]) -> Vec<Result<Fetched, StoreError>> {
        self.with(|space, now| {
            keys.iter().map(|key| Ok(Fetched { value: space.value(key, now), now })).collect()
        })
    }

    async fn lease(&self, wants: &[Want]) -> Vec<Result<Leased, StoreError>> {
        let one = |space: &mut Space, now: u64, want: &Want| {
            if let Some(value) = space.value(&want.key, now)
                && want.seen.as_ref().is_none_or(|seen| tail(seen) != tail(&value))
            {
                return Leased::Found(Fetched { value: Some(value), now });
            }
            if space.holder(&want.key, now).is_some() {
                return Leased::Busy;
            }
            let token = self.shared.random.next();
            let held = Held { by: Holder::Reader(token), until: self.lease_until(now) };
            space.leases.insert(want.key.clone(), held);
            Leased::Won(space.lease(token, now))
        };
        self.with(|space, now| wants.iter().map(|want| Ok(one(space, now, want))).collect())
    }

    async fn lease_for_write(&self, key: &WireKey) -> Result<Lease, StoreError> {
        self.with(|space, now| {
            let token = self.shared.random.next();
            let by = match space.holder(key, now) {
                Some(Holder::Writer(_) | Holder::Contended) => Holder::Contended,
                Some(Holder::Reader(_)) | None => Holder::Writer(token),
            };
            space.leases.insert(key.clone(), Held { by, until: self.lease_until(now) });
            Ok(space.lease(token, now))
        })
    }

    async fn hold_tags(
        &self,
        lease: &Lease,
        tags: &[TagId],
    ) -> Result<Option<Vec<u64>>, StoreError> {
        self.with(|space, _| {
            let Some(captured) = lease.sequences.first().copied().flatten() else {
                return Ok(None);
            };
            if captured > space.sequence {
                return Ok(None);
            }
            let now = space.sequence;
            // A tag without a cell was bumped now, for all that is known. Its cell stays even if this
            // load is too late for it, so that the next is not.
            let mut version = |tag: &TagId| *space.tags.entry(*tag).or_insert(now);
            let versions: Vec<u64> = tags.iter().map(&mut version).collect();
            Ok(versions.iter().all(|version| *version <= captured).then_some(versions))
        })
    }

    async fn fill(
        &self,
        key: &WireKey,
        lease: &Lease,
        value: Bytes,
        keep_millis: u64,
    ) -> Result<Filled, StoreError> {
        self.with(|space, now| {
            if !space.holds(key, lease, now) {
                return Ok(Filled::Refused);
            }
            let until = now.saturating_add(keep_millis.clamp(1, KEEP_AT_MOST));
            space.values.insert(key.clone(), Kept { bytes: value, until });
            space.leases.remove(key);
            Ok(Filled::Kept)
        })
    }

    async fn release(&self, key: &WireKey, lease: &Lease) -> Result<(), StoreError> {
        self.with(|space, now| {
            if space.holds(key, lease, now) {
                space.leases.remove(key);
            }
            Ok(())
        })
    }

    async fn remove(&self, keys: &[WireKey]) -> Result<(), StoreError> {
        self.with(|space, _| {
            for key in keys {
                space.values.remove(key);
                space.leases.remove(key);
            }
            Ok(())
        })
    }

    async fn tag_versions(&self, tags: &[TagId]) -> Result<Vec<Option<u64>>, StoreError> {
        self.with(|space, _| Ok(tags.iter().map(|tag| space.tags.get(tag).copied()).collect()))
    }

    async fn bump_tags(&self, tags: &[TagId]) -> Result<(), StoreError> {
        self.with(|space, _| {
            space.sequence += 1;
            space.tags.extend(tags.iter().map(|tag| (*tag, space.sequence)));
            Ok(())
        })
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.with(|space, _| {
            space.epoch = self.shared.random.next();
            space.values.clear();
            space.leases.clear();
            Ok(())
        })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { leases: true, shared: false, nodes: 1, reachable: 1 }
    }
}
