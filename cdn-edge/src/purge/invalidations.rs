use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use super::rule::{self, Rule};
use super::table::Table;
use super::{Marks, Mode, Sequence, Tags, Target, Verdict};

/// How much is remembered one by one. What is older than that is purged with everything as old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many purged tags; 65,536, about 5 MiB. With a purge a second of a new tag each, an
    /// object that was fetched 18 hours ago is fetched again.
    pub tags: usize,
    /// How many purged prefixes; 256, since every one that is new is compared with the URL.
    pub prefixes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tags: 65_536, prefixes: 256 }
    }
}

/// What happened, and what is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Purges so far.
    pub purges: u64,
    /// Tags that are remembered.
    pub tags: usize,
    /// Prefixes that are remembered.
    pub prefixes: usize,
    /// Tags that were forgotten; objects fetched before their purges went with them.
    pub forgotten_tags: u64,
    /// Prefixes that were forgotten; objects fetched before their purges went with them.
    pub forgotten_prefixes: u64,
}

/// All purges of one cache.
///
/// Shared by whoever fetches, serves and purges, behind an `Arc`.
#[derive(Debug)]
pub struct Invalidations {
    /// The number of the last purge. Moves under the table's lock, when the table is written.
    last: AtomicU64,
    table: RwLock<Table>,
    tags: Tags,
}

impl Invalidations {
    /// Nothing was purged yet. The seed is for the tags.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            last: AtomicU64::new(0),
            table: RwLock::new(Table::new(limits)),
            tags: Tags::new(seed),
        }
    }

    /// What makes this cache's tags.
    #[must_use]
    pub fn tags(&self) -> Tags {
        self.tags
    }

    /// The number of the last purge. A fetch takes it *before* the origin is asked.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Sequence {
        Sequence(self.last.load(Ordering::Acquire))
    }

    /// Purges, and says under which number. Once this returns, no [`verdict`](Self::verdict) finds
    /// an object valid that the target concerns and whose fetch began before.
    ///
    /// One write for a tag and for everything; for a prefix a comparison with each one that is
    /// remembered.
    pub fn purge(&self, target: &Target, mode: Mode) -> Sequence {
        if !rule::on(Rule::PublishLast) {
            return self.publish_first(target, mode);
        }
        // A purge does nothing that could panic between two writes, so a table is whole at any
        // time.
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let number = self.last.load(Ordering::Relaxed) + 1;
        let rest = table.purge(number, target, mode);
        self.last.store(number, Ordering::Release);
        drop(table);
        drop(rest);
        Sequence(number)
    }

    /// What the purges say of an object.
    ///
    /// One load and one comparison if nothing was purged since it was last found valid. Else the
    /// tags are looked up, and the new prefixes compared.
    #[inline]
    #[must_use]
    pub fn verdict(&self, marks: &Marks) -> Verdict {
        if marks.checked() >= self.last.load(Ordering::Acquire) {
            return Verdict::Valid;
        }
        self.look_up(marks)
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        Counts {
            purges: self.last.load(Ordering::Relaxed),
            tags: table.tags(),
            prefixes: table.prefixes(),
            forgotten_tags: table.forgotten_tags,
            forgotten_prefixes: table.forgotten_prefixes,
        }
    }

    #[cold]
    fn look_up(&self, marks: &Marks) -> Verdict {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that it is the number of the last purge that this table knows.
        let number = self.last.load(Ordering::Relaxed);
        let verdict = table.verdict(marks);
        drop(table);
        if verdict == Verdict::Valid || !rule::on(Rule::OnlyValid) {
            marks.remember(number);
        }
        verdict
    }

    /// What [`Rule::PublishLast`] guards against: who asks between the two lines finds nothing, and
    /// remembers that.
    #[cold]
    fn publish_first(&self, target: &Target, mode: Mode) -> Sequence {
        let number = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        std::thread::yield_now();
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.purge(number, target, mode);
        Sequence(number)
    }

    #[cfg(test)]
    pub(super) fn order(&self) -> usize {
        self.table.read().unwrap().order()
    }
}
