//! Redis or Valkey as the second level: one node, or several that share the keys.
//!
//! ```no_run
//! use terrace_cache::store::redis::Redis;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let one = Redis::new(["redis://cache.internal"])?;
//! # let _ = one; Ok(()) }
//! ```
//!
//! Several nodes, and other numbers:
//!
//! ```no_run
//! use std::time::Duration;
//! use terrace_cache::store::redis::Redis;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let three = Redis::new(["redis://cache-1", "redis://cache-2", "redis://cache-3"])?
//!     .budget(Duration::from_millis(20))
//!     .breaker(Duration::from_secs(2));
//! # let _ = three; Ok(()) }
//! ```
//!
//! # Nodes
//!
//! Each key has one node, by [rendezvous hashing](super::nodes) or by an application's own
//! [`Pick`]. All processes must write the nodes' addresses alike, for these are the names that are
//! hashed. The nodes know nothing of each other. **This is not for Redis Cluster**, whose nodes
//! refuse scripts over keys of several slots.
//!
//! A node that does not answer costs its own keys and nobody else's, and makes one caller wait for
//! the budget, once in a window. It is asked again by one caller after each window.
//!
//! # What is on a node
//!
//! | key | holds |
//! |---|---|
//! | `users:3:i7,` | the epoch, 8 bytes, and the envelope |
//! | `users:3:i7,{lease}` | who fills it |
//! | `users:3:{epoch}` | 8 random bytes; a clear draws new ones, and values that begin with others are no more |
//! | `users:3:{bumps}` | the number of the last bump of a tag |
//! | `users:3:{first}` | where this count began: at random |
//! | `users:3:{tag:…}` | that number, for one tag |
//! | `users:3:{run}` | the run of the server that these are from |
//!
//! What a clear makes invalid keeps its room until its own time is over or the server evicts it.
//! The server may evict any of these keys at any time, which costs entries and is never wrong.
//!
//! A server that was started again is empty to us, even if it has read its data back from disk, and so
//! is a replica that became a primary behind the same address: removals that it has not seen would
//! come back to life otherwise. They are told by their run id, so a user with few rights needs
//! `+info` beside `+mget +set +unlink +time +eval +evalsha +script` and what scripts call.
//! What cannot be told is a primary that is cut off and goes on: who is on its side sees its data. And
//! a load balancer must close the connections to a primary that it takes away, as Sentinel does.
//!
//! # Two writers
//!
//! A writer takes a lease before it writes. Where two hold one for a key, it is marked, and neither
//! may fill: each removes the key at its end instead. The first to end takes the mark away while the
//! other may still be writing. That is safe: a reader that then gets a lease, and reads what will be
//! old in a moment, is overtaken by the removal of the other, which takes the lease or the value. The
//! other's own fill is refused, for its token has been nowhere since the mark.
//!
//! # Failed invalidations
//!
//! An invalidation that a node did not take is an error. It is remembered too, and the node is not
//! used by this process until it has taken it.

mod call;
mod cells;
mod error;
mod link;
mod read;
mod script;
mod shard;
mod space;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::redis::io::tcp::TcpSettings;
use ::redis::{Client, IntoConnectionInfo, RedisError};

use self::cells::Cells;
pub use self::error::NodesError;
use self::error::without_password;
use self::link::Link;
use self::shard::Shard;
use self::space::Space;
use super::nodes::{Pick, Rendezvous};
use super::random::Random;
use super::{KEEP_AT_MOST, OpenStore, Store, Terms};

/// Ten times what a busy node in the same data centre takes, and about what a database query does:
/// to wait longer for a cache costs more than to do without.
const BUDGET: Duration = Duration::from_millis(50);
/// A node that is back is used within a second, and one that is away costs a caller in a second the
/// budget.
const WINDOW: Duration = Duration::from_secs(1);
/// How long connecting may take at least. Nobody waits for it longer than the budget; it includes a
/// TLS handshake and the scripts.
const CONNECT: Duration = Duration::from_secs(1);
/// What a gigabit carries within the budget, with room for others.
const LARGEST: usize = 4 << 20;

/// Nodes of Redis or Valkey. See the [module](self).
///
/// Nothing is connected before it is needed, and a node that is down then is a node that fails. A
/// clone, and all stores [opened](OpenStore::open) from it, share its connections and breakers.
#[derive(Clone)]
pub struct Redis {
    names: Vec<String>,
    clients: Vec<Client>,
    pick: Arc<dyn Pick>,
    budget: Duration,
    window: Duration,
    largest: usize,
    links: Arc<OnceLock<Vec<Arc<Link>>>>,
}

