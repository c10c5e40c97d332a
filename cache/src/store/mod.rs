//! The second level: bytes that several processes share.
//!
//! A [`Store`] keeps [envelopes](crate::envelope) by [`WireKey`] and promises what makes them safe to
//! share: **once [`remove`](Store::remove), [`bump_tags`](Store::bump_tags) or
//! [`clear`](Store::clear) has returned `Ok`, nothing that was read from the source before that call
//! is found there, whoever tries to put it in.** Values go in under a [`Lease`], taken before the
//! source is read; every invalidation kills it.
//!
//! - **Leases.** Of all who miss a key at a time, one gets the lease and loads; the others are told
//!   that somebody does. A lease is a random token, never a counter, and ends by itself after
//!   [`Terms::lease`], so that a holder that died blocks nobody for long.
//! - **Tags.** Each has a version at the store, the number of its last bump. An entry carries the
//!   versions of its tags; a reader compares them. A version that is missing fits nothing, so that a
//!   store that forgets tags forgets entries, and not the other way round. Which tags a value
//!   carries is known after the load: a lease remembers the number of the last bump of all, and a
//!   tag that was bumped since is not [held](Store::hold_tags).
//! - **Time.** Leases end, and values are dropped, by the store's clock. Whoever reads or leases learns
//!   what it says, in milliseconds since 1970.
//! - **Failure.** No call waits for longer than the store's budget. An error is an outcome like any
//!   other: reads go on without the store, an invalidation is reported as not done.

#[cfg(feature = "redis")]
mod breaker;
mod memory;
pub mod nodes;
#[cfg(feature = "redis")]
mod owed;
mod random;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub mod redis;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::key::WireKey;

pub use memory::Memory;

/// The longest that a value is kept, in milliseconds: a week. What a store remembers of a tag must
/// outlive the entries that carry it, and is therefore kept a day longer.
pub const KEEP_AT_MOST: u64 = 7 * 24 * 60 * 60 * 1_000;

/// What two values are compared by where one was [seen](Want::seen) before.
fn tail(value: &[u8]) -> &[u8] {
    &value[value.len().saturating_sub(8)..]
}

/// A tag as a store knows it: [`hash128`](crate::key::hash128) of the tag's
/// encoding.
pub type TagId = [u8; 16];

/// What several processes share. See the [module](self) for what an implementation promises.
///
/// Cancel safety: a call that is dropped may or may not have happened. That is harmless for all but
/// invalidations, which must be repeated then.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Reads values, one result for each key, in one round trip a node. Neither the tags nor the
    /// times of what is found have been looked at.
    async fn fetch(&self, keys: &[WireKey]) -> Vec<Result<Fetched, StoreError>>;

    /// Asks for the right to fill keys, one result for each, in one round trip a node.
    async fn lease(&self, wants: &[Want]) -> Vec<Result<Leased, StoreError>>;

    /// The right to fill a key after a write that is about to happen.
    ///
    /// Takes the right away from every load in flight. Where another writer of the key holds one
    /// already, neither may fill: nobody knows whose write will come last.
    async fn lease_for_write(&self, key: &WireKey) -> Result<Lease, StoreError>;

    /// The versions under which a value with these tags may be kept, as of when the lease was
    /// given; `None` if one of them was bumped since, or might have been.
    async fn hold_tags(
        &self,
        lease: &Lease,
        tags: &[TagId],
    ) -> Result<Option<Vec<u64>>, StoreError>;

    /// Keeps a value under a lease, which ends with it, and drops it by itself after
    /// `keep_millis`, or after [`KEEP_AT_MOST`] if that is sooner.
    async fn fill(
        &self,
        key: &WireKey,
        lease: &Lease,
        value: Bytes,
        keep_millis: u64,
    ) -> Result<Filled, StoreError>;

    /// Gives a lease back without a value, so that the next reader need not wait for its end. Does
    /// nothing if it is over.
    async fn release(&self, key: &WireKey, lease: &Lease) -> Result<(), StoreError>;

    /// Removes values and kills the leases of their keys.
    async fn remove(&self, keys: &[WireKey]) -> Result<(), StoreError>;

    /// The tags' versions, one for each; `None` fits no entry. One round trip a node.
    async fn tag_versions(&self, tags: &[TagId]) -> Result<Vec<Option<u64>>, StoreError>;

    /// Moves tags on, so that no entry that carries one is good any more.
    async fn bump_tags(&self, tags: &[TagId]) -> Result<(), StoreError>;

    /// Makes everything of this store's space be gone.
    async fn clear(&self) -> Result<(), StoreError>;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;
}

