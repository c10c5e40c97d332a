use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use tokio::time::Instant;

use crate::freshness::{Lifetime, Moment};
use crate::version::Stamp;

/// What the first level keeps.
pub(crate) struct Entry<V> {
    /// `None`: it is known that there is no value.
    pub(crate) value: Option<V>,
    /// The key's encoding: two keys may have one place.
    pub(crate) bytes: Box<[u8]>,
    /// `None`: it was never kept.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) lifetime: Lifetime,
    /// [`Lifetime::plainly_fresh_until`] as the clock shows it.
    pub(crate) plain_until: Instant,
    pub(crate) loaded: Moment,
    /// When it was written to the second level, by that one's clock: what tells it from another
    /// value there. 0: never.
    pub(crate) written: u64,
}

/// A value, or the knowledge that there is none, and how the cache came by it.
///
/// It is an `Option`: `users.get(&7).await?.as_ref()` is what there is of user 7. A clone shares the
/// value.
pub struct Cached<V> {
    entry: Arc<Entry<V>>,
    status: Status,
}

/// A value that is there. A clone shares it.
pub struct Found<V>(Arc<Entry<V>>);

/// How the cache came by a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It was in this process's memory.
    L1,
    /// It came from the shared second level.
    L2,
    /// This reader's load found it.
    Loaded,
    /// A load found it that another reader had begun.
    Joined,
    /// It is past its ttl, or about to be replaced.
    Stale(Why),
    /// It was just written.
    Written,
}

/// Why a reader got a value past its ttl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// A load that replaces it was begun or is under way.
    Revalidating,
    /// A load takes longer than the soft timeout, and goes on.
    SlowLoad,
    /// A load has failed, now or a moment ago.
    FailedLoad,
}

impl Status {
    /// All names that [`as_str`](Self::as_str) can give.
    pub const NAMES: [&'static str; 8] = [
        "l1",
        "l2",
        "loaded",
        "joined",
        "stale_revalidating",
        "stale_slow_load",
        "stale_failed_load",
        "written",
    ];

    /// The name for metrics and headers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::Loaded => "loaded",
            Self::Joined => "joined",
            Self::Stale(Why::Revalidating) => "stale_revalidating",
            Self::Stale(Why::SlowLoad) => "stale_slow_load",
            Self::Stale(Why::FailedLoad) => "stale_failed_load",
            Self::Written => "written",
        }
    }

    /// Whether nobody had to be asked, neither the second level nor the source.
    #[must_use]
    pub fn is_hit(self) -> bool {
        matches!(self, Self::L1 | Self::Stale(Why::Revalidating))
    }
}

impl<V> Cached<V> {
    pub(crate) fn new(entry: Arc<Entry<V>>, status: Status) -> Self {
        Self { entry, status }
    }

    /// How the cache came by it.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether it is known that there is no value.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.entry.value.is_none()
    }

    /// The value, to keep.
    #[must_use]
    pub fn found(self) -> Option<Found<V>> {
        self.entry.value.is_some().then_some(Found(self.entry))
    }
}

impl<V> Deref for Cached<V> {
    type Target = Option<V>;

    fn deref(&self) -> &Option<V> {
        &self.entry.value
    }
}

impl<V> Clone for Cached<V> {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), status: self.status }
    }
}

impl<V: fmt::Debug> fmt::Debug for Cached<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, status } = self;
        f.debug_struct("Cached").field("value", &entry.value).field("status", status).finish()
    }
}

impl<V> Deref for Found<V> {
    type Target = V;

    fn deref(&self) -> &V {
        match &self.0.value {
            Some(value) => value,
            // Made only of what has a value, and values do not change.
            None => unreachable!("an absence was taken for a value"),
        }
    }
}

impl<V> Clone for Found<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V: fmt::Debug> fmt::Debug for Found<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
