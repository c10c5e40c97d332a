use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::cache::Entry;
use crate::freshness::Ttl;
use crate::key::{CacheKey, KeyBuf};
use crate::tag::Tag;

/// What a loader may ask and say about the value that it loads.
///
/// A clone is another handle to the same load.
pub struct LoadCx<V> {
    shared: Arc<Shared<V>>,
}

struct Shared<V> {
    held: Option<Arc<Entry<V>>>,
    deadline: Instant,
    said: Mutex<Said>,
}

/// What a loader has said about its value.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) ttl: Option<Ttl>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) discard: bool,
}

impl<V> LoadCx<V> {
    pub(crate) fn new(held: Option<Arc<Entry<V>>>, deadline: Instant) -> Self {
        Self { shared: Arc::new(Shared { held, deadline, said: Mutex::default() }) }
    }

    /// The value that this load replaces, if there is one that was not invalidated: to ask the source
    /// only for what has changed since.
    #[must_use]
    pub fn stale(&self) -> Option<&V> {
        self.shared.held.as_ref().and_then(|entry| entry.value.as_ref())
    }

    /// When the load is given up.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.shared.deadline
    }

    /// The value is made of this: a bump of the tag makes it old. At most
    /// [`MAX_TAGS`](crate::envelope::MAX_TAGS) different ones; a value with more is served, but not
    /// kept.
    pub fn tag(&self, tag: Tag) {
        let mut said = self.said();
        if !said.tags.contains(&tag) {
            said.tags.push(tag);
        }
    }

    /// How long this value is fresh, instead of [`Freshness::ttl`](crate::freshness::Freshness::ttl).
    pub fn ttl(&self, ttl: impl Into<Ttl>) {
        self.said().ttl = Some(ttl.into());
    }

    /// The value goes to those who wait for it, and is not kept.
    pub fn do_not_store(&self) {
        self.said().discard = true;
    }

    pub(crate) fn take(&self) -> Said {
        std::mem::take(&mut *self.said())
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        // Each field is set in one step: a panic leaves nothing half done.
        self.shared.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Clone for LoadCx<V> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<V> fmt::Debug for LoadCx<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("LoadCx");
        debug.field("deadline", &self.shared.deadline).field("said", &*self.said());
        debug.finish_non_exhaustive()
    }
}

/// What a loader of several keys may ask and say: a [`LoadCx`] for each.
pub struct BatchCx<V> {
    each: Arc<[(Box<[u8]>, LoadCx<V>)]>,
    deadline: Instant,
}

impl<V> BatchCx<V> {
    pub(crate) fn new(each: Arc<[(Box<[u8]>, LoadCx<V>)]>, deadline: Instant) -> Self {
        Self { each, deadline }
    }

    /// When the load is given up.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The context of one of the keys; `None` for any other key.
    #[must_use]
    pub fn of(&self, key: &(impl CacheKey + ?Sized)) -> Option<&LoadCx<V>> {
        let key = KeyBuf::of(key);
        self.each.iter().find(|(bytes, _)| **bytes == *key.bytes()).map(|(_, cx)| cx)
    }
}

impl<V> Clone for BatchCx<V> {
    fn clone(&self) -> Self {
        Self { each: Arc::clone(&self.each), deadline: self.deadline }
    }
}

impl<V> fmt::Debug for BatchCx<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchCx").field("keys", &self.each.len()).finish_non_exhaustive()
    }
}