/// A value that was there, or was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The envelope.
    pub value: Option<Bytes>,
    /// What the store's clock said, in milliseconds since 1970.
    pub now: u64,
}

/// A key to fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The key.
    pub key: WireKey,
    /// What is there and will not do: it is stale, cannot be read, or carries a tag that was bumped.
    /// It stays while the caller loads, so that others have something to fall back on. A value that
    /// does not end with the same eight bytes, which are an envelope's checksum, is another one, and
    /// [`Leased::Found`].
    pub seen: Option<Bytes>,
}

/// Who fills a key.
#[derive(Clone, Debug)]
pub enum Leased {
    /// The caller does.
    Won(Lease),
    /// Somebody else does, or must not be disturbed.
    Busy,
    /// Nobody need: somebody has in the meantime.
    Found(Fetched),
}

/// The right to fill one key, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What the store recognises it by: random.
    pub token: u64,
    /// What the store's clock said when it was given.
    pub now: u64,
    /// Which clear was the last one at that time.
    pub epoch: u64,
    /// The number of the last bump of any tag at that time, a node; `None` where the node was not to
    /// be asked, so that no value with a tag of that node may be kept.
    pub sequences: Box<[Option<u64>]>,
}

/// What became of a value that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filled {
    /// It is there.
    Kept,
    /// The lease was over: something was invalidated, or the load took too long.
    Refused,
}

/// What a store was told about how it is used, by the cache that uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What stands in front of each key of this cache: [`Space::prefix`](crate::key::Space::prefix).
    pub prefix: String,
    /// How long a lease lasts: longer than the longest load.
    pub lease: std::time::Duration,
}

/// What a store can do. What it cannot is left out, and not imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Of several processes that miss a key at a time, one loads it.
    pub leases: bool,
    /// Whether other processes see what is kept.
    pub shared: bool,
    /// Among how many nodes the keys are spread.
    pub nodes: usize,
    /// How many of those are answering, as far as is known.
    pub reachable: usize,
}

/// Why the store was not asked, or what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// It did not answer within its budget.
    TimedOut {
        /// Which node.
        node: String,
    },
    /// It could not be reached, or the connection broke.
    Unreachable {
        /// Which node.
        node: String,
        /// What the connection said.
        reason: String,
    },
    /// It failed lately and was not asked again yet.
    Open {
        /// Which node.
        node: String,
    },
    /// It answered with an error, or with what is no answer to the question.
    Refused {
        /// Which node.
        node: String,
        /// What it said.
        reason: String,
    },
}

impl StoreError {
    /// The name for metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::TimedOut { .. } => "timeout",
            Self::Unreachable { .. } => "unreachable",
            Self::Open { .. } => "open",
            Self::Refused { .. } => "refused",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { node } => write!(f, "{node} did not answer within its budget"),
            Self::Unreachable { node, reason } => {
                write!(f, "{node} is not to be reached: {reason}")
            }
            Self::Open { node } => write!(f, "{node} failed lately and is not asked yet"),
            Self::Refused { node, reason } => write!(f, "{node} refused: {reason}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// How a cache gets its store: what was configured, once the cache's own terms are known.
pub trait OpenStore: fmt::Debug + Send + Sync {
    /// The store for one cache. Nothing is connected yet: a store that cannot be reached now is one
    /// that fails later.
    fn open(&self, terms: Terms) -> std::sync::Arc<dyn Store>;
}
