//! What makes the cache never wrong after a write: versions of keys, tags and the whole cache, what
//! a load captured of them, and whether its value may still be kept.
//!
//! No clock, no I/O, nothing async. The locks guard a few lines each.
//!
//! - **Order.** A load captures *before* it reads its source. A write invalidates *after* it is
//!   visible in the source. So a load that captured after the invalidation began has read the new
//!   value, and every other one finds that something has moved.
//! - **Keys.** 1024 floors are shared by all keys. A floor's lock makes "check and insert" one step
//!   and "bump and remove" another, so a removed value does not come back. Versions of single keys
//!   would have to be remembered for ever; a shared floor costs a load in flight now and then, whose
//!   value is not kept: with 1000 invalidations a second and loads of 50 ms, one load of twenty.
//! - **Tags.** An entry holds the cell of each of its tags, and a hit compares versions without a
//!   lock. Which tags a load's value will carry is known only afterwards, so a load captures the
//!   number of the last bump of all, and loses to a later one of a tag that shares a floor with one
//!   of its own. A cell that no entry holds is forgotten; the floor stays.
//! - **Clear** starts a new epoch. Entries and loads of an earlier one are not current.
//!
//! Too much may be invalidated, too little never. Hashes that collide share a floor or a cell, which
//! is too much.
//!
//! Who may be given the value of a load, beside the reader that started it:
//!
//! - It was published: every reader that joined while it was in flight, for nothing that concerns
//!   the value had moved until then.
//! - It was superseded: only readers for whom [`Captured::serves`] says so. The others load again.

mod rule;
mod tags;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::rule::Rule;
use self::tags::{Cell, Tags};

/// How many floors the keys share.
const FLOORS: usize = 1024;

/// The versions of everything in one cache of one process.
///
/// Keys and tags come as hashes. One cache uses one hash function for its keys and one for its tags,
/// for as long as it lives. About 27 KiB, whatever the number of keys, and one cell for each tag that
/// an entry carries.
#[derive(Debug)]
pub struct Versions {
    keys: Box<[Mutex<u64>]>,
    epoch: AtomicU64,
    tags: Tags,
}

/// What a load knew before it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    key: u64,
    floor: u64,
    epoch: u64,
    sequence: u64,
}

/// Why a value was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Superseded {
    /// The key was invalidated, or one that shares its floor.
    Key,
    /// The cache was cleared.
    Clear,
    /// One of the value's tags was bumped, or one that shares its floor.
    Tag,
}

/// What an entry keeps, to tell whether it is still current.
///
/// A clone shares the tags' cells.
#[derive(Clone, Debug)]
pub struct Stamp {
    epoch: u64,
    tags: Box<[(Arc<Cell>, u64)]>,
}

impl Default for Versions {
    fn default() -> Self {
        Self::new()
    }
}

