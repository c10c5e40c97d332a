use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, PoolError, RecycleError, RecycleResult, Timeouts};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::config::PoolConfig;
use super::patience::{Bell, Coarse, Ticks, patiently};
use crate::backend::{Access, Backend, Observation, Role};
use crate::cluster::{NodeId, Traits, incarnation};
use crate::error::{Error, ErrorKind};

/// A node of the pool, as it is configured.
pub struct Node<B: Backend> {
    pub(crate) name: Arc<str>,
    pub(crate) target: B::Target,
    pub(crate) tag: Option<Arc<str>>,
    pub(crate) zone: Option<Arc<str>>,
    pub(crate) connections: Option<usize>,
}

impl<B: Backend> Node<B> {
    /// A node with a name of its own, which stands in errors, metrics and `served_by`.
    pub fn new(name: impl Into<Arc<str>>, target: B::Target) -> Self {
        Self { name: name.into(), target, tag: None, zone: None, connections: None }
    }

    /// Keeps the node out of ordinary reads: it serves only those that name this tag. For reports,
    /// backups, analytics: their load and their lag stay their own.
    #[must_use]
    pub fn tag(self, tag: impl Into<Arc<str>>) -> Self {
        Self { tag: Some(tag.into()), ..self }
    }

    /// The zone it stands in; see [`Builder::zone`](crate::pool::Builder::zone).
    #[must_use]
    pub fn zone(self, zone: impl Into<Arc<str>>) -> Self {
        Self { zone: Some(zone.into()), ..self }
    }

    /// At most this many connections, instead of
    /// [`PoolConfig::connections`](crate::PoolConfig::connections).
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections: Some(connections), ..self }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |message: String| Err(Error::before(ErrorKind::Config).message(message));
        if self.name.is_empty() {
            return refuse("a node needs a name".to_owned());
        }
        if self.name.len() > 64 || self.name.chars().any(char::is_control) {
            let shown: String = self.name.chars().take(32).collect();
            return refuse(format!(
                "node name {shown:?} is over 64 bytes or has control characters"
            ));
        }
        if self.connections == Some(0) {
            return refuse(format!("{}: connections must be at least 1, not 0", self.name));
        }
        Ok(())
    }
}

impl<B: Backend> Clone for Node<B> {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            target: self.target.clone(),
            tag: self.tag.clone(),
            zone: self.zone.clone(),
            connections: self.connections,
        }
    }
}

impl<B: Backend> fmt::Debug for Node<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name)
            .field("target", &self.target)
            .field("tag", &self.tag)
            .field("zone", &self.zone)
            .finish_non_exhaustive()
    }
}

/// A node while it is in the pool.
pub(crate) struct Member<B: Backend> {
    pub(crate) id: NodeId,
    pub(crate) node: Node<B>,
    /// Changes when connections made before it are worth nothing any more: the node fell silent, or
    /// lost its role.
    generation: Arc<AtomicU64>,
    reads: managed::Pool<Connector<B>>,
    writes: managed::Pool<Connector<B>>,
    in_flight: AtomicU32,
    pub(crate) ticks: Ticks,
    /// A moving average of how long an answer takes, in microseconds.
    latency: AtomicU64,
    /// Asks the monitor to look now.
    pub(crate) wake: Notify,
    pub(crate) last_error: Mutex<Option<Arc<str>>>,
}

impl<B: Backend> Member<B> {
    pub(crate) fn new(
        id: NodeId,
        node: Node<B>,
        backend: &Arc<B>,
        config: &PoolConfig,
        draw: &Arc<dyn Fn() -> u64 + Send + Sync>,
        ticks: &Ticks,
    ) -> Result<Self, Error> {
        let generation = Arc::new(AtomicU64::new(0));
        let size = node.connections.unwrap_or(config.connections);
        let pool = |access| {
            let connector = Connector {
                backend: Arc::clone(backend),
                name: Arc::clone(&node.name),
                target: node.target.clone(),
                access,
                generation: Arc::clone(&generation),
                connect: config.connect,
                answer: config.probe_deadline,
                lifetime: config.max_lifetime,
                verify_after: config.verify_after,
                ticks: ticks.clone(),
                draw: Arc::clone(draw),
            };
            // Last in, first out: what is not needed grows idle, and is closed.
            managed::Pool::builder(connector)
                .max_size(size)
                .queue_mode(managed::QueueMode::Lifo)
                .runtime(deadpool::Runtime::Tokio1)
                .build()
                .map_err(|error| Error::before(ErrorKind::Config).source_of(error))
        };
        Ok(Self {
            id,
            reads: pool(Access::ReadOnly)?,
            writes: pool(Access::ReadWrite)?,
            generation,
            node,
            in_flight: AtomicU32::new(0),
            ticks: ticks.clone(),
            latency: AtomicU64::new(0),
            wake: Notify::new(),
            last_error: Mutex::new(None),
        })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.node.name
    }

