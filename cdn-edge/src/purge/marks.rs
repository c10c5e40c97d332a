use std::sync::atomic::{AtomicU64, Ordering};

use super::prefix::lower_authority;
use super::{Sequence, Tag};

/// What an object keeps to tell whether it was purged: when its fetch began, its URL and its tags.
///
/// How many tags an object may carry is for the caller to bound.
#[derive(Debug)]
pub struct Marks {
    since: u64,
    /// The number of the last purge that this was found valid after. What it says stays true
    /// whatever happens, so the order in which threads see it does not matter.
    checked: AtomicU64,
    tags: Box<[Tag]>,
    url: Box<[u8]>,
}

impl Marks {
    /// The marks of an object: the number that was taken *before* the origin was asked, its
    /// authority and path (`example.org/img/a.png`) and all its tags.
    #[must_use]
    pub fn new(since: Sequence, url: &[u8], tags: impl IntoIterator<Item = Tag>) -> Self {
        Self {
            since: since.0,
            checked: AtomicU64::new(since.0),
            tags: tags.into_iter().collect(),
            url: lower_authority(url).into(),
        }
    }

    /// The marks of the same object after a fetch that began at this number found it unchanged.
    #[must_use]
    pub fn renewed(&self, since: Sequence) -> Self {
        Self {
            since: since.0,
            checked: AtomicU64::new(since.0),
            tags: self.tags.clone(),
            url: self.url.clone(),
        }
    }

    /// The marks of an object that was made of several of one URL: as old as the oldest, and with the tags of all.
    /// `None` for none.
    #[must_use]
    pub fn of_all<'a>(all: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut all = all.into_iter();
        let first = all.next()?;
        let (mut since, mut tags) = (first.since, first.tags.to_vec());
        for other in all {
            since = since.min(other.since);
            for tag in other.tags.iter().filter(|tag| !first.tags.contains(tag)) {
                tags.push(*tag);
            }
        }
        Some(Self {
            since,
            checked: AtomicU64::new(since),
            tags: tags.into_boxed_slice(),
            url: first.url.clone(),
        })
    }

    /// The number at which the fetch began.
    #[must_use]
    pub fn since(&self) -> Sequence {
        Sequence(self.since)
    }

    /// The tags.
    #[must_use]
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let bytes = size_of::<Self>() + size_of_val(&*self.tags) + self.url.len();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    pub(super) fn url(&self) -> &[u8] {
        &self.url
    }

    #[inline]
    pub(super) fn checked(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    /// Remembers that it is valid after the purge of this number. Of two threads the one with the
    /// lower number may come last; then it is asked once more.
    pub(super) fn remember(&self, number: u64) {
        self.checked.store(number, Ordering::Relaxed);
    }
}