impl Versions {
    /// Versions of an empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self {
            keys: (0..FLOORS).map(|_| Mutex::new(0)).collect(),
            epoch: AtomicU64::new(0),
            tags: Tags::new(),
        }
    }

    /// What a load of this key must know. Call it *before* the source is read, and before a shared
    /// store is asked.
    #[must_use]
    pub fn capture(&self, key: u64) -> Captured {
        let floor = *self.floor(key);
        Captured {
            key,
            floor,
            epoch: self.epoch.load(Ordering::Acquire),
            sequence: self.tags.sequence(),
        }
    }

    /// Keeps a loaded value, unless something that concerns it has moved since the capture.
    ///
    /// `insert` runs under the floor's lock, before any invalidation of the key that is not over
    /// yet. It must be short, and must not come back to these versions: that would wait for itself.
    /// What it returns is handed on, so that a value that it pushes out is dropped outside the lock.
    ///
    /// # Errors
    ///
    /// [`Superseded`], and `insert` did not run. The value may be too old for readers that came
    /// after the capture; see [`Captured::serves`].
    pub fn publish<R>(
        &self,
        captured: &Captured,
        tags: &[u64],
        insert: impl FnOnce(Stamp) -> R,
    ) -> Result<R, Superseded> {
        let floor = self.floor(captured.key);
        let stamp = self.stamp(captured, *floor, tags)?;
        if !rule::on(Rule::OneStep) {
            drop(floor);
            return Ok(insert(stamp));
        }
        let result = insert(stamp);
        drop(floor);
        Ok(result)
    }

    /// Puts a value that a writer knows, because it has just written it. The capture comes before
    /// the write.
    ///
    /// Like an invalidation for every load in flight. `change` runs under the floor's lock, under
    /// the same rules as for [`publish`](Self::publish): with a stamp it inserts, with the reason
    /// why not it removes what is there. Of two writers of one key at the same time nobody knows
    /// here whose write came last, so only the first to come here is kept, and the second removes
    /// it.
    pub fn put<R>(
        &self,
        captured: &Captured,
        tags: &[u64],
        change: impl FnOnce(Result<Stamp, Superseded>) -> R,
    ) -> R {
        let mut floor = self.floor(captured.key);
        let stamp = self.stamp(captured, *floor, tags);
        if rule::on(Rule::PutMoves) {
            *floor = floor.wrapping_add(1);
        }
        let result = change(stamp);
        drop(floor);
        result
    }

    /// Makes every load of the key that is in flight lose, and removes what is there.
    ///
    /// `remove` runs under the floor's lock, under the same rules as for
    /// [`publish`](Self::publish). Once this returns, no value from before is current.
    pub fn invalidate<R>(&self, key: u64, remove: impl FnOnce() -> R) -> R {
        let mut floor = self.floor(key);
        // First, so that no load can publish should `remove` panic.
        *floor = floor.wrapping_add(1);
        let result = remove();
        drop(floor);
        result
    }

    /// Makes every entry and every load lose whose value carries this tag.
    pub fn bump_tag(&self, tag: u64) {
        self.tags.bump(tag);
    }

    /// Makes every entry and every load lose. The entries' memory is for the caller to free, at any
    /// time afterwards.
    pub fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether a value may be given to readers that came after the capture, though it is not to be
    /// kept.
    ///
    /// # Errors
    ///
    /// [`Superseded`] as for [`publish`](Self::publish).
    pub fn check(&self, captured: &Captured, tags: &[u64]) -> Result<(), Superseded> {
        let floor = self.floor(captured.key);
        self.unmoved(captured, *floor)?;
        match tags.iter().any(|tag| self.tags.bumped_since(*tag, captured.sequence)) {
            true => Err(Superseded::Tag),
            false => Ok(()),
        }
    }

    /// Whether it is of use for a reader that comes now to wait for the load that captured this. If
    /// not, the load's value is superseded already, and the reader would have to load again after
    /// it. This saves the wait; what keeps the old value from the reader is that the load will not
    /// be published.
    #[must_use]
    pub fn may_join(&self, captured: &Captured) -> bool {
        let floor = self.floor(captured.key);
        self.unmoved(captured, *floor).is_ok()
    }

    /// Forgets the tags that no entry carries any more. It happens by itself as tags come; this is
    /// for a cache that has just dropped many entries.
    pub fn forget_unused_tags(&self) {
        self.tags.sweep();
    }

    /// How many tags are remembered exactly.
    #[must_use]
    pub fn tags(&self) -> usize {
        self.tags.cells()
    }

    fn stamp(&self, captured: &Captured, floor: u64, tags: &[u64]) -> Result<Stamp, Superseded> {
        self.unmoved(captured, floor)?;
        let tags = tags.iter().map(|tag| self.tags.hold(*tag, captured.sequence));
        // The captured epoch, not the one of now: a clear at this very moment must be noticed.
        Ok(Stamp { epoch: captured.epoch, tags: tags.collect::<Result<_, _>>()? })
    }

    fn unmoved(&self, captured: &Captured, floor: u64) -> Result<(), Superseded> {
        if rule::on(Rule::KeyFloor) && floor != captured.floor {
            return Err(Superseded::Key);
        }
        if rule::on(Rule::Epoch) && self.epoch.load(Ordering::Acquire) != captured.epoch {
            return Err(Superseded::Clear);
        }
        Ok(())
    }

    fn floor(&self, key: u64) -> MutexGuard<'_, u64> {
        // A number is whole at any time, also if an `insert` panicked under the lock.
        self.keys[spread(key, FLOORS)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Captured {
    /// Whether a value that was superseded may be given to a reader who captured `reader` when it
    /// came: nothing at all had moved between the two captures.
    #[must_use]
    pub fn serves(&self, reader: &Self) -> bool {
        !rule::on(Rule::Share) || self == reader
    }
}

impl Stamp {
    /// Whether an entry may be served, as far as clears and tags are concerned. An invalidated key
    /// has no entry.
    #[inline]
    #[must_use]
    pub fn is_current(&self, versions: &Versions) -> bool {
        (self.epoch == versions.epoch.load(Ordering::Acquire) || !rule::on(Rule::Epoch))
            && (self.tags.iter().all(|(cell, version)| cell.version() == *version)
                || !rule::on(Rule::TagCell))
    }
}

/// A place for a hash that may be poor in its low bits or in its high ones.
fn spread(hash: u64, places: usize) -> usize {
    // The high half of a product with the golden ratio depends on all bits. Less than 2^32 fits.
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    usize::try_from(mixed).unwrap_or_default() % places
}
