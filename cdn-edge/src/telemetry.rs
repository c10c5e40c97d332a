//! What an edge counts and tells. Every `cfg` for metrics and tracing is in this file and in the folder beside it.
//!
//! The edge counts for itself, and [`Stats`] shows it. The `metrics` facade gets the same numbers, handed over by
//! whatever request is the first of a second, and whenever somebody looks: a hit pays for two additions in memory of
//! its own thread, and for no recorder.
//!
#![doc = include_str!("telemetry/METRICS.md")]

mod counts;
mod health;
#[cfg(feature = "metrics")]
mod recorded;
mod rule;
mod top;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use counts::PurgeKind;
pub use counts::{Decision, Outcome};
pub use top::TopMiss;

use self::counts::Counts;
use self::health::Health;
use self::top::Top;
use crate::key::Key;
use crate::purge::{Mode, Sequence};
use crate::semantics::Reason;

/// How many keys are counted of those that are not found.
const TOP: usize = 256;
/// Milliseconds between two times that the recorder hears of everything.
#[cfg(feature = "metrics")]
const HAND_OVER: u64 = 1000;

/// What an edge has done and holds.
///
/// Counts are each exact; read while requests go on, they are not of one moment. A request that was dropped before
/// its answer began is in none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Answers from the store.
    pub hits: u64,
    /// Of these, stale ones.
    pub stale: u64,
    /// Answers of the origin.
    pub misses: u64,
    /// Of these, the ones that were not stored. Requests that were passed on are not among them: their answers
    /// were never to be stored.
    pub unstored: u64,
    /// Answers shared with another request that had asked the origin.
    pub collapsed: u64,
    /// Answers that the edge made itself because there was no other, and requests that had none.
    pub failures: u64,
    /// Requests to the origin.
    pub origin_requests: u64,
    /// Of these, failed ones: without an answer, or with 500, 502, 503 or 504.
    pub origin_failures: u64,
    /// Whether the last five requests to the origin, or more, have all failed.
    pub origin_down: bool,
    /// Bytes of bodies that came from the origin, to be stored or passed on.
    pub origin_bytes: u64,
    /// Bytes of bodies for clients, from the store or passed on. A body whose length is known counts when its
    /// answer begins, another one as it goes.
    pub served_bytes: u64,
    /// Responses stored.
    pub stored: u64,
    /// Purges.
    pub purges: u64,
    /// Keys that were forgotten to make room.
    pub evictions: u64,
    /// Keys in memory.
    pub objects: usize,
    /// Bytes in memory.
    pub bytes: u64,
    /// Bytes that the memory may hold.
    pub capacity: u64,
    /// Requests to the origin that others may join, at the moment.
    pub in_flight: usize,
}

/// What is to be seen of the memory and the flights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holdings {
    pub(crate) objects: usize,
    pub(crate) bytes: u64,
    pub(crate) capacity: u64,
    pub(crate) evictions: u64,
    pub(crate) in_flight: usize,
}

/// What an edge tells the outside.
pub(crate) struct Telemetry {
    name: Arc<str>,
    counts: Counts,
    // Taken by misses only, for a look at a table of a few hundred keys.
    top: Mutex<Top>,
    health: Health,
    /// Purges that had made the table forget, at the last event about it.
    forgotten: AtomicU64,
    #[cfg(feature = "metrics")]
    due: Due,
    #[cfg(feature = "metrics")]
    recorded: std::sync::OnceLock<recorded::Recorded>,
}

/// Read by every hit and written once a second: no count is its neighbour.
#[cfg(feature = "metrics")]
#[derive(Default)]
#[repr(align(128))]
struct Due(AtomicU64);

