use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Cache;
use super::core::{Core, Weigher};
use super::level::Level;
use super::shared::Shared;
use crate::bus::{Bus, Subscriber};
use crate::codec::Codec;
use crate::engine::{Capacity, Policy};
use crate::error::{BoxError, BuildError};
use crate::flight::Flights;
use crate::freshness::Freshness;
use crate::key::{CacheKey, Space};
use crate::load::{BatchCx, LoadCx, Loaders};
use crate::place::Places;
use crate::store::{OpenStore, Terms};
use crate::telemetry::Telemetry;
use crate::version::Versions;

/// What a lease lasts longer than the longest load: the trips to the store before and after it, on a
/// bad day.
const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// Builds a [`Cache`]. Every setting has a default but the loader, and that is only needed for
/// [`get`](Cache::get) and [`get_many`](Cache::get_many).
#[must_use]
pub struct Builder<K, V> {
    name: String,
    tenant: Option<String>,
    schema: u32,
    policy: Policy,
    capacity: Capacity,
    negative_capacity: Option<usize>,
    weigher: Option<Weigher<V>>,
    headroom: f64,
    freshness: Freshness,
    loaders: Loaders<K, V>,
    max_loads: usize,
    store: Option<(Arc<dyn OpenStore>, Arc<dyn Codec<V>>)>,
    bus: Option<Arc<dyn Bus>>,
    seed: Option<u64>,
}

