//! The idle connections of one endpoint.

use super::h1::H1;
use crate::BoxError;
use bytes::Bytes;
use http_body::Body;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::time::{Duration, Instant};

/// When an idle connection may be used again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_idle: usize,
    pub(super) idle_timeout: Duration,
    pub(super) max_age: Duration,
}

/// Idle connections, the last returned first: what is busy stays warm and the rest can expire.
pub(super) struct Pool<B> {
    limits: Limits,
    /// Guards the list of idle connections; held for a push, a pop or a sweep's removal.
    idle: Mutex<Idle<B>>,
}

struct Idle<B> {
    /// Boxed, because a connection moves from hand to hand with every exchange.
    #[allow(clippy::vec_box)]
    connections: Vec<Box<H1<B>>>,
    sweeping: bool,
}

impl<B> Pool<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let idle = Idle { connections: Vec::new(), sweeping: false };
        Arc::new(Self { limits, idle: Mutex::new(idle) })
    }

    /// The most recently used connection that is neither too old nor idle for too long. Whether
    /// it is still open shows when it is used.
    pub(super) fn checkout(&self, now: Instant) -> Option<Box<H1<B>>> {
        let mut idle = self.lock();
        let connection = idle.connections.pop()?;
        if self.is_fresh(&connection, now) {
            return Some(connection);
        }
        if now.saturating_duration_since(connection.idle_since) >= self.limits.idle_timeout {
            // All others have been idle for longer. Sockets close outside the lock.
            let stale = std::mem::take(&mut idle.connections);
            drop(idle);
            drop(stale);
            return None;
        }
        // Too old in years but not idle: those below it may be younger.
        let index = idle.connections.iter().rposition(|other| self.is_fresh(other, now));
        let found = index.map(|index| idle.connections.remove(index));
        drop(idle);
        drop(connection);
        found
    }

    /// Takes back a connection if it can serve again.
    pub(super) fn checkin(self: &Arc<Self>, mut connection: Box<H1<B>>) {
        if !connection.is_idle() {
            return;
        }
        connection.rest();
        let now = Instant::now();
        connection.idle_since = now;
        if !self.is_fresh(&connection, now) {
            return;
        }
        let mut idle = self.lock();
        if idle.connections.len() >= self.limits.max_idle {
            drop(idle);
            return;
        }
        idle.connections.push(connection);
        if !idle.sweeping {
            idle.sweeping = true;
            drop(idle);
            let interval = self.limits.idle_timeout.min(MAX_SWEEP_INTERVAL);
            tokio::spawn(sweep(Arc::downgrade(self), interval));
        }
    }

    pub(super) fn idle_count(&self) -> usize {
        self.lock().connections.len()
    }

    fn is_fresh(&self, connection: &H1<B>, now: Instant) -> bool {
        now.saturating_duration_since(connection.idle_since) < self.limits.idle_timeout
            && now.saturating_duration_since(connection.born) < self.limits.max_age
    }

    fn lock(&self) -> MutexGuard<'_, Idle<B>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what has expired or was closed by the other side; tells whether any is left.
    fn sweep(&self, now: Instant) -> bool {
        let mut idle = self.lock();
        let mut closed = Vec::new();
        let mut index = 0;
        while index < idle.connections.len() {
            let connection = &mut idle.connections[index];
            if self.is_fresh(connection, now) && connection.is_open() {
                index += 1;
            } else {
                closed.push(idle.connections.remove(index));
            }
        }
        let any_left = !idle.connections.is_empty();
        idle.sweeping = any_left;
        drop(idle);
        drop(closed);
        any_left
    }
}

/// Once a second is soon enough to give back the sockets that endpoints have closed.
const MAX_SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Runs while the pool exists and has idle connections. Nobody polls an idle connection, so this
/// is also where a close by the other side is noticed without traffic.
async fn sweep<B>(pool: Weak<Pool<B>>, interval: Duration)
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    loop {
        tokio::time::sleep(interval).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.sweep(Instant::now()) {
            return;
        }
    }
}