    pub(crate) fn traits(&self, zone: Option<&str>) -> Traits {
        Traits {
            name: Arc::clone(&self.node.name),
            tag: self.node.tag.clone(),
            near: zone.is_none() || self.node.zone.as_deref() == zone,
        }
    }

    pub(crate) fn pool(&self, access: Access) -> &managed::Pool<Connector<B>> {
        match access {
            Access::ReadOnly => &self.reads,
            Access::ReadWrite => &self.writes,
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Ends all connections: idle ones now, others when they are given back or wait for an answer.
    pub(crate) fn evict(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.sweep(Duration::MAX);
    }

    /// Closes idle connections that nobody should get any more.
    pub(crate) fn sweep(&self, max_idle: Duration) {
        let (generation, now) = (self.generation(), self.ticks.now());
        for pool in [&self.reads, &self.writes] {
            pool.retain(|slot, _| {
                slot.generation == generation
                    && now < slot.expires
                    && now < slot.used.plus(max_idle)
            });
        }
    }

    pub(crate) fn close(&self) {
        self.reads.close();
        self.writes.close();
    }

    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How busy it is: what is in flight, times how long an answer takes.
    pub(crate) fn load(&self) -> u64 {
        let latency = self.latency.load(Ordering::Relaxed).max(1);
        latency.saturating_mul(u64::from(self.in_flight()) + 1)
    }

    /// Learns from an answer. Rises at once and falls slowly; the monitor's own questions make it
    /// fall even on a node that is given nothing to do. Two answers at once may count as one.
    pub(crate) fn answered(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let old = self.latency.load(Ordering::Relaxed);
        let new = if took > old { old + (took - old) / 2 } else { old - (old - took) / 8 };
        self.latency.store(new, Ordering::Relaxed);
    }

    pub(crate) fn note(&self, error: &dyn std::error::Error) {
        let mut line = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            line.push_str(&format!(": {error}"));
            cause = error.source();
        }
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(line.into());
    }

    pub(crate) fn last_error(&self) -> Option<Arc<str>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A connection, at once if one is free, else within `wait`, and no longer than the node is
    /// there.
    pub(crate) async fn connection(
        &self,
        access: Access,
        wait: impl FnOnce() -> Option<Wait>,
    ) -> Result<Object<Connector<B>>, PoolError<ConnectError<B::Error>>> {
        let pool = self.pool(access);
        // Takes what is there, or makes a new one. Both have deadlines of their own.
        let now = Timeouts { wait: Some(Duration::ZERO), ..Timeouts::default() };
        let kind = match pool.timeout_get(&now).await {
            Err(PoolError::Timeout(kind)) => kind,
            done => return done,
        };
        let Some(wait) = wait() else { return Err(PoolError::Timeout(kind)) };
        let later = Timeouts { wait: Some(wait.limit), ..Timeouts::default() };
        let generation = self.generation();
        let lost = || self.generation() != generation;
        // Boxed, as everything that is seldom awaited: a checkout would have to carry the room.
        let waiting = patiently(Instant::now(), Duration::MAX, lost, pool.timeout_get(&later));
        Box::pin(waiting).await.unwrap_or(Err(PoolError::Backend(ConnectError::Lost)))
    }
}

/// The right to wait in the queue, and for how long.
pub(crate) struct Wait {
    pub(crate) limit: Duration,
    pub(crate) _place: tokio::sync::OwnedSemaphorePermit,
}

/// Makes connections to one node, and decides which may be used again.
pub(crate) struct Connector<B: Backend> {
    backend: Arc<B>,
    name: Arc<str>,
    target: B::Target,
    access: Access,
    generation: Arc<AtomicU64>,
    connect: Duration,
    answer: Duration,
    lifetime: Duration,
    verify_after: Duration,
    ticks: Ticks,
    /// Chance, for the lifetimes.
    draw: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// A connection in a pool.
pub(crate) struct Slot<B: Backend> {
    pub(crate) connection: B::Connection,
    pub(crate) generation: u64,
    /// Of the node, when the connection was made.
    pub(crate) incarnation: u32,
    /// What the node said then, until somebody has taken note of it.
    pub(crate) news: Option<News>,
    pub(crate) used: Coarse,
    pub(crate) bell: Arc<Bell>,
    expires: Coarse,
}

/// What a node said about itself on a new connection.
pub(crate) struct News {
    pub(crate) observation: Observation,
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
}

/// Why there is no new connection.
#[derive(Debug)]
pub(crate) enum ConnectError<E> {
    TooSlow,
    /// The node was lost meanwhile.
    Lost,
    /// It leads to a replica, and was to write.
    NotPrimary,
    Backend(E),
}

impl<B: Backend> managed::Manager for Connector<B> {
    // Boxed: deadpool moves it about.
    type Type = Box<Slot<B>>;
    type Error = ConnectError<B::Error>;