impl Telemetry {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            counts: Counts::new(),
            top: Mutex::new(Top::new(TOP)),
            health: Health::default(),
            forgotten: AtomicU64::new(0),
            #[cfg(feature = "metrics")]
            due: Due::default(),
            #[cfg(feature = "metrics")]
            recorded: std::sync::OnceLock::new(),
        }
    }

    /// A request was answered from the store.
    #[inline]
    pub(crate) fn hit(&self, reason: Reason, bytes: u64) {
        self.counts.hit(reason, bytes);
    }

    /// The origin is asked for what a client wants and was not found under this key.
    pub(crate) fn wanted(&self, key: &Key, reason: Reason) {
        self.top().missed(key.hash(), key.bytes(), reason);
    }

    /// What the origin was asked for will not be found the next time either.
    pub(crate) fn not_found_again(&self, key: &Key, reason: Reason) {
        self.top().explained(key.hash(), reason);
    }

    /// A request was answered by the origin.
    pub(crate) fn missed(&self, reason: Reason, unstored: Option<Reason>) {
        self.counts.count(Outcome::Miss, reason);
        if let Some(unstored) = unstored {
            self.counts.count(Outcome::Unstored, unstored);
        }
    }

    /// A request shared another's answer.
    pub(crate) fn collapsed(&self, reason: Reason) {
        self.counts.count(Outcome::Collapsed, reason);
    }

    /// The edge answered by itself, or could not.
    pub(crate) fn failed(&self, reason: Reason) {
        self.counts.count(Outcome::Failure, reason);
    }

    /// Bytes are on their way to a client.
    #[inline]
    pub(crate) fn served(&self, bytes: u64) {
        self.counts.served(bytes);
    }

    /// The origin is asked.
    pub(crate) fn asked(&self) {
        self.counts.origin_requests.fetch_add(1, Relaxed);
    }

    /// The origin answered, and not that it is in trouble.
    pub(crate) fn origin_answered(&self) {
        if self.health.answered() {
            #[cfg(feature = "tracing")]
            tracing::info!(edge = %self.name, "the origin answers again");
        }
    }

    /// The origin failed.
    pub(crate) fn origin_failed(&self) {
        self.counts.origin_failures.fetch_add(1, Relaxed);
        if self.health.failed() {
            #[cfg(feature = "tracing")]
            tracing::warn!(edge = %self.name, "the origin fails, and has not answered for some requests");
        }
    }

    /// Counts a body that comes from the origin, under the hash of its key if it has one.
    pub(crate) fn meter(self: &Arc<Self>, key: Option<u128>) -> Meter {
        Meter { telemetry: Arc::clone(self), key, got: 0 }
    }

    /// A response was stored.
    pub(crate) fn stored(&self) {
        self.counts.stored.fetch_add(1, Relaxed);
    }

    /// An answer of the origin named a group that is of the past.
    pub(crate) fn group_outdated(&self) {
        self.counts.purged(PurgeKind::Group);
    }

    /// An operator has purged something. `forgotten` is how many purges are no longer remembered one by one.
    pub(crate) fn purged(
        &self,
        kind: PurgeKind,
        target: &str,
        mode: Mode,
        number: Sequence,
        forgotten: u64,
    ) {
        self.counts.purged(kind);
        let before = self.forgotten.fetch_max(forgotten, Relaxed);
        #[cfg(feature = "tracing")]
        {
            tracing::info!(edge = %self.name, kind = kind.as_str(), target = ?target, ?mode, %number, "purged");
            // At the first one, and when there are twice as many: with a table that is full, every purge is one.
            if forgotten.checked_ilog2() > before.checked_ilog2() {
                tracing::warn!(
                    edge = %self.name, forgotten,
                    "more was purged than is remembered; what was fetched before that counts as purged too"
                );
            }
        }
        let _ = (target, mode, number, before);
    }

    /// Every decision that was taken.
    pub(crate) fn decisions(&self) -> Vec<Decision> {
        let each = |outcome| {
            Reason::ALL.into_iter().map(move |reason| {
                let count = self.counts.decided(outcome, reason);
                Decision { outcome, reason, count }
            })
        };
        Outcome::ALL.into_iter().flat_map(each).filter(|decision| decision.count > 0).collect()
    }

    /// What is asked for most and not found.
    pub(crate) fn top_misses(&self, most: usize) -> Vec<TopMiss> {
        self.top().list(most)
    }

    pub(crate) fn stats(&self, holdings: Holdings) -> Stats {
        let counts = &self.counts;
        let hits = counts.total(Outcome::Hit);
        Stats {
            hits,
            stale: hits.saturating_sub(counts.decided(Outcome::Hit, Reason::Fresh)),
            misses: counts.total(Outcome::Miss),
            unstored: counts.total(Outcome::Unstored),
            collapsed: counts.total(Outcome::Collapsed),
            failures: counts.total(Outcome::Failure),
            origin_requests: counts.origin_requests.load(Relaxed),
            origin_failures: counts.origin_failures.load(Relaxed),
            origin_down: self.health.is_down(),
            origin_bytes: counts.origin_bytes.load(Relaxed),
            served_bytes: counts.served_bytes(),
            stored: counts.stored.load(Relaxed),
            purges: PurgeKind::ALL.iter().map(|kind| counts.purges(*kind)).sum(),
            evictions: holdings.evictions,
            objects: holdings.objects,
            bytes: holdings.bytes,
            capacity: holdings.capacity,
            in_flight: holdings.in_flight,
        }
    }

    /// Whether it is time to hand over, by a clock in milliseconds. One caller a second is told so.
    #[inline]
    pub(crate) fn is_due(&self, tick: u64) -> bool {
        #[cfg(feature = "metrics")]
        {
            let due = self.due.0.load(Relaxed);
            tick >= due
                && self.due.0.compare_exchange(due, tick + HAND_OVER, Relaxed, Relaxed).is_ok()
        }
        #[cfg(not(feature = "metrics"))]
        {
            let _ = tick;
            false
        }
    }

    /// Tells the recorder everything.
    pub(crate) fn hand_over(&self, stats: &Stats) {
        #[cfg(feature = "metrics")]
        self.recorded.get_or_init(|| recorded::Recorded::new(&self.name)).all(&self.counts, stats);
        let _ = stats;
    }

    fn top(&self) -> MutexGuard<'_, Top> {
        // Counts that a panic left behind are as good as others.
        self.top.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Counts the bytes of one body that comes from the origin.
#[derive(Debug)]
pub(crate) struct Meter {
    telemetry: Arc<Telemetry>,
    key: Option<u128>,
    got: u64,
}

impl Meter {
    /// So many have come.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.got += bytes as u64;
        self.telemetry.counts.origin_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// So many have come, and go on to a client.
    pub(crate) fn passed(&mut self, bytes: usize) {
        self.received(bytes);
        self.telemetry.served(bytes as u64);
    }
}

/// The table of what is not found is locked once a body, not once a frame.
impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(key) = self.key.filter(|_| self.got > 0) {
            self.telemetry.top().received(key, self.got);
        }
    }
}
