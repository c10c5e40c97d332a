//! What one process tells the others: that a key, a tag or everything was invalidated.
//!
//! A bus may lose messages; it may not lose them unnoticed. Each publisher numbers what it sends, and
//! says the number again when it has nothing to send. A receiver that misses one, that lagged behind,
//! or whose connection was away does not know what it missed, and is told so: its cache then takes
//! its whole first level for old.
//!
//! | bus | reaches | needs |
//! |---|---|---|
//! | `Sockets` | the processes of one machine | a directory |
//! | `PubSub` | processes anywhere | a Redis or Valkey server, feature `redis` |
//! | [`Local`] | caches of one process | nothing: for tests |
//!
//! A process that ends with an invalidation unsent, or a publisher that others do not hear, is
//! noticed by its silence, after five heartbeats. What none of this finds, a network that is cut for
//! a time, is what [`l1_max_age`](crate::freshness::Freshness::l1_max_age) is for.

mod counts;
mod error;
mod frame;
mod heartbeat;
mod hub;
mod local;
mod outbox;
mod publisher;
#[cfg(feature = "redis")]
mod redis;
mod rule;
mod sequence;
#[cfg(unix)]
mod sockets;

#[cfg(test)]
mod tests;

#[cfg(feature = "redis")]
pub use self::redis::PubSub;
pub use counts::Counts;
pub use error::OpenError;
pub use heartbeat::{Heartbeat, HeartbeatError};
pub use local::{Local, LocalNode};
#[cfg(unix)]
pub use sockets::Sockets;

use std::fmt;
use std::sync::Weak;

use async_trait::async_trait;
use bytes::Bytes;

use crate::store::TagId;

/// What was invalidated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// One key, by its encoding.
    Key(Bytes),
    /// All that carry a tag.
    Tag(TagId),
    /// Everything.
    Clear,
}

/// Who wants to know.
pub trait Subscriber: Send + Sync {
    /// Another process has invalidated this. Called in the order of each publisher.
    fn changed(&self, change: &Change);

    /// Something may have been missed.
    fn missed(&self);
}

/// A bus between processes. One serves all caches of a process; a clone is another handle.
#[async_trait]
pub trait Bus: fmt::Debug + Send + Sync + 'static {
    /// Tells the others. `space` is the cache's [prefix](crate::key::Space::prefix). `Ok` means that
    /// the message was handed on, and not that anybody has it.
    async fn publish(&self, space: &str, changes: &[Change]) -> Result<(), BusError>;

    /// From now on `subscriber` hears of what others publish for this space, until it is dropped.
    /// What this handle's own process publishes it does not hear.
    fn subscribe(&self, space: &str, subscriber: Weak<dyn Subscriber>);
}

/// A message was not handed on. Others learn of the change when their entries are
/// [`l1_max_age`](crate::freshness::Freshness::l1_max_age) old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusError {
    /// What the connection or the socket said.
    pub reason: String,
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "other processes were not told of an invalidation: {}", self.reason)
    }
}

impl std::error::Error for BusError {}