impl Redis {
    /// Nodes by their URLs: `redis://user:password@host:port/db`, `rediss://…` with the feature
    /// `tls-rustls`, `unix:///path`.
    ///
    /// # Errors
    ///
    /// No URL, one that cannot be read, or the same node twice.
    pub fn new(urls: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, NodesError> {
        let mut names = Vec::new();
        let mut clients = Vec::new();
        let mut seen = HashSet::new();
        for url in urls {
            let url = url.as_ref();
            let client = client(url).map_err(|error| NodesError::Unreadable {
                url: without_password(url),
                reason: error.to_string(),
            })?;
            let info = client.get_connection_info();
            let name = format!("{}/{}", info.addr(), info.redis_settings().db());
            if !seen.insert(name.clone()) {
                return Err(NodesError::Twice { node: name });
            }
            names.push(name);
            clients.push(client);
        }
        if names.is_empty() {
            return Err(NodesError::None);
        }
        Ok(Self {
            names,
            clients,
            pick: Arc::new(Rendezvous),
            budget: BUDGET,
            window: WINDOW,
            largest: LARGEST,
            links: Arc::default(),
        })
    }

    /// How long an operation may take, all nodes and a new connection included. Default: 50 ms, ten
    /// times what a busy node in the same data centre takes, and about what a database query does.
    /// At least one.
    #[must_use]
    pub fn budget(self, budget: Duration) -> Self {
        let budget = budget.max(Duration::from_millis(1));
        Self { budget, links: Arc::default(), ..self }
    }

    /// How long a node that failed is left alone. Default: 1 s, so that a node that is back is used within a second. At least 1 ms.
    #[must_use]
    pub fn breaker(self, window: Duration) -> Self {
        let window = window.max(Duration::from_millis(1));
        Self { window, links: Arc::default(), ..self }
    }

    /// Chooses the node of a key. Default: [`Rendezvous`].
    #[must_use]
    pub fn pick(self, pick: impl Pick) -> Self {
        Self { pick: Arc::new(pick), ..self }
    }

    /// Bytes of a value at most; larger ones are not kept. Default: 4 MiB, what a gigabit link
    /// carries within the default budget: a value that does not get through in time would close the
    /// node for all others, again and again.
    #[must_use]
    pub fn largest(self, bytes: usize) -> Self {
        Self { largest: bytes, ..self }
    }

    /// How the nodes are, in the order of the URLs.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeState> {
        let state = |(name, link): (&String, &Arc<Link>)| NodeState {
            name: name.clone(),
            answering: link.is_closed(),
            opened: link.opened(),
            connections: link.attempts(),
        };
        self.names.iter().zip(self.links()).map(state).collect()
    }

    fn links(&self) -> &[Arc<Link>] {
        self.links.get_or_init(|| {
            let link = |client: &Client| {
                Arc::new(Link::new(client.clone(), self.window, self.budget.max(CONNECT)))
            };
            self.clients.iter().map(link).collect()
        })
    }
}

impl OpenStore for Redis {
    fn open(&self, terms: Terms) -> Arc<dyn Store> {
        let random = Arc::new(Random::default());
        let cells = Arc::new(Cells::new(terms.prefix));
        let shard = |(name, link): (&String, &Arc<Link>)| {
            let (cells, random) = (Arc::clone(&cells), Arc::clone(&random));
            Arc::new(Shard::new(name.clone(), Arc::clone(link), cells, random, self.window))
        };
        let lease = u64::try_from(terms.lease.as_millis()).unwrap_or(u64::MAX);
        Arc::new(Space {
            names: self.names.clone(),
            shards: self.names.iter().zip(self.links()).map(shard).collect(),
            pick: Arc::clone(&self.pick),
            random,
            budget: self.budget,
            largest: self.largest,
            lease_millis: lease.clamp(1, KEEP_AT_MOST),
        })
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The clients know passwords.
        f.debug_struct("Redis")
            .field("nodes", &self.names)
            .field("pick", &self.pick)
            .field("budget", &self.budget)
            .field("window", &self.window)
            .field("largest", &self.largest)
            .finish_non_exhaustive()
    }
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeState {
    /// Its address and the number of its database.
    pub name: String,
    /// Whether it answered when it was last asked, or was not asked yet.
    pub answering: bool,
    /// How often it was left alone for a window.
    pub opened: u64,
    /// How often it was connected to, or was to be.
    pub connections: u64,
}

fn client(url: &str) -> Result<Client, RedisError> {
    // Otherwise the second of two callers may wait 40 ms for what the first has sent.
    let tcp = TcpSettings::default().set_nodelay(true);
    Client::open(url.into_connection_info()?.set_tcp_settings(tcp))
}
