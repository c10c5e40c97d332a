//! Figures of a cache. Every `cfg` for metrics and events is in this file.
//!
//! The cache counts for itself, and [`Stats`] shows it. What goes to the `metrics` facade are the
//! same numbers, taken over whenever something happens that costs more than a hit, and every so many
//! hits: a hit must not pay for a recorder.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::bus::BusError;
use crate::cache::{Cached, Status, Why};
use crate::engine::{TooHeavy, Usage};
use crate::envelope::{Oversize, Unreadable};
use crate::error::LoadError;
use crate::key::Space;
use crate::store::StoreError;
use crate::version::Superseded;

/// A handle to a cache's figures.
#[derive(Clone)]
pub(crate) struct Telemetry {
    shared: Arc<Shared>,
}

struct Shared {
    cache: Arc<str>,
    headroom: f64,
    counts: Counts,
}

/// Figures since the cache was built.
///
/// Counts are each exact; read while others go on, they are not of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Reads answered from memory.
    pub hits: u64,
    /// Reads answered by a value past its ttl.
    pub stale: u64,
    /// Reads answered by the second level.
    pub l2_hits: u64,
    /// Reads whose own load found the value.
    pub loaded: u64,
    /// Reads that waited for a load that another had begun.
    pub joined: u64,
    /// Reads whose answer was that there is no value. They are counted above as well.
    pub negative: u64,
    /// Requests that a [`CacheLayer`](crate::CacheLayer) sent past the cache.
    pub bypassed: u64,
    /// Reads that ended with an error.
    pub errors: u64,
    /// Calls of a loader.
    pub loads: u64,
    /// Calls of a loader that failed, panicked or took too long.
    pub failed_loads: u64,
    /// Time that calls of a loader took, in nanoseconds.
    pub load_nanos: u64,
    /// Loads whose value was not kept, because something was invalidated meanwhile.
    pub superseded: u64,
    /// Keys, tags and clears that were invalidated here.
    pub invalidated: u64,
    /// The same, by other processes.
    pub told: u64,
    /// How often the whole memory was taken for old, because a message may have been lost.
    pub missed: u64,
    /// Values at the second level that were filled.
    pub filled: u64,
    /// Values that the second level refused, because something was invalidated meanwhile.
    pub refused: u64,
    /// Values at the second level that could not be read.
    pub unreadable: u64,
    /// Calls to the second level that failed.
    pub store_errors: u64,
    /// Messages to other processes that could not be sent.
    pub bus_errors: u64,
    /// Times that a load waited for another process's.
    pub waited: u64,
    /// Values that were too heavy, too large or had too many tags to be kept.
    pub too_heavy: u64,
    /// Loads that are under way.
    pub in_flight: usize,
    /// Values in memory.
    pub entries: usize,
    /// The sum of their weights.
    pub weight: usize,
    /// What that sum stays below.
    pub capacity: usize,
    /// Absences in memory.
    pub absences: usize,
}

macro_rules! counts {
    ($($name:ident)*) => {
        #[derive(Default)]
        struct Counts {
            $($name: AtomicU64,)*
        }

        impl Counts {
            fn stats(&self) -> Stats {
                Stats { $($name: self.$name.load(Ordering::Relaxed),)* ..Stats::default() }
            }
        }
    };
}

counts!(
    hits stale l2_hits loaded joined negative bypassed errors loads failed_loads load_nanos superseded
    invalidated told missed filled refused unreadable store_errors bus_errors waited too_heavy
);

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Telemetry {
    pub(crate) fn new(space: &Space, headroom: f64) -> Self {
        let counts = Counts::default();
        Self { shared: Arc::new(Shared { cache: space.name().into(), headroom, counts }) }
    }

    fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    pub(crate) fn stats(&self, values: Usage, absences: Usage, in_flight: usize) -> Stats {
        Stats {
            in_flight,
            entries: values.entries,
            weight: values.weight,
            capacity: values.capacity,
            absences: absences.entries,
            ..self.counts().stats()
        }
    }

    #[inline]
    pub(crate) fn answered(&self, status: Status) {
        let counts = self.counts();
        let count = match status {
            Status::L1 => &counts.hits,
            Status::L2 => &counts.l2_hits,
            Status::Loaded => &counts.loaded,
            Status::Joined => &counts.joined,
            Status::Stale(Why::Revalidating | Why::SlowLoad | Why::FailedLoad) => &counts.stale,
            Status::Written => return,
        };
        add(count, 1);
    }

    pub(crate) fn resolved<V>(&self, answer: &Result<Cached<V>, LoadError>) {
        match answer {
            Ok(cached) => {
                self.answered(cached.status());
                if cached.is_negative() {
                    add(&self.counts().negative, 1);
                }
            }
            Err(_) => add(&self.counts().errors, 1),
        }
    }

    pub(crate) fn bypassed(&self) {
        add(&self.counts().bypassed, 1);
    }

    pub(crate) fn load_began(&self) {
        add(&self.counts().loads, 1);
    }

    pub(crate) fn load_ended(&self, took: Duration, error: Option<&LoadError>) {
        add(&self.counts().load_nanos, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if error.is_some() {
            add(&self.counts().failed_loads, 1);
        }
    }

    pub(crate) fn superseded(&self, _: Superseded) {
        add(&self.counts().superseded, 1);
    }

    pub(crate) fn invalidated(&self, changes: usize) {
        add(&self.counts().invalidated, changes as u64);
    }

    pub(crate) fn told(&self) {
        add(&self.counts().told, 1);
    }

    pub(crate) fn missed(&self) {
        add(&self.counts().missed, 1);
    }

    pub(crate) fn filled(&self) {
        add(&self.counts().filled, 1);
    }

    pub(crate) fn fill_refused(&self) {
        add(&self.counts().refused, 1);
    }

    pub(crate) fn waited(&self, loads: usize) {
        add(&self.counts().waited, loads as u64);
    }

    pub(crate) fn unreadable(&self, _: Unreadable) {
        add(&self.counts().unreadable, 1);
    }

    pub(crate) fn undecodable(&self) {
        add(&self.counts().unreadable, 1);
    }

    pub(crate) fn store_failed(&self, _: &StoreError) {
        add(&self.counts().store_errors, 1);
    }

    pub(crate) fn bus_failed(&self, _: &BusError) {
        add(&self.counts().bus_errors, 1);
    }

    pub(crate) fn too_heavy(&self, _: TooHeavy) {
        add(&self.counts().too_heavy, 1);
    }

    pub(crate) fn oversize(&self, _: Oversize) {
        add(&self.counts().too_heavy, 1);
    }

    pub(crate) fn too_many_tags(&self, _: usize) {
        add(&self.counts().too_heavy, 1);
    }

    pub(crate) fn unencodable(&self, _: &(dyn std::error::Error + Send + Sync)) {
        add(&self.counts().too_heavy, 1);
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("cache", &self.shared.cache)
            .field("headroom", &self.shared.headroom)
            .finish_non_exhaustive()
    }
}