    async fn create(&self) -> Result<Box<Slot<B>>, Self::Error> {
        // Read first: if the node is lost while this connects, the connection is evicted too.
        let generation = self.generation.load(Ordering::Acquire);
        let lost = || self.generation.load(Ordering::Acquire) != generation;
        let connecting = patiently(Instant::now(), self.connect, lost, self.open());
        let (connection, news) = match Box::pin(connecting).await {
            None if lost() => return Err(ConnectError::Lost),
            None => return Err(ConnectError::TooSlow),
            Some(Err(error)) => return Err(ConnectError::Backend(error)),
            Some(Ok(opened)) => opened,
        };
        if self.access == Access::ReadWrite && news.observation.role == Role::Replica {
            return Err(ConnectError::NotPrimary);
        }
        let now = self.ticks.now();
        let chance = (self.draw)() % 1000;
        let lifetime = self.lifetime.mul_f64(1.0 - chance as f64 / 10_000.0);
        Ok(Box::new(Slot {
            connection,
            generation,
            incarnation: incarnation(&self.name, news.observation.incarnation),
            news: Some(news),
            used: now,
            bell: self.ticks.bell(),
            expires: now.plus(lifetime),
        }))
    }

    async fn recycle(&self, slot: &mut Box<Slot<B>>, _: &Metrics) -> RecycleResult<Self::Error> {
        let refuse = |why: &'static str| Err(RecycleError::message(why));
        if slot.generation != self.generation.load(Ordering::Acquire) {
            return refuse("from before the node was lost");
        }
        if !self.backend.is_open(&slot.connection) {
            return refuse("closed");
        }
        if self.access == Access::ReadWrite && self.is_replica(&slot.connection) {
            return refuse("leads to a replica");
        }
        let now = self.ticks.now();
        if now >= slot.expires {
            return refuse("too old");
        }
        if now >= slot.used.plus(self.verify_after) {
            let generation = slot.generation;
            let lost = || self.generation.load(Ordering::Acquire) != generation;
            let ping = self.backend.ping(&mut slot.connection);
            match Box::pin(patiently(Instant::now(), self.answer, lost, ping)).await {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(ConnectError::Backend(error).into()),
                None => return refuse("does not answer"),
            }
        }
        Ok(())
    }
}

impl<B: Backend> Connector<B> {
    /// Connects, and asks who is there. The monitor asked too, but maybe somebody else: the node may
    /// have been restarted, rebuilt or replaced since.
    async fn open(&self) -> Result<(B::Connection, News), B::Error> {
        let mut connection = self.backend.connect(&self.target, self.access).await?;
        let asked = Instant::now();
        let observation = self.backend.observe(&mut connection).await?;
        Ok((connection, News { observation, asked, answered: Instant::now() }))
    }

    fn is_replica(&self, connection: &B::Connection) -> bool {
        self.backend.role(connection) == Some(Role::Replica)
    }
}