impl<K, V> Builder<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            tenant: None,
            schema: 0,
            policy: Policy::default(),
            capacity: Capacity::entries(10_000),
            negative_capacity: None,
            weigher: None,
            headroom: 0.0,
            freshness: Freshness::default(),
            loaders: Loaders::none(),
            max_loads: 64,
            store: None,
            bus: None,
            seed: None,
        }
    }

    /// The number of the values' form at the second level: change it when an encoding changes that old
    /// readers cannot read. Default 0.
    pub fn schema(self, schema: u32) -> Self {
        Self { schema, ..self }
    }

    /// Keeps this cache's entries apart from those of other tenants in the same store.
    pub fn tenant(self, tenant: &str) -> Self {
        Self { tenant: Some(tenant.to_owned()), ..self }
    }

    /// What is forgotten first. Default [`Policy::S3Fifo`]; see [`engine`](crate::engine) for the
    /// choice.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// How many values memory holds. Default 10,000, which of usual rows are some ten MiB.
    pub fn capacity(self, entries: usize) -> Self {
        Self { capacity: Capacity::entries(entries), weigher: None, ..self }
    }

    /// How many bytes of values memory holds, as `weigher` counts them from a key's encoding and the
    /// value. What the cache itself needs for an entry is not in it: about 270 bytes.
    ///
    /// A value heavier than one shard's share, an eighth of the whole in a large cache, is served but
    /// not kept, and counted in [`Stats::too_heavy`](crate::Stats).
    pub fn capacity_bytes<W>(self, bytes: usize, weigher: W) -> Self
    where
        W: Fn(&[u8], &V) -> usize + Send + Sync + 'static,
    {
        let weigher: Weigher<V> = Box::new(weigher);
        Self { capacity: Capacity::weight(bytes), weigher: Some(weigher), ..self }
    }

    /// How many absences memory holds beside the values, whose room they never take. Default: an
    /// eighth of the values' number, at least 64 and at most 65,536.
    pub fn negative_capacity(self, entries: usize) -> Self {
        Self { negative_capacity: Some(entries), ..self }
    }

    /// Warns, by an event and a gauge, while less than this part of the capacity is free: 0 to 1.
    /// Default 0, never: a cache that is full does its work. It is for those whose whole data should
    /// fit.
    pub fn headroom(self, part: f64) -> Self {
        Self { headroom: part.clamp(0.0, 1.0), ..self }
    }

    /// How long values are served, and how the time is bridged until there is a new one.
    pub fn freshness(self, freshness: Freshness) -> Self {
        Self { freshness, ..self }
    }

    /// What loads one key: `state` is cloned for each load. `Ok(None)` is the knowledge that there is
    /// no value.
    pub fn loader<S, F, Fut, E>(mut self, state: S, load: F) -> Self
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(S, K, LoadCx<V>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.loaders.set_one(state, load);
        self
    }

    /// What loads several keys at once, for [`get_many`](Cache::get_many), and for a single one if
    /// there is no [`loader`](Self::loader). A key that is not among what it returns has no value.
    pub fn load_many<S, F, Fut, I, E>(mut self, state: S, load: F) -> Self
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(S, Vec<K>, BatchCx<V>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<I, E>> + Send + 'static,
        I: IntoIterator<Item = (K, V)>,
        E: Into<BoxError>,
    {
        self.loaders.set_many(state, load);
        self
    }

    /// How many loads run at a time; others wait, as long as their readers do. Default 64: about what
    /// one process's pool to its database takes, so that an empty or a dead second level does not
    /// become the database's fault.
    pub fn max_loads(self, loads: usize) -> Self {
        Self { max_loads: loads, ..self }
    }

    /// A second level that several processes share, and the form of the values in it.
    pub fn store(self, store: impl OpenStore + 'static, codec: impl Codec<V>) -> Self {
        Self { store: Some((Arc::new(store), Arc::new(codec))), ..self }
    }

    /// How other processes learn of invalidations, and this one of theirs.
    pub fn bus(self, bus: Arc<dyn Bus>) -> Self {
        Self { bus: Some(bus), ..self }
    }

    /// Where hashing and all other chance start. Default: another number in each process, so that
    /// nobody can choose keys that collide. Give one to a test.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Builds it. Nothing is connected: a second level that cannot be reached is one that fails at
    /// the first read, and the cache goes on without it.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the setting and its value.
    pub fn build(self) -> Result<Cache<K, V>, BuildError> {
        let mut space = Space::new(&self.name, self.schema)?;
        if let Some(tenant) = &self.tenant {
            space = space.tenant(tenant)?;
        }
        self.freshness.check()?;
        let numbers = [("max_loads", self.max_loads), ("negative_capacity", self.absences())];
        if let Some((setting, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Err(BuildError::Zero { setting });
        }
        let alone = self.store.is_none() && self.bus.is_none();
        let freshness = match alone {
            // Nobody else writes, so no age bounds what their writes leave here.
            true => self.freshness.clone().l1_max_age(None),
            false => self.freshness.clone(),
        };
        // The standard library's own seed, from the operating system.
        let seed = self.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        let level = Level::new(self.policy, self.capacity, self.absences())?;
        let telemetry = Telemetry::new(&space, self.headroom);
        let shared = self.store.map(|(store, codec)| Shared {
            store: store.open(Terms {
                prefix: space.prefix().to_owned(),
                lease: freshness.hard_timeout.saturating_add(LEASE_MARGIN),
            }),
            codec,
            space: space.clone(),
            telemetry: telemetry.clone(),
        });
        let core = Arc::new(Core {
            places: Places::new(seed),
            level,
            versions: Versions::new(),
            flights: Flights::new(),
            freshness,
            loaders: self.loaders,
            permits: Arc::new(Semaphore::new(self.max_loads.min(Semaphore::MAX_PERMITS))),
            weigher: self.weigher,
            shared,
            bus: self.bus,
            origin: Instant::now(),
            draws: AtomicU64::new(seed),
            telemetry,
            space,
        });
        if let Some(bus) = &core.bus {
            let subscriber = Arc::downgrade(&core);
            let subscriber: Weak<dyn Subscriber> = subscriber;
            bus.subscribe(core.space.prefix(), subscriber);
        }
        Ok(Cache { core })
    }

    fn absences(&self) -> usize {
        self.negative_capacity.unwrap_or_else(|| (self.capacity.expected() / 8).clamp(64, 65_536))
    }
}

impl<K, V> fmt::Debug for Builder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .field("capacity", &self.capacity)
            .field("freshness", &self.freshness)
            .finish_non_exhaustive()
    }
}
